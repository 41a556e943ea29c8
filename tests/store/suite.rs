//! What every store promises. Each case gets an empty store of its own.

use std::sync::Arc;

use meterbridge::catalog::{self, Change, Done, When};
use meterbridge::store::documents::{Attempt, CatalogDoc, RowsDoc, Shipment, State};
use meterbridge::store::{Document, Error, Etag, Found, List, Standing, Store, Write};
use tokio::task::JoinSet;

use super::samples::{
    BIRTH, attempt, batch, dead_letter, definition, digest, every_kind, rows, sharded, shipment, state, wish,
};

type AnyStore = Arc<dyn Store>;

/// Commits one write that must succeed and gives its version.
async fn put(store: &AnyStore, source: &str, write: Write) -> Etag {
    let done = store.commit(batch(source, [write])).await.unwrap();
    assert_eq!(done.etags.len(), 1);
    done.etags[0].clone().expect("a write has a version")
}

async fn get(store: &AnyStore, source: &str, id: &str) -> Option<Found> {
    store.read(source, id).await.unwrap()
}

async fn listed(
    store: &AnyStore,
    source: Option<&str>,
    kind: &'static str,
    limit: usize,
    before: Option<&str>,
) -> Vec<String> {
    let list = List {
        source: source.map(Into::into),
        kind,
        limit,
        before: before.map(Into::into),
    };
    let found = store.list(list).await.unwrap();
    assert!(found.iter().all(|f| f.document.kind() == kind));
    assert!(
        found
            .iter()
            .all(|f| source.is_none_or(|s| f.document.source() == s))
    );
    found.into_iter().map(|f| f.document.id().to_owned()).collect()
}

fn assert_changed(result: Result<impl std::fmt::Debug, Error>, source: &str, id: &str) {
    match result {
        Err(Error::Changed { source_id, id: of }) => {
            assert_eq!((source_id.as_str(), of.as_str()), (source, id));
        }
        other => panic!("expected Changed, got {other:?}"),
    }
}

fn assert_exists(result: Result<impl std::fmt::Debug, Error>, source: &str, id: &str) {
    match result {
        Err(Error::Exists { source_id, id: of }) => {
            assert_eq!((source_id.as_str(), of.as_str()), (source, id));
        }
        other => panic!("expected Exists, got {other:?}"),
    }
}

/// `prepare` may be called again and again.
pub async fn preparing_twice_is_harmless(store: AnyStore) {
    store.prepare().await.unwrap();
    put(&store, "s", Write::Create(digest("s", 1))).await;
    store.prepare().await.unwrap();
    assert!(get(&store, "s", "digest").await.is_some());
    assert!(!store.describe().is_empty());
}

pub async fn a_missing_document_is_none(store: AnyStore) {
    assert!(get(&store, "s", State::ID).await.is_none());
    put(&store, "s", Write::Create(digest("s", 1))).await;
    assert!(get(&store, "s", State::ID).await.is_none());
    assert!(get(&store, "other", "digest").await.is_none());
}

/// Every kind comes back exactly as it was written, under the version that the commit returned.
pub async fn every_kind_comes_back_as_it_was(store: AnyStore) {
    for document in every_kind("s") {
        let etag = put(&store, "s", Write::Create(document.clone())).await;
        let found = get(&store, "s", document.id()).await.unwrap();
        assert_eq!(found.document, document);
        assert_eq!(found.etag, etag);
    }
}

pub async fn a_second_create_meets_the_first(store: AnyStore) {
    put(&store, "s", Write::Create(digest("s", 1))).await;
    let again = store.commit(batch("s", [Write::Create(digest("s", 2))])).await;
    assert_exists(again, "s", "digest");
    assert_eq!(get(&store, "s", "digest").await.unwrap().document, digest("s", 1));
}

