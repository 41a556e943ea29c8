//! Which shard a source belongs to. Pure.

use xxhash_rust::xxh3::xxh3_64;

use crate::config::{Kind, SourceConfig};

/// Into how many shards readers are spread. Few enough that a job is worth its queue operations, enough that a dozen instances
/// have something to do.
const READERS: u64 = 32;

/// The name of the source's shard. A backend with many sites is a shard of its own, so that whoever works on it holds the whole of
/// its request budget, and so that its pace is nobody else's. A reader is its own backend; readers are spread by their host, and
/// those behind one host stay together.
#[must_use]
pub fn of(source: &SourceConfig) -> String {
    match &source.kind {
        Kind::RapidM2m(site) => format!("b{:08x}", hash(&host(&site.url)) >> 32),
        Kind::Tasmota(reader) => readers(&host(&reader.url)),
        Kind::Synthetic(_) => readers(&source.id),
    }
}

fn readers(key: &str) -> String {
    format!("r{:02x}", hash(key) % READERS)
}

/// Host and port; the parser has put the host into small letters.
fn host(url: &url::Url) -> String {
    format!(
        "{}:{}",
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or_default()
    )
}

fn hash(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn source(definition: &serde_json::Value) -> SourceConfig {
        crate::config::definition_of(definition).unwrap()
    }

    fn site(url: &str, site: &str) -> String {
        of(&source(
            &json!({"id": site, "kind": "rapidm2m", "url": url, "customer": "c", "site": site, "channels": ["ch0"]}),
        ))
    }

    #[test]
    fn sites_of_one_backend_share_a_shard_of_their_own() {
        let a = site("https://Backend.example/api/1/", "a");
        assert_eq!(a, site("https://backend.example:443/api/1/", "b"));
        assert_ne!(a, site("https://backend.example:8443/api/1/", "a"));
        assert_ne!(a, site("https://other.example/api/1/", "a"));
        assert!(a.starts_with('b') && a.len() == 9, "{a}");
    }

    #[test]
    fn readers_are_spread_and_those_of_one_host_stay_together() {
        let reader = |id: &str, url: &str| of(&source(&json!({"id": id, "kind": "tasmota", "url": url})));
        assert_eq!(
            reader("a", "http://192.168.1.40/one"),
            reader("b", "http://192.168.1.40/two")
        );
        let mut sizes: BTreeMap<String, u32> = BTreeMap::new();
        for n in 0..3_200 {
            let url = format!("http://10.0.{}.{}/", n / 250, n % 250 + 1);
            *sizes.entry(reader(&format!("r{n}"), &url)).or_default() += 1;
        }
        assert_eq!(sizes.len(), 32);
        assert!(sizes.values().all(|size| (50..200).contains(size)), "{sizes:?}");
    }
}
