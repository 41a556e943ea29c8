//! Takes values out of a table by key. What is wrong is noted with its place, and reading goes on.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::document::{Entry, Table, Value};
use super::duration;
use super::findings::Findings;
use super::values::{Get, resolved, short};

/// Settings that a definition in the store may name: those whose names begin so.
pub(super) const REFERABLE: &str = "SOURCE_";

/// Who wrote a definition, and so what of the settings it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author {
    /// Whoever deploys the program: `${NAME}` may stand anywhere, and a secret may be written out.
    Deployer,
    /// Whoever may write to the store: a login may name a setting that begins with [`REFERABLE`], nothing else may, and no secret
    /// is written out. Else a source with an address of its author's choice could carry any setting away.
    Stored,
    /// The same, looked at on a machine that need not have the settings: one that is missing is worth a warning.
    Draft,
}

/// A table that is being read, and where it stands.
pub(super) struct Fields<'a> {
    /// The table.
    pub(super) table: &'a Table,
    /// `sources.toml`; none for a document.
    pub(super) file: Option<&'a str>,
    /// `[home]`, `[home].channels`.
    pub(super) name: String,
    /// What `${NAME}` is replaced through; none where it must not be.
    pub(super) get: Option<Get<'a>>,
    /// Who wrote it.
    pub(super) author: Author,
    /// Where faults go.
    pub(super) found: &'a Findings,
}

impl<'a> Fields<'a> {
    /// `sources.toml:12 [home].url`. A key that is not there has the table's own line.
    pub(super) fn place(&self, key: &str) -> String {
        let line = self.table.get(key).map_or(self.table.line, |entry| entry.line);
        self.place_at(line, &format!("{}.{key}", self.name))
    }

    /// `sources.toml:12 {what}`.
    pub(super) fn place_at(&self, line: Option<usize>, what: &str) -> String {
        match (self.file, line) {
            (Some(file), Some(line)) => format!("{file}:{line} {what}"),
            (Some(file), None) => format!("{file} {what}"),
            (None, _) => what.to_owned(),
        }
    }

    /// Notes a fault of `key`.
    pub(super) fn fault(&self, key: &str, text: impl Into<String>) {
        self.found.fault(self.place(key), text);
    }

    /// Takes a result's value, or notes its error as a fault of `key`.
    pub(super) fn keep<T>(&self, key: &str, result: Result<T, impl Into<String>>) -> Option<T> {
        result.map_err(|text| self.fault(key, text)).ok()
    }

