//! The paths that code names, groups spelt out: `use crate::{store::{Store, documents}, retry}` names three.

/// A path and the line it begins on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Without its root: `store::Store`. A glob ends in `*`.
    pub(super) path: String,
    /// From 1 on.
    pub(super) line: usize,
}

impl Named {
    /// Whether the path is `module` or something in it.
    pub(super) fn is_in(&self, module: &str) -> bool {
        self.path
            .strip_prefix(module)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }
}

/// All paths that begin with `root::`, such as `crate::`. Expects comments and texts to be blank.
pub(super) fn paths(code: &str, root: &str) -> Vec<Named> {
    let mut found = Vec::new();
    for (place, _) in code.match_indices(root) {
        let before = code[..place].trim_end();
        let begins = !code[..place].ends_with(is_word) && !before.ends_with("::");
        let mut rest = Rest(&code[place + root.len()..]);
        if begins && rest.takes("::") {
            let line = code[..place].matches('\n').count() + 1;
            let mut spelt = Vec::new();
            rest.spell("", &mut spelt);
            found.extend(spelt.into_iter().map(|path| Named { path, line }));
        }
    }
    found
}

/// What `super::` paths of a file mean from the crate's root: the file's module is `module`.
pub(super) fn from_parent(code: &str, module: &str) -> Vec<Named> {
    let mut found = paths(code, "super");
    for named in &mut found {
        let mut base: Vec<&str> = module.split("::").collect();
        base.pop();
        let mut path = named.path.as_str();
        while let Some(rest) = path.strip_prefix("super::") {
            base.pop();
            path = rest;
        }
        base.push(path);
        named.path = base.join("::");
    }
    found
}

/// The line of each place where `what` stands as a word of its own.
pub(super) fn words<'a>(text: &'a str, what: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(what).filter_map(move |(place, _)| {
        let end = place + what.len();
        let inside = |c: Option<char>| c.is_some_and(is_word);
        // Only where the border of `what` is itself part of a word.
        let before = what.starts_with(is_word) && inside(text[..place].chars().next_back());
        let after = what.ends_with(is_word) && inside(text[end..].chars().next());
        (!before && !after).then(|| text[..place].matches('\n').count() + 1)
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What is still to be read of a path.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn takes(&mut self, what: &str) -> bool {
        match self.0.trim_start().strip_prefix(what) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn spell(&mut self, before: &str, found: &mut Vec<String>) {
        if self.takes("{") {
            while !self.takes("}") {
                let left = self.0.len();
                self.spell(before, found);
                self.takes(",");
                if self.0.len() == left {
                    // Not a group of paths after all.
                    return;
                }
            }
            return;
        }
        if self.takes("*") {
            found.push(format!("{before}*"));
            return;
        }
        let text = self.0.trim_start();
        let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if name.is_empty() {
            return;
        }
        self.0 = rest;
        // A turbofish is no step of the path.
        if self.takes("::") && !self.0.trim_start().starts_with('<') {
            self.spell(&format!("{before}{name}::"), found);
            return;
        }
        found.push(match name {
            "self" => before.trim_end_matches("::").to_owned(),
            _ => format!("{before}{name}"),
        });
        if text[end..].trim_start().starts_with("as ") {
            self.takes("as");
            let text = self.0.trim_start();
            self.0 = &text[text.find(|c| !is_word(c)).unwrap_or(text.len())..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: &str, expected: &[&str]) {
        let found: Vec<String> = paths(code, "crate").into_iter().map(|named| named.path).collect();
        assert_eq!(found, expected, "{code}");
    }

    #[test]
    fn groups_are_spelt_out() {
        check("use crate::store::Store;", &["store::Store"]);
        check(
            "use crate::{\n    store::{self, Store, documents::*},\n    retry as again,\n    clock,\n};",
            &["store", "store::Store", "store::documents::*", "retry", "clock"],
        );
        check(
            "let a: crate::x::Y<crate::z::W> = crate::f();",
            &["x::Y", "z::W", "f"],
        );
        check("crate::x::parse::<u8>(1)", &["x::parse"]);
        check("pub(crate) fn my_crate::x() {} other::crate::y", &[]);
        check("crate::{ + 1", &[]);
    }

    #[test]
    fn parents_are_followed_to_the_root() {
        let found = from_parent(
            "super::a; use super::super::b::C; super::super::super::d",
            "store::documents::rows",
        );
        let found: Vec<&str> = found.iter().map(|named| named.path.as_str()).collect();
        assert_eq!(found, ["store::documents::a", "store::b::C", "d"]);
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(words("a\nb ab\na.b", "a").collect::<Vec<_>>(), [1, 3]);
        assert_eq!(words("x.await; x.awaits", ".await").collect::<Vec<_>>(), [1]);
        assert_eq!(words("", "a").count(), 0);
    }
}
