//! What a write depends on: `If-Match`.

use super::Record;

/// A condition on what is there before a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Whatever is there.
    None,
    /// Nothing is.
    New,
    /// Something is (`*`).
    Exists,
    /// It has this tag.
    Tag(String),
}

/// Why nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unwritten {
    /// It exists already.
    Exists,
    /// It does not exist.
    Missing,
    /// It has another tag.
    Changed,
}

impl Condition {
    /// Reads the header `If-Match`: `*` or a tag, with quotes (as the SDKs write both) or without.
    pub(crate) fn of(header: Option<&str>) -> Option<Self> {
        let text = header?.trim();
        let text = text.strip_prefix("W/").unwrap_or(text);
        let bare = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .unwrap_or(text);
        Some(match bare {
            "*" => Self::Exists,
            tag => Self::Tag(tag.to_owned()),
        })
    }

    pub(super) fn check(&self, known: Option<&Record>) -> Result<(), Unwritten> {
        self.check_tag(known.map(|known| known.etag.as_str()))
    }

    /// The same for something that carries its tag otherwise.
    pub(crate) fn check_tag(&self, known: Option<&str>) -> Result<(), Unwritten> {
        match (self, known) {
            (Self::None, _) | (Self::New, None) | (Self::Exists, Some(_)) => Ok(()),
            (Self::New, Some(_)) => Err(Unwritten::Exists),
            (Self::Exists | Self::Tag(_), None) => Err(Unwritten::Missing),
            (Self::Tag(tag), Some(known)) if tag == known => Ok(()),
            (Self::Tag(_), Some(_)) => Err(Unwritten::Changed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_in_every_spelling() {
        let tag = |text: &str| Some(Condition::Tag(text.to_owned()));
        let cases = [
            (None, None),
            (Some("*"), Some(Condition::Exists)),
            (Some("\"*\""), Some(Condition::Exists)),
            (Some("\"AAAAAAAAAAE=\""), tag("AAAAAAAAAAE=")),
            (Some("AAAAAAAAAAE="), tag("AAAAAAAAAAE=")),
            (Some("W/\"a\""), tag("a")),
            (Some("\"\""), tag("")),
        ];
        for (header, expected) in cases {
            assert_eq!(Condition::of(header), expected, "{header:?}");
        }
    }

    #[test]
    fn conditions_on_what_is_there() {
        let tag = |text: &str| Condition::Tag(text.to_owned());
        let cases = [
            (Condition::None, None, Ok(())),
            (Condition::None, Some("a"), Ok(())),
            (Condition::New, None, Ok(())),
            (Condition::New, Some("a"), Err(Unwritten::Exists)),
            (Condition::Exists, None, Err(Unwritten::Missing)),
            (Condition::Exists, Some("a"), Ok(())),
            (tag("a"), None, Err(Unwritten::Missing)),
            (tag("a"), Some("a"), Ok(())),
            (tag("b"), Some("a"), Err(Unwritten::Changed)),
        ];
        for (condition, known, expected) in cases {
            assert_eq!(condition.check_tag(known), expected, "{condition:?} {known:?}");
        }
    }
}
