use std::fmt;

use url::{Host, Url};

use super::SetupError;

/// Where to connect: scheme, host and port.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::forward) struct Endpoint {
    /// `https://contoso.azure-devices.net`, without a slash at its end.
    base: String,
}

impl Endpoint {
    /// Reads `host`, `host:port`, `https://host:port` or, on loopback, `http://host:port`.
    pub(in crate::forward) fn parse(text: &str) -> Result<Self, SetupError> {
        let text = text.trim();
        let bare = text.strip_suffix('/').unwrap_or(text);
        if let Some(rest) = bare.strip_prefix("http://") {
            let url = origin("http", rest, text)?;
            let local = match url.host() {
                Some(Host::Domain(name)) => name == "localhost",
                Some(Host::Ipv4(address)) => address.is_loopback(),
                Some(Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            };
            if !local {
                return Err(SetupError::PlainHttp { text: shown(text) });
            }
            return Ok(Self::of("http", rest));
        }
        Self::named(bare.strip_prefix("https://").unwrap_or(bare))
    }

    /// A bare host name, with a port or without, reached by TLS: a hub that DPS has named.
    pub(in crate::forward) fn named(name: &str) -> Result<Self, SetupError> {
        let _ = origin("https", name, name)?;
        Ok(Self::of("https", name))
    }

    /// The URL of a path that begins with a slash and is encoded already.
    pub(in crate::forward) fn url(&self, path: &str) -> Option<Url> {
        let url = Url::parse(&format!("{}{path}", self.base)).ok()?;
        // Segments such as `..` would lead elsewhere than the token says.
        let asked = path.split_once('?').map_or(path, |(path, _)| path);
        (url.path() == asked).then_some(url)
    }

    /// `host:port`, for messages.
    pub(in crate::forward) fn host(&self) -> &str {
        self.base.split_once("://").map_or("", |(_, host)| host)
    }

    fn of(scheme: &str, host: &str) -> Self {
        Self {
            base: format!("{scheme}://{host}"),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

/// Lets the URL parser judge the host and port; nothing else may be there.
fn origin(scheme: &str, host: &str, text: &str) -> Result<Url, SetupError> {
    let wrong = || SetupError::Endpoint { text: shown(text) };
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    if host.is_empty() || !host.chars().all(plain) {
        return Err(wrong());
    }
    Url::parse(&format!("{scheme}://{host}/")).map_err(|_| wrong())
}

/// A text with an `@` or `=` may hold a login or a key.
fn shown(text: &str) -> String {
    if text.contains(['@', '=']) {
        "***".into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn takes_hosts_and_ports_and_nothing_else() {
        let check = |text: &str, expected: Option<&str>| {
            let endpoint = Endpoint::parse(text).ok();
            assert_eq!(endpoint.map(|e| e.base), expected.map(String::from), "{text}");
        };
        check(
            "contoso.azure-devices.net",
            Some("https://contoso.azure-devices.net"),
        );
        check(
            " https://contoso.azure-devices.net/ ",
            Some("https://contoso.azure-devices.net"),
        );
        check("localhost:8443", Some("https://localhost:8443"));
        check("[::1]:8443", Some("https://[::1]:8443"));
        check("http://127.0.0.1:80", Some("http://127.0.0.1:80"));
        check("http://localhost:8080/", Some("http://localhost:8080"));
        check("http://[::1]:8080", Some("http://[::1]:8080"));
        check("http://contoso.azure-devices.net", None);
        check("http://localhost.example", None);
        check("", None);
        check("https://", None);
        check("host/path", None);
        check("host?x", None);
        check("user:secret@host", None);
        check("host:99999", None);
        check("ftp://host", None);
        check("a b", None);
    }

    #[test]
    fn a_login_is_not_repeated() {
        let error = Endpoint::parse("https://user:secret@host").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"));
    }

    #[test]
    fn a_path_is_reached_as_written_or_not_at_all() {
        let endpoint = Endpoint::named("h").unwrap();
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(
                endpoint.url(path).map(String::from),
                expected.map(String::from),
                "{path}"
            );
        };
        check("/devices/a%2Fb/x?v=1", Some("https://h/devices/a%2Fb/x?v=1"));
        check("/devices/a.b/x", Some("https://h/devices/a.b/x"));
        check("/devices/../x", None);
        check("/devices/./x", None);
    }
}
