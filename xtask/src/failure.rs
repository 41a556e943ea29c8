//! Why a task ends early.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What went wrong, and where there is a remedy, that.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A program ended with an error; it has said why itself.
    Program {
        /// The command, as one types it.
        command: String,
        /// How it ended.
        status: String,
    },
    /// A program does not start.
    Start {
        /// The command, as one types it.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// A file or directory cannot be read or written.
    File {
        /// The path at fault.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something that this machine lacks.
    Missing {
        /// What is missing.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// A check did not pass; what it found is printed already.
    Check(String),
}

impl Failure {
    /// For `map_err` on anything done with `path`.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program { command, status } => write!(f, "`{command}` failed: {status}"),
            Self::Start { command, source } => write!(f, "`{command}` does not start: {source}"),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Missing { what, remedy } => write!(f, "{what} is missing. {remedy}"),
            Self::Check(text) => f.write_str(text),
        }
    }
}
