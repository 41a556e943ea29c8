//! `kind = "rapidm2m"`: a backend's own keys. One table may name several sites.

use std::time::Duration;

use url::Url;

use crate::config::discovery::{Pattern, Patterns};
use crate::config::document::Value;
use crate::config::fields::Fields;
use crate::config::findings::Findings;
use crate::config::values::short;
use crate::config::{Kind, Naming, RapidM2mConfig, address, channels, credential, id};
use crate::secret::Secret;

use super::{Found, seconds};

/// Keys of this kind alone. `customer` and `site` name a synthetic source's bodies, too.
pub(in crate::config) const KEYS: &[&str] = &[
    "url", "customer", "site", "sites", "include", "exclude", "basic", "user", "password", "histdata",
    "max_rows", "timeout",
];

/// As the vendor's own browser client waits.
pub(in crate::config) const TIMEOUT: Duration = Duration::from_secs(15);
/// A day of seconds fits.
pub(in crate::config) const MAX_ROWS: usize = 100_000;
/// What stands for all sites of a customer.
const ALL: &str = "*";
/// What is said of `*` where one site belongs.
const NO_SITE: &str = "is `*`, which names no site; write `sites = \"*\"` to have the customer's sites found";

/// Reads them.
pub(super) fn read(fields: &Fields<'_>, id: Option<&str>) -> Found {
    let url = fields
        .needed(
            "url",
            "the backend's address, for example `url = \"https://backend.example/api/1/\"`",
        )
        .and_then(|text| {
            fields.keep(
                "url",
                address::backend(&text, "`user` and `password`, or `basic`"),
            )
        });
    let basic = login(fields);
    if let Some(url) = &url {
        let has_login = fields.has("basic") || fields.has("user");
        check_transport(url, has_login, &fields.place("url"), fields.found);
        if !has_login && !address::is_loopback(url) {
            let text = "is given without a login; most backends want `user` and `password`, or `basic`";
            fields.found.warning(&fields.place("url"), text);
        }
    }
    let customer = fields.needed("customer", "the customer's id");
    if let Some(customer) = &customer {
        fields.keep("customer", id::check_segment(customer));
    }
    let sites = sites(fields);
    let mapped = channels::read(fields, channels::Names::Plain);
    if mapped.is_empty() && !fields.has("channels") {
        fields.fault(
            "channels",
            "is missing; name what is read, for example `channels = [\"ch0\"]`",
        );
    }
    let histdata = fields.whole("histdata", 0, 0..=9);
    let timeout = fields.duration("timeout", TIMEOUT, seconds(1, 300));
    let max_rows = fields.whole("max_rows", MAX_ROWS as u64, 100..=10_000_000);
    if fields.has("id") && fields.has("sites") {
        fields.fault(
            "id",
            "names one source, but `sites` may name several; leave it out, or write `site`",
        );
    }
    let (Some(url), Some(customer)) = (url, customer) else {
        return Vec::new();
    };
    sites
        .into_iter()
        .map(|site| {
            let naming = Naming::Site {
                customer: customer.clone(),
                site: site.clone(),
            };
            let id = id.map_or_else(|| id::of_site(&customer, &site), str::to_owned);
            let kind = Kind::RapidM2m(RapidM2mConfig {
                url: url.clone(),
                basic: basic.clone(),
                customer: customer.clone(),
                site,
                histdata: u8::try_from(histdata).unwrap_or(0),
                channels: mapped.clone(),
                timeout,
                max_rows: usize::try_from(max_rows).unwrap_or(MAX_ROWS),
            });
            (id, naming, kind)
        })
        .collect()
}

/// Whether the table stands for all sites of a customer.
pub(super) fn is_discovery(fields: &Fields<'_>) -> bool {
    matches!(fields.table.get("sites").map(|entry| &entry.value), Some(Value::Text(text)) if text == ALL)
        && fields.text("kind").as_deref() == Some("rapidm2m")
}

