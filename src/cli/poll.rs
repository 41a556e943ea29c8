//! `poll`: one tick now, or a dry run that shows what would be sent.

use std::process::ExitCode;

use clap::Args;

use super::{Common, FAILED, preview};
use crate::app::{self, Wired};
use crate::clock::{Clock, iso};
use crate::config::{Config, SourceConfig};
use crate::forward::pack;
use crate::poll::window::{self, millis};
use crate::source::{Answer, Window};
use crate::store::documents::{Document, State};

/// Poll once, now, due or not.
#[derive(Debug, Args)]
pub(super) struct Poll {
    /// Only these sources; without any, all of this runner.
    // An id of its own: `--sources`, a file, is an option of every command.
    #[arg(id = "only", value_name = "SOURCE")]
    sources: Vec<String>,
    /// Ask the sources, print what would be sent with its billing units, and neither store nor send anything.
    #[arg(long)]
    dry_run: bool,
}

impl Poll {
    pub(super) async fn run(self, common: &Common) -> ExitCode {
        common.log_for_people();
        let config = match common.load_or_complain() {
            Ok(config) => config,
            Err(code) => return code,
        };
        let clock = Clock::system();
        let wired = match super::wired(config, &clock).await {
            Ok(wired) => wired,
            Err(code) => return code,
        };
        if self.dry_run {
            return self.show(&wired, &clock).await;
        }
        self.poll(&wired, &clock).await
    }

    async fn poll(&self, wired: &Wired, clock: &Clock) -> ExitCode {
        let store = &wired.rounds.poller().store;
        if let Err(error) = store.prepare().await {
            eprintln!("{error}");
            return ExitCode::from(FAILED);
        }
        let known = wired.catalog.current();
        if self.sources.iter().any(|id| known.source(id).is_none()) || self.sources.is_empty() {
            // Sites that nobody has listed yet, or that came since.
            let deadline = clock
                .now()
                .saturating_add(millis(wired.config.settings.worker_tick));
            wired.catalog.discover(deadline).await;
            wired.refresh().await;
        }
        let known = wired.catalog.current();
        if let Err(code) = super::all_known(&self.sources, known.configs()) {
            return code;
        }
        let mut good = true;
        if self.sources.is_empty() {
            for trouble in known.troubles() {
                good = false;
                println!("{trouble}");
            }
        }
        let ids = if self.sources.is_empty() {
            wired.rounds.ids()
        } else {
            self.sources.clone()
        };
        if let Some(other) = ids.iter().find(|id| wired.rounds.member(id).is_none()) {
            eprintln!(
                "{other} belongs to another runner than \"{}\": set RUNNER to poll it from here.",
                wired.config.settings.runner
            );
            return ExitCode::from(super::BAD_CONFIGURATION);
        }
        let bar = super::progress::bar(ids.len(), "Polling");
        for id in ids {
            // Each source has its own time: the last of many must not find it used up.
            let now = clock.now();
            let deadline = now.saturating_add(millis(wired.config.settings.worker_tick));
            let round = wired.rounds.poll(vec![id.clone()], now, deadline, true).await;
            bar.inc(1);
            if round.reports.is_empty() {
                bar.suspend(|| println!("{id}: another process works on it right now"));
            }
            for report in round.reports {
                good &= report.is_good();
                bar.suspend(|| println!("{}", report.line()));
            }
        }
        bar.finish_and_clear();
        if good {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        }
    }

    async fn show(&self, wired: &Wired, clock: &Clock) -> ExitCode {
        let config = &wired.config;
        let client = match crate::http::client(&[]) {
            Ok(client) => client,
            Err(error) => {
                eprintln!("TLS cannot be set up: {error}");
                return ExitCode::from(FAILED);
            }
        };
        let known = wired.catalog.current();
        let (found, troubles) = wired.catalog.preview().await;
        let sources: Vec<&SourceConfig> = known.configs().chain(&found).collect();
        if let Err(code) = super::all_known(&self.sources, sources.iter().copied()) {
            return code;
        }
        let mut good = true;
        if self.sources.is_empty() {
            for trouble in known.troubles().into_iter().chain(troubles) {
                good = false;
                println!("{trouble}");
            }
        }
        let mut units = 0;
        for source in sources {
            if !self.sources.is_empty() && !self.sources.contains(&source.id) {
                continue;
            }
            let backend = app::backend(source, &client, clock);
            // Where the store can be asked, the dry run starts where the next tick would.
            let mark = mark(wired, &source.id)
                .await
                .or(source.start.map(|start| start - 1));
            let now = clock.now();
            let asked = if !backend.has_history() {
                Window::Range {
                    from: now,
                    until: now,
                    open: true,
                }
            } else if let Some(mark) = mark {
                let pass = window::open(mark, i64::MIN, source.overlap, now);
                window::slice(pass, source.slice, true).map_or(Window::Youngest, |slice| slice.window)
            } else {
                Window::Youngest
            };
            match backend.read(asked).await {
                Ok(answer) => units += print(config, source, &answer, asked, now),
                Err(error) => {
                    good = false;
                    println!("{}: {error}", source.id);
                }
            }
        }
        println!("Nothing was stored or sent. In all: {units} billing units.");
        if good {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        }
    }
}

async fn mark(wired: &Wired, source: &str) -> Option<i64> {
    let store = &wired.rounds.poller().store;
    store.prepare().await.ok()?;
    match store.read(source, State::ID).await.ok()??.document {
        Document::State(state) => state.mark,
        _ => None,
    }
}

fn print(config: &Config, source: &SourceConfig, answer: &Answer, asked: Window, now: i64) -> u32 {
    println!(
        "{}: {} {} → {}",
        source.id, answer.request.method, answer.request.url, answer.status
    );
    if let Window::Range { from, until, .. } = asked
        && until > from
    {
        println!("  window {} … {}", iso(from), iso(until));
    }
    for remark in &answer.remarks {
        println!("  note: {remark}");
    }
    if !answer.unknown.is_empty() {
        println!(
            "  labels that are not sent (map them in sources.toml): {}",
            answer.unknown.join(", ")
        );
    }
    let rows = &answer.rows;
    println!("  {} rows, {} readings", rows.len(), rows.readings());
    let mut total = 0;
    for (label, one) in preview::of(source, rows, &config.settings.pack, now)
        .iter()
        .enumerate()
    {
        let message = &one.message;
        total += one.units;
        println!(
            "  message {label}: {} rows, {} bytes counted, {} units",
            one.rows,
            pack::counted(message),
            one.units
        );
        for (name, value) in &message.properties {
            println!("    {name}: {value}");
        }
        println!(
            "    {}",
            crate::http::excerpt_of(&String::from_utf8_lossy(&message.body), 2_000)
        );
    }
    total
}
