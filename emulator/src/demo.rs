//! The whole job on loopback, with no account: two readers and a rapidM2M backend are polled by the real handler, which the Functions
//! host double starts from the real `host.json`; what it reads is kept in its embedded store and delivered to the emulated hub over TLS.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;

use crate::host::{FunctionsHost, HostOptions};
use crate::hub::{Arrived, Device, Hub, HubOptions, Key};
use crate::rapidm2m::{Backend, BackendOptions, Channel, CustomerOptions, Generator, SiteOptions, Wave};
use crate::readers::{Labels, Reader, ReaderOptions};
use crate::tls::Authority;

/// Options of the command.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The handler's binary.
    #[arg(long, default_value = "target/release/meterbridge")]
    handler: PathBuf,
    /// Folder that holds host.json and the functions.
    #[arg(long, default_value = ".")]
    app_root: PathBuf,
    /// When TimerPoll runs.
    #[arg(long, default_value = "*/5 * * * * *")]
    schedule: String,
    /// Where the page, health and info are served.
    #[arg(long, default_value = "127.0.0.1:7071")]
    listen: std::net::SocketAddr,
    /// End by itself once so many messages have arrived.
    #[arg(long)]
    messages: Option<u64>,
}

/// Why the demo did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// One of the parts did not start.
    #[error("{0} did not start: {1}")]
    Part(&'static str, String),
    /// A file of the demo cannot be written.
    #[error("the demo's files cannot be written: {0}")]
    Files(#[from] io::Error),
    /// The host ended: the handler ended three times.
    #[error("the Functions host ended: {0}")]
    HostEnded(String),
}

/// Runs everything until Ctrl-C and prints what happens, tick by tick and message by message.
///
/// # Errors
/// [`DemoError`].
pub async fn run(args: Args) -> Result<(), DemoError> {
    let part = |name: &'static str| move |error: String| DemoError::Part(name, error);
    let folder = tempfile::Builder::new().prefix("meterbridge-demo").tempdir()?;
    let authority =
        Authority::load_or_create(folder.path()).map_err(|e| part("The authority")(e.to_string()))?;
    let hub = hub(&authority).await.map_err(part("The hub"))?;
    let home = reader(1, Labels::Total, true).await.map_err(part("A reader"))?;
    let barn = reader(2, Labels::Mt631, false).await.map_err(part("A reader"))?;
    let backend = backend().await.map_err(part("The backend"))?;

    let sources = folder.path().join("sources.toml");
    std::fs::write(&sources, definitions(&home, &barn, &backend))?;
    let mut options = HostOptions::new(&args.app_root)
        .setting("TimerSchedule", &args.schedule)
        .setting("TICK_SECONDS", "4")
        .setting("SOURCES_FILE", sources.display().to_string())
        .setting("STORE_PATH", folder.path().join("store.db").display().to_string())
        .setting("IOTHUB_DEVICE_CONNECTION_STRING", connection_string(&hub))
        .setting("IOTHUB_CONNECT", format!("localhost:{}", hub.addr().port()))
        .setting(
            "IOTHUB_CA_FILE",
            folder.path().join("ca.pem").display().to_string(),
        )
        .setting("AzureWebJobsDisableHomepage", "true")
        .setting("BACKEND_PASSWORD", PASSWORD);
    options.executable = Some(std::fs::canonicalize(&args.handler)?);
    options.listen = args.listen;
    let mut arrivals = hub.subscribe();
    let host = match FunctionsHost::start(options.clone()).await {
        Ok(host) => host,
        Err(_) if args.listen.port() != 0 => {
            // The usual port is taken: any other will do.
            options.listen.set_port(0);
            FunctionsHost::start(options)
                .await
                .map_err(|e| part("The Functions host")(e.to_string()))?
        }
        Err(error) => return Err(part("The Functions host")(error.to_string())),
    };
    println!("Two readers:       {} and {}", home.url(), barn.url());
    println!("rapidM2M backend:  {}", backend.url());
    println!("IoT Hub (TLS):     {}", hub.url());
    println!(
        "Handler:           {} (process {:?})",
        args.handler.display(),
        host.handler_pid().unwrap_or(0)
    );
    println!("Look at:           http://{}/", host.http_addr());
    println!("Polling by \"{}\"; Ctrl-C ends.\n", args.schedule);

    let (_, mut lines) = host.follow_logs();
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            _ = &mut stop => break,
            reason = host.ended() => return Err(DemoError::HostEnded(reason)),
            line = lines.recv() => match line {
                Ok(line) if line.category.ends_with(".User") => println!("tick      {}", line.text),
                Ok(line) if line.level != crate::host::Level::Information => println!("{line}"),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            },
            arrived = arrivals.recv() => if let Ok(arrived) = arrived {
                println!("{}", line(&arrived));
                if args.messages.is_some_and(|enough| arrived.number >= enough) {
                    break;
                }
            },
        }
    }
    let stats = hub.stats();
    println!(
        "\n{} messages, {} billing units arrived.",
        stats.messages, stats.units
    );
    host.stop().await;
    Ok(())
}

