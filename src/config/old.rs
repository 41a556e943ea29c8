//! The old connector's settings as sources: one rapidM2M source for each of its sites.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono_tz::UTC;

use crate::clock::Millis;
use crate::reading::Channel;
use crate::secret::Secret;
use crate::source::Mapped;

use super::values::Values;
use super::{
    Kind, Naming, RapidM2mConfig, Schedule, SourceConfig, SyntheticConfig, address, credential, id, instant,
    source,
};

/// Reads the old connector's sources. None unless one of its settings for a backend, or emulation, is set.
///
/// `period` is the timer's: the old connector polled whenever its timer ran.
pub(super) fn read(values: &Values<'_>, period: Option<Duration>, now: Millis) -> Vec<SourceConfig> {
    let found = values.found;
    let url = values.set("M2MBackendURL");
    let basic = values.set("Base64encodedUsernamePassword");
    let customer = values.set("Customer_ID");
    let sites = values.set("Site_ID");
    let emulated = values.word("EmulationMode", &[("true", true), ("false", false)], false);
    let channels = list(&values.text("Channelnames"));
    let first_start = values.set("FirstStart");
    let start = first_start
        .as_ref()
        .and_then(|text| found.keep("FirstStart", instant::parse(text, UTC)));

    let used = emulated
        || [&url, &basic, &customer, &sites]
            .iter()
            .any(|value| value.is_some());
    if !used {
        if first_start.is_some() {
            found.warning(
                "FirstStart",
                "has no effect without M2MBackendURL; sources in the file have `start`",
            );
        }
        return Vec::new();
    }
    if start.is_some_and(|at| at > now) {
        found.warning("FirstStart", "is in the future; nothing is read before");
    }
    if channels.is_empty() {
        found.fault("Channelnames", "names no channel");
    }
    if let Some(twice) = repeated(&channels) {
        found.fault(
            "Channelnames",
            format!("names `{}` twice", super::values::short(twice)),
        );
    }
    if let Some(basic) = &basic {
        found.keep("Base64encodedUsernamePassword", credential::basic(basic));
    }
    let url = url.and_then(|text| {
        found.keep(
            "M2MBackendURL",
            address::backend(&text, "Base64encodedUsernamePassword"),
        )
    });
    if !emulated {
        if url.is_none() && values.set("M2MBackendURL").is_none() {
            found.fault(
                "M2MBackendURL",
                "is not set; give the backend's address, or EmulationMode=true",
            );
        }
        if let Some(url) = &url {
            source::rapidm2m::check_transport(url, basic.is_some(), "M2MBackendURL", found);
            if basic.is_none() && !address::is_loopback(url) {
                found.fault(
                    "Base64encodedUsernamePassword",
                    "is not set; give base64 of `user:password`",
                );
            }
        }
    }
    if customer.is_none() {
        found.fault(
            "Customer_ID",
            "is not set; name the customer whose sites are polled",
        );
    }
    let mut sites = list(&sites.unwrap_or_default());
    if sites.is_empty() {
        found.fault(
            "Site_ID",
            "is not set; name the site, or several with commas between them",
        );
    }
    if let Some(twice) = repeated(&sites) {
        found.fault(
            "Site_ID",
            format!("names `{}` twice", super::values::short(twice)),
        );
        let mut seen = BTreeSet::new();
        sites.retain(|site| seen.insert(site.clone()));
    }
    if sites.iter().any(|site| site == "*") {
        found.fault(
            "Site_ID",
            "is `*`, which these settings do not know; name the sites, or write `sites = \"*\"` in sources.toml",
        );
    }
    for site in &sites {
        found.keep("Site_ID", id::check_segment(site));
    }
    let Some(customer) = customer else {
        return Vec::new();
    };
    found.keep("Customer_ID", id::check_segment(&customer));

    let channels: Vec<Mapped> = channels
        .into_iter()
        .map(|name| Mapped {
            channel: Channel::named(name),
            scale: None,
        })
        .collect();
    let kind = |site: &str| {
        if emulated {
            return Some(Kind::Synthetic(SyntheticConfig {
                channels: channels.iter().take(1).cloned().collect(),
                counter: true,
                interval: Duration::from_secs(60),
                seed: 0,
            }));
        }
        Some(Kind::RapidM2m(RapidM2mConfig {
            url: url.clone()?,
            basic: basic.clone().map(Secret::new),
            customer: customer.clone(),
            site: site.to_owned(),
            histdata: 0,
            channels: channels.clone(),
            timeout: source::rapidm2m::TIMEOUT,
            max_rows: source::rapidm2m::MAX_ROWS,
        }))
    };
    sites
        .iter()
        .filter_map(|site| {
            let kind = kind(site)?;
            let has_history = matches!(kind, Kind::RapidM2m(_));
            Some(SourceConfig {
                id: id::of_site(&customer, site),
                kind,
                runner: "cloud".to_owned(),
                schedule: Schedule::Every(period.unwrap_or(source::EVERY)),
                zone: UTC,
                overlap: if has_history {
                    source::OVERLAP
                } else {
                    Duration::ZERO
                },
                expected: None,
                start,
                slice: source::SLICE,
                send_every: Duration::ZERO,
                naming: Naming::Site {
                    customer: customer.clone(),
                    site: site.clone(),
                },
                origin: if emulated {
                    "EmulationMode"
                } else {
                    "M2MBackendURL"
                }
                .to_owned(),
            })
        })
        .collect()
}

/// A comma list: parts trimmed, empty ones left out.
fn list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

fn repeated(names: &[String]) -> Option<&str> {
    let twice = names
        .iter()
        .enumerate()
        .find(|(n, name)| names[..*n].contains(name));
    twice.map(|(_, name)| name.as_str())
}
