//! `cargo xtask conformance`: Microsoft's own SDKs, unmodified, against the emulators.
//!
//! What the SDKs say they sent is compared with the hub's feed; what the bridge stored in Cosmos DB is read
//! with Microsoft's Python client. What cannot run yet is tried all the same and listed with its reason.
//! mosquitto's clients, where they can be installed, show that the hub's MQTT is not only that of the SDKs. With `--samples`,
//! Microsoft's own samples and end-to-end tests run, too.
//!
//! # Layout
//!
//! - `sdks`: installed below the target directory. `hub`: started, asked what arrived.
//! - `operation`: what a script reports, and the verdict on it. `cosmos`: the store's part. `samples`: Microsoft's own.
//! - `table`: all of it.

mod cosmos;
pub(crate) mod hub;
mod operation;
mod samples;
pub(crate) mod sdks;
mod table;

use std::path::{Path, PathBuf};

use crate::debian;
use crate::failure::Failure;
use crate::process::Program;
use crate::project::Project;
use hub::{Arrived, Hub};
use operation::Operation;
use sdks::Sdks;
use table::{Row, Verdict};

/// Runs Microsoft's SDKs against the emulators.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave the Cosmos DB part out, which builds the bridge and the Cosmos DB gateway.
    #[arg(long)]
    quick: bool,
    /// Take the newest SDKs instead of the pinned ones.
    #[arg(long)]
    newest: bool,
    /// Run Microsoft's own samples and end-to-end tests, too; DIR holds clones of its repositories.
    ///
    /// Clone <https://github.com/Azure/azure-iot-sdk-node>, azure-iot-sdk-python, azure-iot-hub-node and
    /// azure-iot-hub-python into it, or some of them. tests/conformance/samples/table.toml lists each sample with the way
    /// it is judged, or why it is not run.
    #[arg(long, value_name = "DIR")]
    samples: Option<PathBuf>,
}

impl Args {
    /// What `cargo xtask test` runs.
    pub(crate) fn quick() -> Self {
        Self {
            quick: true,
            newest: false,
            samples: None,
        }
    }
}

/// Runs everything and prints the table; fails when a row does.
pub(crate) fn run(project: &Project, args: &Args) -> Result<(), Failure> {
    // The features of the whole workspace, so that what its tests have built is used again.
    let mut build = vec!["build", "--workspace", "--bin", "emulator"];
    if !args.quick {
        build.extend(["--bin", "meterbridge", "--bin", "cosmos-gateway"]);
    }
    project.cargo().args(build).run()?;

    let directory = project.target.join("conformance");
    std::fs::create_dir_all(&directory).map_err(Failure::file(&directory))?;
    let scripts = project.root.join("tests/conformance");
    let sdks = Sdks::install(project, &scripts, &directory, args.newest)?;
    let work = tempfile::tempdir_in(&directory).map_err(Failure::file(&directory))?;
    let hub = Hub::start(project, work.path())?;
    println!("{}", hub.told());

    let mut rows = Vec::new();
    for script in [
        "device_http.js",
        "device_mqtt.js",
        "modules.js",
        "upload.js",
        "limits.js",
        "provisioning_http.js",
        "provisioning_mqtt.js",
        "service_rest.js",
        "provisioning_service.js",
        "certificates.js",
        "service_amqp.js",
    ] {
        let program = hub.tell(sdks.node(project, &scripts, script, hub.remap(&scripts).as_deref()));
        rows.extend(rows_of(script, program, &hub)?);
    }
    for script in [
        "device_https.py",
        "device_mqtt.py",
        "modules.py",
        "limits.py",
        "service_rest.py",
        "certificates.py",
        "service_amqp.py",
    ] {
        let program = hub.tell(sdks.python(project, &scripts.join(script)));
        rows.extend(rows_of(script, program, &hub)?);
    }
    rows.extend(mosquitto(project, &sdks, &hub, &scripts)?);
    rows.extend(samples::rows(project, &sdks, &hub, &directory, args)?);
    {
        let central = Hub::start_central(project, &work.path().join("central"))?;
        let script = "central.py";
        let program = central.tell(sdks.python(project, &scripts.join(script)));
        rows.extend(rows_of(script, program, &central)?);
    }
    if args.quick {
        let left_out = Verdict::NotRun("left out by --quick".to_owned());
        rows.push(Row::new(
            "azure-cosmos (Python)",
            "HTTP",
            "reads what the bridge stored",
            left_out,
        ));
    } else {
        rows.extend(cosmos::rows(project, &sdks, &hub, work.path())?);
    }
    print!("\n{}", table::text(&rows));
    match rows.iter().filter(|row| row.verdict.is_failure()).count() {
        0 => Ok(()),
        1 => Err(Failure::Check("1 operation failed.".to_owned())),
        count => Err(Failure::Check(format!("{count} operations failed."))),
    }
}

/// Runs a script and judges what it reports.
fn rows_of(script: &str, program: Program, hub: &Hub) -> Result<Vec<Row>, Failure> {
    let mut operations = Vec::new();
    let ended = program.lines(|line| operations.push(Operation::parse(line)));
    let arrived: Vec<Arrived> = hub.arrived()?;
    let mut rows: Vec<Row> = operations
        .into_iter()
        .map(|operation| match operation {
            Ok(operation) => operation.judged(&arrived),
            Err(why) => Row::new(script, "", "reports operations", Verdict::Failed(why)),
        })
        .collect();
    if let Err(failure) = ended {
        rows.push(Row::new(
            script,
            "",
            "runs to its end",
            Verdict::Failed(failure.to_string()),
        ));
    } else if rows.is_empty() {
        let nothing = Verdict::Failed("reported nothing".to_owned());
        rows.push(Row::new(script, "", "reports operations", nothing));
    }
    Ok(rows)
}

/// mosquitto's clients, installed where that is possible.
fn mosquitto(project: &Project, sdks: &Sdks, hub: &Hub, scripts: &Path) -> Result<Vec<Row>, Failure> {
    let script = "mosquitto.py";
    // Its `--version` ends with an error.
    let is_there = || {
        let found = project.program("sh").args(["-c", "command -v mosquitto_pub"]);
        found.succeeds()
    };
    // Where it cannot be installed, its row says so.
    if is_there() || (debian::install(project, &["mosquitto-clients"]).is_ok() && is_there()) {
        return rows_of(script, hub.tell(sdks.python(project, &scripts.join(script))), hub);
    }
    let why = "not installed; on Debian, `apt install mosquitto-clients`".to_owned();
    Ok(vec![Row::new(
        "mosquitto_pub, mosquitto_sub",
        "MQTT",
        "publish and subscribe with a token as password",
        Verdict::NotRun(why),
    )])
}

/// A path for an environment variable.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
