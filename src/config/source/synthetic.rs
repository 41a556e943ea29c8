//! `kind = "synthetic"`: a made-up source's own keys.

use std::time::Duration;

use crate::config::fields::Fields;
use crate::config::{Kind, Naming, SyntheticConfig, channels};
use crate::reading::Channel;
use crate::source::Mapped;

use super::{Found, seconds};

/// Keys of this kind.
pub(in crate::config) const KEYS: &[&str] = &["interval", "seed", "counter", "customer", "site"];

/// As load profiles of meters have it.
const INTERVAL: Duration = Duration::from_secs(900);

/// Reads them.
pub(super) fn read(fields: &Fields<'_>, id: Option<String>) -> Found {
    if !fields.has("id") {
        fields.fault("id", "is missing; name the source, for example `id = \"demo\"`");
    }
    let interval = fields.duration("interval", INTERVAL, seconds(1, 86_400));
    let seed = fields.whole("seed", 0, 0..=u64::MAX);
    let counter = fields.flag("counter", false);
    let mut mapped = channels::read(fields, channels::Names::Plain);
    if mapped.is_empty() {
        mapped.push(Mapped {
            channel: Channel::named("ch0"),
            scale: None,
        });
    }
    let naming = match (fields.text("customer"), fields.text("site")) {
        (Some(customer), Some(site)) => Naming::Site { customer, site },
        _ => Naming::Source,
    };
    if fields.has("customer") != fields.has("site") {
        let missing = if fields.has("site") { "customer" } else { "site" };
        fields.fault(
            missing,
            "is missing; bodies name customer and site, or the source alone",
        );
    }
    let Some(id) = id else { return Vec::new() };
    let kind = Kind::Synthetic(SyntheticConfig {
        channels: mapped,
        counter,
        interval,
        seed,
    });
    vec![(id, naming, kind)]
}
