//! ARCHITECTURE.md is a map: no module of the bridge and no crate is off it.

use super::tree::Tree;
use super::{Fault, paths};

const MAP: &str = "ARCHITECTURE.md";

/// Every module of `src` and every crate beside it stands in ARCHITECTURE.md, once that is written.
pub(super) fn complete(tree: &Tree) -> Vec<Fault> {
    let Some(map) = tree.get(MAP) else {
        return Vec::new();
    };
    let module = |path: &str| {
        let name = path.strip_prefix("src/")?.strip_suffix(".rs")?;
        (!name.contains('/') && !["lib", "main"].contains(&name)).then(|| name.to_owned())
    };
    let member = |path: &str| {
        let name = path.strip_suffix("/Cargo.toml")?;
        (!name.contains('/')).then(|| name.to_owned())
    };
    let names = tree
        .files
        .iter()
        .filter_map(|file| module(&file.path).or_else(|| member(&file.path)));
    let off = names.filter(|name| paths::words(&map.text, name).next().is_none());
    off.map(|name| Fault {
        path: MAP.to_owned(),
        line: 0,
        text: format!("`{name}` is not on the map"),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn what_is_off_the_map_is_found() {
        let files = [
            ("src/lib.rs", ""),
            ("src/poll.rs", ""),
            ("src/poll/claim.rs", ""),
            ("src/store.rs", ""),
            ("wire/Cargo.toml", ""),
            ("emulator/Cargo.toml", ""),
        ];
        check(complete, &files, &[]);
        let with = |text| [&files[..], &[("ARCHITECTURE.md", text)]].concat();
        check(
            complete,
            &with("`poll` and `stores`, wire"),
            &["ARCHITECTURE.md:0", "ARCHITECTURE.md:0"],
        );
        check(complete, &with("poll, store; crates wire/ and `emulator`"), &[]);
    }
}
