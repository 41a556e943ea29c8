//! Both emulators of a round, the store's gateway where there is one, and the bridge's settings.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use meterbridge::clock::{Clock, Millis};
use meterbridge::config::{Format, PackConfig};
use meterbridge::secret::Secret;
use meterbridge::store::Store;
use meterbridge::store::cosmos::{Cosmos, CosmosSettings};
use meterbridge::store::embedded::Embedded;
use serde_json::Value;
use tokio::process::Command;

use crate::Outcome;
use crate::child::Child;
use crate::clock::Time;
use crate::ledger::{self, Message, Version};
use crate::plan::{Kind, Plan, Seed};

/// The programs of a round, all built in one folder.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    this: PathBuf,
}

/// One round's surroundings.
pub(crate) struct Stage {
    pub(crate) plan: Plan,
    pub(crate) time: Time,
    pub(crate) source: Child,
    pub(crate) hub: Child,
    programs: Programs,
    folder: PathBuf,
    backend: String,
    reader: String,
    settings: Vec<(String, String)>,
    cosmos: Option<Account>,
    /// Whether victims send dead letters again and do nothing else.
    replaying: bool,
}

/// The Cosmos DB account of a round.
struct Account {
    endpoint: String,
    key: String,
    _gateway: Child,
}

impl Programs {
    /// Beside this one.
    pub(crate) fn here() -> Outcome<Self> {
        Ok(Self {
            this: std::env::current_exe()?,
        })
    }

    /// Whether the program is there.
    pub(crate) fn other(&self, name: &str) -> Outcome<PathBuf> {
        let path = self.this.with_file_name(name);
        if path.is_file() {
            Ok(path)
        } else {
            Err(format!(
                "{} is missing; `cargo xtask bench crash` builds it",
                path.display()
            )
            .into())
        }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.this);
        command.arg(name);
        command
    }
}

