//! Puts the configuration together: settings, then sources of all origins, then what concerns several of them.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::clock::Millis;
use crate::secret::Secret;

use super::document;
use super::duration::show;
use super::findings::Findings;
use super::source::{self, Origin};
use super::values::{Get, Values, short};
use super::{
    Config, Fault, Format, Identity, Kind, LimitsConfig, LogConfig, LogFormat, PackConfig, Schedule,
    Settings, SourceConfig, address, file, id, identity, old, schedule, storage,
};

/// Readers lose answers when they are asked more often (their web server serves one client at a time).
const READERS_PACE: Duration = Duration::from_secs(10);

/// Reads the whole configuration through `get` (settings by name) and `files` (text by path); `now` is the present instant, in
/// milliseconds, by which a token's end is judged.
///
/// # Errors
/// All faults of the settings and of every source together, in the order they were found.
pub fn load(
    get: Get<'_>,
    files: &dyn Fn(&Path) -> io::Result<String>,
    now: Millis,
) -> Result<Config, Vec<Fault>> {
    let found = Findings::default();
    let values = Values::new(get, &found);
    let settings = settings(&values, files, now);
    let mut sources = old::read(&values, settings.timer_period(), now);
    sources.extend(file::read(&values, files, now));
    check_together(
        &sources,
        &settings,
        values.set("WEBSITE_INSTANCE_ID").is_some(),
        &found,
    );
    found.sort_by_line(&values.text("SOURCES_FILE"));

    let (faults, warnings) = found.into_parts();
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Config {
        settings,
        sources,
        warnings,
    })
}

/// One source from a document of the store: the words of a `[[source]]` table as a JSON object. `${NAME}` is refused, since whoever
/// may define sources must not read settings thereby.
///
/// # Errors
/// All faults of the definition together; places have no line.
pub fn definition_of(value: &serde_json::Value) -> Result<SourceConfig, Vec<Fault>> {
    let found = Findings::default();
    let Some(object) = value.as_object() else {
        found.fault("[source]", "is not an object with the members of a source");
        return Err(found.into_parts().0);
    };
    let table = document::from_json(object);
    let origin = Origin {
        file: None,
        get: None,
        found: &found,
        now: None,
    };
    let mut sources = source::read(&table, 1, origin);
    let one = sources.pop();
    if !sources.is_empty() {
        found.fault(
            "[source].sites",
            "names several sources; a document defines one, with `site`",
        );
    }
    match (found.into_parts().0, one) {
        (faults, Some(source)) if faults.is_empty() => Ok(source),
        (faults, _) => Err(faults),
    }
}

fn settings(values: &Values<'_>, files: &dyn Fn(&Path) -> io::Result<String>, now: Millis) -> Settings {
    let found = values.found;
    let runner = values.text("RUNNER");
    found.keep("RUNNER", id::check(&runner));
    let store = storage::read(values);
    let identity = identity::read(values, now);
    let timer_schedule = values.set("TimerSchedule");
    match &timer_schedule {
        Some(text) => {
            found.keep("TimerSchedule", schedule::timer_period(text));
        }
        // A service with a name of its own has no host and no timer.
        None if runner == "cloud" => found.warning(
            "TimerSchedule",
            "is not set; a Functions host disables TimerPoll without it. Set for example `0 * * * * *`",
        ),
        None => {}
    }
    let tick = Duration::from_secs(values.whole("TICK_SECONDS", 1..=86_400));
    if let Some(period) = timer_schedule
        .as_deref()
        .and_then(|text| schedule::timer_period(text).ok())
        && tick >= period
    {
        let text = format!(
            "{} is not shorter than the timer's {}; runs will be skipped",
            show(tick),
            show(period)
        );
        found.warning("TICK_SECONDS", &text);
    }
    let operations_key = values.set("OPERATIONS_KEY");
    if operations_key.as_ref().is_some_and(|key| key.len() < 16) {
        found.warning(
            "OPERATIONS_KEY",
            "is shorter than 16 characters; make it harder to guess",
        );
    }
    let days = values.whole("RETENTION_DAYS", 1..=3650);
    let paid: usize = 4096;
    let tiers = [
        ("F1", 512),
        ("B1", paid),
        ("B2", paid),
        ("B3", paid),
        ("S1", paid),
        ("S2", paid),
        ("S3", paid),
    ];
    let formats = [
        ("timeseries", Format::Timeseries),
        ("flat", Format::Flat),
        ("columns", Format::Columns),
    ];
    Settings {
        runner,
        store,
        identity,
        hub_connect: values.set("IOTHUB_CONNECT"),
        hub_ca_file: authorities(values, files),
        pack: PackConfig {
            format: values.word("MESSAGE_FORMAT", &formats, Format::Timeseries),
            unit: values.word("IOTHUB_TIER", &tiers, paid),
            units: count(values.whole("MESSAGE_UNITS", 1..=46)),
        },
        tick,
        worker_tick: Duration::from_secs(values.whole("WORKER_TICK_SECONDS", 1..=86_400)),
        concurrency: count(values.whole("CONCURRENCY", 1..=1024)),
        limits: LimitsConfig {
            breaker_failures: values
                .whole("BREAKER_FAILURES", 1..=1_000)
                .try_into()
                .unwrap_or(u32::MAX),
            backend_concurrency: count(values.whole("BACKEND_CONCURRENCY", 1..=1024)),
            backend_requests: values
                .whole("BACKEND_REQUESTS", 0..=1_000_000)
                .try_into()
                .unwrap_or(u32::MAX),
        },
        inline_limit: count(values.whole("INLINE_LIMIT", 0..=100_000)),
        retention: Duration::from_secs(days * 86_400),
        timer_schedule,
        operations_key: operations_key.map(Secret::new),
        log: log(values),
    }
}