/// Partitions are apart: the same id of another source is another document.
pub async fn the_same_id_of_another_source_is_free(store: AnyStore) {
    put(&store, "a", Write::Create(digest("a", 1))).await;
    put(&store, "b", Write::Create(digest("b", 2))).await;
    assert_eq!(get(&store, "a", "digest").await.unwrap().document, digest("a", 1));
    assert_eq!(get(&store, "b", "digest").await.unwrap().document, digest("b", 2));
}

pub async fn replace_with_the_right_version_gives_a_new_one(store: AnyStore) {
    let mut etag = put(&store, "s", Write::Create(digest("s", 0))).await;
    for floor in 1..5 {
        let next = put(&store, "s", Write::Replace(digest("s", floor), etag.clone())).await;
        assert_ne!(next, etag);
        etag = next;
    }
    let found = get(&store, "s", "digest").await.unwrap();
    assert_eq!((found.document, found.etag), (digest("s", 4), etag));
}

pub async fn replace_with_an_old_version_changes_nothing(store: AnyStore) {
    let old = put(&store, "s", Write::Create(digest("s", 0))).await;
    put(&store, "s", Write::Replace(digest("s", 1), old.clone())).await;
    let late = store
        .commit(batch("s", [Write::Replace(digest("s", 2), old)]))
        .await;
    assert_changed(late, "s", "digest");
    assert_eq!(get(&store, "s", "digest").await.unwrap().document, digest("s", 1));
}

/// Even what it was once and is again has another version.
pub async fn writing_the_same_again_gives_another_version(store: AnyStore) {
    let first = put(&store, "s", Write::Create(digest("s", 0))).await;
    let second = put(&store, "s", Write::Upsert(digest("s", 0))).await;
    assert_ne!(first, second);
    let late = store
        .commit(batch("s", [Write::Replace(digest("s", 1), first)]))
        .await;
    assert_changed(late, "s", "digest");
}

pub async fn replace_of_a_missing_document_is_a_conflict(store: AnyStore) {
    let etag = put(&store, "s", Write::Create(digest("s", 0))).await;
    let none = store
        .commit(batch("s", [Write::Replace(state("s", "cloud", 1, 1), etag)]))
        .await;
    assert_changed(none, "s", "state");
    assert!(get(&store, "s", "state").await.is_none());
}

pub async fn delete_with_the_right_version(store: AnyStore) {
    let etag = put(&store, "s", Write::Create(wish("s", 1))).await;
    let done = store
        .commit(batch("s", [Write::Delete("poll".into(), Some(etag))]))
        .await
        .unwrap();
    assert_eq!(done.etags, [None]);
    assert!(get(&store, "s", "poll").await.is_none());
    put(&store, "s", Write::Create(wish("s", 2))).await;
}

/// A wish that was renewed meanwhile stays.
pub async fn delete_with_an_old_version_keeps_the_document(store: AnyStore) {
    let old = put(&store, "s", Write::Create(wish("s", 1))).await;
    put(&store, "s", Write::Upsert(wish("s", 2))).await;
    let late = store
        .commit(batch("s", [Write::Delete("poll".into(), Some(old))]))
        .await;
    assert_changed(late, "s", "poll");
    assert_eq!(get(&store, "s", "poll").await.unwrap().document, wish("s", 2));
}

pub async fn delete_without_a_version_takes_whatever_is_there(store: AnyStore) {
    put(&store, "s", Write::Create(wish("s", 1))).await;
    put(&store, "s", Write::Upsert(wish("s", 2))).await;
    let delete = || batch("s", [Write::Delete("poll".into(), None)]);
    store.commit(delete()).await.unwrap();
    assert!(get(&store, "s", "poll").await.is_none());
    assert_changed(store.commit(delete()).await, "s", "poll");
}

pub async fn upsert_makes_and_overwrites(store: AnyStore) {
    let home = CatalogDoc::PARTITION;
    let first = put(&store, home, Write::Upsert(definition("s", "http://a/"))).await;
    let second = put(&store, home, Write::Upsert(definition("s", "http://b/"))).await;
    assert_ne!(first, second);
    let found = get(&store, CatalogDoc::PARTITION, "s").await.unwrap();
    assert_eq!(
        (found.document, found.etag),
        (definition("s", "http://b/"), second)
    );
}

