//! Asks backends for the sites of a customer, on a schedule that all processes share.
//!
//! Who finds a list due writes first that it is being asked for, conditional on the version it read, so one process asks. The answer
//! is written with the document that tells every process of it, where it says anything new. Killed in between, the question is
//! asked again after [`CLAIM`].

use std::time::Duration;

use crate::clock::{Millis, iso};
use crate::config::{DiscoveryConfig, Kind, SourceConfig, unusable};
use crate::poll::window::millis;
use crate::source::Error as SourceError;
use crate::source::rapidm2m::RapidM2m;
use crate::source::rapidm2m::site::Site;
use crate::store::documents::{CatalogDoc, SitesDoc};
use crate::store::{self, Batch, Document, Etag, Write};

use super::sites::{self, News};
use super::{Catalog, write};

impl Catalog {
    /// Asks for the lists that are due, of customers of this process' runner, one after another; begins none after `deadline`. A
    /// round that finds another one asking leaves it to that. What was found is taken over by the next [`Catalog::refresh`].
    pub async fn discover(&self, deadline: Millis) {
        let Ok(_asking) = self.asking.try_lock() else {
            return;
        };
        let current = self.current();
        let runner = &self.base.settings.runner;
        let mut seen = std::collections::HashSet::new();
        for discovered in &current.discoveries {
            let config = &discovered.config;
            // Two definitions with other patterns share a list.
            if config.template.runner != *runner || !seen.insert(&config.name) {
                continue;
            }
            let now = self.clock.now();
            if now >= deadline {
                return;
            }
            let due = discovered.sites.as_ref().map_or(Millis::MIN, |doc| doc.next);
            if due > now {
                continue;
            }
            if let Err(error) = self.renew(config, deadline).await {
                tracing::warn!(discovery = config.name, %error, "The store did not take the list of sites");
            }
        }
    }

    /// The sites that a backend lists now, without writing anything.
    ///
    /// # Errors
    /// As the backend's answer, or its silence, has it.
    pub async fn look(&self, discovery: &DiscoveryConfig) -> Result<Vec<Site>, SourceError> {
        let Kind::RapidM2m(backend) = &discovery.template.kind else {
            return Ok(Vec::new());
        };
        RapidM2m::new(backend.clone(), self.client.clone(), self.clock.clone())
            .sites()
            .await
    }

    /// Sources of lists that nobody has stored yet, as they would be, and why some cannot be told. Writes nothing.
    pub async fn preview(&self) -> (Vec<SourceConfig>, Vec<String>) {
        let (mut sources, mut troubles) = (Vec::new(), Vec::new());
        let current = self.current();
        for discovered in current.discoveries.iter().filter(|one| one.sites.is_none()) {
            let config = &discovered.config;
            match self.look(config).await {
                Ok(listed) => sources.extend(
                    listed
                        .iter()
                        .filter(|site| unusable(&site.id).is_none())
                        .filter_map(|site| config.source(&site.id))
                        .filter(|source| current.source(&source.id).is_none()),
                ),
                Err(error) => troubles.push(format!("{}: the sites cannot be listed: {error}", config.name)),
            }
        }
        (sources, troubles)
    }

