//! `plan`: what a configuration will cost at the hub, and what `send_every` would save.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{Common, preview};
use crate::app;
use crate::clock::Clock;
use crate::config::{Config, DiscoveryConfig, Format, Kind, PackConfig, Schedule, SourceConfig, StoreConfig};
use crate::reading::{Channel, Rows};

/// Tell what a configuration will cost: units a day, sends a second, tier.
#[derive(Debug, Args)]
pub(super) struct Plan {
    /// How far apart rows are where a source does not say (`expected`).
    #[arg(long, default_value = "15m", value_parser = crate::config::duration::parse, value_name = "DURATION")]
    expected: Duration,
    /// A typical value.
    #[arg(long, default_value = "12345.678", value_name = "NUMBER")]
    value: String,
    /// Only the sources of sources.toml: the store is not asked for others.
    #[arg(long)]
    offline: bool,
}

/// What one source costs under one choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    /// Messages a day.
    pub messages: u64,
    /// Billing units a day.
    pub units: u64,
}

impl Plan {
    pub(super) async fn run(self, common: &Common) -> ExitCode {
        common.log_for_people();
        let config = match common.load_or_complain() {
            Ok(config) => config,
            Err(code) => return code,
        };
        if !wire::json::is_number(&self.value) {
            eprintln!("--value {}: not a number", self.value);
            return ExitCode::from(super::BAD_CONFIGURATION);
        }
        println!(
            "{:<24} {:>9} {:>10} {:>10}   {:>10} {:>10}",
            "source", "rows/day", "messages", "units", "15 min", "1 h"
        );
        let pack = config.settings.pack;
        let (sources, notes) = self.sources(&config).await;
        let mut total = Cost {
            messages: 0,
            units: 0,
        };
        for source in &sources {
            let now = self.cost(source, &pack, source.send_every);
            let saved = |every| {
                self.cost(source, &pack, Duration::from_secs(every).max(source.send_every))
                    .units
            };
            println!(
                "{:<24} {:>9} {:>10} {:>10}   {:>10} {:>10}",
                source.id,
                self.rows_a_day(source),
                now.messages,
                now.units,
                saved(900),
                saved(3_600)
            );
            total.messages += now.messages;
            total.units += now.units;
        }
        println!("\nThe last two columns: units with send_every = \"15m\" and \"1h\".");
        println!(
            "{} messages and {} units a day, {:.3} sends a second.",
            total.messages,
            total.units,
            total.messages as f64 / 86_400.0
        );
        println!("{}", tier(&config, total));
        for note in notes {
            println!("Note: {note}");
        }
        ExitCode::SUCCESS
    }

    /// The sources that would be polled, and what is not known of them.
    async fn sources(&self, config: &Config) -> (Vec<SourceConfig>, Vec<String>) {
        let of_file = || config.sources.clone();
        // A plan makes no store where there is none.
        let is_missing = matches!(&config.settings.store, StoreConfig::Embedded { path } if !path.exists());
        let mut notes = Vec::new();
        if !self.offline && !is_missing {
            match app::wire(config.clone(), &Clock::system()) {
                Ok(wired) => {
                    wired.refresh().await;
                    let known = wired.catalog.current();
                    notes.extend(known.troubles());
                    for discovered in known.discoveries.iter().filter(|one| one.sites.is_none()) {
                        notes.push(unlisted(&discovered.config));
                    }
                    return (known.configs().cloned().collect(), notes);
                }
                Err(faults) => notes.extend(faults.iter().map(ToString::to_string)),
            }
        }
        notes.extend(config.discoveries.iter().map(unlisted));
        (of_file(), notes)
    }

    /// What a source costs a day when rows wait for `send_every`.
    pub(super) fn cost(&self, source: &SourceConfig, pack: &PackConfig, send_every: Duration) -> Cost {
        let rows = self.rows_a_day(source);
        let polls = 86_400 / interval(source).as_secs().max(1);
        let sends = (86_400 / send_every.as_secs().max(1)).min(polls).min(rows).max(1);
        let each = rows.div_ceil(sends);
        let sample = self.sample(source, usize::try_from(each).unwrap_or(usize::MAX).min(200_000));
        let messages = preview::of(source, &sample, pack, 0);
        let units: u64 = messages.iter().map(|one| u64::from(one.units)).sum();
        Cost {
            messages: messages.len() as u64 * sends,
            units: units * sends,
        }
    }

