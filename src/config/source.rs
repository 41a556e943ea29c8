//! One `[[source]]` table, or the same words as a document, into the sources it defines.

pub(super) mod rapidm2m;
pub(super) mod synthetic;
pub(super) mod tasmota;

use std::ops::RangeInclusive;
use std::time::Duration;

use chrono_tz::Tz;

use crate::clock::Millis;

use super::discovery::DiscoveryConfig;
use super::document::{Table, Value};
use super::fields::{Author, Fields};
use super::findings::Findings;
use super::values::Get;
use super::{Kind, Naming, Schedule, SourceConfig, id, instant, schedule};

/// How often a source is polled that does not say.
pub(super) const EVERY: Duration = Duration::from_secs(60);
/// How far back a backend with history is asked again.
pub(super) const OVERLAP: Duration = Duration::from_secs(HOUR);
/// The longest window asked for at once.
pub(super) const SLICE: Duration = Duration::from_secs(DAY);

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// Keys of every kind.
const COMMON: &[&str] = &[
    "id",
    "kind",
    "runner",
    "every",
    "cron",
    "zone",
    "expected",
    "send_every",
    "channels",
];
/// Keys of the kinds that can be asked for the past.
const HISTORY: &[&str] = &["overlap", "start", "slice"];

/// Where a definition comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    /// The sources file's name; none for a document of the store.
    pub(super) file: Option<&'a str>,
    /// Settings for `${NAME}`; none where there are none.
    pub(super) get: Option<Get<'a>>,
    /// Who wrote it.
    pub(super) author: Author,
    /// What it is called in places, where its own id does not say.
    pub(super) name: Option<&'a str>,
    /// Where faults go.
    pub(super) found: &'a Findings,
    /// The present instant, where it is known.
    pub(super) now: Option<Millis>,
}

/// What definitions define.
#[derive(Debug, Default)]
pub(super) struct Defined {
    /// Sources that are named one by one.
    pub(super) sources: Vec<SourceConfig>,
    /// Customers whose sites are found at their backend.
    pub(super) discoveries: Vec<DiscoveryConfig>,
}

impl Defined {
    /// Adds what another definition defines.
    pub(super) fn join(&mut self, other: Self) {
        self.sources.extend(other.sources);
        self.discoveries.extend(other.discoveries);
    }
}

/// What a kind's own reader leaves to say: the sources it found, each with its id, naming and kind.
type Found = Vec<(String, Naming, Kind)>;

/// Reads one table, the `n`-th from 1. What has a fault may be missing from the answer.
pub(super) fn read(table: &Table, n: usize, origin: Origin<'_>) -> Defined {
    let name = match table.get("id").map(|entry| &entry.value) {
        _ if origin.name.is_some() => format!("[{}]", origin.name.unwrap_or_default()),
        Some(Value::Text(text)) if id::check(text).is_ok() => format!("[{text}]"),
        _ if origin.file.is_some() => format!("[source {n}]"),
        _ => "[source]".to_owned(),
    };
    let fields = Fields {
        table,
        file: origin.file,
        name,
        get: origin.get,
        author: origin.author,
        found: origin.found,
    };
    let id = fields.text("id").and_then(|text| {
        let right = id::check(&text).map_err(|why| format!("{} {why}", fields.shown("id", &text)));
        fields.keep("id", right).map(|()| text)
    });
    let runner = fields.text("runner").unwrap_or_else(|| "cloud".to_owned());
    if let Err(why) = id::check(&runner) {
        fields.fault("runner", format!("{} {why}", fields.shown("runner", &runner)));
    }
    let zone = zone(&fields);
    let schedule = when(&fields);
    let expected = fields.some_duration("expected", seconds(1, 31 * DAY));
    let send_every = fields.duration("send_every", Duration::ZERO, seconds(0, DAY));

    let kind = fields.needed("kind", "`tasmota`, `rapidm2m` or `synthetic`");
    let (found, past) = match kind.as_deref() {
        Some("tasmota") => {
            fields.finish(&[COMMON, tasmota::KEYS], |key| meant_for(key, "tasmota"));
            (tasmota::read(&fields, id), None)
        }
        Some("rapidm2m") => {
            fields.finish(&[COMMON, HISTORY, rapidm2m::KEYS], |key| {
                meant_for(key, "rapidm2m")
            });
            (rapidm2m::read(&fields, id.as_deref()), Some(OVERLAP))
        }
        Some("synthetic") => {
            fields.finish(&[COMMON, HISTORY, synthetic::KEYS], |key| {
                meant_for(key, "synthetic")
            });
            (synthetic::read(&fields, id), Some(Duration::ZERO))
        }
        Some(other) => {
            let shown = fields.shown("kind", other);
            fields.fault(
                "kind",
                format!("{shown} is not known; write `tasmota`, `rapidm2m` or `synthetic`"),
            );
            (Vec::new(), None)
        }
        None => (Vec::new(), None),
    };
    let (overlap, slice, start) = match past {
        Some(overlap) => (
            fields.duration("overlap", overlap, seconds(0, 31 * DAY)),
            fields.duration("slice", SLICE, seconds(60, 366 * DAY)),
            start(&fields, zone, origin.now),
        ),
        None => (Duration::ZERO, SLICE, None),
    };
    let defined_at = match (origin.file, table.line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        (Some(file), None) => file.to_owned(),
        (None, _) => "store".to_owned(),
    };
    let mut sources: Vec<SourceConfig> = found
        .into_iter()
        .map(|(id, naming, kind)| SourceConfig {
            id,
            kind,
            runner: runner.clone(),
            schedule: schedule.clone(),
            zone,
            overlap,
            expected,
            start,
            slice,
            send_every,
            naming,
            origin: defined_at.clone(),
        })
        .collect();
    let patterns = rapidm2m::patterns(&fields);
    if !rapidm2m::is_discovery(&fields) {
        return Defined {
            sources,
            ..Defined::default()
        };
    }
    Defined {
        discoveries: sources
            .pop()
            .and_then(|template| DiscoveryConfig::of(template, patterns))
            .into_iter()
            .collect(),
        sources: Vec::new(),
    }
}

