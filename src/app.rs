//! The parts, wired once per process: after the listener is up, so that the host's first probe is answered at once.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::catalog::Catalog;
use crate::clock::{Clock, Millis};
use crate::config::{Config, Fault, Kind, SourceConfig, StoreConfig};
use crate::forward::hub::Hub;
use crate::poll::{Limits, Poller, Round, Rounds};
use crate::source::Source;
use crate::source::rapidm2m::RapidM2m;
use crate::source::synthetic::Synthetic;
use crate::source::tasmota::Tasmota;
use crate::store::Store;
use crate::store::cosmos::{Cosmos, CosmosSettings};
use crate::store::embedded::Embedded;

/// How the configuration is read: a parameter, so that tests never touch the process' environment.
pub type Load = Box<dyn Fn() -> Result<Config, Vec<Fault>> + Send + Sync>;

/// One process.
pub struct App {
    clock: Clock,
    load: Arc<dyn Fn() -> Result<Config, Vec<Fault>> + Send + Sync>,
    /// Wired on first use; a fault is not kept, so that a mended file or a store that was locked for a moment needs no restart.
    wired: OnceCell<Arc<Wired>>,
    /// When the process began.
    pub started: Millis,
    last: Mutex<Option<LastRound>>,
}

/// What a sound configuration became.
pub struct Wired {
    /// The configuration.
    pub config: Config,
    /// What polls the sources.
    pub rounds: Rounds,
    /// Which sources there are: as they were when the process began, until [`Wired::refresh`].
    pub catalog: Catalog,
}

impl Wired {
    /// Takes over what was defined in the store, or found at backends, since the last call. A store that does not answer leaves
    /// everything as it was; whoever needs it next tells of that.
    pub async fn refresh(&self) {
        match self.catalog.refresh().await {
            Ok(true) => self.define(),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "The definitions in the store were not read; the known sources are polled on");
            }
        }
    }

    /// The same, but where it is under way nothing is done: for whoever comes every second.
    pub async fn refresh_if_idle(&self) {
        match self.catalog.refresh_if_idle().await {
            Ok(true) => self.define(),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "The definitions in the store were not read; the known sources are polled on");
            }
        }
    }

    fn define(&self) {
        self.rounds.define(self.catalog.current().members.iter().cloned());
    }
}

/// The last round of this process, for health.
#[derive(Clone, Debug)]
pub struct LastRound {
    /// The tick it belonged to.
    pub due: Millis,
    /// When it ended.
    pub ended: Millis,
    /// Sources that were worked.
    pub worked: usize,
    /// Of these, with trouble.
    pub troubled: usize,
}

impl App {
    /// A process that is not wired yet.
    #[must_use]
    pub fn new(clock: Clock, load: Load) -> Arc<Self> {
        let started = clock.now();
        Arc::new(Self {
            clock,
            load: Arc::from(load),
            wired: OnceCell::new(),
            started,
            last: Mutex::default(),
        })
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The parts; wires them on first use.
    ///
    /// # Errors
    /// The faults of the configuration, one a line.
    pub async fn wired(&self) -> Result<Arc<Wired>, String> {
        self.parts().await.map_err(|faults| list(&faults))
    }

    /// The same, with the faults one by one.
    ///
    /// # Errors
    /// The faults of the configuration.
    pub async fn parts(&self) -> Result<Arc<Wired>, Vec<Fault>> {
        let wired = self.wired.get_or_try_init(|| async {
            let (load, clock) = (Arc::clone(&self.load), self.clock.clone());
            // Files are read and opened here, which on a slow disk takes its time: not on a thread that answers the host's probe.
            let made = tokio::task::spawn_blocking(move || {
                let config = load()?;
                for warning in &config.warnings {
                    tracing::warn!("{warning}");
                }
                wire(config, &clock).map(Arc::new)
            });
            made.await.unwrap_or_else(|error| match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is ending, and nobody waits for this any more.
                Err(_) => Err(Vec::new()),
            })
        });
        wired.await.cloned()
    }

