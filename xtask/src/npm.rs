//! Node packages, installed below the target directory.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::project::Project;

/// Installs what the manifest `wanted` pins (or the newest) below `into`, unless that is there already. Gives `node_modules`.
pub(crate) fn install(
    project: &Project,
    wanted: &Path,
    into: &Path,
    newest: bool,
) -> Result<PathBuf, Failure> {
    let modules = into.join("node_modules");
    let pins = fs::read_to_string(wanted).map_err(Failure::file(wanted))?;
    let stamp = into.join("installed");
    if newest || fs::read_to_string(&stamp).ok().as_ref() != Some(&pins) {
        println!("Installing what {} names", wanted.display());
        // A half-installed set never counts as installed; one of other versions is not mixed in.
        let _ = fs::remove_file(&stamp);
        let _ = fs::remove_dir_all(&modules);
        let _ = fs::remove_file(into.join("package-lock.json"));
        fs::create_dir_all(into).map_err(Failure::file(into))?;
        let manifest = if newest {
            pins_as_latest(&pins)?
        } else {
            pins.clone()
        };
        let own = into.join("package.json");
        fs::write(&own, &manifest).map_err(Failure::file(&own))?;
        let quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        project
            .program("npm")
            .args(["install", "--prefix", &into.to_string_lossy()])
            .args(quiet)
            .run()?;
        if !newest {
            fs::write(&stamp, &pins).map_err(Failure::file(&stamp))?;
        }
    }
    Ok(modules)
}

/// The same `package.json` with every dependency at its newest version.
fn pins_as_latest(pins: &str) -> Result<String, Failure> {
    let not_json = |error| Failure::Check(format!("package.json is not JSON: {error}"));
    let mut manifest: serde_json::Value = serde_json::from_str(pins).map_err(not_json)?;
    if let Some(dependencies) = manifest["dependencies"].as_object_mut() {
        for version in dependencies.values_mut() {
            *version = "latest".into();
        }
    }
    Ok(manifest.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_newest_versions_replace_the_pins() {
        let latest = pins_as_latest(r#"{"name":"x","dependencies":{"a":"1.2.3","b":"4"}}"#).unwrap();
        assert_eq!(
            latest,
            r#"{"dependencies":{"a":"latest","b":"latest"},"name":"x"}"#
        );
    }
}