/// The write of a tick: state, attempt, rows and shipment appear together, with a version each.
pub async fn a_batch_appears_as_one(store: AnyStore) {
    let etag = put(&store, "s", Write::Create(state("s", "cloud", 1, 1))).await;
    let old = put(&store, "s", Write::Create(wish("s", 1))).await;
    let done = store
        .commit(batch(
            "s",
            [
                Write::Create(attempt("s", 1, None)),
                Write::Create(rows("s", 1, 0, 500)),
                Write::Delete("poll".into(), Some(old)),
                Write::Replace(state("s", "cloud", 2, 2), etag),
                Write::Upsert(digest("s", 9)),
            ],
        ))
        .await
        .unwrap();
    let kept: Vec<_> = done.etags.iter().map(Option::is_some).collect();
    assert_eq!(kept, [true, true, false, true, true]);
    for (document, etag) in [
        (attempt("s", 1, None), &done.etags[0]),
        (rows("s", 1, 0, 500), &done.etags[1]),
        (state("s", "cloud", 2, 2), &done.etags[3]),
        (digest("s", 9), &done.etags[4]),
    ] {
        let found = get(&store, "s", document.id()).await.unwrap();
        assert_eq!(found.document, document);
        assert_eq!(Some(found.etag), *etag);
    }
    assert!(get(&store, "s", "poll").await.is_none());
}

/// One conflict takes back every other write, before and after it, and is named.
pub async fn a_conflict_takes_back_the_whole_batch(store: AnyStore) {
    let old = put(&store, "s", Write::Create(state("s", "cloud", 1, 1))).await;
    let current = put(
        &store,
        "s",
        Write::Replace(state("s", "other", 2, 2), old.clone()),
    )
    .await;
    put(&store, "s", Write::Create(wish("s", 1))).await;
    put(&store, "s", Write::Create(attempt("s", 5, None))).await;

    let stale = [
        Write::Create(attempt("s", 1, None)),
        Write::Delete("poll".into(), None),
        Write::Upsert(digest("s", 1)),
        Write::Replace(state("s", "cloud", 3, 3), old),
        Write::Create(shipment("s", 1)),
    ];
    assert_changed(store.commit(batch("s", stale)).await, "s", "state");
    let taken = [
        Write::Replace(state("s", "cloud", 4, 4), current.clone()),
        Write::Create(attempt("s", 5, None)),
        Write::Create(shipment("s", 1)),
    ];
    assert_exists(
        store.commit(batch("s", taken)).await,
        "s",
        &Attempt::id_of(BIRTH, 5),
    );
    let missing = [
        Write::Replace(state("s", "cloud", 4, 4), current.clone()),
        Write::Delete("digest".into(), None),
    ];
    assert_changed(store.commit(batch("s", missing)).await, "s", "digest");

    let found = get(&store, "s", State::ID).await.unwrap();
    assert_eq!((found.document, found.etag), (state("s", "other", 2, 2), current));
    assert!(get(&store, "s", "poll").await.is_some());
    assert!(get(&store, "s", "digest").await.is_none());
    assert!(get(&store, "s", &Attempt::id_of(BIRTH, 1)).await.is_none());
    assert!(get(&store, "s", &Shipment::id_of(BIRTH, 1)).await.is_none());
}

pub async fn an_empty_batch_is_nothing(store: AnyStore) {
    let done = store.commit(batch("s", [])).await.unwrap();
    assert!(done.etags.is_empty());
    assert_eq!(done.charge, 0.0);
}

pub async fn a_batch_that_no_store_takes_is_refused(store: AnyStore) {
    let many = (0..101).map(|n| Write::Create(attempt("s", n, None)));
    let foreign = [Write::Create(digest("s", 1)), Write::Create(wish("t", 1))];
    let bulky = (0..9).map(|n| Write::Create(rows("s", n, 0, 256 * 1024)));
    for refused in [batch("s", many), batch("s", foreign), batch("s", bulky)] {
        match store.commit(refused).await {
            Err(Error::Refused { .. }) => {}
            other => panic!("expected Refused, got {other:?}"),
        }
    }
    assert!(listed(&store, Some("s"), "attempt", 10, None).await.is_empty());
    assert!(listed(&store, Some("s"), "rows", 10, None).await.is_empty());
}

