//! The store's part: the bridge polls once into an emulated Cosmos DB account, a hub routes messages into another container
//! of it, and Microsoft's Python client reads what it finds there.

use std::fs;
use std::path::Path;

use super::hub::Hub;
use super::rows_of;
use super::sdks::Sdks;
use super::table::{Row, Verdict};
use crate::failure::Failure;
use crate::process::Program;
use crate::project::Project;

/// A source that needs no backend.
const SOURCE: &str = "conformance";
const SOURCES: &str = "[[source]]\nid = \"conformance\"\nkind = \"synthetic\"\n";
const DATABASE: &str = "meterbridge";
const CONTAINER: &str = "polls";

/// Runs the part below `directory`.
pub(super) fn rows(project: &Project, sdks: &Sdks, hub: &Hub, directory: &Path) -> Result<Vec<Row>, Failure> {
    let built = project.target.join("debug");
    let mut gateway = project
        .program(built.join("cosmos-gateway"))
        .args(["--port", "0"])
        .background()?;
    // Its first line: endpoint and key.
    let line = gateway.lines_until(|_| true)?.concat();
    let Some((endpoint, key)) = line.trim().split_once(' ') else {
        return Err(Failure::Check(format!(
            "cosmos-gateway printed {line:?}, not its endpoint and key"
        )));
    };
    let sources = directory.join("sources.toml");
    fs::write(&sources, SOURCES).map_err(Failure::file(&sources))?;

    let before = hub.arrived()?.len();
    let poll = Program::new(built.join("meterbridge"), directory)
        .args(["poll"])
        // Settings of a developer's own shell would count, too.
        .alone()
        .env("SOURCES_FILE", &sources)
        .env("COSMOS_ENDPOINT", endpoint)
        .env("COSMOS_KEY", key)
        .env("COSMOS_DATABASE", DATABASE)
        .env("COSMOS_CONTAINER", CONTAINER)
        .env("IOTHUB_DEVICE_CONNECTION_STRING", &hub.device)
        .env("IOTHUB_CONNECT", format!("{}:{}", hub.name, hub.port))
        .env("IOTHUB_CA_FILE", &hub.trust);
    let polled = poll.run();
    let arrived = hub.arrived()?.len() - before;
    let delivered = match (&polled, arrived) {
        (Err(failure), _) => Verdict::Failed(failure.to_string()),
        (Ok(()), 0) => Verdict::Failed("nothing arrived at the hub".to_owned()),
        (Ok(()), _) => Verdict::Passed,
    };

    let script = project.root.join("tests/python/cosmos_reads.py");
    let read = sdks
        .python(project, &script)
        .args([endpoint, key, DATABASE, CONTAINER, SOURCE])
        .run();
    let read = read.map_or_else(
        |failure| Verdict::Failed(redact(&failure, key)),
        |()| Verdict::Passed,
    );
    let mut rows = vec![
        Row::new(
            "meterbridge",
            "HTTP, HTTPS",
            "polls once: Cosmos DB, then the hub",
            delivered,
        ),
        Row::new(
            &version(sdks, project),
            "HTTP",
            "reads what the bridge stored",
            read,
        ),
    ];
    rows.extend(routed(project, sdks, directory, (endpoint, key))?);
    Ok(rows)
}

/// A hub of its own, whose route leads into the account.
fn routed(
    project: &Project,
    sdks: &Sdks,
    directory: &Path,
    (endpoint, key): (&str, &str),
) -> Result<Vec<Row>, Failure> {
    let routes = directory.join("routes.toml");
    let text = format!(
        "[[endpoint]]\nname = \"readings\"\nkind = \"cosmos\"\nurl = \"{endpoint}\"\nkey = \"${{COSMOS_KEY}}\"\n\
         database = \"routed\"\ncontainer = \"readings\"\npartition_key = \"/deviceMonth\"\n\
         [[route]]\nname = \"high, or not to be seen\"\n\
         condition = \"$body.Wh >= 1000 OR NOT is_defined($body)\"\nendpoint = \"readings\"\n"
    );
    fs::write(&routes, text).map_err(Failure::file(&routes))?;
    let routes = format!("--routes={}", routes.display());
    let hub = Hub::start_with(
        project,
        &directory.join("routed"),
        &[&routes],
        &[("COSMOS_KEY", key)],
    )?;
    let script = "routed.py";
    let program = hub
        .tell(sdks.python(project, &project.root.join("tests/conformance").join(script)))
        .env("COSMOS_ENDPOINT", endpoint)
        .env("COSMOS_KEY", key);
    rows_of(script, program, &hub)
}

/// The emulated account's key has no place on a terminal either.
fn redact(failure: &Failure, key: &str) -> String {
    failure.to_string().replace(key, "KEY")
}

fn version(sdks: &Sdks, project: &Project) -> String {
    let ask = "import importlib.metadata as m; print('azure-cosmos', m.version('azure-cosmos'), '(Python)')";
    let said = sdks.interpreter(project).args(["-c", ask]).output();
    said.map_or_else(
        |_| "azure-cosmos (Python)".to_owned(),
        |text| text.trim().to_owned(),
    )
}
