//! The addresses of the backend's REST interface, version 1. Never with a credential in them.
//!
//! Source: the vendor's node driver and browser snippet for the "BACKEND API". Each part of a path is percent-encoded by
//! itself, for customers may be e-mail addresses and sites may have spaces and slashes in their names. What a GET has to say
//! goes into one query parameter, `json`.

use url::Url;
use wire::percent;

use super::stamp;
use crate::source::Window;

/// Where one site's data is.
#[derive(Clone, Debug)]
pub struct Address {
    base: Url,
    customer: String,
    site: String,
    histdata: u8,
}

impl Address {
    /// Addresses below `base` (`https://backend.example/api/1/`). A user and password in it are dropped: they would be stored
    /// and shown with every request.
    #[must_use]
    pub fn new(mut base: Url, customer: &str, site: &str, histdata: u8) -> Self {
        // Only addresses without a host refuse this, and they hold no login.
        let _ = base.set_username("");
        let _ = base.set_password(None);
        base.set_query(None);
        base.set_fragment(None);
        let path = format!("{}/", base.path().trim_end_matches('/'));
        base.set_path(&path);
        Self {
            base,
            customer: encoded(customer),
            site: encoded(site),
            histdata,
        }
    }

    /// The backend itself, for messages.
    #[must_use]
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The login's own account.
    #[must_use]
    pub fn me(&self) -> Url {
        self.below("me")
    }

    /// All sites of the customer.
    #[must_use]
    pub fn sites(&self) -> Url {
        self.below(&format!("customers/{}/sites", self.customer))
    }

    /// The site: its name, device and state.
    #[must_use]
    pub fn site(&self) -> Url {
        self.below(&format!("customers/{}/sites/{}", self.customer, self.site))
    }

    /// Titles and units of the site's fields.
    #[must_use]
    pub fn blueprint(&self) -> Url {
        self.below(&format!(
            "customers/{}/sites/{}/blueprint",
            self.customer, self.site
        ))
    }

    /// The time series: the values of `select`, in this order, in `window`.
    #[must_use]
    pub fn series(&self, select: &[&str], window: Window) -> Url {
        let Self { customer, site, .. } = self;
        let mut path = format!("customers/{customer}/sites/{site}/histdata{}", self.histdata);
        if window == Window::Youngest {
            path.push_str("/youngest");
        }
        let mut url = self.below(&path);
        url.set_query(Some(&format!("json={}", encoded(&question(select, window)))));
        url
    }

    fn below(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }
}

/// The JSON text that asks for a time series. Its members stand in the order in which the old connector sent them.
///
/// Both ends have all 17 digits: that is understood whatever a server makes of shorter stamps. `*` means up to the newest row.
fn question(select: &[&str], window: Window) -> String {
    let select = serde_json::Value::from(select);
    match window {
        Window::Youngest => format!(r#"{{"select":{select}}}"#),
        Window::Range { from, until, open } => {
            let from = stamp::encode(from);
            let until = if open { "*".into() } else { stamp::encode(until) };
            format!(r#"{{"select":{select},"from":"{from}","until":"{until}"}}"#)
        }
    }
}

fn encoded(part: &str) -> String {
    percent::encode(part).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn address(base: &str, customer: &str, site: &str) -> Address {
        Address::new(base.parse().unwrap(), customer, site, 0)
    }

    #[test]
    fn parts_of_a_path_are_encoded_one_by_one() {
        let check = |base: &str, customer: &str, site: &str, expected: &str| {
            assert_eq!(address(base, customer, site).site().as_str(), expected);
        };
        check(
            "https://poc.microtronics.at/api/1/",
            "th.drones@gmail.com",
            "Energy meter 1",
            "https://poc.microtronics.at/api/1/customers/th.drones%40gmail.com/sites/Energy%20meter%201",
        );
        check(
            "http://127.0.0.1:8083/api/1",
            "a/b?c#d",
            "Zähler%20",
            "http://127.0.0.1:8083/api/1/customers/a%2Fb%3Fc%23d/sites/Z%C3%A4hler%2520",
        );
        check(
            "https://user:secret@x.example/?a=b#c",
            "c",
            "00112233AABBCCDD",
            "https://x.example/customers/c/sites/00112233AABBCCDD",
        );
    }

    #[test]
    fn the_question_is_one_encoded_parameter() {
        let ask = |select: &[&str], window| {
            let url = address("https://x.example/api/1/", "c", "s").series(select, window);
            let (path, query) = (url.path().to_owned(), url.query().unwrap_or_default().to_owned());
            let json = query.strip_prefix("json=").unwrap();
            assert!(
                json.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"%-._~".contains(&b)),
                "{json}"
            );
            let json = percent::decode(json).unwrap();
            (path, json.into_owned())
        };
        let (from, until) = (1_485_437_400_100, 1_485_437_400_200);
        assert_eq!(
            ask(&["ch0", "ch3", "ch1"], Window::Youngest),
            (
                "/api/1/customers/c/sites/s/histdata0/youngest".into(),
                r#"{"select":["ch0","ch3","ch1"]}"#.into()
            )
        );
        assert_eq!(
            ask(
                &["ch0"],
                Window::Range {
                    from,
                    until,
                    open: true
                }
            ),
            (
                "/api/1/customers/c/sites/s/histdata0".into(),
                r#"{"select":["ch0"],"from":"20170126133000100","until":"*"}"#.into()
            )
        );
        let (_, json) = ask(
            &["a\"b"],
            Window::Range {
                from,
                until,
                open: false,
            },
        );
        assert_eq!(
            json,
            r#"{"select":["a\"b"],"from":"20170126133000100","until":"20170126133000200"}"#
        );
    }
}