    /// Remembers what a round came to.
    pub fn note_round(&self, due: Millis, round: &Round) {
        let note = LastRound {
            due,
            ended: self.clock.now(),
            worked: round.reports.len(),
            troubled: round.reports.iter().filter(|report| !report.is_good()).count(),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(note);
    }

    /// What the last round came to.
    #[must_use]
    pub fn last_round(&self) -> Option<LastRound> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Makes the parts of a sound configuration.
///
/// # Errors
/// What only shows when a part is made: unreadable certificates, a store file that cannot be opened.
pub fn wire(config: Config, clock: &Clock) -> Result<Wired, Vec<Fault>> {
    let settings = &config.settings;
    let mut faults = Vec::new();
    let client = crate::http::client(&[]).map_err(|error| vec![no_tls(&error)])?;
    if matches!(settings.store, StoreConfig::Cosmos { .. }) && !crate::http::roots::has_store() {
        // The client of Cosmos DB is made by its SDK, which knows the machine's store only, and ends in a panic without one.
        faults.push(Fault {
            place: "SSL_CERT_FILE".into(),
            text: "this machine has no certificate store, and the client of Cosmos DB needs one: name a file with authorities in \
                   PEM form (Debian: ca-certificates)"
                .into(),
        });
        return Err(faults);
    }
    let store = store(&settings.store, clock.clone())
        .map_err(|fault| faults.push(fault))
        .ok();
    let forward = forward(&config, clock.clone())
        .map_err(|fault| faults.push(fault))
        .ok();
    let (Some(store), Some(forward)) = (store, forward) else {
        return Err(faults);
    };
    let poller = Poller {
        store,
        forward,
        clock: clock.clone(),
        pack: settings.pack,
        retention: u32::try_from(settings.retention.as_secs()).unwrap_or(u32::MAX),
        limits: Arc::new(Limits::new(settings.limits)),
    };
    let catalog = Catalog::new(
        config.clone(),
        Arc::clone(&poller.store),
        client,
        clock.clone(),
        Arc::clone(&poller.limits),
    );
    let rounds = Rounds::new(poller, settings.runner.clone(), settings.concurrency, Vec::new());
    let wired = Wired {
        config,
        rounds,
        catalog,
    };
    wired.define();
    Ok(wired)
}

/// The backend of a source.
#[must_use]
pub fn backend(source: &SourceConfig, client: &reqwest::Client, clock: &Clock) -> Arc<dyn Source> {
    match &source.kind {
        Kind::Tasmota(reader) => Arc::new(Tasmota::new(
            reader.clone(),
            source.zone,
            client.clone(),
            clock.clone(),
        )),
        Kind::RapidM2m(site) => Arc::new(RapidM2m::new(site.clone(), client.clone(), clock.clone())),
        Kind::Synthetic(curve) => Arc::new(Synthetic::new(curve.clone(), clock.clone())),
    }
}

fn store(config: &StoreConfig, clock: Clock) -> Result<Arc<dyn Store>, Fault> {
    match config {
        StoreConfig::Embedded { path } => match Embedded::open(path, clock) {
            Ok(store) => Ok(Arc::new(store)),
            Err(error) => Err(Fault {
                place: "STORE_PATH".into(),
                text: error.to_string(),
            }),
        },
        StoreConfig::Cosmos {
            endpoint,
            key,
            client_id,
            database,
            container,
        } => Ok(Arc::new(Cosmos::new(CosmosSettings {
            endpoint: endpoint.clone(),
            key: key.clone(),
            client_id: client_id.clone(),
            database: database.clone(),
            container: container.clone(),
        }))),
    }
}

fn forward(config: &Config, clock: Clock) -> Result<Arc<Hub>, Fault> {
    let settings = &config.settings;
    let roots = match &settings.hub_ca_file {
        Some(path) => certificates(path)?,
        None => Vec::new(),
    };
    let client = crate::http::client(&roots).map_err(|error| match &settings.hub_ca_file {
        // Without it a client was made already.
        Some(path) => Fault {
            place: "IOTHUB_CA_FILE".into(),
            text: format!(
                "{} holds what is no certificate ({error}); write it in PEM form, as the authority gave it",
                path.display()
            ),
        },
        None => no_tls(&error),
    })?;
    let hub = Hub::new(settings.identity.clone(), settings.pack.unit, client, clock)
        .and_then(|hub| hub.with_connect(settings.hub_connect.as_deref()));
    hub.map(Arc::new).map_err(|error| Fault {
        place: "IOTHUB_DEVICE_CONNECTION_STRING".into(),
        text: error.to_string(),
    })
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, Fault> {
    let fault = |text: String| Fault {
        place: "IOTHUB_CA_FILE".into(),
        text,
    };
    let pem =
        std::fs::read(path).map_err(|error| fault(format!("{} cannot be read: {error}", path.display())))?;
    let roots = reqwest::Certificate::from_pem_bundle(&pem);
    match roots {
        Ok(roots) if !roots.is_empty() => Ok(roots),
        _ => Err(fault(format!(
            "{} holds no certificate in PEM form",
            path.display()
        ))),
    }
}

fn no_tls(error: &reqwest::Error) -> Fault {
    Fault {
        place: "SSL_CERT_FILE".into(),
        text: format!(
            "TLS cannot be set up ({error}); is there a certificate store on this machine (Debian: ca-certificates)?"
        ),
    }
}

/// Faults, one a line.
#[must_use]
pub fn list(faults: &[Fault]) -> String {
    faults
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
