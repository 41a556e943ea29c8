//! `cargo xtask infra`: checkov over the three shapes of a deployment.
//!
//! checkov reads ARM templates, and a template with parameters tells it little. So it gets the shapes as Bicep has evaluated them, which
//! are in the repository: no compiler is needed here. What it finds is compared with `infra/accepted.toml`, in both directions. Our own
//! rules, and the compiler's, are in `tests/infra.rs`.

use std::collections::BTreeSet;
use std::fs;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::conformance::sdks::install_python;
use crate::failure::Failure;
use crate::project::Project;

const SHAPES: [&str; 3] = ["least", "full", "private"];

/// A check that failed: its id, the resource's type, the shape.
type Found = (String, String, String);

/// Runs checkov and compares.
pub(crate) fn run(project: &Project) -> Result<(), Failure> {
    let infra = project.root.join("infra");
    let directory = project.target.join("infra");
    let templates = directory.join("templates");
    fs::create_dir_all(&templates).map_err(Failure::file(&templates))?;
    for shape in SHAPES {
        let path = infra.join(format!("{shape}.snapshot.json"));
        let template = template(&json(&fs::read_to_string(&path).map_err(Failure::file(&path))?)?);
        let path = templates.join(format!("{shape}.json"));
        fs::write(&path, template.to_string()).map_err(Failure::file(&path))?;
    }
    let accepted = infra.join("accepted.toml");
    let accepted = accepted_of(&fs::read_to_string(&accepted).map_err(Failure::file(&accepted))?)?;

    let requirements = project.root.join("tests/infra/requirements.txt");
    let python = install_python(project, &requirements, &directory.join("python"), false)?;
    let report = project
        .program(python.with_file_name("checkov"))
        .args(["--framework", "arm", "--directory"])
        .args([&templates])
        .args(["--output", "json", "--compact", "--skip-download", "--soft-fail"])
        .env("LOG_LEVEL", "ERROR")
        .output()?;
    let report = json(&report)?;
    let found = found_in(&report)?;
    for (check, on, shape) in &found {
        println!("{check:<15} {shape:<8} {on}");
    }
    println!(
        "checkov: {} checks passed, {} failed ({} kinds)",
        report["summary"]["passed"],
        report["summary"]["failed"],
        found.len()
    );
    compare(&found, &accepted)
}

/// The resources of a snapshot as a template.
fn template(snapshot: &Value) -> Value {
    json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": snapshot["predictedResources"],
    })
}

/// What failed. A report that looked at nothing is no report.
fn found_in(report: &Value) -> Result<BTreeSet<Found>, Failure> {
    let resources = report["summary"]["resource_count"].as_u64().unwrap_or(0);
    if resources < 100 || report["summary"]["parsing_errors"] != 0 {
        return Err(Failure::Check(format!(
            "checkov did not read the templates: {}",
            report["summary"]
        )));
    }
    let failed = report["results"]["failed_checks"]
        .as_array()
        .into_iter()
        .flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(failed
        .map(|check| {
            let (resource, file) = (text(&check["resource"]), text(&check["file_path"]));
            // `Microsoft.Web/sites.NAME`: the first dot belongs to the type.
            let kind: Vec<&str> = resource.splitn(3, '.').take(2).collect();
            let shape = file.trim_start_matches('/').trim_end_matches(".json");
            (text(&check["check_id"]), kind.join("."), shape.to_owned())
        })
        .collect())
}

#[derive(Deserialize)]
struct Accepted {
    finding: Vec<Finding>,
}

#[derive(Deserialize)]
struct Finding {
    check: String,
    on: String,
    why: String,
    #[serde(rename = "in")]
    shapes: Option<Vec<String>>,
}

fn accepted_of(text: &str) -> Result<BTreeSet<Found>, Failure> {
    let accepted: Accepted =
        toml::from_str(text).map_err(|error| Failure::Check(format!("infra/accepted.toml: {error}")))?;
    let mut all = BTreeSet::new();
    for finding in accepted.finding {
        if finding.why.is_empty() {
            return Err(Failure::Check(format!(
                "{} is accepted without a reason",
                finding.check
            )));
        }
        let shapes = finding
            .shapes
            .unwrap_or_else(|| SHAPES.map(str::to_owned).to_vec());
        all.extend(
            shapes
                .into_iter()
                .map(|shape| (finding.check.clone(), finding.on.clone(), shape)),
        );
    }
    Ok(all)
}

fn compare(found: &BTreeSet<Found>, accepted: &BTreeSet<Found>) -> Result<(), Failure> {
    let new = found
        .difference(accepted)
        .map(|found| format!("not accepted: {found:?}"));
    let gone = accepted
        .difference(found)
        .map(|found| format!("accepted for nothing: {found:?}"));
    let differing: Vec<String> = new.chain(gone).collect();
    if differing.is_empty() {
        return Ok(());
    }
    Err(Failure::Check(format!(
        "{}\nMend it, or change infra/accepted.toml.",
        differing.join("\n")
    )))
}

fn json(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Check(format!("not JSON: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const REPORT: &str = r#"{"summary": {"resource_count": 160, "parsing_errors": 0}, "results": {"failed_checks": [
        {"check_id": "A", "resource": "Microsoft.Web/sites.func-x", "file_path": "/least.json"}]}}"#;

    #[test]
    fn findings_and_reasons_are_compared_both_ways() {
        let found = found_in(&json(REPORT).unwrap()).unwrap();
        let check = |accepted: &str, expected: &str| {
            let compared = accepted_of(accepted).and_then(|accepted| compare(&found, &accepted));
            let said = compared
                .err()
                .map_or_else(String::new, |failure| failure.to_string());
            assert!(
                said.starts_with(expected) && said.is_empty() == expected.is_empty(),
                "{said}"
            );
        };
        let entry = |check: &str, shapes: &str, why: &str| {
            format!(
                "[[finding]]\ncheck = \"{check}\"\non = \"Microsoft.Web/sites\"\nin = [{shapes}]\nwhy = \"{why}\"\n"
            )
        };
        check(&entry("A", "\"least\"", "x"), "");
        check(&entry("B", "\"least\"", "x"), "not accepted");
        check(&entry("A", "\"least\", \"full\"", "x"), "accepted for nothing");
        check(&entry("A", "\"least\"", ""), "A is accepted without a reason");
    }

    #[test]
    fn a_report_on_nothing_is_refused() {
        let empty = REPORT.replace("160", "0");
        assert!(found_in(&json(&empty).unwrap()).is_err());
    }
}
