//! `check`: settings, sources, reachability, logins, the hub's token; every line says what to do where it is not good.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::{Common, FAILED};
use crate::app::{self, Wired};
use crate::catalog::Sources;
use crate::clock::{Clock, Millis, iso};
use crate::config::{Config, Identity, Schedule, SourceConfig};
use crate::poll::gaps::{Interval, describe};
use crate::poll::standing::standing;
use crate::poll::window::millis;
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
        if self.offline
            && let Err(code) = super::all_known(&self.sources, config.sources.iter())
        {
            return code;
        }
        let mut sheet = Sheet::default();
        sheet.say(&Finding {
            good: true,
            text: format!("settings: {} sources", config.sources.len()),
        });
        for discovery in &config.discoveries {
            let (backend, customer) = discovery.subject();
            sheet.note(&format!("the sites of {customer} at {backend} are found there"));
        }
        for warning in &config.warnings {
            sheet.note(warning);
        }
        intervals(&config, &mut sheet);
        if self.offline {
            return sheet.end();
        }
        let clock = Clock::system();
        let mut kept = None;
        let mut sources = config.sources.clone();
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
                    wired.refresh().await;
                    let known = wired.catalog.current();
                    if let Err(code) = super::all_known(&self.sources, known.configs()) {
                        return code;
                    }
                    sources = known.configs().cloned().collect();
                    defined(&known, config.sources.len(), &mut sheet);
                    self.gaps(&sources, store.as_ref(), &mut sheet).await;
                }
                sheet.head("hub");
                for finding in wired.rounds.poller().forward.inspect().await {
                    sheet.say(&finding);
                }
                if self.sources.is_empty() {
                    lists(&wired, &mut sheet).await;
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
        let chosen: Vec<&SourceConfig> = sources
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
    async fn gaps(&self, sources: &[SourceConfig], store: &dyn Store, sheet: &mut Sheet) {
        for source in sources {
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

/// What the store defines, and what is wrong with it.
fn defined(known: &Sources, of_file: usize, sheet: &mut Sheet) {
    let more = known.members.len().saturating_sub(of_file);
    if more > 0 || !known.faults.is_empty() {
        let text = format!("store: {more} more sources, defined there or found at backends");
        sheet.say(&Finding { good: true, text });
    }
    if let Some(trouble) = &known.trouble {
        let text = format!("definitions in the store: {trouble}");
        sheet.say(&Finding { good: false, text });
    }
    for fault in &known.faults {
        let text = format!("definition in the store: {fault}");
        sheet.say(&Finding { good: false, text });
    }
    for warning in &known.warnings {
        sheet.note(&format!("definition in the store: {warning}"));
    }
}

/// The lists of customers' sites: as they were listed last, and as the backend lists them now. Nothing is stored.
async fn lists(wired: &Wired, sheet: &mut Sheet) {
    for discovered in &wired.catalog.current().discoveries {
        let config = &discovered.config;
        let (backend, customer) = config.subject();
        sheet.head(&format!(
            "sites of {customer} at {backend} ({}, {})",
            config.name, config.template.origin
        ));
        sheet.say(&match wired.catalog.look(config).await {
            Ok(listed) => Finding {
                good: true,
                text: {
                    let taken = listed
                        .iter()
                        .filter(|site| config.patterns.takes(&site.id))
                        .count();
                    let left_out = listed.len() - taken;
                    format!(
                        "{} sites are listed now: {taken} taken, {left_out} left out by the patterns",
                        listed.len()
                    )
                },
            },
            Err(error) => Finding {
                good: false,
                text: error.to_string(),
            },
        });
        let Some(doc) = &discovered.sites else {
            sheet.note("no list was stored yet; the next tick asks for it");
            continue;
        };
        if let Some(at) = doc.at {
            sheet.note(&format!(
                "{} sources, as listed at {}; asked again at {}",
                discovered.taken,
                iso(at),
                iso(doc.next)
            ));
        }
        if let Some(trouble) = &doc.trouble {
            sheet.note(&format!("failed {} times in a row: {trouble}", doc.failures));
        }
        for remark in &doc.remarks {
            sheet.note(remark);
        }
        let grace = millis(wired.config.settings.discovery.grace);
        for site in &doc.sites {
            if let Some(gone) = site.gone {
                let until = iso(gone.saturating_add(grace));
                sheet.note(&format!(
                    "{} has not been listed since {}; it is polled on until {until}",
                    site.site,
                    iso(gone)
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
