//! The enrolments as they stand, each with its version.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::options::{Group, Individual};

/// All enrolments.
pub(super) struct Book {
    pub(super) individuals: Shelf<Individual>,
    pub(super) groups: Shelf<Group>,
}

/// Enrolments of one kind, by id.
pub(super) struct Shelf<T>(RwLock<BTreeMap<String, Kept<T>>>);

/// An enrolment, and when it was written.
#[derive(Debug, Clone)]
pub(super) struct Kept<T> {
    pub(super) value: T,
    /// Changes with every write.
    pub(super) version: u64,
    pub(super) created_ms: i64,
    pub(super) updated_ms: i64,
}

/// Why a write is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotWritten {
    /// It is there already, and the writer did not say which version it replaces.
    Exists,
    /// It is another version than the writer knows.
    Changed,
    /// It is not there.
    Missing,
}

impl Book {
    pub(super) fn new(individuals: Vec<Individual>, groups: Vec<Group>, now_ms: i64) -> Self {
        let individuals = individuals
            .into_iter()
            .map(|one| (one.registration_id.clone(), one));
        let groups = groups.into_iter().map(|one| (one.id.clone(), one));
        Self {
            individuals: Shelf::new(individuals, now_ms),
            groups: Shelf::new(groups, now_ms),
        }
    }
}

impl<T: Clone> Shelf<T> {
    fn new(all: impl Iterator<Item = (String, T)>, now_ms: i64) -> Self {
        let keep = |(id, value)| {
            let kept = Kept {
                value,
                version: 1,
                created_ms: now_ms,
                updated_ms: now_ms,
            };
            (id, kept)
        };
        Self(RwLock::new(all.map(keep).collect()))
    }

    pub(super) fn get(&self, id: &str) -> Option<Kept<T>> {
        self.read().get(id).cloned()
    }

    /// All of them, by id.
    pub(super) fn all(&self) -> Vec<Kept<T>> {
        self.read().values().cloned().collect()
    }

    /// Writes one: a new one without `if_match`, and over another with its version, or with `*`.
    pub(super) fn put(
        &self,
        id: &str,
        value: T,
        if_match: Option<&str>,
        now_ms: i64,
    ) -> Result<Kept<T>, NotWritten> {
        let mut all = self.write();
        let known = all.get(id);
        match (known, if_match) {
            (Some(_), None) => return Err(NotWritten::Exists),
            (None, Some(_)) => return Err(NotWritten::Missing),
            (Some(known), Some(tag)) if !known.is(tag) => return Err(NotWritten::Changed),
            _ => {}
        }
        let kept = Kept {
            value,
            version: known.map_or(0, |known| known.version) + 1,
            created_ms: known.map_or(now_ms, |known| known.created_ms),
            updated_ms: now_ms,
        };
        all.insert(id.to_owned(), kept.clone());
        Ok(kept)
    }

    /// One from before a restart, as it was.
    pub(super) fn restore(&self, id: String, kept: Kept<T>) {
        self.write().insert(id, kept);
    }

    /// Removes one, of the version that `if_match` names if it does.
    pub(super) fn remove(&self, id: &str, if_match: Option<&str>) -> Result<(), NotWritten> {
        let mut all = self.write();
        match all.get(id) {
            None => return Err(NotWritten::Missing),
            Some(known) if if_match.is_some_and(|tag| !known.is(tag)) => return Err(NotWritten::Changed),
            Some(_) => {}
        }
        all.remove(id);
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Kept<T>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Kept<T>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Kept<T> {
    /// The version as an entity tag, with its quotes.
    pub(super) fn etag(&self) -> String {
        format!("\"{:08x}-{:x}\"", self.version, self.created_ms)
    }

    /// Whether `tag` means this version. Clients send tags with and without quotes.
    fn is(&self, tag: &str) -> bool {
        let bare = |tag: &str| tag.trim().trim_matches('"').to_owned();
        bare(tag) == "*" || bare(tag) == bare(&self.etag())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_write_names_the_version_it_replaces() {
        let shelf = Shelf::new(std::iter::empty(), 0);
        assert_eq!(shelf.put("a", 0, Some("*"), 1).unwrap_err(), NotWritten::Missing);
        let first = shelf.put("a", 1, None, 1).unwrap();
        assert_eq!(shelf.put("a", 2, None, 2).unwrap_err(), NotWritten::Exists);
        let second = shelf.put("a", 2, Some(&first.etag()), 2).unwrap();
        assert_eq!((second.created_ms, second.updated_ms), (1, 2));
        assert_eq!(
            shelf.put("a", 3, Some(&first.etag()), 3).unwrap_err(),
            NotWritten::Changed
        );
        assert_eq!(shelf.remove("a", Some(&first.etag())), Err(NotWritten::Changed));
        shelf.put("a", 3, Some("*"), 3).unwrap();
        let bare = shelf.get("a").unwrap().etag().trim_matches('"').to_owned();
        assert_eq!(shelf.remove("a", Some(&bare)), Ok(()));
        assert_eq!(shelf.remove("a", None), Err(NotWritten::Missing));
    }
}
