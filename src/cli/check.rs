//! `check`: settings, sources, reachability, logins, the hub's token; every line says what to do where it is not good.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::{Common, FAILED};
use crate::app;
use crate::clock::{Clock, Millis, iso};
use crate::config::{Config, Identity, Schedule, SourceConfig};
use crate::poll::gaps::{Interval, describe};
use crate::poll::standing::standing;
use crate::source::Finding;
use crate::store::Store;
use crate::store::documents::{Document, State};

/// Check everything that can be checked without sending a reading.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Only these sources.
    // An id of its own: `--sources`, a file, is an option of every command.
    #[arg(id = "only", value_name = "SOURCE")]
    sources: Vec<String>,
    /// Only the settings and sources.toml: no connection is made.
    #[arg(long)]
    offline: bool,
}

impl Check {
    pub(super) async fn run(self, common: &Common) -> ExitCode {
        common.log_for_people();
        let config = match common.load_or_complain() {
            Ok(config) => config,
            Err(code) => return code,
        };
        if let Err(code) = super::all_known(&self.sources, &config) {
            return code;
        }
        let mut sheet = Sheet::default();
        sheet.say(&Finding {
            good: true,
            text: format!("settings: {} sources", config.sources.len()),
        });
        for warning in &config.warnings {
            sheet.note(warning);
        }
        intervals(&config, &mut sheet);
        if self.offline {
            return sheet.end();
        }
        let clock = Clock::system();
        let mut kept = None;
        match app::wire(config.clone(), &clock) {
            Ok(wired) => {
                let store = &wired.rounds.poller().store;
                let finding = match store.prepare().await {
                    Ok(()) => {
                        kept = Some(Arc::clone(store));
                        Finding {
                            good: true,
                            text: format!("store: {}", store.describe()),
                        }
                    }
                    Err(error) => Finding {
                        good: false,
                        text: format!("store: {error}"),
                    },
                };
                sheet.say(&finding);
                if finding.good {
                    self.gaps(&config, store.as_ref(), &mut sheet).await;
                }
                sheet.head("hub");
                for finding in wired.rounds.poller().forward.inspect().await {
                    sheet.say(&finding);
                }
            }
            Err(faults) => {
                for fault in faults {
                    sheet.say(&Finding {
                        good: false,
                        text: fault.to_string(),
                    });
                }
            }
        }
        let Ok(client) = crate::http::client(&[]) else {
            return sheet.end();
        };
        let chosen: Vec<&SourceConfig> = config
            .sources
            .iter()
            .filter(|source| self.sources.is_empty() || self.sources.contains(&source.id))
            .collect();
        let bar = super::progress::bar(chosen.len(), "Asking sources");
        for source in chosen {
            let mut findings = app::backend(source, &client, &clock).inspect().await;
            if let Some(store) = &kept {
                findings.extend(remembered(store.as_ref(), &source.id, clock.now()).await);
            }
            bar.inc(1);
            bar.suspend(|| {
                sheet.head(&format!("{} ({})", source.id, source.origin));
                for finding in findings {
                    sheet.say(&finding);
                }
            });
        }
        bar.finish_and_clear();
        sheet.end()
    }
}

impl Check {
    /// What the ledgers of the chosen sources list as missing.
    async fn gaps(&self, config: &Config, store: &dyn Store, sheet: &mut Sheet) {
        for source in &config.sources {
            let chosen = self.sources.is_empty() || self.sources.contains(&source.id);
            let Some(expected) = source.expected.filter(|_| chosen) else {
                continue;
            };
            let Ok(Some(found)) = store.read(&source.id, State::ID).await else {
                continue;
            };
            let Document::State(State { gaps: Some(gaps), .. }) = found.document else {
                continue;
            };
            let interval = Interval::new(expected, source.zone);
            for gap in &gaps.open {
                sheet.note(&format!(
                    "{}: gap of {}, asked for {} times, again at {}",
                    source.id,
                    describe(gap, interval),
                    gap.asked,
                    iso(gap.due)
                ));
            }
            if gaps.overdue {
                sheet.note(&format!(
                    "{}: overdue, no row since {}",
                    source.id,
                    iso(gaps.newest)
                ));
            }
        }
    }
}

/// What the last ticks left: failures, what is waited for, what was refused. A source without a state has nothing to tell.
async fn remembered(store: &dyn Store, source: &str, now: Millis) -> Vec<Finding> {
    match store.read(source, State::ID).await {
        Ok(Some(found)) => match found.document {
            Document::State(state) => standing(&state, now),
            _ => Vec::new(),
        },
        Ok(None) => Vec::new(),
        Err(error) => vec![Finding {
            good: false,
            text: error.to_string(),
        }],
    }
}

/// A source that wants to be asked more often than the timer ticks is asked at every tick only.
fn intervals(config: &Config, sheet: &mut Sheet) {
    let Some(period) = config.settings.timer_period() else {
        return;
    };
    for source in &config.sources {
        if let Schedule::Every(every) = source.schedule
            && every < period
            && source.runner == "cloud"
        {
            sheet.note(&format!(
                "{}: every = {} s is shorter than the timer's {} s; under the Functions host it is polled once a tick",
                source.id,
                every.as_secs(),
                period.as_secs()
            ));
        }
    }
    if matches!(config.settings.identity, Identity::None) {
        sheet.note("no device identity: readings are stored, and nothing is sent");
    }
}

/// What was found, line by line.
#[derive(Default)]
struct Sheet {
    bad: usize,
}

impl Sheet {
    fn head(&self, text: &str) {
        println!("{text}");
    }

    fn say(&mut self, finding: &Finding) {
        println!(
            "  {} {}",
            if finding.good { "ok  " } else { "BAD " },
            finding.text
        );
        self.bad += usize::from(!finding.good);
    }

    fn note(&self, text: &str) {
        println!("  note {text}");
    }

    fn end(self) -> ExitCode {
        if self.bad == 0 {
            println!("All is well.");
            ExitCode::SUCCESS
        } else {
            println!("{} to mend.", self.bad);
            ExitCode::from(FAILED)
        }
    }
}
