//! The token that opens the place of one blob: a service SAS as the storage writes it, from `?sv=` on.
//!
//! Clients hand it on as it is. Only the hub reads it, so the text under the signature is shorter than at the storage.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat};

use super::CONTAINER;
use crate::hub::key::Key;
use crate::hub::token::{decode, encode};

/// The storage's version in the hub's tokens.
const VERSION: &str = "2018-03-28";

/// What the token is good for: reading and writing.
const PERMISSIONS: &str = "rw";

/// Why a token does not open a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Wrong {
    /// There is none, or none that is whole.
    Missing,
    /// It is over.
    Expired,
    /// It was not made here, or for something else.
    Signature,
}

/// The token for `blob`, with its question mark.
pub(super) fn write(secret: &Key, blob: &str, expires_ms: i64) -> String {
    let end = DateTime::from_timestamp_millis(expires_ms).unwrap_or_default();
    let end = end.to_rfc3339_opts(SecondsFormat::Secs, true);
    let signature = encode(&STANDARD.encode(secret.sign(&text(blob, &end))));
    let end = encode(&end);
    format!("?sv={VERSION}&sr=b&sig={signature}&se={end}&sp={PERMISSIONS}")
}

/// Whether the token in `query` opens `blob`. What else is in the query is not its business.
pub(super) fn check(secret: &Key, query: &str, blob: &str, now_ms: i64) -> Result<(), Wrong> {
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| decode(value))
    };
    let (Some(end), Some(signature)) = (value("se"), value("sig")) else {
        return Err(Wrong::Missing);
    };
    let signature = STANDARD.decode(signature).map_err(|_| Wrong::Signature)?;
    let told = [("sv", VERSION), ("sr", "b"), ("sp", PERMISSIONS)];
    let as_written = told
        .iter()
        .all(|(name, expected)| value(name).as_deref() == Some(expected));
    if !as_written || !secret.verifies(&text(blob, &end), &signature) {
        return Err(Wrong::Signature);
    }
    let end = DateTime::parse_from_rfc3339(&end).map_err(|_| Wrong::Missing)?;
    if end.timestamp_millis() <= now_ms {
        return Err(Wrong::Expired);
    }
    Ok(())
}

fn text(blob: &str, end: &str) -> String {
    format!("{PERMISSIONS}\n{end}\n/blob/{CONTAINER}/{blob}\n{VERSION}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_opens_its_own_blob_until_its_end() {
        let secret = Key::random().unwrap();
        let token = write(&secret, "m/a b.bin", 1_800_000_000_000);
        assert!(
            token.starts_with("?sv=2018-03-28&sr=b&sig=")
                && token.contains("&se=2027-01-15T08%3A00%3A00Z&sp=rw"),
            "{token}"
        );
        let query = token.trim_start_matches('?');
        let check = |query: &str, blob, now_ms| check(&secret, query, blob, now_ms);
        assert_eq!(check(query, "m/a b.bin", 1_799_999_999_999), Ok(()));
        // Clients add their own, and sort it.
        let mut pairs: Vec<&str> = query.split('&').chain(["comp=block", "blockid=AA"]).collect();
        pairs.sort_unstable();
        assert_eq!(check(&pairs.join("&"), "m/a b.bin", 0), Ok(()));

        assert_eq!(check(query, "m/a b.bin", 1_800_000_000_000), Err(Wrong::Expired));
        assert_eq!(check(query, "m/other", 0), Err(Wrong::Signature));
        let later = query.replace("2027", "2028");
        assert_eq!(check(&later, "m/a b.bin", 0), Err(Wrong::Signature));
        assert_eq!(
            check(&query.replace("sp=rw", "sp=racwd"), "m/a b.bin", 0),
            Err(Wrong::Signature)
        );
        let stranger = Key::random().unwrap();
        assert_eq!(
            super::check(&stranger, query, "m/a b.bin", 0),
            Err(Wrong::Signature)
        );
        for none in [
            "",
            "sv=2018-03-28",
            "se=2027-01-15T08%3A00%3A00Z",
            "sig=AA",
            "sig&se",
        ] {
            assert_eq!(check(none, "m/a b.bin", 0), Err(Wrong::Missing), "{none}");
        }
        assert_eq!(check("sig=%25&se=x", "m/a b.bin", 0), Err(Wrong::Signature));
    }
}
