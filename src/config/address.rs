//! Addresses as people type them. No message quotes one: a login may be in it.

use std::net::{IpAddr, Ipv6Addr};

use url::{Host, Url};

/// A reader's address: a bare IP or name, with or without port, `http://`, a path prefix or the whole `/cm?cmnd=…` from a
/// browser. What comes out has neither `/cm` nor a query.
pub(super) fn reader(text: &str) -> Result<Url, String> {
    let mut url = web(text, "http://192.168.1.40", "user and password")?;
    let has_login = url
        .query_pairs()
        .any(|(name, _)| matches!(name.to_ascii_lowercase().as_str(), "user" | "password"));
    if has_login {
        return Err(login("user and password"));
    }
    let prefix = url.path().trim_end_matches('/');
    let prefix = prefix.strip_suffix("/cm").unwrap_or(prefix).to_owned();
    url.set_path(&prefix);
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// A rapidM2M backend's address, with a closing slash: paths are joined to it.
pub(super) fn backend(text: &str, login_keys: &str) -> Result<Url, String> {
    let mut url = web(text, "https://backend.example/api/1/", login_keys)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("ends in `?…` or `#…`; write it up to `/api/1/` only".to_owned());
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// A Cosmos DB account's address, with a closing slash. Plain http is for an emulator on this machine.
pub(super) fn account(text: &str) -> Result<String, String> {
    const FORM: &str = "https://account.documents.azure.com/";
    if text.to_ascii_lowercase().contains("accountkey=") {
        return Err(format!(
            "is a connection string; write its AccountEndpoint, such as `{FORM}`, and the key as COSMOS_KEY"
        ));
    }
    let url = web(text, FORM, "COSMOS_KEY")?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("has a path; write the account only: `{FORM}`"));
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(format!(
            "is plain http, which only an emulator on this machine may be; write `{FORM}`"
        ));
    }
    Ok(url.into())
}

/// A host name, lower-cased; `https://` before and `/` after it are forgiven. With `port`, `host:port` is one, too.
pub(super) fn host(text: &str, port: bool) -> Result<String, String> {
    let bare = text.trim().trim_end_matches('/');
    let bare = bare.strip_prefix("https://").unwrap_or(bare).to_ascii_lowercase();
    let (name, given) = match bare.rsplit_once(':') {
        Some((name, digits)) if port => (name, Some(digits)),
        _ => (bare.as_str(), None),
    };
    let name_is_right = !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
    let port_is_right = given.is_none_or(|digits| digits.parse::<u16>().is_ok_and(|p| p != 0));
    if name_is_right && port_is_right {
        return Ok(bare);
    }
    Err(if port {
        "is not `host` or `host:port`".to_owned()
    } else {
        "is not a host name such as `yourhub.azure-devices.net`".to_owned()
    })
}

/// Whether `url` is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Whether `url` can only be reached on a local network.
pub(super) fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => !name.contains('.') || name.ends_with(".local") || is_loopback(url),
        Some(Host::Ipv4(ip)) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        None => false,
    }
}

fn web(text: &str, form: &str, login_keys: &str) -> Result<Url, String> {
    let text = text.trim();
    let whole = match text.split_once("://") {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => {
            text.to_owned()
        }
        Some((scheme, _))
            if scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'-') =>
        {
            return Err(format!(
                "begins with `{scheme}://`; only http and https are spoken: `{form}`"
            ));
        }
        _ if text.parse::<Ipv6Addr>().is_ok() => format!("http://[{text}]"),
        _ if form.starts_with("https") && text.parse::<IpAddr>().is_err() => format!("https://{text}"),
        _ => format!("http://{text}"),
    };
    let url = Url::parse(&whole).map_err(|error| format!("is not an address ({error}); write `{form}`"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(login(login_keys));
    }
    if url.host_str().is_none_or(str::is_empty) || url.cannot_be_a_base() {
        return Err(format!("has no host; write `{form}`"));
    }
    Ok(url)
}