/// `include` and `exclude`: which of a customer's sites are taken.
pub(super) fn patterns(fields: &Fields<'_>) -> Patterns {
    let read = |key: &str| {
        let Some(entry) = fields.table.get(key) else {
            return Vec::new();
        };
        if !is_discovery(fields) {
            if fields.text("kind").as_deref() == Some("rapidm2m") {
                fields.fault(
                    key,
                    "chooses among the sites of `sites = \"*\"` only; leave it out",
                );
            }
            return Vec::new();
        }
        let (items, other) = match &entry.value {
            Value::List(items) => (items.as_slice(), None),
            other => (Default::default(), Some(other)),
        };
        if let Some(other) = other {
            fields.fault(
                key,
                format!(
                    "is {}; write a list of patterns such as [\"Plant *\"]",
                    other.what()
                ),
            );
        } else if items.is_empty() {
            fields.fault(key, "is empty; name a pattern, or leave it out");
        }
        let patterns = items.iter().filter_map(|item| {
            let place = fields.place_at(item.line, &format!("{}.{key}", fields.name));
            let Value::Text(text) = &item.value else {
                let text = format!("holds {}; write each pattern in quotes", item.value.what());
                fields.found.fault(place, text);
                return None;
            };
            let text = fields.filled(&place, text)?;
            fields.found.keep(&place, Pattern::new(&text))
        });
        patterns.collect()
    };
    Patterns {
        include: read("include"),
        exclude: read("exclude"),
    }
}

/// A login that travels in the clear is worth a word, unless it stays on this machine.
pub(in crate::config) fn check_transport(url: &Url, has_login: bool, place: &str, found: &Findings) {
    if url.scheme() == "http" && has_login && !address::is_loopback(url) {
        found.warning(
            place,
            "is plain http, so the login can be read on the way; write https if the backend has it",
        );
    }
}

fn login(fields: &Fields<'_>) -> Option<Secret> {
    let (basic, user, password) = (
        fields.secret("basic"),
        fields.text("user"),
        fields.secret("password"),
    );
    if fields.has("basic") && (fields.has("user") || fields.has("password")) {
        fields.fault(
            "basic",
            "is given beside `user` or `password`; write one of the two",
        );
    } else if fields.has("user") != fields.has("password") {
        let missing = if fields.has("user") { "password" } else { "user" };
        fields.fault(missing, "is missing; a login needs `user` and `password`");
    }
    if let Some(text) = basic {
        fields.keep("basic", credential::basic(&text));
        return Some(Secret::new(text));
    }
    let (user, password) = (user?, password?);
    if user.contains(':') {
        fields.fault("user", "holds a colon, which no login of this kind may");
    }
    Some(Secret::new(credential::basic_of(&user, &password)))
}

fn sites(fields: &Fields<'_>) -> Vec<String> {
    if fields.has("site") && fields.has("sites") {
        fields.fault("sites", "is given beside `site`; write one of the two");
        return Vec::new();
    }
    let Some(entry) = fields.table.get("sites") else {
        let site = fields.needed("site", "the site's id, or several as `sites = [\"…\", \"…\"]`");
        if site.as_deref() == Some("*") {
            fields.fault("site", NO_SITE);
        }
        if let Some(site) = &site {
            fields.keep("site", id::check_segment(site));
        }
        return site.into_iter().collect();
    };
    let items = match &entry.value {
        Value::List(items) => items,
        Value::Text(text) if text == ALL => return vec![ALL.to_owned()],
        other => {
            fields.fault(
                "sites",
                format!(
                    "is {}; write a list such as [\"a\", \"b\"], or \"*\" for all",
                    other.what()
                ),
            );
            return Vec::new();
        }
    };
    if items.is_empty() {
        fields.fault("sites", "is empty; name a site");
    }
    let mut names: Vec<String> = Vec::new();
    for item in items {
        let place = fields.place_at(item.line, &format!("{}.sites", fields.name));
        let Value::Text(text) = &item.value else {
            fields.found.fault(
                place,
                format!("holds {}; write each site in quotes", item.value.what()),
            );
            continue;
        };
        let Some(site) = fields.filled(&place, text) else {
            continue;
        };
        if site == "*" {
            fields.found.fault(place, NO_SITE);
        } else if site.trim().is_empty() {
            fields.found.fault(place, "holds an empty text");
        } else if let Err(why) = id::check_segment(&site) {
            fields.found.fault(place, why);
        } else if names.contains(&site) {
            fields
                .found
                .fault(place, format!("names `{}` twice", short(text)));
        } else {
            names.push(site);
        }
    }
    names
}