pub async fn due_is_ordered_by_the_longest_due_and_limited(store: AnyStore) {
    for (source, due) in [("c", 30), ("a", 10), ("e", 51), ("d", 50), ("b", 20)] {
        put(&store, source, Write::Create(state(source, "cloud", 1, due))).await;
    }
    assert_eq!(store.due("cloud", 50, 10).await.unwrap(), ["a", "b", "c", "d"]);
    assert_eq!(store.due("cloud", 50, 2).await.unwrap(), ["a", "b"]);
    assert_eq!(store.due("cloud", 51, 10).await.unwrap().len(), 5);
    assert!(store.due("cloud", 9, 10).await.unwrap().is_empty());
    assert!(store.due("cloud", 50, 0).await.unwrap().is_empty());
}

pub async fn due_is_only_of_this_runner(store: AnyStore) {
    put(&store, "a", Write::Create(state("a", "cloud", 1, 1))).await;
    put(&store, "b", Write::Create(state("b", "lan", 1, 1))).await;
    put(&store, "c", Write::Create(wish("c", 1))).await;
    assert_eq!(store.due("cloud", 9, 9).await.unwrap(), ["a"]);
    assert_eq!(store.due("lan", 9, 9).await.unwrap(), ["b"]);
    assert!(store.due("Cloud", 9, 9).await.unwrap().is_empty());
}

/// What a tick releases is due no more, and a source handed to another runner moves.
pub async fn due_follows_every_write_of_the_state(store: AnyStore) {
    let etag = put(&store, "s", Write::Create(state("s", "cloud", 1, 10))).await;
    let etag = put(&store, "s", Write::Replace(state("s", "cloud", 2, 20), etag)).await;
    assert!(store.due("cloud", 19, 9).await.unwrap().is_empty());
    assert_eq!(store.due("cloud", 20, 9).await.unwrap(), ["s"]);
    let etag = put(&store, "s", Write::Replace(state("s", "lan", 3, 20), etag)).await;
    assert!(store.due("cloud", 20, 9).await.unwrap().is_empty());
    assert_eq!(store.due("lan", 20, 9).await.unwrap(), ["s"]);
    store
        .commit(batch("s", [Write::Delete("state".into(), Some(etag))]))
        .await
        .unwrap();
    assert!(store.due("lan", 20, 9).await.unwrap().is_empty());
}

/// Jobs are found by their shard; what an older version wrote has none and is in no shard.
pub async fn due_of_one_shard(store: AnyStore) {
    for (source, shard, due) in [
        ("a", "r01", 10),
        ("b", "r02", 11),
        ("c", "r01", 5),
        ("d", "r01", 99),
    ] {
        let state = sharded(source, "cloud", shard, due);
        put(&store, source, Write::Create(state)).await;
    }
    put(&store, "e", Write::Create(sharded("e", "lan", "r01", 1))).await;
    let old = put(&store, "f", Write::Create(state("f", "cloud", 1, 1))).await;
    assert_eq!(store.due_in("cloud", "r01", 50, 9).await.unwrap(), ["c", "a"]);
    assert_eq!(store.due_in("cloud", "r01", 50, 1).await.unwrap(), ["c"]);
    assert_eq!(store.due_in("cloud", "r02", 50, 9).await.unwrap(), ["b"]);
    assert!(store.due_in("cloud", "r03", 50, 9).await.unwrap().is_empty());
    put(&store, "f", Write::Replace(sharded("f", "cloud", "r03", 1), old)).await;
    assert_eq!(store.due_in("cloud", "r03", 50, 9).await.unwrap(), ["f"]);
}

