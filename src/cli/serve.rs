//! `serve`: answer the Azure Functions host.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tokio::net::TcpListener;

use super::{Common, FAILED};
use crate::app::App;
use crate::config;
use crate::logs;
use crate::trigger::{self, lifetime};

/// Answer the Azure Functions host on the port it gives (FUNCTIONS_CUSTOMHANDLER_PORT), on loopback only.
#[derive(Debug, Default, Args)]
pub(super) struct Serve {
    /// Listen on this port instead, to try it without a host; 0 takes a free one.
    #[arg(long)]
    port: Option<u16>,
}

impl Serve {
    pub(super) async fn run(self, common: &Common) -> ExitCode {
        let end = lifetime::end();
        let process = config::process();
        logs::start(
            process.log_style(logs::Style::Json),
            &logs::filter(common.verbose, process.log_filter().as_deref()),
        );
        let given = self
            .port
            .map_or_else(|| process.handler_port(), |port| Ok(Some(port)));
        let port = match given {
            Ok(Some(port)) => port,
            other => {
                let found =
                    other.map_or_else(|text| format!("`{text}` is no port"), |_| "it is not set".into());
                eprintln!(
                    "serve answers the Azure Functions host, which sets FUNCTIONS_CUSTOMHANDLER_PORT; {found}.\n\
                     Without a host use `meterbridge run`, or give --port."
                );
                return ExitCode::from(super::BAD_CONFIGURATION);
            }
        };
        let listener = match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
            Ok(listener) => listener,
            Err(error) => {
                eprintln!("127.0.0.1:{port} cannot be listened on: {error}");
                return ExitCode::from(FAILED);
            }
        };
        let app = common.app();
        // The host's probe is answered at once; the parts are made meanwhile, and a faulty configuration is told early.
        let early = Arc::clone(&app);
        tokio::spawn(async move { announce(&early).await });
        let port = listener.local_addr().map_or(port, |address| address.port());
        tracing::info!(port, version = env!("CARGO_PKG_VERSION"), "Ready");
        let ended = serve(listener, app, end).await;
        tracing::info!(?ended, "Ending");
        match ended {
            Some(lifetime::End::HostGone) => ExitCode::SUCCESS,
            // While its host lives, a handler that ends with 0 is never started again.
            _ => ExitCode::from(FAILED),
        }
    }
}

/// Serves until `end`. Requests in flight are left: whatever they were doing goes on at the next tick.
pub(super) async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    end: impl Future<Output = lifetime::End>,
) -> Option<lifetime::End> {
    let router = trigger::router(app);
    tokio::select! {
        end = end => Some(end),
        served = async { axum::serve(listener, router).await } => {
            if let Err(error) = served {
                tracing::error!(%error, "The listener failed");
            }
            None
        }
    }
}

async fn announce(app: &App) {
    match app.parts().await {
        Ok(wired) => tracing::info!(
            sources = wired.rounds.ids().len(),
            store = wired.rounds.poller().store.describe(),
            "Configured"
        ),
        Err(faults) => {
            for fault in faults {
                tracing::error!(
                    setting = fault.place,
                    "The configuration is faulty: {}",
                    fault.text
                );
            }
        }
    }
}