fn login(keys: &str) -> String {
    format!("holds a login; take it out of the address and give it as {keys}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{account, backend, host, is_private, reader};

    #[test]
    fn a_readers_address_in_all_its_forms() {
        for (text, expected) in [
            ("192.168.1.40", "http://192.168.1.40/"),
            ("192.168.1.40:8080", "http://192.168.1.40:8080/"),
            ("tasmota-1234.local", "http://tasmota-1234.local/"),
            ("tasmota:81", "http://tasmota:81/"),
            ("http://192.168.1.40", "http://192.168.1.40/"),
            ("HTTP://192.168.1.40/", "http://192.168.1.40/"),
            ("http://192.168.1.40/cm?cmnd=Status%2010", "http://192.168.1.40/"),
            ("192.168.1.40/cm?cmnd=status+10#x", "http://192.168.1.40/"),
            ("https://tunnel.example/meter/cm", "https://tunnel.example/meter"),
            ("https://tunnel.example/meter/", "https://tunnel.example/meter"),
            ("fd00::1", "http://[fd00::1]/"),
            ("[fd00::1]:8080", "http://[fd00::1]:8080/"),
            ("  192.168.1.40 ", "http://192.168.1.40/"),
        ] {
            assert_eq!(reader(text).map(String::from).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_said_without_the_login() {
        for (text, expected) in [
            ("ftp://192.168.1.40", "`ftp://`"),
            ("mqtt://broker", "`mqtt://`"),
            ("http://admin:hunter2@192.168.1.40", "login"),
            ("admin:hunter2@192.168.1.40", "login"),
            ("192.168.1.40/cm?user=admin&password=hunter2&cmnd=Status", "login"),
            ("", "not an address"),
            ("http://", "not an address"),
            ("192.168.1.40:notaport", "not an address"),
            ("a b", "not an address"),
        ] {
            let fault = reader(text).err().unwrap_or_default();
            assert!(
                fault.contains(expected) && !fault.contains("hunter2"),
                "{text}: {fault}"
            );
        }
    }

    #[test]
    fn a_backends_address_ends_in_a_slash() {
        for (text, expected) in [
            (
                "https://poc.microtronics.at/api/1/",
                "https://poc.microtronics.at/api/1/",
            ),
            (
                "https://poc.microtronics.at/api/1",
                "https://poc.microtronics.at/api/1/",
            ),
            ("poc.microtronics.at/api/1", "https://poc.microtronics.at/api/1/"),
            ("http://127.0.0.1:8083/api/1", "http://127.0.0.1:8083/api/1/"),
        ] {
            assert_eq!(
                backend(text, "basic").map(String::from).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
        assert!(backend("https://b.example/api/1/?json=%7B%7D", "basic").is_err());
    }

    #[test]
    fn an_account_is_https_or_on_this_machine() {
        let good = "https://a.documents.azure.com/";
        assert_eq!(account("https://a.documents.azure.com:443/").as_deref(), Ok(good));
        assert_eq!(account("a.documents.azure.com").as_deref(), Ok(good));
        assert_eq!(
            account("http://localhost:8081").as_deref(),
            Ok("http://localhost:8081/")
        );
        assert!(account("http://a.documents.azure.com").is_err());
        assert!(account("https://a.documents.azure.com/dbs/x").is_err());
        let fault = account("AccountEndpoint=https://a/;AccountKey=c2VjcmV0;")
            .err()
            .unwrap_or_default();
        assert!(
            fault.contains("connection string") && !fault.contains("c2VjcmV0"),
            "{fault}"
        );
    }

    #[test]
    fn a_host_is_a_name_alone() {
        assert_eq!(
            host("https://Hub.azure-devices.net/", false).as_deref(),
            Ok("hub.azure-devices.net")
        );
        assert_eq!(host("127.0.0.1:8443", true).as_deref(), Ok("127.0.0.1:8443"));
        for (text, port) in [
            ("hub.net:443", false),
            ("hub/path", true),
            ("", true),
            ("hub:0", true),
            ("hub:x", true),
            ("a..b", false),
        ] {
            assert!(host(text, port).is_err(), "{text}");
        }
    }

    #[test]
    fn private_addresses_are_known() {
        for (text, expected) in [
            ("192.168.1.40", true),
            ("10.0.0.1", true),
            ("127.0.0.1", true),
            ("reader", true),
            ("reader.local", true),
            ("[fd00::1]", true),
            ("tunnel.example", false),
            ("203.0.113.9", false),
        ] {
            assert_eq!(reader(text).map(|url| is_private(&url)), Ok(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = reader(&text);
            let _ = backend(&text, "basic");
            let _ = account(&text);
            let _ = host(&text, true);
        }

        #[test]
        fn what_is_normalised_stays_so(text in "[a-z0-9.]{1,12}(:[0-9]{1,4})?(/[a-z]{1,4}){0,3}") {
            if let Ok(url) = reader(&text) {
                prop_assert_eq!(reader(url.as_str()), Ok(url));
            }
        }
    }
}