    fn rows_a_day(&self, source: &SourceConfig) -> u64 {
        let apart = match &source.kind {
            Kind::Tasmota(_) => interval(source),
            Kind::Synthetic(curve) if !curve.counter => curve.interval,
            Kind::Synthetic(_) => interval(source),
            Kind::RapidM2m(_) => source.expected.unwrap_or(self.expected),
        };
        86_400 / apart.as_secs().max(1)
    }

    fn sample(&self, source: &SourceConfig, rows: usize) -> Rows {
        let mapped = match &source.kind {
            Kind::Tasmota(reader) => &reader.channels,
            Kind::RapidM2m(site) => &site.channels,
            Kind::Synthetic(curve) => &curve.channels,
        };
        let mut channels: Vec<Channel> = mapped.iter().map(|mapped| mapped.channel.clone()).collect();
        if channels.is_empty() {
            // What a reader's recognised defaults usually give: import, export, power.
            let codes = ["1-0:1.8.0*255", "1-0:2.8.0*255", "1-0:16.7.0*255"];
            channels = codes
                .map(|code| Channel {
                    obis: Some(code.into()),
                    ..Channel::named(code)
                })
                .into();
        }
        let mut sample = Rows::new(channels);
        let mut at = 1_769_433_300_000;
        for _ in 0..rows {
            at += 60_000;
            sample.push(at, |_| Some(&self.value));
        }
        sample
    }
}

fn unlisted(discovery: &DiscoveryConfig) -> String {
    let (backend, customer) = discovery.subject();
    format!("the sites of {customer} at {backend} are not counted: no list of them is stored")
}

fn interval(source: &SourceConfig) -> Duration {
    match &source.schedule {
        Schedule::Every(every) => *every,
        Schedule::Cron(text) => {
            let next = |at| crate::poll::schedule::cron_after(text, source.zone, at);
            let first = next(1_769_433_300_000).unwrap_or(0);
            let second = next(first).unwrap_or(first + 60_000);
            Duration::from_millis(u64::try_from(second - first).unwrap_or(60_000))
        }
    }
}

/// The smallest tier that holds so many units a day; IoT Hub quotas as of 2025-05 (iot-hub-devguide-quotas-throttling).
fn tier(config: &Config, total: Cost) -> String {
    if config.settings.pack.unit == 512 {
        return if total.units <= 8_000 {
            format!(
                "The free tier's 8000 messages a day suffice ({} % used).",
                total.units * 100 / 8_000
            )
        } else {
            "The free tier's 8000 messages a day do not suffice: set IOTHUB_TIER=S1 and plan again.".into()
        };
    }
    let hubs = [
        ("S1 (or B1)", 400_000),
        ("S2 (or B2)", 6_000_000),
        ("S3 (or B3)", 300_000_000),
    ];
    let (name, daily) = if total.units <= 4_000_000 {
        hubs[0]
    } else if total.units <= 120_000_000 {
        hubs[1]
    } else {
        hubs[2]
    };
    let count = total.units.div_ceil(daily).max(1);
    let format = match config.settings.pack.format {
        Format::Timeseries => " MESSAGE_FORMAT=columns packs more readings into a unit.",
        Format::Flat => " MESSAGE_FORMAT=timeseries or columns packs more readings into a unit.",
        Format::Columns => "",
    };
    format!("{count} × {name}: {daily} units of 4 KB a day each.{format}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_a_unit_saves_units() {
        let plan = Plan {
            expected: Duration::from_secs(900),
            value: "12345.678".into(),
            offline: true,
        };
        let mut source = crate::forward::pack::tests::source();
        source.schedule = Schedule::Every(Duration::from_secs(60));
        let Kind::Synthetic(curve) = &mut source.kind else {
            unreachable!()
        };
        curve.interval = Duration::from_secs(60);
        let pack = PackConfig {
            format: Format::Timeseries,
            unit: 4096,
            units: 46,
        };
        // One reading a message pays a whole unit each: 1440 a day.
        let alone = plan.cost(&source, &pack, Duration::ZERO);
        assert_eq!(
            alone,
            Cost {
                messages: 1440,
                units: 1440
            }
        );
        // Fifteen in one message still fit one unit: 96 a day.
        let together = plan.cost(&source, &pack, Duration::from_secs(900));
        assert_eq!(
            together,
            Cost {
                messages: 96,
                units: 96
            }
        );
    }
}