    /// Asks for one list, if nobody else has or does.
    async fn renew(&self, config: &DiscoveryConfig, deadline: Millis) -> Result<(), store::Error> {
        let found = self.sites(&config.name).await?;
        let now = self.clock.now();
        let (backend, customer) = config.subject();
        let (mut doc, etag) = match found {
            // Another process was faster than this one looked. A time that lies absurdly far ahead was written by a broken clock.
            Some((doc, _)) if doc.next > now && doc.next - now <= LONGEST => {
                self.remember(&config.name, &doc);
                return Ok(());
            }
            Some((doc, etag)) => (doc, Some(etag)),
            None => (SitesDoc::default(), None),
        };
        doc.id = SitesDoc::id_of(&config.name);
        doc.source = CatalogDoc::PARTITION.to_owned();
        doc.runner.clone_from(&config.template.runner);
        doc.backend = backend;
        doc.customer = customer.to_owned();
        doc.next = now.saturating_add(CLAIM);
        let Some(etag) = self.claim(&doc, etag).await? else {
            return Ok(());
        };
        let asked = self.ask(config, deadline).await;
        let now = self.clock.now();
        let before = std::mem::take(&mut doc.sites);
        match asked {
            Ok(listed) => {
                let names: Vec<String> = listed.into_iter().map(|site| site.id).collect();
                let grace = millis(self.base.settings.discovery.grace);
                let news = sites::merge(&before, &names, now, grace);
                tell(&doc, &news, now.saturating_add(grace));
                let is_any = news.is_any(&before) || doc.at.is_none();
                doc.sites = news.sites;
                doc.remarks = news.remarks;
                doc.at = Some(now);
                doc.failures = 0;
                doc.trouble = None;
                doc.next = now.saturating_add(millis(self.base.settings.discovery.every));
                self.keep(&config.name, doc, etag, is_any).await
            }
            Err(asked) => {
                doc.sites = before;
                doc.failures += u32::from(asked.counts);
                doc.next = now.saturating_add(millis(self.pause(&asked, doc.failures, &config.name)));
                let text = asked.text;
                if self.limits.breaker.is_told(doc.failures) {
                    tracing::warn!(
                        discovery = config.name,
                        backend = doc.backend,
                        customer = doc.customer,
                        failures = doc.failures,
                        "The sites cannot be listed: {text}; {} known ones are polled on, asked again at {}",
                        doc.sites.len(),
                        iso(doc.next)
                    );
                }
                // That it is in trouble is worth telling other processes once, and not at each repeat.
                let is_new = doc.trouble.is_none();
                doc.trouble = Some(text);
                self.keep(&config.name, doc, etag, is_new).await
            }
        }
    }

    /// Writes that this process asks; `None` where another one was faster.
    async fn claim(&self, doc: &SitesDoc, etag: Option<Etag>) -> Result<Option<Etag>, store::Error> {
        let document = Document::Sites(doc.clone());
        let write = match etag {
            Some(etag) => Write::Replace(document.clone(), etag),
            None => Write::Create(document.clone()),
        };
        let batch = Batch {
            source: CatalogDoc::PARTITION.to_owned(),
            writes: vec![write],
        };
        match self.store.commit(batch).await {
            Ok(committed) => Ok(committed.etags.into_iter().next().flatten()),
            Err(error) if error.is_conflict() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks within the backend's budget and the tick's time.
    async fn ask(&self, config: &DiscoveryConfig, deadline: Millis) -> Result<Vec<Site>, Asked> {
        let kind = &config.template.kind;
        let admitted = async {
            let place = self.limits.backends.enter(kind).await;
            self.limits.backends.pace(kind).await;
            place
        };
        let admitted = tokio::time::timeout(PATIENCE, admitted).await;
        let _place = admitted.map_err(|_| Asked {
            text: "its backend has as many sources at work, or as many requests in the minute, as it gets \
                   (BACKEND_CONCURRENCY, BACKEND_REQUESTS)"
                .to_owned(),
            wait: Some(SOON),
            is_login: false,
            counts: false,
        })?;
        let left = deadline.saturating_sub(self.clock.now());
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0)).min(CALL);
        match tokio::time::timeout(left, self.look(config)).await {
            Ok(Ok(listed)) => Ok(listed),
            Ok(Err(error)) => Err(Asked {
                text: error.to_string(),
                wait: error.retry_after(),
                is_login: matches!(error, SourceError::Login { .. }),
                counts: true,
            }),
            Err(_) => Err(Asked {
                text: "no whole answer within the tick's time".to_owned(),
                wait: None,
                is_login: false,
                counts: true,
            }),
        }
    }