pub async fn standings_tell_which_sources_have_a_state(store: AnyStore) {
    assert!(store.standings("cloud", None).await.unwrap().is_empty());
    put(&store, "a", Write::Create(sharded("a", "cloud", "r01", 1 << 50))).await;
    put(&store, "b", Write::Create(state("b", "cloud", 1, 0))).await;
    put(&store, "c", Write::Create(sharded("c", "lan", "r01", 0))).await;
    put(&store, "d", Write::Create(digest("d", 1))).await;
    let mut all = store.standings("cloud", None).await.unwrap();
    all.sort_by(|a, b| a.source.cmp(&b.source));
    let standing = |source: &str, shard: Option<&str>, plan: Option<&str>| Standing {
        source: source.into(),
        shard: shard.map(Into::into),
        plan: plan.map(Into::into),
    };
    let a = standing("a", Some("r01"), Some("every 60"));
    assert_eq!(all, [a.clone(), standing("b", None, None)]);
    assert_eq!(store.standings("cloud", Some("r01")).await.unwrap(), [a]);
}

/// More states than a page of Cosmos DB holds, over several partitions.
pub async fn due_reaches_over_pages(store: AnyStore) {
    let mut writes = JoinSet::new();
    for n in 0..250_i64 {
        let store = Arc::clone(&store);
        writes.spawn(async move {
            let source = format!("s{n:03}");
            put(
                &store,
                &source,
                Write::Create(state(&source, "cloud", 1, 1_000 - n)),
            )
            .await;
        });
    }
    while let Some(done) = writes.join_next().await {
        done.unwrap();
    }
    let expected: Vec<_> = (0..250).rev().map(|n| format!("s{n:03}")).collect();
    assert_eq!(store.due("cloud", 2_000, 1_000).await.unwrap(), expected);
    assert_eq!(store.due("cloud", 2_000, 130).await.unwrap(), expected[..130]);
}

pub async fn a_list_is_newest_first_and_paged(store: AnyStore) {
    for n in [3, 1, 4, 5, 2] {
        put(&store, "s", Write::Create(attempt("s", n, None))).await;
        put(&store, "s", Write::Create(shipment("s", n))).await;
        put(&store, "other", Write::Create(attempt("other", n, None))).await;
    }
    let ids: Vec<_> = [5, 4, 3, 2, 1].map(|n| Attempt::id_of(BIRTH, n)).into();
    assert_eq!(listed(&store, Some("s"), "attempt", 10, None).await, ids);
    assert_eq!(listed(&store, Some("s"), "attempt", 2, None).await, ids[..2]);
    assert_eq!(
        listed(&store, Some("s"), "attempt", 2, Some(&ids[1])).await,
        ids[2..4]
    );
    assert_eq!(
        listed(&store, Some("s"), "attempt", 2, Some(&ids[3])).await,
        ids[4..]
    );
    assert!(
        listed(&store, Some("s"), "attempt", 2, Some(&ids[4]))
            .await
            .is_empty()
    );
    assert!(listed(&store, Some("s"), "attempt", 0, None).await.is_empty());
    assert!(
        listed(&store, Some("nobody"), "attempt", 9, None)
            .await
            .is_empty()
    );
}

pub async fn a_list_of_all_sources(store: AnyStore) {
    for (source, n) in [("a", 1), ("b", 2), ("c", 3), ("a", 4)] {
        put(&store, source, Write::Create(dead_letter(source, n, "{}"))).await;
        put(&store, source, Write::Create(attempt(source, n, None))).await;
    }
    let all = |limit, before: Option<String>| List {
        source: None,
        kind: "deadletter",
        limit,
        before,
    };
    let found = store.list(all(3, None)).await.unwrap();
    let sources: Vec<_> = found.iter().map(|f| f.document.source()).collect();
    assert_eq!(sources, ["a", "c", "b"]);
    let rest = store
        .list(all(3, Some(found[2].document.id().into())))
        .await
        .unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].document, dead_letter("a", 1, "{}"));
}

