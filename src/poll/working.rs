//! The sources that this process works on, or is about to: what lets rounds overlap.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Ids of sources at work, shared by all rounds of a process.
#[derive(Debug, Default)]
pub(super) struct Working(Mutex<HashSet<String>>);

/// One source at work, until this is dropped.
#[derive(Debug)]
pub(super) struct AtWork {
    working: Arc<Working>,
    id: String,
}

impl Working {
    /// Takes a source for a round; `None` while another round has it.
    pub(super) fn begin(self: &Arc<Self>, id: &str) -> Option<AtWork> {
        let fresh = self.ids().insert(id.to_owned());
        fresh.then(|| AtWork {
            working: Arc::clone(self),
            id: id.to_owned(),
        })
    }

    fn ids(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.working.ids().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_taken_once_at_a_time() {
        let working = Arc::new(Working::default());
        let first = working.begin("a");
        assert!(first.is_some() && working.begin("a").is_none() && working.begin("b").is_some());
        drop(first);
        assert!(working.begin("a").is_some());
    }
}
