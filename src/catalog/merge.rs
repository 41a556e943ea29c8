//! Everything that is defined, put together: by `sources.toml` and settings, in the store, and found at backends. Pure.
//!
//! Who was first keeps an id: the file, then the store, then what is found. A definition with a fault is left out, told of, and
//! stops no other.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::clock::Millis;
use crate::config::{Config, Definition, DiscoveryConfig, Fault, Ids, Kind, SourceConfig, definition};
use crate::store::Etag;
use crate::store::documents::{SitesDoc, SourceDoc};

/// What is defined now.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// Sources besides those of the file, each with a name for what it was made from: another name, another source.
    pub(super) sources: Vec<(String, SourceConfig)>,
    /// What is wrong, by document and field.
    pub(super) faults: Vec<Fault>,
    /// What is allowed but doubtful.
    pub(super) warnings: Vec<String>,
    /// Customers whose sites are found.
    pub(super) discoveries: Vec<Discovered>,
}

/// A customer whose sites are found, and what was.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// Its definition.
    pub config: DiscoveryConfig,
    /// What its backend listed; none until it was asked.
    pub sites: Option<SitesDoc>,
    /// How many of the listed sites are sources.
    pub taken: usize,
    /// How many the patterns leave out.
    pub left_out: usize,
}

/// Definitions of the store, read.
#[derive(Debug, Default)]
pub(super) struct Read {
    sources: Vec<(String, SourceConfig)>,
    discoveries: Vec<(String, DiscoveryConfig)>,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

impl Read {
    /// Reads them one by one, in the order of their ids.
    pub(super) fn of(documents: &[(SourceDoc, Etag)], base: &Config, now: Millis) -> Self {
        let mut read = Self::default();
        let sorted: BTreeMap<&str, _> = documents.iter().map(|one| (one.0.id.as_str(), one)).collect();
        for (id, (document, etag)) in sorted {
            let key = format!("{id}@{}", etag.0);
            match definition(id, &document.definition, &base.lookup, &base.settings, now) {
                Ok((defines, warnings)) => {
                    read.warnings.extend(warnings);
                    match defines {
                        Definition::Source(source) => read.sources.push((key, *source)),
                        Definition::Discovery(discovery) => read.discoveries.push((key, *discovery)),
                    }
                }
                Err(faults) => read.faults.extend(faults),
            }
        }
        read
    }

    /// All discoveries: of the file, and of the store.
    pub(super) fn discoveries<'a>(&'a self, base: &'a Config) -> impl Iterator<Item = &'a DiscoveryConfig> {
        let stored = self.discoveries.iter().map(|(_, discovery)| discovery);
        base.discoveries.iter().chain(stored)
    }

    /// Puts everything together; `sites` is what backends listed, by the discovery's name.
    pub(super) fn merge(self, base: &Config, sites: &HashMap<String, SitesDoc>) -> Merged {
        let mut ids = Ids::new(&base.settings);
        let mut known: HashSet<Site> = HashSet::new();
        for source in &base.sources {
            // The file's own clashes are faults that end the process; there are none here.
            let _ = ids.admit(source);
            known.extend(Site::of(source));
        }
        let mut merged = Merged {
            faults: self.faults,
            warnings: self.warnings,
            ..Merged::default()
        };
        for (key, source) in self.sources {
            let faults = ids.admit(&source);
            for text in &faults {
                merged.faults.push(Fault {
                    place: format!("[{}]", source.id),
                    text: format!("{text}. This one is not polled until then"),
                });
            }
            if faults.is_empty() {
                known.extend(Site::of(&source));
                merged.sources.push((key, source));
            }
        }
        let of_file = base.discoveries.iter().enumerate();
        let of_file = of_file.map(|(n, discovery)| (format!("file {n}"), discovery.clone()));
        for (key, discovery) in of_file.chain(self.discoveries) {
            let listed = sites.get(&discovery.name).cloned();
            let mut discovered = Discovered {
                taken: 0,
                left_out: 0,
                sites: listed,
                config: discovery,
            };
            let names = discovered.sites.iter().flat_map(|doc| &doc.sites);
            let mut clashes = 0;
            for name in names {
                let Some(source) = discovered.config.source(&name.site) else {
                    discovered.left_out += 1;
                    continue;
                };
                // A source of its own, or an earlier discovery, says otherwise how this site is polled.
                if Site::of(&source).is_some_and(|site| !known.insert(site)) {
                    continue;
                }
                let faults = ids.admit(&source);
                if faults.is_empty() {
                    discovered.taken += 1;
                    merged.sources.push((format!("{key}/{}", source.id), source));
                } else if clashes < TOLD {
                    clashes += 1;
                    for text in faults {
                        merged.faults.push(Fault {
                            place: format!("[{}] of {}", source.id, source.origin),
                            text,
                        });
                    }
                }
            }
            merged.discoveries.push(discovered);
        }
        merged
    }
}

/// What makes two sources the same site.
#[derive(PartialEq, Eq, Hash)]
struct Site {
    url: String,
    customer: String,
    site: String,
    histdata: u8,
}

impl Site {
    fn of(source: &SourceConfig) -> Option<Self> {
        match &source.kind {
            Kind::RapidM2m(site) => Some(Self {
                url: site.url.to_string(),
                customer: site.customer.clone(),
                site: site.site.clone(),
                histdata: site.histdata,
            }),
            _ => None,
        }
    }
}

/// Clashing sites of one discovery that are told one by one.
const TOLD: usize = 5;
