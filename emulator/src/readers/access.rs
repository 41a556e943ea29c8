use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;

use super::options::ReaderOptions;

/// The one user name that Tasmota knows (a build constant).
pub(crate) const USER: &str = "admin";

/// Which generation of firmware answers: they differ in how a caller logs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Firmware {
    /// Up to 8.2: login in the query alone; a refusal is **200** with a `WARNING` (Tasmota issue 8170).
    #[value(name = "8.2")]
    V8,
    /// After 8.2: login in the query alone (issue 2901); a refusal is 401.
    #[value(name = "9.5")]
    V9,
    /// Today: HTTP Basic first, then the query; a refusal is 401.
    #[default]
    #[value(name = "15.2")]
    V15,
}

impl Firmware {
    /// The version as `Status 2` and the `Server` header tell it.
    pub fn version(self) -> &'static str {
        match self {
            Self::V8 => "8.2.0",
            Self::V9 => "9.5.0",
            Self::V15 => "15.2.0",
        }
    }
}

/// The language that the firmware was built in; only texts for people are translated, keys never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// German.
    De,
}

/// What the device lets through before any login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Access {
    /// `WebServer 2`, `SetOption128 1`: `/cm` is answered.
    #[default]
    Api,
    /// `SetOption128 0`: a call whose `Referer` does not name the device is dropped without any HTTP reply.
    ApiOff,
    /// `WebServer 1`: `/cm` is answered by the HTML main page, with 200.
    UserMode,
    /// Setting up Wi-Fi: everything is redirected to the device's own access point.
    CaptivePortal,
}

/// A password. Its `Debug` shows nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The text, for comparing.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Password {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(hidden)")
    }
}

/// Whether a call with this `Referer` passes although `SetOption128` is off. As in the firmware, host name or address
/// must begin exactly after `http://`, in any case of letters; what follows is not looked at.
pub(super) fn refers_to_device(options: &ReaderOptions, referer: Option<&str>) -> bool {
    let begins_with = |text: &str, start: &str| {
        !start.is_empty()
            && text
                .get(..start.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    };
    let Some(named) = referer.and_then(|referer| referer.get(7..)) else {
        return false;
    };
    begins_with(named, &options.hostname) || begins_with(named, &options.address)
}

/// Whether the caller gave the right name and password in a way that this firmware understands.
pub(super) fn logged_in(
    options: &ReaderOptions,
    authorization: Option<&str>,
    user: Option<&str>,
    password: Option<&str>,
) -> bool {
    let wanted = options.password.reveal();
    if wanted.is_empty() {
        return true;
    }
    let basic = options.firmware == Firmware::V15
        && authorization.is_some_and(|header| is_basic(header, USER, wanted));
    basic || (user == Some(USER) && password == Some(wanted))
}

/// Whether an `Authorization` header is HTTP Basic with this user and password.
pub(crate) fn is_basic(header: &str, user: &str, password: &str) -> bool {
    let Some((scheme, credentials)) = header.split_once(' ') else {
        return false;
    };
    scheme.eq_ignore_ascii_case("basic")
        && STANDARD.decode(credentials.trim()).is_ok_and(|pair| {
            pair.strip_prefix(user.as_bytes())
                .and_then(|rest| rest.strip_prefix(b":"))
                == Some(password.as_bytes())
        })
}

/// The status and body of a refused login.
pub(super) fn refusal(options: &ReaderOptions) -> (u16, &'static str) {
    let status = if options.firmware == Firmware::V8 {
        200
    } else {
        401
    };
    let body = match options.language {
        Language::En => r#"{"WARNING":"Need user=<username>&password=<password>"}"#,
        Language::De => r#"{"WARNING":"Benötige user=<username>&password=<password>"}"#,
    };
    (status, body)
}

/// The body for a call without `cmnd`.
pub(super) fn command_wanted(language: Language) -> &'static str {
    match language {
        Language::En => r#"{"WARNING":"Enter command cmnd="}"#,
        Language::De => r#"{"WARNING":"Befehl cmnd= eingeben"}"#,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn each_generation_takes_its_own_login() {
        let check = |firmware, basic: Option<&str>, user, password, expected| {
            let options = ReaderOptions {
                firmware,
                password: "s3:cret".into(),
                ..ReaderOptions::default()
            };
            let basic = basic.map(header);
            assert_eq!(
                logged_in(&options, basic.as_deref(), user, password),
                expected,
                "{firmware:?} {basic:?} {user:?}"
            );
        };
        for firmware in [Firmware::V8, Firmware::V9, Firmware::V15] {
            check(firmware, None, None, None, false);
            check(firmware, None, Some("admin"), Some("s3:cret"), true);
            check(firmware, None, Some("admin"), Some("other"), false);
            check(firmware, None, Some("root"), Some("s3:cret"), false);
            check(
                firmware,
                Some("admin:s3:cret"),
                None,
                None,
                firmware == Firmware::V15,
            );
            check(
                firmware,
                Some("admin:wrong"),
                Some("admin"),
                Some("s3:cret"),
                true,
            );
            check(firmware, Some("admin:wrong"), None, None, false);
        }
    }

    #[test]
    fn a_referer_counts_when_the_device_stands_right_after_the_scheme() {
        let options = ReaderOptions {
            hostname: "tasmota-A1".into(),
            address: "10.0.0.7".into(),
            ..ReaderOptions::default()
        };
        let check = |referer, expected| {
            assert_eq!(refers_to_device(&options, referer), expected, "{referer:?}");
        };
        check(None, false);
        check(Some(""), false);
        check(Some("http://10.0.0.7/"), true);
        check(Some("http://10.0.0.7"), true);
        check(Some("http://TASMOTA-a1/cm"), true);
        check(Some("https://10.0.0.7/"), false);
        check(Some("http://user@10.0.0.7/"), false);
        check(Some("http://10.0.0.8/"), false);
        check(Some("10.0.0.7"), false);
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(format!("{:?}", Password::from("geheim")), "Password(hidden)");
    }
}
