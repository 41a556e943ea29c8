//! Which path means what.

use hyper::Method;

use super::devicebound::https::Settlement;
use super::token::decode;
use super::upload::https::Files;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Send a message or a batch.
    Send(String),
    /// Ask for a cloud-to-device message.
    Receive(String),
    /// Complete, abandon or reject one, by its lock.
    Settle(String, String, Settlement),
    /// Begin or end a file upload.
    Files(String, Files),
    /// A known path, another method.
    Method(String),
    /// Nothing here.
    Unknown,
}

impl Route {
    /// Reads method, path and query. Fixed words match in any letter case, since SDKs differ (`devicebound`,
    /// `deviceBound`); the device id is percent-decoded once and keeps its case.
    pub(super) fn of(method: &Method, path: &str, query: Option<&str>) -> Self {
        let mut segments = path.trim_start_matches('/').split('/');
        let mut word = || segments.next().unwrap_or_default().to_ascii_lowercase();
        if word() != "devices" {
            return Self::Unknown;
        }
        let mut segments = path.trim_start_matches('/').split('/').skip(1);
        let Some(device) = segments.next().and_then(decode) else {
            return Self::Unknown;
        };
        // Correlation ids keep their case, too.
        let correlation = segments.clone().nth(2).and_then(decode);
        let rest: Vec<String> = segments.map(str::to_ascii_lowercase).collect();
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        let rejects = query.unwrap_or_default().split('&').any(|word| {
            let name = word.split('=').next().unwrap_or_default();
            name.eq_ignore_ascii_case("reject")
        });
        match (rest.as_slice(), method) {
            (["messages", "events"], &Method::POST) => Self::Send(device),
            (["messages", "devicebound"], &Method::GET) => Self::Receive(device),
            (["messages", "devicebound", lock], &Method::DELETE) => {
                let settlement = if rejects {
                    Settlement::Reject
                } else {
                    Settlement::Complete
                };
                Self::Settle(device, (*lock).to_owned(), settlement)
            }
            (["messages", "devicebound", lock, "abandon"], &Method::POST) => {
                Self::Settle(device, (*lock).to_owned(), Settlement::Abandon)
            }
            (["files"], &Method::POST) => Self::Files(device, Files::Begin),
            (["files", "notifications"], &Method::POST) => Self::Files(device, Files::End(None)),
            (["files", "notifications", _], &Method::POST) => Self::Files(device, Files::End(correlation)),
            (["messages", "events" | "devicebound"], _)
            | (["files"] | ["files", "notifications"] | ["files", "notifications", _], _)
            | (["messages", "devicebound", _], _)
            | (["messages", "devicebound", _, "abandon"], _) => Self::Method(device),
            _ => Self::Unknown,
        }
    }

    /// The device that the path names.
    pub(super) fn device(&self) -> Option<&str> {
        match self {
            Self::Send(id)
            | Self::Receive(id)
            | Self::Settle(id, ..)
            | Self::Files(id, _)
            | Self::Method(id) => Some(id),
            Self::Unknown => None,
        }
    }
}

/// Whether a query carries a well-formed `api-version`: a date, and `-preview` perhaps. The hub knows a
/// fixed list; SDKs of every age are to be served here.
pub(crate) fn has_api_version(query: Option<&str>) -> bool {
    let version = query.unwrap_or_default().split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.eq_ignore_ascii_case("api-version").then_some(value)
    });
    version.is_some_and(|version| {
        let date = version.strip_suffix("-preview").unwrap_or(version);
        date.len() == 10 && chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").is_ok()
    })
}
