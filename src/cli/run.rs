//! `run`: a plain service with its own clock, for a machine that reaches its readers.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

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
        wired.refresh().await;
        let runner = wired.config.settings.runner.as_str();
        if wired.rounds.ids().is_empty() && !wired.catalog.current().discovers(runner) {
            eprintln!(
                "No source has runner = \"{runner}\"; set `runner` in sources.toml, or --runner. \
                 `meterbridge sources list` tells which there are, the store's among them."
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
        let mut rounds = JoinSet::new();
        tokio::select! {
            () = self.begin_rounds(&app, &wired, &mut rounds) => {}
            () = lifetime::signal() => {
                tracing::info!("Ending; what is under way is finished first, a second signal breaks it off");
            }
        }
        wired.rounds.stop();
        tokio::select! {
            () = async { while rounds.join_next().await.is_some() {} } => {
                tracing::info!("Ended; nothing was left half done");
            }
            // No harm: the next start goes on from what is stored.
            () = lifetime::signal() => tracing::warn!("Broken off; the next start goes on from what is stored"),
        }
        ExitCode::SUCCESS
    }

    /// Begins a round at every step of the clock, whatever the ones before are about: a slow backend holds up nobody else. Ends
    /// only where the number of rounds is limited.
    async fn begin_rounds(&self, app: &Arc<App>, wired: &Arc<Wired>, rounds: &mut JoinSet<bool>) {
        let mut clock = tokio::time::interval(self.every);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut polled = 0;
        loop {
            tokio::select! {
                _ = clock.tick() => {
                    rounds.spawn(round(Arc::clone(app), Arc::clone(wired)));
                }
                Some(done) = rounds.join_next(), if !rounds.is_empty() => polled += u64::from(done.unwrap_or(false)),
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

/// One round; tells whether anything was polled.
async fn round(app: Arc<App>, wired: Arc<Wired>) -> bool {
    let now = app.clock().now();
    let deadline = now.saturating_add(millis(wired.config.settings.worker_tick));
    wired.refresh_if_idle().await;
    let (round, ()) = tokio::join!(wired.rounds.run(now, deadline), wired.catalog.discover(deadline));
    match round {
        Ok(round) if round.reports.is_empty() => false,
        Ok(round) => {
            app.note_round(now, &round);
            tracing::debug!(due = %iso(now), "{}", round.summary());
            true
        }
        Err(error) => {
            tracing::error!(%error, "The store does not say what is due");
            false
        }
    }
}
