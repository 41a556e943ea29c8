//! Where the project lies, and where Cargo builds.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::process::Program;

/// The project's directories.
#[derive(Debug)]
pub(crate) struct Project {
    /// The root: the workspace's `Cargo.toml` is here.
    pub(crate) root: PathBuf,
    /// Cargo's target directory. What tasks install goes below it, nothing elsewhere.
    pub(crate) target: PathBuf,
}

impl Project {
    /// Asks Cargo.
    pub(crate) fn find() -> Result<Self, Failure> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().unwrap_or(manifest);
        let metadata = Program::cargo(root).args(["metadata", "--no-deps", "--format-version=1"]);
        let metadata = metadata.output()?;
        let metadata: serde_json::Value = serde_json::from_str(&metadata)
            .map_err(|error| Failure::Check(format!("cargo metadata is not JSON: {error}")))?;
        let target = metadata["target_directory"]
            .as_str()
            .ok_or_else(|| Failure::Check("cargo metadata names no target directory".to_owned()))?;
        Ok(Self {
            root: root.to_owned(),
            target: target.into(),
        })
    }

    /// Cargo, in the root.
    pub(crate) fn cargo(&self) -> Program {
        Program::cargo(&self.root)
    }

    /// Another program, in the root.
    pub(crate) fn program(&self, name: impl AsRef<Path>) -> Program {
        Program::new(name, &self.root)
    }
}
