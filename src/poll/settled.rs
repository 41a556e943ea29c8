//! Settled sources: those the store's question for due ones will find, so that the others are looked at one by one.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use super::Outcome;
use super::roster::{Member, Roster};
use crate::clock::Millis;
use crate::store::{self, Store};

/// How long a process goes by what it learnt: a state that somebody deleted is made anew after that.
const AGE: Millis = 3_600_000;

/// What this process knows of its sources' states, by scope: one shard, or (`None`) all.
#[derive(Default)]
pub(super) struct Settled(Mutex<HashMap<Option<String>, Known>>);

/// What is known of one scope.
struct Known {
    /// Sources whose state agrees with their definition, so that the store names them once they are due.
    settled: HashSet<String>,
    asked: Millis,
}

impl Settled {
    /// Sources of the scope that have no state, as far as is known, or one that was reckoned by another schedule or for another
    /// shard. Asks the store at the first call and once an hour.
    pub(super) async fn unsettled(
        &self,
        store: &dyn Store,
        runner: &str,
        roster: &Roster,
        shard: Option<&str>,
        now: Millis,
    ) -> Result<Vec<String>, store::Error> {
        let scope = shard.map(str::to_owned);
        let fresh = |known: &Known| (known.asked..known.asked + AGE).contains(&now);
        if !self.lock().get(&scope).is_some_and(fresh) {
            let standings = store.standings(runner, shard).await?;
            let agrees = |standing: &store::Standing| {
                roster.member(&standing.source).is_some_and(|member| {
                    standing.plan.as_ref().is_none_or(|plan| *plan == member.plan)
                        && (shard.is_none() || standing.shard.as_ref() == Some(&member.shard))
                })
            };
            let settled = standings.into_iter().filter(agrees).map(|s| s.source);
            let known = Known {
                settled: settled.collect(),
                asked: now,
            };
            self.lock().insert(scope.clone(), known);
        }
        let all = self.lock();
        let settled = all.get(&scope).map(|known| &known.settled);
        let ids = roster.ids(shard).iter();
        Ok(ids
            .filter(|id| settled.is_none_or(|settled| !settled.contains(*id)))
            .cloned()
            .collect())
    }

    /// Forgets sources whose definition has changed.
    pub(super) fn forget<'a>(&self, ids: impl Iterator<Item = &'a str>) {
        let mut all = self.lock();
        for id in ids {
            for known in all.values_mut() {
                known.settled.remove(id);
            }
        }
    }

    /// Learns from a tick: one that took the source has written its plan and shard, one that found it not due has seen its plan.
    pub(super) fn note(&self, member: &Member, outcome: Outcome) {
        let mut all = self.lock();
        let mut settle = |scope: Option<String>| {
            if let Some(known) = all.get_mut(&scope) {
                known.settled.insert(member.config.id.clone());
            }
        };
        match outcome {
            // The first write may have failed, or be another tick's that has not made it yet.
            Outcome::Store | Outcome::Busy => {}
            Outcome::NotDue => settle(None),
            _ => {
                settle(None);
                settle(Some(member.shard.clone()));
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Option<String>, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