/// Durations from `least` to `most` seconds.
fn seconds(least: u64, most: u64) -> RangeInclusive<Duration> {
    Duration::from_secs(least)..=Duration::from_secs(most)
}

/// What a key is for that the kind `here` does not know.
fn meant_for(key: &str, here: &str) -> Option<&'static str> {
    if here == "tasmota" && HISTORY.contains(&key) {
        return Some("backends with history; a reader only knows the present");
    }
    [
        ("tasmota", tasmota::KEYS, "kind `tasmota`"),
        ("rapidm2m", rapidm2m::KEYS, "kind `rapidm2m`"),
        ("synthetic", synthetic::KEYS, "kind `synthetic`"),
    ]
    .iter()
    .find(|(kind, keys, _)| *kind != here && keys.contains(&key))
    .map(|(_, _, text)| *text)
}

fn zone(fields: &Fields<'_>) -> Tz {
    let Some(text) = fields.text("zone") else {
        return Tz::UTC;
    };
    let read = text.parse().map_err(|_| {
        format!(
            "{} is not a time zone; write a name such as `Europe/Berlin` or `UTC`",
            fields.shown("zone", &text)
        )
    });
    fields.keep("zone", read).unwrap_or(Tz::UTC)
}

fn when(fields: &Fields<'_>) -> Schedule {
    let every = fields.duration("every", EVERY, seconds(1, 31 * DAY));
    let Some(text) = fields.text("cron") else {
        return Schedule::Every(every);
    };
    if fields.has("every") {
        fields.fault("cron", "is given beside `every`; write one of the two");
    }
    let read = schedule::cron(&text).and_then(|cron| schedule::comes_due(&cron));
    fields.keep("cron", read);
    Schedule::Cron(text)
}

/// `start`: an instant, or `"youngest"` for the newest row alone.
fn start(fields: &Fields<'_>, zone: Tz, now: Option<Millis>) -> Option<Millis> {
    let text = match fields.table.get("start").map(|entry| &entry.value) {
        Some(Value::Instant(text)) => text.clone(),
        _ => fields.text("start")?,
    };
    if text == "youngest" {
        return None;
    }
    let read = instant::parse(&text, zone)
        .map_err(|why| format!("{}: {why}, or `\"youngest\"`", fields.shown("start", &text)));
    let at = fields.keep("start", read)?;
    if now.is_some_and(|now| at > now) {
        fields
            .found
            .warning(&fields.place("start"), "is in the future; nothing is read before");
    }
    Some(at)
}
