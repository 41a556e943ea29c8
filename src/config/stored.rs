//! Definitions in the store: the words of a `[[source]]` table, with less trust in their author.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::clock::Millis;

use super::document::{self, Entry, Table, Value};
use super::fields::{Author, REFERABLE};
use super::findings::Findings;
use super::source::{self, Defined, Origin};
use super::together::Doubts;
use super::values::short;
use super::{DiscoveryConfig, Fault, Settings, SourceConfig, file, id};

/// Bytes of a stored definition, at most: many of them are written and read together.
const LARGEST: usize = 32 * 1024;

/// What one document of the store defines.
#[derive(Clone, Debug)]
pub enum Definition {
    /// A source.
    Source(Box<SourceConfig>),
    /// A customer whose sites are found at the backend.
    Discovery(Box<DiscoveryConfig>),
}

/// A definition that a person is about to store.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The id of its document.
    pub id: String,
    /// What is stored.
    pub definition: Json,
    /// What it defines; logins that this machine does not know are missing.
    pub defines: Definition,
}

/// The settings that definitions in the store may name, and no others.
#[derive(Clone, Default)]
pub struct Lookup(Option<Arc<Get>>);

/// A setting's value by its name.
type Get = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Lookup {
    /// Looks settings up through `get`.
    pub fn new(get: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(get)))
    }

    fn get(&self, name: &str) -> Option<String> {
        // Checked with a message of its own before; and once more here, whoever asks.
        if !name.starts_with(REFERABLE) {
            return None;
        }
        self.0.as_ref()?(name)
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookup")
    }
}

/// Reads one document's definition, with what is allowed but doubtful in it.
///
/// # Errors
/// All faults of the definition together; their place is the document's id and the field.
pub fn definition(
    document: &str,
    value: &Json,
    lookup: &Lookup,
    settings: &Settings,
    now: Millis,
) -> Result<(Definition, Vec<String>), Vec<Fault>> {
    let found = Findings::default();
    let get = |name: &str| lookup.get(name);
    let one = table_of(document, value, &found).and_then(|table| {
        let origin = Origin {
            file: None,
            get: Some(&get),
            author: Author::Stored,
            name: Some(document),
            found: &found,
            now: Some(now),
        };
        one(source::read(&table, 1, origin), origin, document)
    });
    if let Some(one) = &one {
        let mut doubts = Doubts::new(settings, &found);
        doubts.look(one.source());
    }
    match (found.into_parts(), one) {
        ((faults, warnings), Some(one)) if faults.is_empty() => Ok((one, warnings)),
        ((faults, _), _) => Err(faults),
    }
}

/// One source from a definition alone: no setting is known, and so none may be named.
///
/// # Errors
/// All faults of the definition together; places have no line.
pub fn definition_of(value: &Json) -> Result<SourceConfig, Vec<Fault>> {
    let found = Findings::default();
    let Some(object) = value.as_object() else {
        found.fault("[source]", NO_OBJECT);
        return Err(found.into_parts().0);
    };
    let origin = Origin {
        file: None,
        get: None,
        author: Author::Stored,
        name: None,
        found: &found,
        now: None,
    };
    let mut defined = source::read(&document::from_json(object), 1, origin);
    let one = defined.sources.pop();
    if !defined.sources.is_empty() || !defined.discoveries.is_empty() {
        found.fault("[source].sites", SEVERAL);
    }
    match (found.into_parts().0, one) {
        (faults, Some(source)) if faults.is_empty() => Ok(source),
        (faults, _) => Err(faults),
    }
}

