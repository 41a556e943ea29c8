//! A site's blueprint: what its channels are called and measured in.
//!
//! `{"histdata0":{"ch0":{"title":"Vin","units":"mV",…},…},…}`. Channels that the server computes have `calc` in their name and
//! are selected like any other. Seen in a public client of `www.flowbru.eu`; `alias` in the vendor's own descriptors.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::reading::Channel;
use crate::source::Mapped;

/// The channels of one time series, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blueprint(BTreeMap<String, Field>);

/// What is known of a channel. Absent members are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// Its title for people.
    pub title: String,
    /// Unit.
    pub units: String,
    /// Another name under which it can be selected.
    pub alias: String,
}

impl Blueprint {
    /// The part of the document that describes `histdata{number}`. `None` where there is no such part.
    #[must_use]
    pub fn read(document: &Value, number: u8) -> Option<Self> {
        let fields = document.get(format!("histdata{number}"))?.as_object()?;
        let text = |field: &Value, key: &str| {
            let text = field.get(key).and_then(Value::as_str).unwrap_or_default();
            text.trim().to_owned()
        };
        let read = |(name, field): (&String, &Value)| {
            let described = Field {
                title: text(field, "title"),
                units: text(field, "units"),
                alias: text(field, "alias"),
            };
            // Settings of the whole series stand among its channels; they are no objects.
            field.is_object().then(|| (name.clone(), described))
        };
        Some(Self(fields.iter().filter_map(read).collect()))
    }

    /// The channel of this name or alias.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Field> {
        let aliased = || self.0.values().find(|f| !f.alias.is_empty() && f.alias == name);
        self.0.get(name).or_else(aliased)
    }

    /// All channels, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Field)> {
        self.0.iter().map(|(name, field)| (name.as_str(), field))
    }

    /// What is sent of `mapped`, with title and unit added where the configuration has none. A scaled channel keeps no unit of
    /// the backend, for its values are no longer in it.
    #[must_use]
    pub fn describe(&self, mapped: &Mapped) -> Channel {
        let mut channel = mapped.channel.clone();
        let Some(field) = self.get(&channel.name) else {
            return channel;
        };
        let known = |text: &String| Some(text.clone()).filter(|t| !t.is_empty());
        channel.title = channel.title.or_else(|| known(&field.title));
        if mapped.scale.is_none() {
            channel.unit = channel.unit.or_else(|| known(&field.units));
        }
        channel
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn mapped(name: &str, unit: Option<&str>, scale: Option<&str>) -> Mapped {
        Mapped {
            channel: Channel {
                unit: unit.map(Into::into),
                ..Channel::named(name)
            },
            scale: scale.map(|s| s.parse().unwrap()),
        }
    }

    #[test]
    fn titles_and_units_are_added_but_never_replaced() {
        let document = json!({
            "config0": {"ch0": {"title": "not this"}},
            "histdata0": {
                "interval": 900,
                "ch0": {"title": "Vin", "units": "mV", "alias": "supply"},
                "ch0calc1": {"title": "Sum", "units": ""},
                "ch1": {"title": 5, "alias": ""},
            },
        });
        let blueprint = Blueprint::read(&document, 0).unwrap();
        assert_eq!(
            blueprint.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ["ch0", "ch0calc1", "ch1"]
        );
        let check = |mapped: &Mapped, title: Option<&str>, unit: Option<&str>| {
            let channel = blueprint.describe(mapped);
            assert_eq!(
                (channel.title.as_deref(), channel.unit.as_deref()),
                (title, unit),
                "{mapped:?}"
            );
        };
        check(&mapped("ch0", None, None), Some("Vin"), Some("mV"));
        check(&mapped("supply", None, None), Some("Vin"), Some("mV"));
        check(&mapped("ch0", Some("V"), Some("0.001")), Some("Vin"), Some("V"));
        check(&mapped("ch0", None, Some("0.001")), Some("Vin"), None);
        check(&mapped("ch0calc1", None, None), Some("Sum"), None);
        check(&mapped("ch1", None, None), None, None);
        check(&mapped("", None, None), None, None);
        assert_eq!(Blueprint::read(&document, 1), None);
        assert_eq!(Blueprint::read(&json!([]), 0), None);
    }
}
