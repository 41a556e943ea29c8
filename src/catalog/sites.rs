//! A new list of sites beside the old one: what appeared, what is missing, and since when. Pure.

use std::collections::{HashMap, HashSet};

use crate::clock::Millis;
use crate::config::unusable;
use crate::store::documents::StoredSite;

/// Sites of one customer, at most, and the bytes of their names: the list is one document.
pub(super) const MOST: usize = 10_000;
const MOST_BYTES: usize = 800_000;

/// What a new list brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// All sites that count now.
    pub(super) sites: Vec<StoredSite>,
    /// Listed for the first time, or again after the grace was over.
    pub(super) appeared: Vec<String>,
    /// No longer listed since now; polled on for the grace.
    pub(super) vanished: Vec<String>,
    /// Listed again within the grace.
    pub(super) back: Vec<String>,
    /// Not listed for longer than the grace: polled no more.
    pub(super) dropped: Vec<String>,
    /// What could not be taken, in words.
    pub(super) remarks: Vec<String>,
}

impl News {
    /// Whether anything is otherwise than before.
    pub(super) fn is_any(&self, before: &[StoredSite]) -> bool {
        self.sites != before
    }
}

/// Merges a list into what was known: the list's order first, then what it no longer holds.
pub(super) fn merge(known: &[StoredSite], listed: &[String], now: Millis, grace: Millis) -> News {
    let mut news = News::default();
    let before: HashMap<&str, &StoredSite> = known.iter().map(|one| (one.site.as_str(), one)).collect();
    let mut seen = HashSet::new();
    let (mut bytes, mut over) = (0, 0);
    for site in listed {
        if !seen.insert(site.as_str()) {
            continue;
        }
        if let Some(why) = unusable(site) {
            news.remark(format!("left out: {why}"));
            continue;
        }
        bytes += site.len();
        if news.sites.len() >= MOST || bytes > MOST_BYTES {
            over += 1;
            continue;
        }
        let old = before.get(site.as_str());
        match old {
            None => news.appeared.push(site.clone()),
            Some(old) if old.gone.is_some() => news.back.push(site.clone()),
            Some(_) => {}
        }
        news.sites.push(StoredSite {
            site: site.clone(),
            since: old.map_or(now, |old| old.since),
            gone: None,
        });
    }
    if over > 0 {
        news.remark(format!(
            "{over} sites left out: no more than {MOST} of one customer are taken; choose with `include`"
        ));
    }
    for old in known.iter().filter(|old| !seen.contains(old.site.as_str())) {
        let gone = old.gone.unwrap_or(now);
        // A clock that was set back keeps them longer, never shorter.
        if now.saturating_sub(gone) >= grace {
            news.dropped.push(old.site.clone());
            continue;
        }
        if old.gone.is_none() {
            news.vanished.push(old.site.clone());
        }
        news.sites.push(StoredSite {
            gone: Some(gone),
            ..old.clone()
        });
    }
    news
}

impl News {
    fn remark(&mut self, text: String) {
        if self.remarks.len() < TOLD && !self.remarks.contains(&text) {
            self.remarks.push(text);
        }
    }
}

/// So many remarks are kept.
const TOLD: usize = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Millis = 3_600_000;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_site_is_polled_on_for_the_grace() {
        let first = merge(&[], &names(&["a", "b", "a", ".."]), 1_000, HOUR);
        assert_eq!(first.appeared, ["a", "b"]);
        assert_eq!(first.remarks.len(), 1, "{first:?}");
        let second = merge(&first.sites, &names(&["b", "c"]), 2_000, HOUR);
        assert_eq!((second.appeared, second.vanished), (names(&["c"]), names(&["a"])));
        let still = merge(&second.sites, &names(&["b", "c"]), 2_000 + HOUR - 1, HOUR);
        assert_eq!(still.sites, second.sites, "nothing new");
        let back = merge(&still.sites, &names(&["a", "b", "c"]), 3_000, HOUR);
        assert_eq!((back.back, back.sites[0].since), (names(&["a"]), 1_000));
        let over = merge(&still.sites, &names(&["b", "c"]), 2_000 + HOUR, HOUR);
        assert_eq!(over.dropped, ["a"]);
        assert_eq!(over.sites.len(), 2);
    }

    #[test]
    fn an_empty_list_takes_nothing_away_at_once() {
        let first = merge(&[], &names(&["a", "b"]), 0, HOUR);
        let empty = merge(&first.sites, &[], 1, HOUR);
        assert_eq!((empty.sites.len(), empty.dropped.len()), (2, 0));
        assert_eq!(
            merge(&first.sites, &[], 1, 0).dropped,
            ["a", "b"],
            "without a grace it does"
        );
    }

    #[test]
    fn too_many_sites_are_cut_loudly() {
        let many: Vec<String> = (0..=MOST).map(|n| n.to_string()).collect();
        let news = merge(&[], &many, 0, HOUR);
        assert_eq!((news.sites.len(), news.remarks.len()), (MOST, 1));
    }

    proptest! {
        /// What is listed counts, once, and nothing is dropped before its grace is over.
        #[test]
        fn what_is_listed_counts(lists in proptest::collection::vec(proptest::collection::vec("[a-d]", 0..6), 1..8)) {
            let mut known = Vec::new();
            for (n, list) in lists.iter().enumerate() {
                let now = n as Millis * HOUR;
                let before = known.clone();
                let news = merge(&known, list, now, 2 * HOUR);
                let all: Vec<&str> = news.sites.iter().map(|one| one.site.as_str()).collect();
                let distinct: HashSet<&str> = all.iter().copied().collect();
                prop_assert_eq!(all.len(), distinct.len());
                prop_assert!(list.iter().all(|site| distinct.contains(site.as_str())));
                for old in &before {
                    let kept = distinct.contains(old.site.as_str());
                    prop_assert!(kept || old.gone.is_some_and(|gone| now - gone >= 2 * HOUR));
                }
                known = news.sites;
            }
        }
    }
}