    /// How long the backend is left alone after a question in vain: never longer than its refresh, unless it asks for that.
    fn pause(&self, asked: &Asked, failures: u32, name: &str) -> Duration {
        let every = self.base.settings.discovery.every;
        let own = if asked.is_login {
            // Backends lock accounts whose password is tried again and again.
            every
        } else {
            let cool_down = self.limits.breaker.cool_down(failures, name, true);
            cool_down.unwrap_or(SOON).min(every.max(SOON))
        };
        own.max(asked.wait.unwrap_or_default()).min(DAY)
    }

    /// Writes the outcome, and tells the other processes of it where it is news for them.
    async fn keep(&self, name: &str, doc: SitesDoc, etag: Etag, is_news: bool) -> Result<(), store::Error> {
        let write = Write::Replace(Document::Sites(doc.clone()), etag);
        let written = if is_news {
            write::commit(self.store.as_ref(), self.clock.now(), vec![write]).await
        } else {
            let batch = Batch {
                source: CatalogDoc::PARTITION.to_owned(),
                writes: vec![write],
            };
            self.store.commit(batch).await.map(|_| ())
        };
        match written {
            Ok(()) => {}
            // It took longer than the claim, and another process has asked since: its answer counts. Or our own write came twice.
            Err(error) if error.is_conflict() => return Ok(()),
            Err(error) => return Err(error),
        }
        if !is_news {
            self.remember(name, &doc);
        }
        Ok(())
    }

    /// Takes over when a list is due again, where nothing else of it is news.
    fn remember(&self, name: &str, doc: &SitesDoc) {
        self.replace(|current| {
            let mut fresh = current.clone();
            for discovered in fresh.discoveries.iter_mut().filter(|one| one.config.name == name) {
                discovered.sites = Some(doc.clone());
            }
            fresh
        });
    }
}

/// A question in vain.
struct Asked {
    text: String,
    /// How long to wait at least.
    wait: Option<Duration>,
    is_login: bool,
    /// Whether the backend failed, and not our own budget.
    counts: bool,
}

fn tell(doc: &SitesDoc, news: &News, until: Millis) {
    let few =
        |names: &[String]| -> String { names.iter().take(TOLD).cloned().collect::<Vec<_>>().join(", ") };
    let (backend, customer) = (&doc.backend, &doc.customer);
    if !news.appeared.is_empty() {
        let (count, sites) = (news.appeared.len(), few(&news.appeared));
        tracing::info!(backend, customer, count, sites, "New sites");
    }
    if !news.back.is_empty() {
        let (count, sites) = (news.back.len(), few(&news.back));
        tracing::info!(backend, customer, count, sites, "Sites are listed again");
    }
    if !news.vanished.is_empty() {
        let (count, sites) = (news.vanished.len(), few(&news.vanished));
        tracing::warn!(
            backend,
            customer,
            count,
            sites,
            "The backend no longer lists these sites; they are polled on until {}",
            iso(until)
        );
    }
    if !news.dropped.is_empty() {
        let (count, sites) = (news.dropped.len(), few(&news.dropped));
        tracing::warn!(
            backend,
            customer,
            count,
            sites,
            "These sites have not been listed for longer than DISCOVERY_GRACE_HOURS and are polled no more; what waits for the hub \
             still goes out"
        );
    }
    for remark in news.remarks.iter().filter(|remark| !doc.remarks.contains(remark)) {
        tracing::warn!(backend, customer, "List of sites: {remark}");
    }
    if doc.failures > 0 {
        tracing::info!(
            backend,
            customer,
            failures = doc.failures,
            "The sites can be listed again"
        );
    }
}

/// How long a process that asks is not heard of before another one asks, milliseconds: longer than a call may take.
pub(super) const CLAIM: Millis = 120_000;
/// The longest that a list takes.
const CALL: Duration = Duration::from_secs(90);
/// How long a place at the backend is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first pause after a question in vain.
const SOON: Duration = Duration::from_secs(60);
/// A backend that asks to wait longer is asked after this.
const DAY: Duration = Duration::from_secs(86_400);
/// No list is due later than this, milliseconds: the longest refresh, and a day.
const LONGEST: Millis = 32 * 86_400_000;
/// Names that are logged.
const TOLD: usize = 20;
