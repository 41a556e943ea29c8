//! Catalogue: which sources there are now, from `sources.toml`, from the store, and found at backends.
//!
//! Definitions and lists of sites live in one partition of the store, and with each change of them goes, in the same transaction,
//! one small document. A process reads that document at each tick (1 RU, or one row of SQLite); only where it has another version
//! than last time is the rest read. So every process has each change at its next tick, and none that nothing was changed.
//!
//! # Layout
//!
//! - [`change`]: writes definitions. `clash`: what they would clash with. `merge`: puts everything together, pure.
//! - `discovery`: asks backends for the sites of a customer. `sites`: a new list beside the old one, pure.

mod clash;
mod discovery;
mod merge;
mod sites;
mod write;

pub use merge::Discovered;
pub use write::{Change, Done, Error, TOGETHER, When, change};

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::clock::{Clock, Millis};
use crate::config::{Config, Fault, SourceConfig};
use crate::poll::{Limits, Member};
use crate::store::documents::{CatalogDoc, SitesDoc, SourceDoc};
use crate::store::{self, Document, Etag, List, Store};

use merge::Read;

/// What one process knows of its sources.
pub struct Catalog {
    base: Config,
    store: Arc<dyn Store>,
    client: reqwest::Client,
    clock: Clock,
    limits: Arc<Limits>,
    /// Members of the file, which never change.
    fixed: Vec<Arc<Member>>,
    /// Held while the store is asked.
    seen: tokio::sync::Mutex<Seen>,
    /// Held while backends are asked.
    asking: tokio::sync::Mutex<()>,
    current: RwLock<Arc<Sources>>,
}

/// All sources of all runners at one moment.
#[derive(Clone, Default)]
pub struct Sources {
    /// The sources, those of the file first.
    pub members: Vec<Arc<Member>>,
    /// What is wrong with definitions of the store: these are not polled.
    pub faults: Vec<Fault>,
    /// What is doubtful in them.
    pub warnings: Vec<String>,
    /// Customers whose sites are found.
    pub discoveries: Vec<Discovered>,
    /// Why the store's definitions could not be read last time; those read before hold on.
    pub trouble: Option<String>,
}

/// What was read last.
#[derive(Default)]
struct Seen {
    /// The version that told of changes; none before the first read, or where nothing was ever defined.
    head: Option<Etag>,
    /// When everything was read.
    whole_at: Option<Millis>,
    /// By name, what each member was made from.
    members: HashMap<String, Arc<Member>>,
}

impl Catalog {
    /// The sources of the file; the store was not asked yet.
    #[must_use]
    pub fn new(
        base: Config,
        store: Arc<dyn Store>,
        client: reqwest::Client,
        clock: Clock,
        limits: Arc<Limits>,
    ) -> Self {
        let make = |source: &SourceConfig| {
            let backend = crate::app::backend(source, &client, &clock);
            Arc::new(Member::new(source.clone(), backend))
        };
        let fixed: Vec<_> = base.sources.iter().map(make).collect();
        let first = Read::default().merge(&base, &HashMap::new());
        let current = Sources {
            members: fixed.clone(),
            discoveries: first.discoveries,
            ..Sources::default()
        };
        Self {
            base,
            store,
            client,
            clock,
            limits,
            fixed,
            seen: tokio::sync::Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            current: RwLock::new(Arc::new(current)),
        }
    }

    /// What is defined, as far as was read.
    #[must_use]
    pub fn current(&self) -> Arc<Sources> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads what has changed since the last call; tells whether anything has. Waits for a call that is under way.
    ///
    /// # Errors
    /// When the store does not answer. What was known holds on.
    pub async fn refresh(&self) -> Result<bool, store::Error> {
        let mut seen = self.seen.lock().await;
        let read = self.read(&mut seen).await;
        if let Err(error) = &read {
            self.replace(|current| Sources {
                trouble: Some(error.to_string()),
                ..current.clone()
            });
        }
        read
    }

    /// The same, but where a call is under way nothing is done: for whoever comes every second.
    ///
    /// # Errors
    /// As [`Catalog::refresh`] has them.
    pub async fn refresh_if_idle(&self) -> Result<bool, store::Error> {
        if self.seen.try_lock().is_err() {
            return Ok(false);
        }
        self.refresh().await
    }

    async fn read(&self, seen: &mut Seen) -> Result<bool, store::Error> {
        self.store.prepare().await?;
        let head = write::head(self.store.as_ref()).await?;
        let now = self.clock.now();
        let is_fresh = seen.whole_at.is_some_and(|at| (at..at + WHOLE).contains(&now));
        if is_fresh && !matches!(head, write::Head::Damaged) && head.etag() == seen.head.as_ref() {
            if self.current().trouble.is_some() {
                self.replace(|current| Sources {
                    trouble: None,
                    ..current.clone()
                });
            }
            return Ok(false);
        }
        let read = Read::of(&self.definitions().await?, &self.base, now);
        let mut sites = HashMap::new();
        for discovery in read.discoveries(&self.base) {
            if let Some((doc, _)) = self.sites(&discovery.name).await? {
                sites.insert(discovery.name.clone(), doc);
            }
        }
        let merged = read.merge(&self.base, &sites);
        let mut made = HashMap::new();
        let mut members = self.fixed.clone();
        for (name, source) in merged.sources {
            let member = seen.members.remove(&name).unwrap_or_else(|| {
                let backend = crate::app::backend(&source, &self.client, &self.clock);
                Arc::new(Member::new(source, backend))
            });
            members.push(Arc::clone(&member));
            made.insert(name, member);
        }
        seen.members = made;
        seen.head = head.etag().cloned();
        seen.whole_at = Some(now);
        let fresh = Sources {
            members,
            faults: merged.faults,
            warnings: merged.warnings,
            discoveries: merged.discoveries,
            trouble: None,
        };
        let old = self.replace(|_| fresh);
        Ok(self.current().tell(&old))
    }