/// What a list shows can be written conditionally.
pub async fn a_list_gives_the_versions(store: AnyStore) {
    let etag = put(&store, "s", Write::Create(dead_letter("s", 1, "{}"))).await;
    let list = List {
        source: None,
        kind: "deadletter",
        limit: 9,
        before: None,
    };
    let found = store.list(list).await.unwrap().remove(0);
    assert_eq!(found.etag, etag);
    put(
        &store,
        "s",
        Write::Replace(dead_letter("s", 1, "{\"b\":2}"), found.etag),
    )
    .await;
}

/// The time to live is a member of the document, where Cosmos DB looks for it; it may come later, with another write.
pub async fn a_time_to_live_is_stored(store: AnyStore) {
    let etag = put(&store, "s", Write::Create(attempt("s", 1, None))).await;
    let id = Attempt::id_of(BIRTH, 1);
    assert_eq!(get(&store, "s", &id).await.unwrap().document.ttl(), None);
    put(&store, "s", Write::Replace(attempt("s", 1, Some(60)), etag)).await;
    assert_eq!(get(&store, "s", &id).await.unwrap().document.ttl(), Some(60));
}

pub async fn a_large_document_survives(store: AnyStore) {
    let document = rows("s", 1, 0, 256 * 1024);
    let size = serde_json::to_vec(&document).unwrap().len();
    assert!((230_000..=280_000).contains(&size), "{size}");
    put(&store, "s", Write::Create(document.clone())).await;
    assert_eq!(
        get(&store, "s", &RowsDoc::id_of(BIRTH, 1, 0))
            .await
            .unwrap()
            .document,
        document
    );
}

/// The largest batch that a tick writes: 90 documents, 1.5 MB.
pub async fn a_batch_of_ninety_documents(store: AnyStore) {
    let writes = (0..90).map(|place| Write::Create(rows("s", 1, place, 14 * 1024)));
    let done = store.commit(batch("s", writes)).await.unwrap();
    assert_eq!(done.etags.len(), 90);
    let ids = listed(&store, Some("s"), "rows", 100, None).await;
    assert_eq!(ids.len(), 90);
    assert_eq!(ids[0], RowsDoc::id_of(BIRTH, 1, 89));
}

pub async fn text_of_any_script_survives(store: AnyStore) {
    let body = "Zähler №7 \u{1F50C} \u{0}\u{1f}\u{7f} \"quoted\\\" \u{2028} 電力量 e\u{301}";
    put(&store, "s", Write::Create(dead_letter("s", 1, body))).await;
    let id = dead_letter("s", 1, body).id().to_owned();
    assert_eq!(
        get(&store, "s", &id).await.unwrap().document,
        dead_letter("s", 1, body)
    );
}

/// Sixteen claim the same source at the same version; one gets it.
pub async fn of_sixteen_racers_one_wins(store: AnyStore) {
    let etag = put(&store, "s", Write::Create(state("s", "cloud", 0, 1))).await;
    let mut racers = JoinSet::new();
    for n in 1..=16 {
        let (store, etag) = (Arc::clone(&store), etag.clone());
        racers.spawn(async move {
            let write = Write::Replace(state("s", "cloud", n, 1), etag);
            (
                n,
                store
                    .commit(batch("s", [write, Write::Create(attempt("s", n, None))]))
                    .await,
            )
        });
    }
    let mut winner = None;
    while let Some(raced) = racers.join_next().await {
        match raced.unwrap() {
            (n, Ok(_)) => assert_eq!(winner.replace(n), None, "two winners"),
            (_, lost) => assert_changed(lost, "s", "state"),
        }
    }
    let winner = winner.expect("one wins");
    assert_eq!(
        get(&store, "s", "state").await.unwrap().document,
        state("s", "cloud", winner, 1)
    );
    assert_eq!(
        listed(&store, Some("s"), "attempt", 20, None).await,
        [Attempt::id_of(BIRTH, winner)]
    );
}

