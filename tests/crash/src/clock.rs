//! The time that all processes of a round share: the machine's, moved ahead by what stands in a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use meterbridge::clock::{Clock, Millis};

use crate::Outcome;

/// Moves the round's time.
#[derive(Clone, Debug)]
pub(crate) struct Time {
    file: Arc<PathBuf>,
}

impl Time {
    /// The time that is kept in `file`.
    pub(crate) fn of(file: &Path) -> Self {
        Self {
            file: Arc::new(file.to_owned()),
        }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> Millis {
        Clock::system().now() + self.ahead()
    }

    /// Moves it on for every process at once.
    pub(crate) fn advance(&self, by: Millis) -> Outcome<()> {
        // Replaced as a whole, so that nobody reads half of it.
        let fresh = self.file.with_extension("next");
        std::fs::write(&fresh, (self.ahead() + by).to_string())?;
        Ok(std::fs::rename(fresh, &*self.file)?)
    }

    /// As the bridge wants it.
    pub(crate) fn clock(&self) -> Clock {
        let time = self.clone();
        Clock::from_fn(move || time.now())
    }

    fn ahead(&self) -> Millis {
        let text = std::fs::read_to_string(&*self.file).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }
}