    /// All definitions of the store.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn definitions(&self) -> Result<Vec<(SourceDoc, Etag)>, store::Error> {
        let mut all = Vec::new();
        let mut before = None;
        loop {
            let list = List {
                source: Some(CatalogDoc::PARTITION.to_owned()),
                kind: "source",
                limit: PAGE,
                before: before.take(),
            };
            let page = self.store.list(list).await?;
            let full = page.len() == PAGE;
            before = page.last().map(|found| found.document.id().to_owned());
            all.extend(page.into_iter().filter_map(|found| match found.document {
                Document::Source(doc) => Some((doc, found.etag)),
                _ => None,
            }));
            if !full {
                return Ok(all);
            }
        }
    }

    /// What a discovery's backend listed.
    async fn sites(&self, discovery: &str) -> Result<Option<(SitesDoc, Etag)>, store::Error> {
        let id = SitesDoc::id_of(discovery);
        let found = match self.store.read(CatalogDoc::PARTITION, &id).await {
            // It is asked for anew.
            Err(store::Error::Damaged { .. }) => None,
            found => found?,
        };
        Ok(found.and_then(|found| match found.document {
            Document::Sites(doc) => Some((doc, found.etag)),
            _ => None,
        }))
    }

    /// Puts another picture in place of the current one; gives the old one.
    fn replace(&self, fresh: impl FnOnce(&Sources) -> Sources) -> Arc<Sources> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let fresh = Arc::new(fresh(&current));
        std::mem::replace(&mut *current, fresh)
    }
}

impl Sources {
    /// The source of this id, of whichever runner.
    #[must_use]
    pub fn source(&self, id: &str) -> Option<&SourceConfig> {
        let mut configs = self.configs();
        configs.find(|config| config.id == id)
    }

    /// All sources, of all runners.
    pub fn configs(&self) -> impl Iterator<Item = &SourceConfig> {
        self.members.iter().map(|member| &member.config)
    }

    /// Whether sites are found for this runner.
    #[must_use]
    pub fn discovers(&self, runner: &str) -> bool {
        let mut runners = self
            .discoveries
            .iter()
            .map(|one| one.config.template.runner.as_str());
        runners.any(|other| other == runner)
    }

    /// A line on whatever is wrong, the first ten.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        let store = self
            .trouble
            .iter()
            .map(|why| format!("definitions in the store: {why}"));
        let faults = self
            .faults
            .iter()
            .map(|fault| format!("definition in the store: {fault}"));
        let discoveries = self.discoveries.iter().filter_map(|one| {
            let why = one.sites.as_ref()?.trouble.as_ref()?;
            Some(format!("{}: the sites cannot be listed: {why}", one.config.name))
        });
        store.chain(faults).chain(discoveries).take(10).collect()
    }

    /// Logs what is otherwise than before; tells whether any source is.
    fn tell(&self, old: &Self) -> bool {
        let ids = |sources: &Self| -> HashMap<String, Arc<Member>> {
            let members = sources.members.iter();
            members
                .map(|member| (member.config.id.clone(), Arc::clone(member)))
                .collect()
        };
        let (new, before) = (ids(self), ids(old));
        let of = |from: &HashMap<String, Arc<Member>>, other: &HashMap<String, Arc<Member>>| {
            let mut ids: Vec<&str> = from
                .keys()
                .filter(|id| !other.contains_key(*id))
                .map(String::as_str)
                .collect();
            ids.sort_unstable();
            (
                ids.len(),
                ids.into_iter().take(TOLD).collect::<Vec<_>>().join(", "),
            )
        };
        let (added, added_ids) = of(&new, &before);
        let (removed, removed_ids) = of(&before, &new);
        let changed = new
            .iter()
            .filter(|(id, member)| before.get(*id).is_some_and(|old| !Arc::ptr_eq(old, member)))
            .count();
        let any = added + removed + changed > 0;
        if any {
            tracing::info!(
                added,
                added_ids,
                removed,
                removed_ids,
                changed,
                "Sources have changed"
            );
        }
        for fault in self.faults.iter().filter(|fault| !old.faults.contains(fault)) {
            tracing::warn!(
                source = fault.place,
                "A definition in the store is faulty and not polled: {}",
                fault.text
            );
        }
        for warning in self
            .warnings
            .iter()
            .filter(|warning| !old.warnings.contains(warning))
        {
            tracing::warn!("{warning}");
        }
        any
    }
}

/// After so long everything is read again, milliseconds: somebody may have edited a document by other means.
const WHOLE: Millis = 300_000;
/// Definitions in one question.
const PAGE: usize = 1_000;
/// Ids that are logged.
const TOLD: usize = 20;
