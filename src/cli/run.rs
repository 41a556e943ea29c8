//! `run`: a plain service with its own clock, for a machine that reaches its readers.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;

use super::{Common, FAILED};
use crate::app::{App, Wired};
use crate::clock::iso;
use crate::config;
use crate::logs;
use crate::poll::window::millis;
use crate::trigger::{self, lifetime};

/// Poll on an own schedule until Ctrl-C or SIGTERM; a tick that is under way is finished first.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Poll the sources of this runner instead of RUNNER's.
    #[arg(long, value_name = "NAME")]
    runner: Option<String>,
    /// How often to look for sources that are due.
    #[arg(long, default_value = "1s", value_parser = config::duration::parse, value_name = "DURATION")]
    every: Duration,
    /// Serve health and the page at `/` here.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// End after so many rounds that polled something.
    #[arg(long, value_name = "N", hide = true)]
    rounds: Option<u64>,
}

impl Run {
    pub(super) async fn run(self, common: &Common) -> ExitCode {
        let process = config::process();
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let style = process.log_style(logs::Style::Text(terminal));
        logs::start(
            style,
            &logs::filter(common.verbose, process.log_filter().as_deref()),
        );
        let runner = self.runner.clone();
        let common = common.clone();
        let load = move || {
            let mut config = common.load()?;
            if let Some(runner) = &runner {
                config.settings.runner.clone_from(runner);
            }
            Ok(config)
        };
        let app = App::new(crate::clock::Clock::system(), Box::new(load));
        let wired = match app.parts().await {
            Ok(wired) => wired,
            Err(faults) => return super::complain(&faults),
        };
        if wired.rounds.ids().is_empty() {
            eprintln!(
                "No source has runner = \"{}\"; set `runner` in sources.toml, or --runner.",
                wired.config.settings.runner
            );
            return ExitCode::from(super::BAD_CONFIGURATION);
        }
        if let Err(code) = self.listen(&app, &wired).await {
            return code;
        }
        tracing::info!(
            sources = wired.rounds.ids().len(),
            runner = wired.config.settings.runner,
            store = wired.rounds.poller().store.describe(),
            "Polling"
        );
        let stop = Arc::new(tokio::sync::Notify::new());
        let stopped = Arc::clone(&stop);
        tokio::spawn(async move {
            lifetime::signal().await;
            stopped.notify_one();
        });
        self.rounds(&app, &wired, &stop).await;
        tracing::info!("Ended; nothing was left half done");
        ExitCode::SUCCESS
    }

    async fn rounds(&self, app: &App, wired: &Wired, stop: &tokio::sync::Notify) {
        let mut clock = tokio::time::interval(self.every);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut polled = 0;
        loop {
            tokio::select! {
                _ = clock.tick() => {}
                () = stop.notified() => return,
            }
            let now = app.clock().now();
            let deadline = now.saturating_add(millis(wired.config.settings.worker_tick));
            // A round is not broken off: it is short, and what it began is best finished.
            match wired.rounds.run(now, deadline).await {
                Ok(round) => {
                    if !round.reports.is_empty() {
                        app.note_round(now, &round);
                        tracing::debug!(due = %iso(now), "{}", round.summary());
                        polled += 1;
                    }
                }
                Err(error) => tracing::error!(%error, "The store does not say what is due"),
            }
            if self.rounds.is_some_and(|rounds| polled >= rounds) {
                return;
            }
        }
    }

    async fn listen(&self, app: &Arc<App>, wired: &Wired) -> Result<(), ExitCode> {
        let Some(address) = self.listen else { return Ok(()) };
        if !address.ip().is_loopback() && wired.config.settings.operations_key.is_none() {
            eprintln!(
                "--listen {address} is open to the network: set OPERATIONS_KEY first, or listen on 127.0.0.1."
            );
            return Err(ExitCode::from(super::BAD_CONFIGURATION));
        }
        let listener = TcpListener::bind(address).await.map_err(|error| {
            eprintln!("{address} cannot be listened on: {error}");
            ExitCode::from(FAILED)
        })?;
        let key = wired.config.settings.operations_key.clone();
        let router = crate::api::locked(trigger::plain_router(Arc::clone(app)), key);
        tracing::info!(address = %listener.local_addr().unwrap_or(address), "Serving health");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(())
    }
}
