//! Documents in memory.

use std::collections::{BTreeMap, HashMap};

use meterbridge::clock::Millis;
use meterbridge::store::{Batch, Committed, Document, Error, Etag, Found, List, Write};

use crate::plan::SOURCE;

/// The documents of the one source.
#[derive(Debug, Default)]
pub struct Shelf {
    kept: BTreeMap<String, Kept>,
    version: u64,
    /// Whether documents are kept as text, and a batch's bytes are counted.
    pub text: bool,
}

#[derive(Debug)]
struct Kept {
    form: Form,
    version: u64,
    /// When it may vanish.
    ends: Option<Millis>,
}

#[derive(Debug)]
enum Form {
    Document(Box<Document>),
    Text(String),
}

/// What Cosmos DB takes in one transaction: <https://learn.microsoft.com/azure/cosmos-db/concepts-limits>.
const MAX_BYTES: usize = 2_000_000;

impl Shelf {
    /// One document.
    ///
    /// # Errors
    /// When it cannot be understood.
    pub fn read(&self, id: &str, now: Millis) -> Result<Option<Found>, Error> {
        self.live(id, now).map(found).transpose()
    }

    /// Documents of one kind, newest id first.
    ///
    /// # Errors
    /// When one cannot be understood.
    pub fn list(&self, list: &List, now: Millis) -> Result<Vec<Found>, Error> {
        let mut all = Vec::new();
        for (id, kept) in self.kept.iter().rev() {
            let before = list.before.as_ref().is_none_or(|before| id < before);
            if before && !kept.is_over(now) && all.len() < list.limit {
                let found = found(kept)?;
                if found.document.kind() == list.kind {
                    all.push(found);
                }
            }
        }
        Ok(all)
    }

    /// Whether every document is as the batch wants it.
    ///
    /// # Errors
    /// As a store answers where one is not.
    pub fn fits(&self, batch: &Batch, now: Millis) -> Result<(), Error> {
        // Writes of one batch see each other.
        let mut within: HashMap<&str, bool> = HashMap::new();
        let mut bytes = 0;
        for write in &batch.writes {
            let (id, wanted) = match write {
                Write::Create(document) => (document.id(), Wanted::Nothing),
                Write::Replace(document, etag) => (document.id(), Wanted::Version(etag)),
                Write::Upsert(document) => (document.id(), Wanted::Whatever),
                Write::Delete(id, Some(etag)) => (id.as_str(), Wanted::Version(etag)),
                Write::Delete(id, None) => (id.as_str(), Wanted::Something),
            };
            let there = match within.get(id) {
                Some(true) => Some(None),
                Some(false) => None,
                None => self.live(id, now).map(|kept| Some(kept.version)),
            };
            let fits = match (&wanted, there) {
                (Wanted::Nothing, None) | (Wanted::Whatever, _) | (Wanted::Something, Some(_)) => true,
                (Wanted::Version(etag), Some(Some(version))) => etag.0 == version.to_string(),
                _ => false,
            };
            let (source_id, id_text) = (SOURCE.to_owned(), id.to_owned());
            if !fits {
                return Err(if matches!(wanted, Wanted::Nothing) {
                    Error::Exists {
                        source_id,
                        id: id_text,
                    }
                } else {
                    Error::Changed {
                        source_id,
                        id: id_text,
                    }
                });
            }
            within.insert(id, !matches!(write, Write::Delete(..)));
            if self.text
                && let Some(document) = document(write)
            {
                bytes += 200 + serde_json::to_vec(document).map_or(usize::MAX / 2, |text| text.len());
            }
        }
        if bytes > MAX_BYTES {
            return Err(Error::Refused {
                what: format!("a batch of {bytes} bytes"),
                mend: "no store takes it".into(),
            });
        }
        Ok(())
    }

    /// Writes a batch that fits.
    ///
    /// # Errors
    /// When a document has no text.
    pub fn write(&mut self, batch: &Batch, now: Millis) -> Result<Committed, Error> {
        let mut etags = Vec::with_capacity(batch.writes.len());
        for write in &batch.writes {
            let Some(document) = document(write) else {
                if let Write::Delete(id, _) = write {
                    self.kept.remove(id);
                }
                etags.push(None);
                continue;
            };
            self.version += 1;
            let form = if self.text {
                Form::Text(serde_json::to_string(document).map_err(|error| damaged(document.id(), &error))?)
            } else {
                Form::Document(Box::new(document.clone()))
            };
            let ends = document.ttl().map(|ttl| now + Millis::from(ttl) * 1000);
            let kept = Kept {
                form,
                version: self.version,
                ends,
            };
            self.kept.insert(document.id().to_owned(), kept);
            etags.push(Some(Etag(self.version.to_string())));
        }
        Ok(Committed { etags, charge: 0.0 })
    }

    fn live(&self, id: &str, now: Millis) -> Option<&Kept> {
        self.kept.get(id).filter(|kept| !kept.is_over(now))
    }
}

impl Kept {
    fn is_over(&self, now: Millis) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }
}

enum Wanted<'a> {
    Nothing,
    Something,
    Whatever,
    Version(&'a Etag),
}

fn found(kept: &Kept) -> Result<Found, Error> {
    let document = match &kept.form {
        Form::Document(document) => (**document).clone(),
        Form::Text(text) => serde_json::from_str(text).map_err(|error| damaged("a document", &error))?,
    };
    Ok(Found {
        document,
        etag: Etag(kept.version.to_string()),
    })
}

/// The document that a write writes.
#[must_use]
pub(super) fn document(write: &Write) -> Option<&Document> {
    match write {
        Write::Create(document) | Write::Replace(document, _) | Write::Upsert(document) => Some(document),
        Write::Delete(..) => None,
    }
}

fn damaged(id: &str, error: &serde_json::Error) -> Error {
    Error::Damaged {
        source_id: SOURCE.into(),
        id: id.into(),
        detail: error.to_string(),
    }
}

/// A batch in a line.
pub(super) fn told(batch: &Batch) -> String {
    let mut told = Vec::new();
    for write in &batch.writes {
        let id = match write {
            Write::Create(document) => format!("+{}", document.id()),
            Write::Replace(document, etag) => format!("{}@{}", document.id(), etag.0),
            Write::Upsert(document) => format!("!{}", document.id()),
            Write::Delete(id, _) => format!("-{id}"),
        };
        told.push(match document(write) {
            Some(Document::State(s)) => format!(
                "{id}{{lease {:?} next {} unshipped {:?} pending {:?} confirmed {} mark {:?} checkpoint {:?} pass {:?} parked {}}}",
                s.lease.as_ref().map(|lease| lease.until),
                s.next,
                s.unshipped.iter().map(|u| u.number).collect::<Vec<_>>(),
                s.pending,
                s.confirmed,
                s.mark,
                s.checkpoint,
                s.pass.map(|pass| (pass.at, pass.end)),
                s.parked.is_some(),
            ),
            Some(Document::Digest(d)) => format!("{id}{{floor {}}}", d.floor),
            Some(Document::Attempt(a)) => format!("{id}{{{} rows {:?}}}", a.rows, a.inline.as_ref().map(|r| &r.stamps)),
            _ => id,
        });
    }
    told.join(" ")
}