    /// Whether `key` is there at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// The text of `key`, with `${NAME}` replaced. Empty is a fault.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let entry = self.table.get(key)?;
        let Value::Text(text) = &entry.value else {
            self.fault(key, format!("is {}; write a text in quotes", entry.value.what()));
            return None;
        };
        let text = self.replaced(&self.place(key), text, LOGIN.contains(&key))?;
        if text.trim().is_empty() {
            self.fault(key, "is empty");
            return None;
        }
        Some(text)
    }

    /// As [`Fields::text`], of a secret: in the store it is the name of a setting and never the text itself.
    pub(super) fn secret(&self, key: &str) -> Option<String> {
        if let Some(Entry {
            value: Value::Text(text),
            ..
        }) = self.table.get(key)
            && self.author != Author::Deployer
            && !is_reference(text)
        {
            let text = format!(
                "is written out, and the store keeps no secrets; put it into a setting and write for example `${{{REFERABLE}{}}}`",
                key.to_ascii_uppercase()
            );
            self.fault(key, text);
            return None;
        }
        self.text(key)
    }

    /// As [`Fields::text`]; missing is a fault that says what to write.
    pub(super) fn needed(&self, key: &str, write: &str) -> Option<String> {
        if !self.has(key) {
            self.fault(key, format!("is missing; write {write}"));
        }
        self.text(key)
    }

    /// A value of `key` as a message may show it. What came from a setting may be a secret.
    pub(super) fn shown(&self, key: &str, text: &str) -> String {
        match self.table.get(key).map(|entry| &entry.value) {
            Some(Value::Text(written)) if written.contains("${") => "what its setting holds".to_owned(),
            _ => format!("`{}`", short(text)),
        }
    }

    /// The duration of `key` within `bounds`, else the default.
    pub(super) fn duration(
        &self,
        key: &str,
        default: Duration,
        bounds: RangeInclusive<Duration>,
    ) -> Duration {
        self.some_duration(key, bounds).unwrap_or(default)
    }

    /// The duration of `key` within `bounds`.
    pub(super) fn some_duration(&self, key: &str, bounds: RangeInclusive<Duration>) -> Option<Duration> {
        let entry = self.table.get(key)?;
        if let Value::Number(number) = &entry.value {
            self.fault(
                key,
                format!("has no unit; write for example `\"{}s\"`", short(number)),
            );
            return None;
        }
        let text = self.text(key)?;
        let read =
            duration::parse(&text).map_err(|why| format!("{} is no duration: {why}", self.shown(key, &text)));
        let value = self.keep(key, read)?;
        if bounds.contains(&value) {
            return Some(value);
        }
        let (least, most) = (duration::show(*bounds.start()), duration::show(*bounds.end()));
        self.fault(
            key,
            format!("{} is not from {least} to {most}", self.shown(key, &text)),
        );
        None
    }

    /// The whole number of `key` within `bounds`, else the default.
    pub(super) fn whole(&self, key: &str, default: u64, bounds: RangeInclusive<u64>) -> u64 {
        let Some(entry) = self.table.get(key) else {
            return default;
        };
        let Value::Number(text) = &entry.value else {
            self.fault(
                key,
                format!("is {}; write a number without quotes", entry.value.what()),
            );
            return default;
        };
        match text.parse() {
            Ok(number) if bounds.contains(&number) => number,
            _ => {
                let (least, most) = (bounds.start(), bounds.end());
                self.fault(
                    key,
                    format!("`{}` is not a whole number from {least} to {most}", short(text)),
                );
                default
            }
        }
    }

    /// `true` or `false`, else the default.
    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        match self.table.get(key).map(|entry| &entry.value) {
            None => default,
            Some(Value::Flag(flag)) => *flag,
            Some(other) => {
                self.fault(
                    key,
                    format!("is {}; write true or false without quotes", other.what()),
                );
                default
            }
        }
    }

    /// Notes every key that is in none of `known`. `meant_for` tells what else a key could be for.
    pub(super) fn finish(&self, known: &[&[&'static str]], meant_for: impl Fn(&str) -> Option<&'static str>) {
        for Entry { key, .. } in &self.table.entries {
            if known.iter().any(|keys| keys.contains(&key.as_str())) {
                continue;
            }
            let text = if let Some(other) = meant_for(key) {
                format!("means nothing here; it is for {other}")
            } else if let Some(near) = nearest(key, known) {
                format!("is not known; did you mean `{near}`?")
            } else {
                let all: Vec<_> = known.iter().flat_map(|keys| keys.iter().copied()).collect();
                format!("is not known; known are {}", all.join(", "))
            };
            self.found.fault(self.place(&short(key)), text);
        }
    }

    /// `text` with each `${NAME}` replaced by the setting of that name; `$${` stays as `${`.
    pub(super) fn filled(&self, place: &str, text: &str) -> Option<String> {
        self.replaced(place, text, false)
    }

    /// The same, of a login or not.
    fn replaced(&self, place: &str, text: &str, login: bool) -> Option<String> {
        let mut whole = true;
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if let Some(escaped) = rest[..at].strip_suffix('$') {
                filled.push_str(escaped);
                filled.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            filled.push_str(&rest[..at]);
            rest = &rest[at + 2..];
            let length = rest
                .bytes()
                .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
                .count();
            let name = &rest[..length];
            if name.is_empty() || !rest[length..].starts_with('}') {
                self.found.fault(
                    place,
                    "has `${` without a name and `}`; write `${NAME}`, or `$${` for `${` itself",
                );
                return None;
            }
            rest = &rest[length + 1..];
            let Some(get) = self.get else {
                let text = format!(
                    "`${{{name}}}` is replaced where settings are known only; write the value itself"
                );
                self.found.fault(place, text);
                return None;
            };
            if self.author != Author::Deployer {
                let why = if !login {
                    format!(
                        "names a setting, which in the store only {} may",
                        LOGIN.join(", ")
                    )
                } else if !name.starts_with(REFERABLE) {
                    format!(
                        "names {name}; in the store only settings that begin with {REFERABLE} may be named"
                    )
                } else {
                    String::new()
                };
                if !why.is_empty() {
                    self.found.fault(place, why);
                    return None;
                }
            }
            if let Some(value) = resolved(get, name, place, self.found) {
                filled.push_str(&value);
                continue;
            }
            whole = false;
            if get(name).is_none_or(|value| value.trim().is_empty()) {
                let text =
                    format!("`${{{name}}}` is not set; give {name} in the environment or the app's settings");
                if self.author == Author::Draft {
                    self.found.warning(place, &text);
                } else {
                    self.found.fault(place, text);
                }
            }
        }
        filled.push_str(rest);
        whole.then_some(filled)
    }
}

/// Keys of a login: the only ones that may name settings in the store.
const LOGIN: &[&str] = &["user", "password", "basic"];

/// Whether a text is one `${NAME}` and nothing beside it.
fn is_reference(text: &str) -> bool {
    let name = text
        .trim()
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

/// The known key that `key` most likely stands for.
fn nearest<'k>(key: &str, known: &[&[&'k str]]) -> Option<&'k str> {
    let distance = |name: &str| strsim::damerau_levenshtein(&key.to_ascii_lowercase(), name);
    let all = known.iter().flat_map(|keys| keys.iter().copied());
    let near = all.map(|name| (distance(name), name)).min()?;
    (near.0 <= 1.max(near.1.len() / 3) && key.len() < 64).then_some(near.1)
}