/// Reads a file in the form of `sources.toml` as definitions to be stored: one for each source, and for each customer with
/// `sites = "*"`. With what is allowed but doubtful, such as a setting that this machine does not know.
///
/// # Errors
/// All faults of all definitions, with their lines.
pub fn drafts(
    name: &str,
    text: &str,
    lookup: &Lookup,
    now: Millis,
) -> Result<(Vec<Draft>, Vec<String>), Vec<Fault>> {
    let found = Findings::default();
    let root = document::from_toml(text).map_err(|faults| {
        let fault = |(line, what): (usize, String)| Fault {
            place: format!("{name}:{line}"),
            text: format!("is not TOML: {what}"),
        };
        faults.into_iter().map(fault).collect::<Vec<_>>()
    })?;
    let get = |name: &str| lookup.get(name);
    let origin = Origin {
        file: Some(name),
        get: Some(&get),
        author: Author::Draft,
        name: None,
        found: &found,
        now: Some(now),
    };
    let tables = file::tables(&root, origin);
    file::check_ids(&tables, origin);
    if tables.is_empty() {
        found.fault(name, "defines no source; begin each with `[[source]]`");
    }
    let mut drafts = Vec::new();
    let mut lines: HashMap<String, usize> = HashMap::new();
    for (n, table) in tables.iter().enumerate() {
        let line = table.line.unwrap_or_default();
        let definition = document::to_json(table);
        for draft in of_table(&definition, source::read(table, n + 1, origin)) {
            let place = format!("{name}:{line} [{}]", draft.id);
            if draft.definition.to_string().len() > LARGEST {
                found.fault(&place, format!("is larger than {LARGEST} bytes"));
            }
            if let Some(first) = lines.insert(draft.id.clone(), line)
                && !found.has(&format!("[{}].id", draft.id))
            {
                found.fault(&place, format!("is defined in line {first}, too; ids are unique"));
            }
            drafts.push(draft);
        }
    }
    found.sort_by_line(name);
    match found.into_parts() {
        (faults, warnings) if faults.is_empty() => Ok((drafts, warnings)),
        (faults, _) => Err(faults),
    }
}

impl Definition {
    /// The source, or what each source of a discovery is made from.
    #[must_use]
    pub fn source(&self) -> &SourceConfig {
        match self {
            Self::Source(source) => source,
            Self::Discovery(discovery) => &discovery.template,
        }
    }
}

/// The table of a stored definition. The document's id is the source's, whether the definition repeats it or not.
fn table_of(document: &str, value: &Json, found: &Findings) -> Option<Table> {
    let place = format!("[{document}]");
    if let Err(why) = id::check(document) {
        found.fault(&place, format!("has an id that no source may have: it {why}"));
        return None;
    }
    let Some(object) = value.as_object() else {
        found.fault(&place, NO_OBJECT);
        return None;
    };
    if value.to_string().len() > LARGEST {
        found.fault(&place, format!("is larger than {LARGEST} bytes"));
        return None;
    }
    let mut table = document::from_json(object);
    match table.get("id").map(|entry| &entry.value) {
        Some(Value::Text(text)) if text != document => {
            let text = format!("is `{}`, but the document's own id is `{document}`", short(text));
            found.fault(format!("{place}.id"), text);
        }
        // Others have the faults that they have in a file.
        Some(_) => {}
        None if table.get("sites").is_some() => {}
        None => table.entries.push(Entry {
            key: "id".to_owned(),
            line: None,
            value: Value::Text(document.to_owned()),
        }),
    }
    Some(table)
}

/// What a document defines, which is one source or one discovery.
fn one(mut defined: Defined, origin: Origin<'_>, document: &str) -> Option<Definition> {
    if let Some(discovery) = defined.discoveries.pop() {
        if discovery.name != document {
            let text = format!(
                "is of the discovery `{}`, which is the id that its document has",
                discovery.name
            );
            origin.found.fault(format!("[{document}].sites"), text);
        }
        return Some(Definition::Discovery(Box::new(discovery)));
    }
    let one = defined.sources.pop();
    if !defined.sources.is_empty() || one.as_ref().is_some_and(|one| one.id != document) {
        origin.found.fault(format!("[{document}].sites"), SEVERAL);
    }
    one.map(|source| Definition::Source(Box::new(source)))
}

/// The documents of a table: with several `sites` it makes one for each.
fn of_table(definition: &Map<String, Json>, defined: Defined) -> Vec<Draft> {
    let discoveries = defined.discoveries.into_iter().map(|discovery| Draft {
        id: discovery.name.clone(),
        definition: Json::Object(definition.clone()),
        defines: Definition::Discovery(Box::new(discovery)),
    });
    let sources = defined.sources.into_iter().map(|source| {
        let mut definition = definition.clone();
        if definition.remove("sites").is_some()
            && let super::Kind::RapidM2m(site) = &source.kind
        {
            definition.insert("site".to_owned(), site.site.as_str().into());
        }
        definition.insert("id".to_owned(), source.id.as_str().into());
        Draft {
            id: source.id.clone(),
            definition: Json::Object(definition),
            defines: Definition::Source(Box::new(source)),
        }
    });
    discoveries.chain(sources).collect()
}

const NO_OBJECT: &str = "is not an object with the members of a source";
const SEVERAL: &str = "names several sources; a document defines one, with `site`";
