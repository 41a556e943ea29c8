//! The sources file: TOML with one `[[source]]` table for each meter or site.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use crate::clock::Millis;

use super::document::{self, Entry, Table, Value};
use super::fields::{Author, Fields};
use super::id;
use super::source::{self, Defined, Origin};
use super::values::{Values, default_of, short};

/// Reads the file that SOURCES_FILE names. Only the default one may be absent.
pub(super) fn read(values: &Values<'_>, files: &dyn Fn(&Path) -> io::Result<String>, now: Millis) -> Defined {
    let found = values.found;
    let name = values.text("SOURCES_FILE");
    let text = match files(Path::new(&name)) {
        Ok(text) => text,
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && default_of("SOURCES_FILE") == Some(&name) =>
        {
            return Defined::default();
        }
        Err(error) => {
            found.fault("SOURCES_FILE", format!("`{}`: {error}", short(&name)));
            return Defined::default();
        }
    };
    let root = match document::from_toml(&text) {
        Ok(root) => root,
        Err(faults) => {
            for (line, what) in faults {
                found.fault(format!("{name}:{line}"), format!("is not TOML: {what}"));
            }
            return Defined::default();
        }
    };
    let origin = Origin {
        file: Some(&name),
        get: Some(values.get()),
        author: Author::Deployer,
        name: None,
        found,
        now: Some(now),
    };
    let tables = tables(&root, origin);
    check_ids(&tables, origin);
    let mut defined = Defined::default();
    for (n, table) in tables.iter().enumerate() {
        defined.join(source::read(table, n + 1, origin));
    }
    defined
}

/// An id that is written twice is told even where the tables have other faults.
pub(super) fn check_ids(tables: &[&Table], origin: Origin<'_>) {
    let mut lines: HashMap<&str, usize> = HashMap::new();
    for table in tables {
        let Some(Entry {
            line,
            value: Value::Text(text),
            ..
        }) = table.get("id")
        else {
            continue;
        };
        let line = line.unwrap_or_default();
        if id::check(text).is_err() {
            continue;
        }
        if let Some(first) = lines.get(text.as_str()) {
            let place = format!("{}:{line} [{text}].id", origin.file.unwrap_or_default());
            origin.found.fault(
                place,
                format!("is the id of the source in line {first}, too; ids are unique"),
            );
        } else {
            lines.insert(text, line);
        }
    }
}

/// The `[[source]]` tables of a file.
pub(super) fn tables<'t>(root: &'t Table, origin: Origin<'_>) -> Vec<&'t Table> {
    const FORM: &str = "begin each source with `[[source]]`";
    let fields = Fields {
        table: root,
        file: origin.file,
        name: String::new(),
        get: None,
        author: origin.author,
        found: origin.found,
    };
    for entry in root.entries.iter().filter(|entry| entry.key != "source") {
        let place = fields.place_at(entry.line, &short(&entry.key));
        origin.found.fault(place, format!("is not known; {FORM}"));
    }
    let Some(entry) = root.get("source") else {
        return Vec::new();
    };
    let Value::List(items) = &entry.value else {
        origin.found.fault(
            fields.place_at(entry.line, "source"),
            format!("is {}; {FORM}", entry.value.what()),
        );
        return Vec::new();
    };
    let tables = items.iter().filter_map(|item| {
        if let Value::Table(table) = &item.value {
            return Some(table);
        }
        origin.found.fault(
            fields.place_at(item.line, "source"),
            format!("holds {}; {FORM}", item.value.what()),
        );
        None
    });
    tables.collect()
}
