//! Puts the configuration together: settings, then sources of all origins, then what concerns several of them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::clock::Millis;
use crate::secret::Secret;

use super::duration::show;
use super::findings::Findings;
use super::source::Defined;
use super::values::{Get, Values, short};
use super::{
    Config, DiscoveryPace, Fault, Format, LimitsConfig, LogConfig, LogFormat, Lookup, PackConfig, Settings,
    file, id, identity, old, schedule, storage, together,
};

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
    let Defined {
        sources: named,
        discoveries,
    } = file::read(&values, files, now);
    sources.extend(named);
    together::check(&sources, &settings, &found);
    let mut doubts = together::Doubts::new(&settings, &found);
    for discovery in &discoveries {
        doubts.look(&discovery.template);
    }
    found.sort_by_line(&values.text("SOURCES_FILE"));

    let (faults, warnings) = found.into_parts();
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Config {
        settings,
        sources,
        discoveries,
        warnings,
        lookup: Lookup::default(),
    })
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
        discovery: DiscoveryPace {
            every: Duration::from_secs(60 * values.whole("DISCOVERY_MINUTES", 1..=44_640)),
            grace: Duration::from_secs(3_600 * values.whole("DISCOVERY_GRACE_HOURS", 0..=8_760)),
        },
        in_azure: values.set("WEBSITE_INSTANCE_ID").is_some(),
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

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
