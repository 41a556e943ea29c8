//! The promises. Each check has a name, which a broken one is told by.
//!
//! [`batch`]: at every write. [`send`]: at every send. [`tick`]: after every tick. [`end`]: when the faults are over and all is calm.
//! [`body`] reads messages as a consumer does.

pub mod batch;
pub mod body;
pub mod end;
pub mod send;
pub mod tick;

use std::fmt;

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Breach {
    /// Which check found it.
    pub check: &'static str,
    /// What it found.
    pub text: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.text)
    }
}

/// What a check says of what is not as promised.
pub(crate) fn broken(check: &'static str, text: impl Into<String>) -> Breach {
    Breach {
        check,
        text: text.into(),
    }
}

/// The promise holds, or this is what is wrong.
pub(crate) fn ensure(holds: bool, check: &'static str, text: impl FnOnce() -> String) -> Result<(), Breach> {
    if holds { Ok(()) } else { Err(broken(check, text())) }
}
