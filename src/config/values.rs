//! Reads settings by name, with the defaults of the table.

use std::ops::RangeInclusive;

use super::findings::Findings;
use super::settings::SETTINGS;

/// Gives a setting's text by its name; `None` where it is not set.
pub type Get<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The settings as they are set.
pub(super) struct Values<'a> {
    get: Get<'a>,
    /// Where faults go.
    pub(super) found: &'a Findings,
}

/// A setting that is set, by whichever of its two names.
#[derive(Debug)]
pub(super) struct Named {
    /// The name that was used, for messages.
    pub(super) name: &'static str,
    /// Its value.
    pub(super) text: String,
}

impl<'a> Values<'a> {
    /// Reads through `get`.
    pub(super) fn new(get: Get<'a>, found: &'a Findings) -> Self {
        Self { get, found }
    }

    /// The way settings are read, for names that stand in the sources file.
    pub(super) fn get(&self) -> Get<'a> {
        self.get
    }

    /// What is set under `name`, without surrounding blanks. Empty is not set: Azure's portal cannot tell the two apart.
    pub(super) fn set(&self, name: &'static str) -> Option<String> {
        resolved(self.get, name, name, self.found)
    }

    /// What is set under `name`, else its default.
    pub(super) fn text(&self, name: &'static str) -> String {
        self.set(name)
            .unwrap_or_else(|| default_of(name).unwrap_or_default().to_owned())
    }

    /// What is set under `new`, else under the old connector's name. Both with different values are a fault.
    pub(super) fn either(&self, new: &'static str, old: &'static str) -> Option<Named> {
        let (first, second) = (self.set(new), self.set(old));
        if let (Some(a), Some(b)) = (&first, &second)
            && a.trim_end_matches('/') != b.trim_end_matches('/')
        {
            self.found.fault(
                new,
                format!("differs from {old}, which stands for the same; remove one of the two"),
            );
        }
        first
            .map(|text| Named { name: new, text })
            .or_else(|| second.map(|text| Named { name: old, text }))
    }

    /// A whole number within `bounds`. Out of them is a fault, and the lower bound is taken to go on with.
    pub(super) fn whole(&self, name: &'static str, bounds: RangeInclusive<u64>) -> u64 {
        let text = self.text(name);
        match text.parse() {
            Ok(number) if bounds.contains(&number) => number,
            _ => {
                let (least, most) = (bounds.start(), bounds.end());
                self.found.fault(
                    name,
                    format!("`{}` is not a whole number from {least} to {most}", short(&text)),
                );
                *least
            }
        }
    }

    /// One of a few words, in any case.
    pub(super) fn word<T: Copy>(&self, name: &'static str, words: &[(&str, T)], otherwise: T) -> T {
        let text = self.text(name);
        if let Some((_, value)) = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text)) {
            return *value;
        }
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        self.found.fault(
            name,
            format!(
                "`{}` is not known; write one of: {}",
                short(&text),
                known.join(", ")
            ),
        );
        otherwise
    }
}

/// The default of a setting.
pub(super) fn default_of(name: &str) -> Option<&'static str> {
    SETTINGS.iter().find(|setting| setting.name == name)?.default
}

/// The text under `name`; a Key Vault reference that the platform left as it is is a fault of `place`.
pub(super) fn resolved(get: Get<'_>, name: &str, place: &str, found: &Findings) -> Option<String> {
    let text = get(name)?;
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let start = text.get(..20).unwrap_or_default();
    if start.eq_ignore_ascii_case("@Microsoft.KeyVault(") {
        found.fault(
            place,
            format!(
                "Key Vault reference of {name} was not resolved; check the identity's role and the secret's URI"
            ),
        );
        return None;
    }
    Some(text.to_owned())
}

/// The start of a text that is no secret, for a message.
pub(super) fn short(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(60)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}