impl Stage {
    /// Starts source, hub and store below `folder`, which is empty.
    pub(crate) async fn start(programs: &Programs, seed: Seed, folder: &Path) -> Outcome<Self> {
        let file = folder.join("clock");
        let time = Time::of(&file);
        let begin = time.now();
        let plan = Plan::of(seed, begin);
        let of = |name: &str| {
            let mut command = programs.command(name);
            command
                .args([
                    "--seed",
                    &seed.to_string(),
                    "--begin",
                    &begin.to_string(),
                    "--clock",
                ])
                .arg(&file);
            command
        };
        let mut source = Child::start(&mut of("source"))?;
        let mut hub = Child::start(of("hub").arg("--dir").arg(folder.join("hub")))?;
        let (from, to) = (source.told().await?, hub.told().await?);
        let text = |told: &Value, name: &str| told[name].as_str().unwrap_or_default().to_owned();
        let sources = plan.sources(&text(&from, "backend"), &text(&from, "reader"));
        std::fs::write(folder.join("sources.toml"), sources)?;
        let mut settings = vec![
            ("BACKEND_PASSWORD", "crash".to_owned()),
            ("IOTHUB_DEVICE_CONNECTION_STRING", text(&to, "connection")),
            ("IOTHUB_CONNECT", format!("localhost:{}", to["port"])),
            ("IOTHUB_CA_FILE", text(&to, "ca")),
            ("IOTHUB_TIER", plan.tier.to_owned()),
            ("MESSAGE_FORMAT", plan.format.to_owned()),
            ("MESSAGE_UNITS", plan.units.to_string()),
            ("CONCURRENCY", "4".to_owned()),
            ("WORKER_TICK_SECONDS", "5".to_owned()),
            ("LOG_LEVEL", "error".to_owned()),
        ];
        let cosmos = match seed.kind {
            Kind::Time | Kind::Await | Kind::Pair => None,
            Kind::Cosmos | Kind::Outage => Some(account(&programs.other("cosmos-gateway")?).await?),
        };
        match &cosmos {
            Some(account) => {
                settings.push(("COSMOS_ENDPOINT", account.endpoint.clone()));
                settings.push(("COSMOS_KEY", account.key.clone()));
            }
            None => settings.push(("STORE_PATH", "store.db".to_owned())),
        }
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value));
        Ok(Self {
            plan,
            time,
            source,
            hub,
            programs: programs.clone(),
            folder: folder.to_owned(),
            backend: text(&from, "backend"),
            reader: text(&from, "reader"),
            settings: settings.collect(),
            cosmos,
            replaying: false,
        })
    }

    /// The bridge's parts, to be killed.
    pub(crate) fn victim(&self) -> Command {
        let mut command = self.programs.command("victim");
        command.arg("--clock").arg(self.folder.join("clock"));
        if let Some((from, until)) = self.plan.backfill {
            command.args(["--backfill", &format!("{from}..{until}")]);
        }
        if self.replaying {
            command.arg("--replay");
        }
        self.settle(&mut command);
        command
    }

    /// The real program.
    pub(crate) fn bridge(&self) -> Outcome<Command> {
        let mut command = Command::new(self.programs.other("meterbridge")?);
        command.args(["run", "--every", "50ms"]);
        self.settle(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        Ok(command)
    }

    /// Nothing of this process' environment but the round's settings; what it says goes to a file.
    fn settle(&self, command: &mut Command) {
        command
            .current_dir(&self.folder)
            .env_clear()
            .envs(self.settings.iter().cloned());
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("bridge.log"));
        if let Ok(log) = log {
            command.stderr(log);
        }
    }

    /// The store as it stands, opened anew: what a killed process left is recovered here.
    pub(crate) fn store(&self) -> Outcome<Arc<dyn Store>> {
        Ok(match &self.cosmos {
            None => Arc::new(Embedded::open(&self.folder.join("store.db"), self.time.clock())?),
            Some(account) => Arc::new(Cosmos::new(CosmosSettings {
                endpoint: account.endpoint.clone(),
                key: Some(Secret::new(account.key.clone())),
                client_id: None,
                database: "meterbridge".into(),
                container: "polls".into(),
            })),
        })
    }

    /// How rows become bodies in this round.
    pub(crate) fn pack(&self) -> PackConfig {
        PackConfig {
            format: match self.plan.format {
                "flat" => Format::Flat,
                "columns" => Format::Columns,
                _ => Format::Timeseries,
            },
            unit: if self.plan.tier == "F1" { 512 } else { 4096 },
            units: self.plan.units as usize,
        }
    }

    /// Faults begin at source and hub.
    pub(crate) async fn disturb(&mut self) -> Outcome<()> {
        self.source.ask("faults").await?;
        self.hub.ask("faults").await?;
        Ok(())
    }

    /// Faults end.
    pub(crate) async fn calm(&mut self) -> Outcome<()> {
        self.source.ask("calm").await?;
        self.hub.ask("calm").await?;
        Ok(())
    }

    /// The hub takes what it refused, and victims send it again.
    pub(crate) async fn bless(&mut self) -> Outcome<()> {
        self.hub.ask("bless").await?;
        self.replaying = true;
        Ok(())
    }

    /// Where everything is, for a peer.
    pub(crate) fn addresses(&self) -> Vec<(&'static str, String)> {
        let setting = |name: &str| {
            let found = self.settings.iter().find(|(other, _)| other == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let port = setting("IOTHUB_CONNECT")
            .rsplit(':')
            .next()
            .unwrap_or_default()
            .to_owned();
        vec![
            (
                "BENCH_CONNECTION_STRING",
                setting("IOTHUB_DEVICE_CONNECTION_STRING"),
            ),
            ("BENCH_PORT", port),
            ("REQUESTS_CA_BUNDLE", setting("IOTHUB_CA_FILE")),
            ("BENCH_BACKEND", self.backend.clone()),
            ("BENCH_READER", self.reader.clone()),
            ("BENCH_LOGIN", "crash".into()),
            ("BENCH_SITE", "site-00".into()),
            ("BENCH_TIMEOUT", "1".into()),
            // The round's time runs ahead of the peers' own by days.
            ("BENCH_TOKEN_SECONDS", (30 * 86_400).to_string()),
        ]
    }

    /// The store answers the next requests by this fault.
    pub(crate) async fn fail_store(&self, fault: &str, times: u32) -> Outcome<()> {
        self.gateway(&format!("instead/{fault}/{times}")).await
    }

    /// The store is well again.
    pub(crate) async fn calm_store(&self) -> Outcome<()> {
        match &self.cosmos {
            Some(_) => self.gateway("instead/429/0").await,
            None => Ok(()),
        }
    }

    /// Posts an order to the gateway.
    async fn gateway(&self, order: &str) -> Outcome<()> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let account = self.cosmos.as_ref().ok_or("no gateway")?;
        let address = account
            .endpoint
            .trim_start_matches("http://")
            .trim_end_matches('/');
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        let request = format!(
            "POST /__{order} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        if answer.starts_with("HTTP/1.1 204") {
            Ok(())
        } else {
            Err(format!("the gateway does not take {order}: {answer}").into())
        }
    }

    /// What the hub took so far.
    pub(crate) async fn arrived(&mut self) -> Outcome<Vec<Message>> {
        let file = self.folder.join("hub.ndjson");
        self.hub.ask(&format!("ledger {}", file.display())).await?;
        ledger::messages(&file)
    }

    /// The same, ids alone.
    pub(crate) async fn taken(&mut self) -> Outcome<HashSet<String>> {
        let ids = self.hub.ask("ids").await?;
        let ids = ids.as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(ids.map(str::to_owned).collect())
    }

    /// What the source showed so far.
    pub(crate) async fn shown(&mut self) -> Outcome<Vec<Version>> {
        let file = self.folder.join("source.ndjson");
        self.source.ask(&format!("ledger {}", file.display())).await?;
        ledger::versions(&file)
    }

    /// The round's time.
    pub(crate) fn now(&self) -> Millis {
        self.time.now()
    }

    /// Seconds of the machine's own clock, which the real program goes by.
    pub(crate) fn machine_now() -> Millis {
        Clock::system().now()
    }
}

async fn account(gateway: &Path) -> Outcome<Account> {
    let mut gateway = Child::start(Command::new(gateway).args(["--port", "0"]))?;
    let line = gateway.line().await?.unwrap_or_default();
    let (endpoint, key) = line.split_once(' ').ok_or("the gateway told no endpoint")?;
    Ok(Account {
        endpoint: endpoint.to_owned(),
        key: key.to_owned(),
        _gateway: gateway,
    })
}