/// Read, add one, write under the version read, again after a conflict: no increment is lost.
pub async fn a_counter_loses_no_increment(store: AnyStore) {
    put(&store, "s", Write::Create(state("s", "cloud", 0, 1))).await;
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { count(&store, 10).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(
        get(&store, "s", "state").await.unwrap().document,
        state("s", "cloud", 40, 1)
    );
}

/// Adds one to the state's number, so many times.
pub async fn count(store: &AnyStore, times: usize) {
    let mut done = 0;
    while done < times {
        let found = get(store, "s", "state").await.unwrap();
        let Document::State(current) = &found.document else {
            panic!("not a state")
        };
        let write = Write::Replace(state("s", "cloud", current.next + 1, 1), found.etag);
        match store.commit(batch("s", [write])).await {
            Ok(_) => done += 1,
            lost => assert_changed(lost, "s", "state"),
        }
    }
}

fn change(id: &str, definition: Option<&str>, when: When) -> Change {
    Change {
        id: id.into(),
        definition: definition.map(|url| serde_json::json!({ "kind": "tasmota", "url": url })),
        when,
    }
}

/// How often definitions were changed, as every process reads it.
async fn changes(store: &AnyStore) -> u64 {
    match get(store, CatalogDoc::PARTITION, CatalogDoc::ID)
        .await
        .map(|found| found.document)
    {
        None => 0,
        Some(Document::Catalog(doc)) => doc.changes,
        Some(other) => panic!("{other:?}"),
    }
}

/// A definition and the document that tells of it are one transaction, and a version that is gone is never overwritten.
pub async fn definitions_change_with_what_tells_of_them(store: AnyStore) {
    let make = async |change: Change| catalog::change(store.as_ref(), 5, &[change]).await;
    let version = async || {
        get(&store, CatalogDoc::PARTITION, "a")
            .await
            .map(|found| found.etag)
    };
    assert_eq!(
        make(change("a", Some("http://1/"), When::Absent)).await.unwrap(),
        [Done::Added]
    );
    assert_eq!(changes(&store).await, 1);
    assert_eq!(
        make(change("a", Some("http://1/"), When::Any)).await.unwrap(),
        [Done::Unchanged]
    );
    assert_eq!(changes(&store).await, 1, "what stands so already wakes nobody");
    let first = version().await.unwrap();
    assert_eq!(
        make(change("a", Some("http://2/"), When::Version(first.clone())))
            .await
            .unwrap(),
        [Done::Changed]
    );
    for when in [When::Absent, When::Version(first.clone())] {
        let late = make(change("a", Some("http://3/"), when.clone())).await;
        assert!(matches!(late, Err(catalog::Error::Elsewhere { .. })), "{late:?}");
        let late = make(change("a", None, when)).await;
        assert!(matches!(late, Err(catalog::Error::Elsewhere { .. })), "{late:?}");
    }
    // Several are made together or not at all.
    let both = [
        change("b", Some("http://b/"), When::Absent),
        change("a", Some("http://3/"), When::Version(first)),
    ];
    assert!(catalog::change(store.as_ref(), 5, &both).await.is_err());
    assert!(get(&store, CatalogDoc::PARTITION, "b").await.is_none());
    assert_eq!(changes(&store).await, 2);
    assert_eq!(make(change("a", None, When::Any)).await.unwrap(), [Done::Removed]);
    assert!(matches!(
        make(change("a", None, When::Any)).await,
        Err(catalog::Error::Missing { .. })
    ));
    assert_eq!((version().await, changes(&store).await), (None, 3));
}

/// Many who change definitions at once come into no conflict over the document that tells of it, and it counts each of them.
pub async fn changes_of_different_definitions_all_count(store: AnyStore) {
    let mut tasks = JoinSet::new();
    for n in 0..5 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let one = change(&format!("s{n}"), Some("http://a/"), When::Absent);
            catalog::change(store.as_ref(), 5, &[one]).await.unwrap();
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(changes(&store).await, 5);
    assert_eq!(
        listed(&store, Some(CatalogDoc::PARTITION), "source", 10, None)
            .await
            .len(),
        5
    );
}
