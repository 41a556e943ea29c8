//! `sites = "*"`: all sites of a customer, as its backend lists them, and which of them are taken.

use std::fmt;

use super::{Kind, Naming, SourceConfig, id};

/// Longest name of a site that is taken: beyond, what stands in the list is no name.
const LONGEST: usize = 256;

/// A customer whose sites are found at the backend.
#[derive(Clone, Debug)]
pub struct DiscoveryConfig {
    /// What it is called in the store and for people: the customer as far as an id may hold it, and a hash of runner, backend and
    /// customer. Two that ask the same backend for the same customer share a name, and so one list.
    pub name: String,
    /// Each site's definition, but for its id and what it is called.
    pub template: SourceConfig,
    /// Which sites are taken.
    pub patterns: Patterns,
}

/// Which of a customer's sites are taken: those that an `include` names, or all without any, but for those that an `exclude` names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns {
    /// Sites to take; empty takes all.
    pub include: Vec<Pattern>,
    /// Sites to leave out of these.
    pub exclude: Vec<Pattern>,
}

/// A pattern for a site's id: `*` stands for any text, `?` for one character, `[ab]` for one of several. Letter case counts.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern(glob::Pattern);

impl DiscoveryConfig {
    /// A discovery of the sites that `template` stands for; none where it is no backend's.
    pub(super) fn of(mut template: SourceConfig, patterns: Patterns) -> Option<Self> {
        let Kind::RapidM2m(backend) = &template.kind else {
            return None;
        };
        let url = backend.url.as_str().trim_end_matches('/');
        let name = id::of_discovery(&template.runner, url, &backend.customer);
        template.id.clone_from(&name);
        Some(Self {
            name,
            template,
            patterns,
        })
    }

    /// The backend's address and the customer, for people and for the store.
    #[must_use]
    pub fn subject(&self) -> (String, &str) {
        match &self.template.kind {
            Kind::RapidM2m(backend) => (backend.url.to_string(), &backend.customer),
            _ => (String::new(), ""),
        }
    }

    /// The source that a site of this name becomes; `None` where the patterns leave it out.
    #[must_use]
    pub fn source(&self, site: &str) -> Option<SourceConfig> {
        if !self.patterns.takes(site) {
            return None;
        }
        let mut source = self.template.clone();
        let Kind::RapidM2m(backend) = &mut source.kind else {
            return None;
        };
        source.id = id::of_site(&backend.customer, site);
        site.clone_into(&mut backend.site);
        source.naming = Naming::Site {
            customer: backend.customer.clone(),
            site: site.to_owned(),
        };
        Some(source)
    }
}

impl Patterns {
    /// Whether a site of this name is taken.
    #[must_use]
    pub fn takes(&self, site: &str) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.0.matches(site));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

impl Pattern {
    /// Reads one.
    ///
    /// # Errors
    /// Why it is none.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("holds an empty text".to_owned());
        }
        glob::Pattern::new(text)
            .map(Self)
            .map_err(|error| format!("is no pattern ({}); write for example `Plant *`", error.msg))
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// Why a listed site cannot be a source, in words; `None` where it can.
#[must_use]
pub fn unusable(site: &str) -> Option<String> {
    if site.trim().is_empty() {
        Some("a site without a name".to_owned())
    } else if site.len() > LONGEST {
        Some(format!("a site whose name is longer than {LONGEST} bytes"))
    } else {
        id::check_segment(site).err()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn patterns(include: &[&str], exclude: &[&str]) -> Patterns {
        let read = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text).unwrap()).collect();
        Patterns {
            include: read(include),
            exclude: read(exclude),
        }
    }

    #[test]
    fn what_is_included_and_not_excluded_is_taken() {
        let check = |include: &[&str], exclude: &[&str], site: &str, taken: bool| {
            assert_eq!(
                patterns(include, exclude).takes(site),
                taken,
                "{include:?} {exclude:?} {site}"
            );
        };
        check(&[], &[], "anything", true);
        check(&["Plant *"], &[], "Plant 7", true);
        check(&["Plant *"], &[], "Office", false);
        check(&["Plant *", "Office"], &[], "Office", true);
        check(&["Plant *"], &["* test*"], "Plant test 1", false);
        check(&[], &["Plant [12]"], "Plant 2", false);
        check(&[], &["Plant [12]"], "Plant 3", true);
        check(&["?"], &[], "ä", true);
        check(&["a/*"], &[], "a/b/c", true);
        check(&["plant"], &[], "Plant", false);
    }

    #[test]
    fn what_is_no_pattern_says_so() {
        for wrong in ["", " ", "[a", "a**b", "***"] {
            assert!(Pattern::new(wrong).is_err(), "{wrong:?}");
        }
    }
}
