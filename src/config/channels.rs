//! A source's channel map: `channels = ["ch0"]`, or a table from each name at the source to what is known of it.

use std::str::FromStr;

use rust_decimal::Decimal;
use wire::obis::Obis;

use crate::reading::Channel;
use crate::source::Mapped;

use super::document::{Table, Value};
use super::fields::Fields;
use super::values::short;

/// What a channel's name may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// A JSON pointer (RFC 6901) into the reader's answer: `/SML/Total_in`.
    Paths,
    /// A backend's name for it: `ch0`.
    Plain,
}

const KEYS: &[&str] = &["obis", "unit", "scale", "title"];

/// Reads `channels`, in the order written. None given is an empty list.
pub(super) fn read(fields: &Fields<'_>, names: Names) -> Vec<Mapped> {
    let Some(entry) = fields.table.get("channels") else {
        return Vec::new();
    };
    let inner = |table| Fields {
        table,
        file: fields.file,
        name: format!("{}.channels", fields.name),
        get: fields.get,
        author: fields.author,
        found: fields.found,
    };
    let read: Vec<(String, Mapped)> = match &entry.value {
        Value::Table(table) => {
            let map = inner(table);
            let entries = table.entries.iter().filter_map(|e| {
                let place = map.place(&short(&e.key));
                check_name(&map, &place, &e.key, names);
                one(&map, &e.key, &e.value).map(|mapped| (place, mapped))
            });
            entries.collect()
        }
        Value::List(items) => {
            let list = items.iter().filter_map(|item| {
                let place = fields.place_at(item.line, &format!("{}.channels", fields.name));
                let Value::Text(text) = &item.value else {
                    fields.found.fault(
                        place,
                        format!("holds {}; write each name in quotes", item.value.what()),
                    );
                    return None;
                };
                let name = fields.filled(&place, text)?;
                check_name(fields, &place, &name, names);
                let channel = Channel::named(name);
                Some((place, Mapped { channel, scale: None }))
            });
            list.collect()
        }
        other => {
            fields.fault(
                "channels",
                format!("is {}; write a list of names, or a table", other.what()),
            );
            return Vec::new();
        }
    };
    let is_empty = match &entry.value {
        Value::Table(table) => table.entries.is_empty(),
        Value::List(items) => items.is_empty(),
        _ => false,
    };
    if is_empty {
        fields.fault("channels", "is empty; name a channel, or leave it out");
    }
    for (n, (place, mapped)) in read.iter().enumerate() {
        if let Some((_, other)) = read[..n]
            .iter()
            .find(|(_, other)| other.channel.sent_name() == mapped.channel.sent_name())
        {
            let text = format!(
                "would be sent as `{}`, as `{}` is; each channel needs a name of its own",
                short(mapped.channel.sent_name()),
                short(&other.channel.name)
            );
            fields.found.fault(place, text);
        }
    }
    read.into_iter().map(|(_, mapped)| mapped).collect()
}

fn check_name(fields: &Fields<'_>, place: &str, name: &str, names: Names) {
    let right = match names {
        Names::Paths => {
            let escapes = name.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
            name.len() > 1 && name.starts_with('/') && escapes
        }
        Names::Plain => !name.trim().is_empty() && !name.chars().any(char::is_control),
    };
    if !right {
        let form = match names {
            Names::Paths => "a path into the reader's answer such as `/SML/Total_in`",
            Names::Plain => "the channel's name at the backend",
        };
        fields
            .found
            .fault(place, format!("is not a channel; write {form}"));
    }
}

/// One entry: an OBIS code alone, or a table.
fn one(map: &Fields<'_>, name: &str, value: &Value) -> Option<Mapped> {
    let empty = Table::default();
    let (code, table) = match value {
        Value::Text(_) => (map.text(name).map(|text| (name, text)), &empty),
        Value::Table(table) => (None, table),
        other => {
            let text = format!(
                "is {}; write an OBIS code in quotes, or {{ obis = …, unit = … }}",
                other.what()
            );
            map.fault(name, text);
            return None;
        }
    };
    let inner = Fields {
        table,
        file: map.file,
        name: format!("{}.{}", map.name, short(name)),
        get: map.get,
        author: map.author,
        found: map.found,
    };
    let obis = match code {
        Some((key, text)) => code_of(map, key, &text),
        None => inner.text("obis").and_then(|text| code_of(&inner, "obis", &text)),
    };
    let unit = inner.text("unit");
    let title = inner.text("title");
    let scale = scale(&inner);
    inner.finish(&[KEYS], |_| None);
    let channel = Channel {
        name: name.to_owned(),
        obis,
        unit,
        title,
    };
    Some(Mapped { channel, scale })
}

fn code_of(fields: &Fields<'_>, key: &str, text: &str) -> Option<String> {
    let read = text
        .trim()
        .parse::<Obis>()
        .map(|code| code.to_string())
        .map_err(|_| {
            format!(
                "{} is not an OBIS code such as `1-0:1.8.0*255`",
                fields.shown(key, text)
            )
        });
    fields.keep(key, read)
}

fn scale(fields: &Fields<'_>) -> Option<Decimal> {
    let text = match &fields.table.get("scale")?.value {
        Value::Number(text) => text.clone(),
        _ => fields.text("scale")?,
    };
    let read = Decimal::from_str(&text)
        .or_else(|_| Decimal::from_scientific(&text))
        .ok()
        .filter(|factor| !factor.is_zero())
        .ok_or_else(|| format!("{} is not a factor such as 0.001", fields.shown("scale", &text)));
    fields.keep("scale", read)
}
