//! Ids of sources.

use xxhash_rust::xxh3::xxh3_64;

/// Longest id: it becomes part of document ids, message ids and, through DPS, a device's name.
const LONGEST: usize = 64;

/// Checks an id that a person chose.
pub(super) fn check(text: &str) -> Result<(), String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if text.is_empty() {
        Err("is empty".to_owned())
    } else if text.len() > LONGEST {
        Err(format!("is longer than {LONGEST} characters"))
    } else if !text.bytes().all(allowed) {
        Err("may only hold letters, digits, `-` and `_`".to_owned())
    } else {
        Ok(())
    }
}

/// Checks the name of a customer or site, which becomes a segment of a URL's path.
pub(super) fn check_segment(text: &str) -> Result<(), String> {
    if text == "." || text == ".." {
        Err(format!(
            "`{text}` cannot be asked for: in an address it means a folder; rename it at the backend"
        ))
    } else {
        Ok(())
    }
}

/// Checks an id that becomes a registration id of the Device Provisioning Service: its last character is a letter, a digit or `-`
/// ("Registration ID", IoT Hub DPS service concepts).
pub(super) fn check_registration(text: &str) -> Result<(), String> {
    if text.ends_with('_') {
        Err("ends in `_`, which no device of the Device Provisioning Service may; end it in a letter, digit or `-`".to_owned())
    } else {
        Ok(())
    }
}

/// The id of a rapidM2M site that was given none: its name as far as an id may hold it, and a hash of customer and site.
///
/// The store finds a source's past under this id, so it must never come out differently.
pub(super) fn of_site(customer: &str, site: &str) -> String {
    slug_and_hash(site, "site", &format!("{customer}\0{site}"))
}

/// The name of a discovery. The store finds the list of its sites under it, so it must never come out differently.
pub(super) fn of_discovery(runner: &str, url: &str, customer: &str) -> String {
    slug_and_hash(customer, "customer", &format!("{runner}\0{url}\0{customer}"))
}

/// `name` as far as an id may hold it, else `otherwise`, and a hash of `whole`.
fn slug_and_hash(name: &str, otherwise: &str, whole: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= LONGEST - 9 {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    let hash = xxh3_64(whole.as_bytes()) >> 32;
    if slug.is_empty() {
        format!("{otherwise}-{hash:08x}")
    } else {
        format!("{slug}-{hash:08x}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{check, of_site};

    #[test]
    fn a_sites_id_never_changes() {
        assert_eq!(
            of_site("Your customer Id", "Energy meter 1"),
            "energy-meter-1-d257366a"
        );
        assert_ne!(of_site("a", "Energy meter 1"), of_site("b", "Energy meter 1"));
        assert_ne!(of_site("a", "x 1"), of_site("a", "x-1"));
    }

    proptest! {
        #[test]
        fn a_sites_id_is_an_id(customer in "\\PC{0,20}", site in "\\PC{0,90}") {
            prop_assert_eq!(check(&of_site(&customer, &site)), Ok(()));
        }
    }
}
