//! `sources`: what is defined in the store, for people.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{BAD_CONFIGURATION, Common, FAILED};
use crate::app::Wired;
use crate::catalog::{self, Change, Done, TOGETHER, When};
use crate::clock::{Clock, iso};
use crate::config::{self, Kind, SourceConfig};
use crate::store::Etag;
use crate::store::documents::SourceDoc;

/// Define sources in the store, without a redeploy.
///
/// Every process takes a change over at its next tick.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Sources {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All sources, with where each is defined, and what is wrong with definitions of the store.
    List,
    /// One definition of the store, as JSON, with its version.
    Show {
        /// The source, or the name of a discovery.
        id: String,
    },
    /// Store the sources of a file in the form of sources.toml: new ones are added, others replaced.
    Put {
        /// The file.
        file: PathBuf,
        /// Check everything and say what would change; write nothing.
        #[arg(long)]
        dry_run: bool,
        /// Only if the stored definition still has this version, as `show` tells it; for a file with one source.
        #[arg(long, value_name = "VERSION")]
        if_match: Option<String>,
    },
    /// Take a definition out of the store. What waits for the hub still goes out.
    Remove {
        /// The source, or the name of a discovery.
        id: String,
        /// Say what would be removed; write nothing.
        #[arg(long)]
        dry_run: bool,
        /// Only if the stored definition still has this version, as `show` tells it.
        #[arg(long, value_name = "VERSION")]
        if_match: Option<String>,
    },
}

const EXAMPLES: &str = "Examples:
  meterbridge sources list
  meterbridge sources put barn.toml --dry-run
  meterbridge sources put barn.toml
  meterbridge sources show barn
  meterbridge sources remove barn

barn.toml, in the form of sources.toml:
  [[source]]
  id = \"barn\"
  kind = \"tasmota\"
  url = \"http://192.168.1.41\"
  zone = \"Europe/Berlin\"
  password = \"${SOURCE_BARN_PASSWORD}\"

The store keeps no secrets: user, password and basic name settings that begin with SOURCE_, and these are
set where the source is polled. An id of sources.toml cannot be had by the store, too.";

impl Sources {
    pub(super) async fn run(self, common: &Common) -> ExitCode {
        common.log_for_people();
        let config = match common.load_or_complain() {
            Ok(config) => config,
            Err(code) => return code,
        };
        let clock = Clock::system();
        let wired = match super::wired(config, &clock).await {
            Ok(wired) => wired,
            Err(code) => return code,
        };
        // Whatever the store says against it is said here, and not only in the log.
        let stored = match wired.catalog.definitions().await {
            Ok(stored) => stored,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::from(FAILED);
            }
        };
        let desk = Desk {
            wired: &wired,
            clock: &clock,
            stored: stored.into_iter().map(|one| (one.0.id.clone(), one)).collect(),
        };
        match self.verb {
            Verb::List => desk.list(),
            Verb::Show { id } => desk.show(&id),
            Verb::Put {
                file,
                dry_run,
                if_match,
            } => desk.put(&file, dry_run, if_match.as_deref()).await,
            Verb::Remove {
                id,
                dry_run,
                if_match,
            } => desk.remove(&id, dry_run, if_match.as_deref()).await,
        }
    }
}

/// What a verb works with.
struct Desk<'a> {
    wired: &'a Wired,
    clock: &'a Clock,
    /// Definitions of the store by id.
    stored: HashMap<String, (SourceDoc, Etag)>,
}

