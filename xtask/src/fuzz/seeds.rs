//! Inputs to begin with: answers that were recorded for the tests, and what the parsers themselves have as examples.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::failure::Failure;

/// Writes the seeds of a target into its corpus.
pub(super) fn write(root: &Path, target: &str, corpus: &Path) -> Result<(), Failure> {
    for (at, seed) in seeds(root, target)?.iter().enumerate() {
        let path = corpus.join(format!("seed-{at:04}"));
        fs::write(&path, seed).map_err(Failure::file(&path))?;
    }
    Ok(())
}

fn seeds(root: &Path, target: &str) -> Result<Vec<Vec<u8>>, Failure> {
    // What the folder with the target's name holds: examples that no recording has.
    let mut seeds = files(&root.join("fuzz/seeds").join(target))?;
    seeds.extend(recorded(root, target)?.into_iter().map(String::into_bytes));
    seeds.sort();
    seeds.dedup();
    Ok(seeds)
}

/// What a target reads of the answers that were recorded for the tests.
fn recorded(root: &Path, target: &str) -> Result<Vec<String>, Failure> {
    let data = root.join("tests/data");
    let mut seeds = Vec::new();
    match target {
        "rapidm2m_rows" | "rapidm2m_documents" => {
            let answers = json(&data.join("rapidm2m/answers.json"))?;
            let bodies = answers.as_array().into_iter().flatten();
            seeds.extend(bodies.filter_map(|answer| Some(answer["body"].as_str()?.to_owned())));
        }
        "tasmota_reply" => seeds.extend(texts(&data.join("tasmota"))?),
        "host_invocation" => seeds.extend(bodies(&data)?),
        "queue_job" => {
            // The message as the host quoted it, and unquoted.
            for body in bodies(&data)? {
                let call: Value = serde_json::from_str(&body).unwrap_or_default();
                walk(&call["Data"], &mut |value| {
                    seeds.extend(value.as_str().map(str::to_owned));
                });
            }
        }
        "connection_string" => {
            let vectors = json(&data.join("vectors-sas.json"))?;
            walk(&vectors, &mut |value| {
                seeds.extend(value.as_str().map(str::to_owned));
            });
        }
        "sources" => {
            for path in [root.join("sources.example.toml"), data.join("config/faulty.toml")] {
                seeds.push(fs::read_to_string(&path).map_err(Failure::file(&path))?);
            }
        }
        _ => {}
    }
    Ok(seeds)
}

/// Bodies of the calls that the real host was seen to make.
fn bodies(data: &Path) -> Result<Vec<String>, Failure> {
    let calls = json(&data.join("host/invocations.json"))?;
    let mut bodies = Vec::new();
    walk(&calls, &mut |value| {
        bodies.extend(value["body"].as_str().map(str::to_owned));
    });
    Ok(bodies)
}

/// Files of a folder that are text.
fn texts(folder: &Path) -> Result<Vec<String>, Failure> {
    let files = files(folder)?.into_iter();
    Ok(files.filter_map(|bytes| String::from_utf8(bytes).ok()).collect())
}

/// Files of a folder; none where there is no folder.
fn files(folder: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(Failure::file(folder))? {
        let path = entry.map_err(Failure::file(folder))?.path();
        files.extend(fs::read(&path).ok());
    }
    Ok(files)
}

fn json(path: &Path) -> Result<Value, Failure> {
    let text = fs::read_to_string(path).map_err(Failure::file(path))?;
    serde_json::from_str(&text).map_err(|error| Failure::Check(format!("{}: {error}", path.display())))
}

/// Visits a value and all below it.
fn walk(value: &Value, visit: &mut impl FnMut(&Value)) {
    visit(value);
    match value {
        Value::Array(list) => list.iter().for_each(|inner| walk(inner, visit)),
        Value::Object(members) => members.values().for_each(|inner| walk(inner, visit)),
        _ => {}
    }
}
