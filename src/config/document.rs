//! Definitions as a tree with line numbers, from TOML or from JSON: what [`Fields`](super::fields::Fields) walks.

use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};

/// A value and the line it begins in.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Line, from 1; none in JSON.
    pub(super) line: Option<usize>,
    /// The value.
    pub(super) value: Value,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A text, with `${…}` as written.
    Text(String),
    /// A number's text; whole ones in decimal.
    Number(String),
    /// `true` or `false`.
    Flag(bool),
    /// A TOML date or time.
    Instant(String),
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(Table),
}

/// A table's entries, in the order they were written.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// Line of its header.
    pub(super) line: Option<usize>,
    /// Its entries.
    pub(super) entries: Vec<Entry>,
}

/// One entry of a table.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its key.
    pub(super) key: String,
    /// The key's line.
    pub(super) line: Option<usize>,
    /// The value.
    pub(super) value: Value,
}

impl Value {
    /// What it is, for a message.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::Instant(_) => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Table {
    /// The entry `key`.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

/// Reads TOML.
///
/// # Errors
/// Every place where it is not TOML: the line and what is wrong. Never a piece of the file, which may hold a secret.
pub(super) fn from_toml(text: &str) -> Result<Table, Vec<(usize, String)>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::of(text);
    if !errors.is_empty() {
        let fault = |error: &toml::de::Error| {
            (
                lines.at(error.span().map_or(0, |s| s.start)),
                error.message().to_owned(),
            )
        };
        return Err(errors.iter().map(fault).collect());
    }
    Ok(table_from_toml(table.get_ref(), None, &lines))
}

/// Reads a JSON object. A member that is `null` counts as absent.
pub(super) fn from_json(object: &serde_json::Map<String, Json>) -> Table {
    let entries = object.iter().filter_map(|(key, value)| {
        Some(Entry {
            key: key.clone(),
            line: None,
            value: value_from_json(value)?,
        })
    });
    Table {
        line: None,
        entries: entries.collect(),
    }
}

/// The same as JSON, to be stored. Numbers that are not whole become texts: a store may rewrite them.
pub(super) fn to_json(table: &Table) -> serde_json::Map<String, Json> {
    let entries = table.entries.iter();
    entries
        .map(|entry| (entry.key.clone(), value_to_json(&entry.value)))
        .collect()
}

fn value_to_json(value: &Value) -> Json {
    match value {
        Value::Text(text) | Value::Instant(text) => text.as_str().into(),
        Value::Number(text) => text
            .parse::<i64>()
            .map_or_else(|_| text.as_str().into(), Json::from),
        Value::Flag(flag) => (*flag).into(),
        Value::List(items) => items.iter().map(|item| value_to_json(&item.value)).collect(),
        Value::Table(table) => Json::Object(to_json(table)),
    }
}

fn table_from_toml(table: &DeTable<'_>, line: Option<usize>, lines: &Lines) -> Table {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entries = entries.into_iter().map(|(key, value)| {
        let line = Some(lines.at(key.span().start));
        Entry {
            key: key.get_ref().to_string(),
            line,
            value: value_from_toml(value.get_ref(), line, lines),
        }
    });
    Table {
        line,
        entries: entries.collect(),
    }
}

fn value_from_toml(value: &DeValue<'_>, line: Option<usize>, lines: &Lines) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            let whole = i128::from_str_radix(number.as_str(), number.radix());
            Value::Number(whole.map_or_else(|_| number.to_string(), |n| n.to_string()))
        }
        DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(at) => Value::Instant(at.to_string()),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| {
                    let line = Some(lines.at(item.span().start));
                    Node {
                        line,
                        value: value_from_toml(item.get_ref(), line, lines),
                    }
                })
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(table_from_toml(table, line, lines)),
    }
}

fn value_from_json(value: &Json) -> Option<Value> {
    Some(match value {
        Json::Null => return None,
        Json::String(text) => Value::Text(text.clone()),
        Json::Number(number) => Value::Number(number.to_string()),
        Json::Bool(flag) => Value::Flag(*flag),
        Json::Array(items) => Value::List(
            items
                .iter()
                .filter_map(|item| {
                    Some(Node {
                        line: None,
                        value: value_from_json(item)?,
                    })
                })
                .collect(),
        ),
        Json::Object(object) => Value::Table(from_json(object)),
    })
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let after = text
            .bytes()
            .enumerate()
            .filter(|(_, b)| *b == b'\n')
            .map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(after).collect())
    }

    /// The line, from 1, of the byte at `offset`.
    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}