const PASSWORD: &str = "demo-password";

async fn hub(authority: &Authority) -> Result<Hub, String> {
    let key = Key::random().map_err(|error| error.to_string())?;
    let options = HubOptions {
        authority: Some(authority.clone()),
        devices: vec![Device::new("meterbridge-demo", key)],
        ..HubOptions::default()
    };
    Hub::start(options).await.map_err(|error| error.to_string())
}

fn connection_string(hub: &Hub) -> String {
    hub.device("meterbridge-demo")
        .map(|device| device.connection_string(hub.host_name()))
        .unwrap_or_default()
}

async fn reader(seed: u64, labels: Labels, solar: bool) -> Result<Reader, String> {
    let options = ReaderOptions {
        meters: vec![labels.into()],
        seed,
        solar,
        ..ReaderOptions::default()
    };
    Reader::start(options).await.map_err(|error| error.to_string())
}

async fn backend() -> Result<Backend, String> {
    let channel = |name: &str, title: &str, units: &str, wave| Channel {
        name: name.into(),
        alias: None,
        title: title.into(),
        units: units.into(),
        wave,
    };
    let generator = Generator {
        interval_ms: 5_000,
        start_ms: now() - 60_000,
        ..Generator::default()
    };
    let channels = vec![
        channel(
            "ch0",
            "Energy",
            "Wh",
            Wave::Counter {
                start: 51_000,
                step: 7,
            },
        ),
        channel(
            "ch1",
            "Voltage",
            "V",
            Wave::Gauge {
                base: 2_305,
                spread: 40,
                decimals: 1,
            },
        ),
    ];
    let options = BackendOptions {
        user: "demo".into(),
        password: PASSWORD.into(),
        customers: vec![CustomerOptions {
            id: "demo@example.com".into(),
            sites: vec![SiteOptions::generated("Energy meter 1", channels, generator)],
        }],
        ..BackendOptions::default()
    };
    Backend::start(options).await.map_err(|error| error.to_string())
}

fn definitions(home: &Reader, barn: &Reader, backend: &Backend) -> String {
    format!(
        r#"[[source]]
id = "home"
kind = "tasmota"
url = "{}"
zone = "Etc/GMT-1"
every = "5s"

[[source]]
id = "barn"
kind = "tasmota"
url = "{}"
zone = "Etc/GMT-1"
every = "5s"

[[source]]
id = "plant"
kind = "rapidm2m"
url = "{}"
user = "demo"
password = "${{BACKEND_PASSWORD}}"
customer = "demo@example.com"
site = "Energy meter 1"
channels = ["ch0", "ch1"]
every = "5s"
overlap = "1m"
"#,
        home.url(),
        barn.url(),
        backend.url()
    )
}

fn line(arrived: &Arc<Arrived>) -> String {
    let body = String::from_utf8_lossy(&arrived.body);
    let short: String = body.chars().take(180).collect();
    let more = if body.chars().count() > 180 { "…" } else { "" };
    let plural = if arrived.units == 1 { "" } else { "s" };
    format!("message   {} unit{plural}  {short}{more}", arrived.units)
}

fn now() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