fn log(values: &Values<'_>) -> LogConfig {
    let level = values.text("LOG_LEVEL");
    // The filter would take a misspelt level for the name of a module.
    let is_level = |part: &str| part.contains('=') || part.trim().parse::<LevelFilter>().is_ok();
    if !level.split(',').all(is_level) || EnvFilter::builder().parse(&level).is_err() {
        let text = format!(
            "`{}` is not a level: error, warn, info, debug or trace",
            short(&level)
        );
        values.found.fault("LOG_LEVEL", text);
    }
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    LogConfig {
        level,
        format: values
            .set("LOG_FORMAT")
            .map(|_| values.word("LOG_FORMAT", &formats, LogFormat::Text)),
    }
}

/// The file with authorities to trust: read once here, so that a wrong path is known before the first send.
fn authorities(values: &Values<'_>, files: &dyn Fn(&Path) -> io::Result<String>) -> Option<PathBuf> {
    let path = PathBuf::from(values.set("IOTHUB_CA_FILE")?);
    match files(&path) {
        Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => {}
        Ok(_) => values.found.fault("IOTHUB_CA_FILE", "holds no PEM certificate"),
        Err(error) => values
            .found
            .fault("IOTHUB_CA_FILE", format!("`{}`: {error}", path.display())),
    }
    Some(path)
}

/// What only shows when sources are seen together and beside the settings.
fn check_together(sources: &[SourceConfig], settings: &Settings, in_azure: bool, found: &Findings) {
    let period = settings.timer_period();
    let mut firsts: HashMap<&str, &SourceConfig> = HashMap::new();
    let are_devices = matches!(settings.identity, Identity::Group { .. });
    let mut devices: HashMap<String, &SourceConfig> = HashMap::new();
    // Thousands of sources share a few schedules.
    let mut crons: HashMap<&str, Option<Duration>> = HashMap::new();
    for source in sources {
        let place = format!("{} [{}]", source.origin, source.id);
        // Two ids that the file itself repeats are told by their lines already.
        let first = firsts.insert(&source.id, source);
        if let Some(other) = first.filter(|_| !found.has(&format!("[{}].id", source.id))) {
            let text = format!(
                "has the same id as the source of {}; give one another `id`",
                other.origin
            );
            found.fault(&place, text);
        }
        // A registration id is the source's id in small letters.
        if are_devices {
            found.keep(&place, id::check_registration(&source.id));
            let other = devices.insert(source.id.to_ascii_lowercase(), source);
            if let Some(other) = other.filter(|other| other.id != source.id) {
                let text = format!(
                    "differs from `{}` of {} in letter case only, and both would be one device of the Device Provisioning Service; \
                     give one another `id`",
                    other.id, other.origin
                );
                found.fault(&place, text);
            }
        }
        let every = match &source.schedule {
            Schedule::Every(every) => Some(*every),
            Schedule::Cron(text) => *crons.entry(text).or_insert_with(|| {
                let cron = schedule::cron(text).ok()?;
                schedule::closest(&cron).ok()
            }),
        };
        let Some(every) = every else { continue };
        let here = source.runner == settings.runner;
        if let Kind::Tasmota(reader) = &source.kind {
            if every < READERS_PACE {
                let text = format!(
                    "is asked every {}; readers answer badly below {}",
                    show(every),
                    show(READERS_PACE)
                );
                found.warning(&place, &text);
            }
            if here && in_azure && address::is_private(&reader.url) {
                found.warning(
                    &place,
                    "has an address that Azure reaches through a VPN or tunnel only; else run meterbridge near the reader",
                );
            }
        }
        if let Some(period) = period.filter(|period| here && every < *period) {
            let text = format!(
                "is due every {}, but the timer runs every {} only",
                show(every),
                show(period)
            );
            found.warning(&place, &text);
        }
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