impl Desk<'_> {
    fn list(&self) -> ExitCode {
        let known = self.wired.catalog.current();
        println!("{:<32} {:<10} {:<10} origin", "source", "kind", "runner");
        for source in known.configs() {
            println!(
                "{:<32} {:<10} {:<10} {}",
                source.id,
                kind(source),
                source.runner,
                source.origin
            );
        }
        for discovered in &known.discoveries {
            let (backend, customer) = discovered.config.subject();
            let listed = match discovered.sites.as_ref().and_then(|doc| doc.at) {
                Some(at) => format!("listed at {}", iso(at)),
                None => "not listed yet".to_owned(),
            };
            println!(
                "{}: sites of {customer} at {backend} ({}): {} taken, {} left out, {listed}",
                discovered.config.name,
                discovered.config.template.origin,
                discovered.taken,
                discovered.left_out
            );
        }
        let troubles = known.troubles();
        for trouble in &troubles {
            println!("BAD {trouble}");
        }
        if troubles.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        }
    }

    fn show(&self, id: &str) -> ExitCode {
        let Some((doc, etag)) = self.stored.get(id) else {
            return self.unknown(id);
        };
        let text = serde_json::to_string_pretty(&shown(&doc.definition)).unwrap_or_default();
        println!("{text}\nwritten at {}, version {}", iso(doc.at), etag.0);
        ExitCode::SUCCESS
    }

    async fn put(&self, path: &Path, dry_run: bool, if_match: Option<&str>) -> ExitCode {
        let name = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                eprintln!("{name} cannot be read: {error}");
                return ExitCode::from(BAD_CONFIGURATION);
            }
        };
        let lookup = &self.wired.config.lookup;
        let drafts = match config::drafts(&name, &text, lookup, self.clock.now()) {
            Ok((drafts, warnings)) => {
                for warning in warnings {
                    println!("note {warning}");
                }
                drafts
            }
            Err(faults) => return super::complain(&faults),
        };
        let faults = self
            .wired
            .catalog
            .clashes(|id| self.stored.contains_key(id), &drafts);
        if !faults.is_empty() {
            return super::complain(&faults);
        }
        if if_match.is_some() && drafts.len() != 1 {
            eprintln!(
                "--if-match is for a file with one source; {name} has {}.",
                drafts.len()
            );
            return ExitCode::from(BAD_CONFIGURATION);
        }
        let changes: Vec<Change> = drafts
            .into_iter()
            .map(|draft| Change {
                when: self.when(&draft.id, if_match),
                id: draft.id,
                definition: Some(draft.definition),
            })
            .collect();
        self.change(&changes, dry_run).await
    }

    async fn remove(&self, id: &str, dry_run: bool, if_match: Option<&str>) -> ExitCode {
        if !self.stored.contains_key(id) {
            return self.unknown(id);
        }
        let change = Change {
            id: id.to_owned(),
            definition: None,
            when: self.when(id, if_match),
        };
        self.change(&[change], dry_run).await
    }

    /// What must be there: the version that was asked for, else what this process saw.
    fn when(&self, id: &str, if_match: Option<&str>) -> When {
        match (if_match, self.stored.get(id)) {
            (Some(version), _) => When::Version(Etag(version.to_owned())),
            (None, Some((_, etag))) => When::Version(etag.clone()),
            (None, None) => When::Absent,
        }
    }

    async fn change(&self, changes: &[Change], dry_run: bool) -> ExitCode {
        if dry_run {
            for change in changes {
                let old = self.stored.get(&change.id).map(|(doc, _)| &doc.definition);
                let word = match (&change.definition, old) {
                    (None, _) => "would be removed",
                    (Some(_), None) => "would be added",
                    (Some(new), Some(old)) if new == old => "stands so already",
                    (Some(_), Some(_)) => "would be changed",
                };
                println!("{}: {word}", change.id);
            }
            println!("Nothing was written.");
            return ExitCode::SUCCESS;
        }
        let store = self.wired.rounds.poller().store.as_ref();
        for some in changes.chunks(TOGETHER) {
            match catalog::change(store, self.clock.now(), some).await {
                Ok(done) => {
                    for (change, done) in some.iter().zip(done) {
                        println!("{}: {}", change.id, word(done));
                    }
                }
                Err(error) => {
                    eprintln!("{error}");
                    return ExitCode::from(FAILED);
                }
            }
        }
        ExitCode::SUCCESS
    }

    fn unknown(&self, id: &str) -> ExitCode {
        match self.wired.catalog.current().source(id) {
            Some(source) if source.origin == "store" => {
                eprintln!("{id} is found at its backend; `exclude` leaves it out.");
            }
            Some(source) => eprintln!("{id} is defined in {}, not in the store.", source.origin),
            None => eprintln!(
                "The store defines no source {id}; `meterbridge sources list` tells which there are."
            ),
        }
        ExitCode::from(BAD_CONFIGURATION)
    }
}

/// A definition as it may be shown: a secret that somebody wrote into the store by other means is not.
fn shown(definition: &Value) -> Value {
    let mut definition = definition.clone();
    for key in ["password", "basic"] {
        if let Some(value) = definition.get_mut(key)
            && !value.as_str().is_some_and(|text| text.starts_with("${"))
        {
            *value = "***".into();
        }
    }
    definition
}

fn word(done: Done) -> &'static str {
    match done {
        Done::Added => "added",
        Done::Changed => "changed",
        Done::Unchanged => "stands so already",
        Done::Removed => "removed",
    }
}

fn kind(source: &SourceConfig) -> &'static str {
    match source.kind {
        Kind::Tasmota(_) => "tasmota",
        Kind::RapidM2m(_) => "rapidm2m",
        Kind::Synthetic(_) => "synthetic",
    }
}
