//! Microsoft's own samples and end-to-end tests, from clones of its repositories that the user has made.
//! `tests/conformance/samples.py` runs them, `samples/table.toml` beside it lists them.

use std::path::Path;

use serde_json::json;

use super::hub::Hub;
use super::sdks::Sdks;
use super::table::{Row, Verdict};
use super::{Args, rows_of, text};
use crate::failure::Failure;
use crate::project::Project;

/// What `--samples` wants.
const CLONES: &str = "azure-iot-sdk-node, azure-iot-sdk-python, azure-iot-hub-node, azure-iot-hub-python";

/// A row for each sample, with what they need besides the SDKs installed below `directory`.
pub(super) fn rows(
    project: &Project,
    sdks: &Sdks,
    hub: &Hub,
    directory: &Path,
    args: &Args,
) -> Result<Vec<Row>, Failure> {
    let Some(clones) = &args.samples else {
        let why = format!("--samples DIR, with clones of https://github.com/Azure/… ({CLONES}), runs them");
        let verdict = Verdict::NotRun(why);
        let what = "samples and end-to-end tests";
        return Ok(vec![Row::new("Microsoft's repositories", "", what, verdict)]);
    };
    if !clones.is_dir() {
        return Err(Failure::Missing {
            what: format!("The directory {}", clones.display()),
            remedy: format!("`git clone` into it, from https://github.com/Azure: {CLONES}."),
        });
    }
    let clones = std::path::absolute(clones).map_err(Failure::file(clones))?;
    let scripts = project.root.join("tests/conformance");
    let node_path = sdks.extended(project, &scripts.join("samples"), directory, args.newest)?;
    let mut node = vec!["node".to_owned(), "--dns-result-order=ipv4first".to_owned()];
    if let Some(preload) = hub.remap(&scripts) {
        node.extend(["--require".to_owned(), text(&preload)]);
    }
    let work = tempfile::tempdir_in(directory).map_err(Failure::file(directory))?;
    let script = "samples.py";
    let program = hub
        .tell(sdks.python(project, &scripts.join(script)))
        .args([clones.as_path(), work.path()])
        .env("SAMPLES_NODE", json!(node).to_string())
        .env("NODE_PATH", node_path);
    rows_of(script, program, hub)
}
