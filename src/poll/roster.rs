//! The roster: the sources that this process may poll, as they are defined now.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{schedule, shard};
use crate::config::SourceConfig;
use crate::source::Source;

/// One source with its backend.
pub struct Member {
    /// Definition.
    pub config: SourceConfig,
    /// Backend.
    pub source: Arc<dyn Source>,
    /// [`shard::of`] it.
    pub shard: String,
    /// [`schedule::plan`] of its schedule.
    pub plan: String,
}

/// All of them, in the order in which they were defined.
#[derive(Default)]
pub(super) struct Roster {
    by_id: HashMap<String, Arc<Member>>,
    order: Vec<String>,
    shards: BTreeMap<String, Vec<String>>,
}

impl Member {
    /// A source that is polled from its definition.
    #[must_use]
    pub fn new(config: SourceConfig, source: Arc<dyn Source>) -> Self {
        Self {
            shard: shard::of(&config),
            plan: schedule::plan(&config.schedule, config.zone),
            config,
            source,
        }
    }
}

impl Roster {
    pub(super) fn of(members: impl IntoIterator<Item = Arc<Member>>) -> Self {
        let mut roster = Self::default();
        for member in members {
            let id = member.config.id.clone();
            roster.order.push(id.clone());
            roster
                .shards
                .entry(member.shard.clone())
                .or_default()
                .push(id.clone());
            roster.by_id.insert(id, member);
        }
        roster
    }

    pub(super) fn member(&self, id: &str) -> Option<&Arc<Member>> {
        self.by_id.get(id)
    }

    /// Ids of sources that `old` has not, or has otherwise.
    pub(super) fn differing<'a>(&'a self, old: &'a Self) -> impl Iterator<Item = &'a str> {
        let same =
            |id: &str, member: &Arc<Member>| old.member(id).is_some_and(|old| Arc::ptr_eq(old, member));
        let differing = self.by_id.iter().filter(move |(id, member)| !same(id, member));
        differing.map(|(id, _)| id.as_str())
    }

    /// Ids in order: of one shard, or all.
    pub(super) fn ids(&self, shard: Option<&str>) -> &[String] {
        match shard {
            None => &self.order,
            Some(shard) => self.shards.get(shard).map_or(&[], Vec::as_slice),
        }
    }

    /// Names of the shards that have sources.
    pub(super) fn shards(&self) -> impl Iterator<Item = &str> {
        self.shards.keys().map(String::as_str)
    }
}
