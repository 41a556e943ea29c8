//! `kind = "tasmota"`: a reader's own keys.

use std::time::Duration;

use crate::config::fields::Fields;
use crate::config::{Kind, Naming, TasmotaConfig, address, channels};
use crate::secret::Secret;

use super::{Found, seconds};

/// Keys of this kind alone.
pub(in crate::config) const KEYS: &[&str] = &[
    "url",
    "user",
    "password",
    "referer",
    "recognise",
    "timeout",
    "stale_after",
];

/// Longer than the slowest answers seen of a reader that is well.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A telegram comes every few seconds and some digit of it moves; an hour of the same at a poll a minute is a dead head.
const STALE_AFTER: u64 = 60;

/// Reads them.
pub(super) fn read(fields: &Fields<'_>, id: Option<String>) -> Found {
    if !fields.has("id") {
        fields.fault("id", "is missing; name the source, for example `id = \"home\"`");
    }
    if !fields.has("zone") {
        fields.found.warning(
            &fields.place("zone"),
            "is missing; a reader whose clock tells no offset is taken to be on UTC. Write for example `zone = \"Europe/Berlin\"`",
        );
    }
    let url = fields
        .needed(
            "url",
            "the reader's address, for example `url = \"http://192.168.1.40\"`",
        )
        .and_then(|text| fields.keep("url", address::reader(&text)));
    let user = fields.text("user").unwrap_or_else(|| "admin".to_owned());
    let password = fields.secret("password");
    if fields.has("user") && !fields.has("password") {
        fields.fault("password", "is missing, though `user` is given");
    }
    let referer = fields.text("referer");
    if referer
        .as_ref()
        .is_some_and(|text| !text.bytes().all(|b| b.is_ascii_graphic()))
    {
        fields.fault(
            "referer",
            "holds what no header may: write an address without blanks",
        );
    }
    let mapped = channels::read(fields, channels::Names::Paths);
    let recognise = fields.flag("recognise", mapped.is_empty());
    if !recognise && mapped.is_empty() {
        fields.fault(
            "recognise",
            "is false and no channel is given; nothing would be read",
        );
    }
    let timeout = fields.duration("timeout", TIMEOUT, seconds(1, 60));
    let stale_after = fields.whole("stale_after", STALE_AFTER, 2..=1_000_000);
    let (Some(id), Some(url)) = (id, url) else {
        return Vec::new();
    };
    let kind = Kind::Tasmota(TasmotaConfig {
        url,
        user,
        password: password.map(Secret::new),
        referer,
        channels: mapped,
        recognise,
        timeout,
        stale_after: u32::try_from(stale_after).unwrap_or(u32::MAX),
    });
    vec![(id, Naming::Source, kind)]
}
