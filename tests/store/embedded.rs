//! What only the embedded store does: a file, expiry by the clock, several processes, a model to compare with.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use meterbridge::clock::Clock;
use meterbridge::store::documents::{Attempt, DigestDoc};
use meterbridge::store::embedded::Embedded;
use meterbridge::store::{Document, Error, Etag, List, Store, Write};
use proptest::prelude::*;
use tempfile::TempDir;

use super::samples::{BIRTH, attempt, batch, digest, state};
use super::suite::count;

pub fn open(home: &TempDir) -> Arc<dyn Store> {
    Arc::new(Embedded::open(&home.path().join("meterbridge.db"), Clock::system()).unwrap())
}

fn refusal(path: &Path) -> String {
    match Embedded::open(path, Clock::system()) {
        Err(error @ Error::Refused { .. }) => error.to_string(),
        other => panic!("expected Refused, got {other:?}"),
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home);
    let done = store
        .commit(batch("s", [Write::Create(state("s", "cloud", 1, 1))]))
        .await
        .unwrap();
    drop(store);
    let store = open(&home);
    let found = store.read("s", "state").await.unwrap().unwrap();
    assert_eq!(Some(&found.etag), done.etags[0].as_ref());
    let next = store
        .commit(batch(
            "s",
            [Write::Replace(state("s", "cloud", 2, 2), found.etag.clone())],
        ))
        .await
        .unwrap();
    assert_ne!(next.etags[0].as_ref(), Some(&found.etag));
}

#[test]
fn the_file_is_its_owners_alone_and_its_directories_are_made() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a/b/m.db");
    let _store = Embedded::open(&path, Clock::system()).unwrap();
    for file in ["m.db", "m.db-wal", "m.db-shm"] {
        let mode = std::fs::metadata(path.with_file_name(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_file_that_is_not_ours_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let sql = |name: &str, text: &str| {
        let path = home.path().join(name);
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch(text)
            .unwrap();
        path
    };
    let newer = sql("newer.db", "PRAGMA user_version = 3; CREATE TABLE document (id);");
    assert!(refusal(&newer).contains("newer meterbridge (schema 3, this one knows 2)"));
    let foreign = sql("foreign.db", "CREATE TABLE photos (id);");
    assert!(refusal(&foreign).contains("another program"));
    let text = home.path().join("notes.txt");
    std::fs::write(
        &text,
        "no database at all, but long enough to have had a header".repeat(20),
    )
    .unwrap();
    assert!(refusal(&text).contains("no SQLite database"));
    assert!(refusal(&text.join("below/a/file.db")).contains("cannot be made"));
}

/// A file of the first version, which had no shards, is brought up and read on.
#[tokio::test]
async fn a_file_of_the_first_version_is_read() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("m.db");
    let doc = serde_json::to_string(&super::samples::state("a", "cloud", 7, 5)).unwrap();
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(
        "CREATE TABLE document (source TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, etag TEXT NOT NULL, runner TEXT,
            due INTEGER, expires INTEGER, doc TEXT NOT NULL, PRIMARY KEY (source, id)) WITHOUT ROWID;
         CREATE INDEX document_due ON document (runner, due) WHERE due IS NOT NULL;
         CREATE INDEX document_expires ON document (expires) WHERE expires IS NOT NULL;
         CREATE INDEX document_of_source ON document (source, kind, id);
         CREATE INDEX document_of_all ON document (kind, id, source);
         PRAGMA user_version = 1;",
    )
    .unwrap();
    old.execute(
        "INSERT INTO document VALUES ('a', 'state', 'state', 'v1', 'cloud', 5, NULL, ?1)",
        [&doc],
    )
    .unwrap();
    drop(old);
    for _ in 0..2 {
        let store = Embedded::open(&path, Clock::system()).unwrap();
        assert_eq!(store.due("cloud", 5, 9).await.unwrap(), ["a"]);
        assert!(store.due_in("cloud", "r01", 5, 9).await.unwrap().is_empty());
        assert!(store.read("a", "state").await.unwrap().is_some());
    }
    let store = Embedded::open(&path, Clock::system()).unwrap();
    let found = store.read("a", "state").await.unwrap().unwrap();
    let sharded = super::samples::sharded("a", "cloud", "r01", 5);
    let write = Write::Replace(sharded, found.etag);
    store.commit(super::samples::batch("a", [write])).await.unwrap();
    assert_eq!(store.due_in("cloud", "r01", 5, 9).await.unwrap(), ["a"]);
}

/// An expired document is gone at the millisecond, for reads, lists, conditions and creates; later it is swept away.
#[tokio::test]
async fn a_document_expires_by_the_clock() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("m.db");
    let now = Arc::new(AtomicI64::new(1_000_000));
    let clock = Clock::from_fn({
        let now = Arc::clone(&now);
        move || now.load(Ordering::Relaxed)
    });
    let store = Embedded::open(&path, clock).unwrap();
    let writes = (0..200).map(|n| Write::Create(attempt("s", n, Some(60))));
    let writes: Vec<_> = writes.collect();
    let mut etag = None;
    for part in writes.chunks(100) {
        etag = store
            .commit(batch("s", part.to_vec()))
            .await
            .unwrap()
            .etags
            .pop()
            .flatten();
    }
    store
        .commit(batch("s", [Write::Create(attempt("s", 999, None))]))
        .await
        .unwrap();
    let etag = etag.unwrap();
    let id = Attempt::id_of(BIRTH, 199);
    let list = || List {
        source: Some("s".into()),
        kind: "attempt",
        limit: 500,
        before: None,
    };

    now.store(1_059_999, Ordering::Relaxed);
    assert!(store.read("s", &id).await.unwrap().is_some());
    assert_eq!(store.list(list()).await.unwrap().len(), 201);

    now.store(1_060_000, Ordering::Relaxed);
    assert!(store.read("s", &id).await.unwrap().is_none());
    assert_eq!(store.list(list()).await.unwrap().len(), 1);
    assert_eq!(
        store
            .list(List {
                source: None,
                ..list()
            })
            .await
            .unwrap()
            .len(),
        1
    );
    for write in [
        Write::Replace(attempt("s", 199, None), etag.clone()),
        Write::Delete(id.clone(), Some(etag.clone())),
        Write::Delete(id.clone(), None),
    ] {
        let late = store.commit(batch("s", [write])).await;
        assert!(matches!(late, Err(Error::Changed { .. })), "{late:?}");
    }
    store
        .commit(batch("s", [Write::Create(attempt("s", 199, None))]))
        .await
        .unwrap();
    assert!(store.read("s", &id).await.unwrap().is_some());

    // Each transaction sweeps a step; the count is asked of the file itself.
    for n in 0..4 {
        store
            .commit(batch("t", [Write::Upsert(digest("t", n))]))
            .await
            .unwrap();
    }
    let left: i64 = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM document WHERE source = 's'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(left, 2);
}

/// Two stores on one file, as an old and a new host process have them for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_on_one_file_lose_no_increment() {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (open(&home), open(&home));
    one.commit(batch("s", [Write::Create(state("s", "cloud", 0, 1))]))
        .await
        .unwrap();
    tokio::join!(
        count(&one, 100),
        count(&two, 100),
        count(&one, 100),
        count(&two, 100)
    );
    let found = two.read("s", "state").await.unwrap().unwrap();
    assert_eq!(found.document, state("s", "cloud", 400, 1));
}

/// Set for a process that this test started itself: the file it works on.
const CHILD_FILE: &str = "METERBRIDGE_TEST_STORE_FILE";

/// A child writes attempt after attempt and prints each number once it is committed; it is killed in the middle. Every printed number
/// must be in the file with its state, and none half written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_it_had_answered() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("meterbridge.db");
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "embedded::child_writes_until_it_is_killed",
            "--nocapture",
        ])
        .env(CHILD_FILE, &path)
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = 0_u64;
    while last < 200 {
        let line = lines.next_line().await.unwrap().expect("the child goes on");
        if let Some(number) = line.strip_prefix("committed ") {
            last = number.parse().unwrap();
        }
    }
    child.kill().await.unwrap();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(number) = line.strip_prefix("committed ") {
            last = number.parse().unwrap();
        }
    }
    let store = open(&home);
    let Document::State(state) = store.read("s", "state").await.unwrap().unwrap().document else {
        panic!("not a state")
    };
    assert!(state.next > last, "{} after {last}", state.next);
    for number in 0..state.next {
        assert!(
            store
                .read("s", &Attempt::id_of(BIRTH, number))
                .await
                .unwrap()
                .is_some(),
            "{number}"
        );
    }
    assert!(
        store
            .read("s", &Attempt::id_of(BIRTH, state.next))
            .await
            .unwrap()
            .is_none()
    );
}

/// The child of the test above; without its variable it does nothing.
#[tokio::test]
async fn child_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_FILE) else {
        return;
    };
    let store = Embedded::open(Path::new(&path), Clock::system()).unwrap();
    let first = batch("s", [Write::Create(state("s", "cloud", 0, 0))]);
    let mut etag = store.commit(first).await.unwrap().etags.remove(0).unwrap();
    println!();
    for number in 0.. {
        let next = batch(
            "s",
            [
                Write::Create(attempt("s", number, None)),
                Write::Replace(state("s", "cloud", number + 1, 0), etag),
            ],
        );
        etag = store.commit(next).await.unwrap().etags.remove(1).unwrap();
        println!("committed {number}");
    }
}

/// A write of the model, over few sources and ids so that they meet.
#[derive(Clone, Debug)]
enum Move {
    Create,
    Replace { stale: bool },
    Upsert,
    Delete { condition: Option<bool> },
}

fn moves() -> impl Strategy<Value = Vec<(u8, Vec<(u64, Move)>)>> {
    let step = prop_oneof![
        Just(Move::Create),
        prop::bool::weighted(0.2).prop_map(|stale| Move::Replace { stale }),
        Just(Move::Upsert),
        prop::option::of(prop::bool::weighted(0.2)).prop_map(|condition| Move::Delete { condition }),
    ];
    prop::collection::vec((0..2_u8, prop::collection::vec((0..4_u64, step), 1..5)), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Any sequence of batches leaves what a map leaves that takes each batch whole or not at all.
    #[test]
    fn batches_behave_like_a_map(batches in moves()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(compare(batches));
    }
}

type Model = BTreeMap<(String, String), (Document, Etag)>;

async fn compare(batches: Vec<(u8, Vec<(u64, Move)>)>) {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home);
    let mut model = Model::new();
    let mut old: BTreeMap<(String, String), Etag> = BTreeMap::new();
    for (round, (source, steps)) in batches.into_iter().enumerate() {
        let source = format!("s{source}");
        let mut next = model.clone();
        let mut fits = true;
        let mut writes = Vec::new();
        for (place, (id, step)) in steps.into_iter().enumerate() {
            let document = Document::Digest(DigestDoc {
                id: format!("d{id}"),
                ..match digest(&source, (round * 100 + place) as i64) {
                    Document::Digest(d) => d,
                    _ => unreachable!(),
                }
            });
            let key = (source.clone(), document.id().to_owned());
            let etag = |stale: bool| {
                let now = model.get(&key).map(|(_, etag)| etag.clone());
                let before = old.get(&key).cloned();
                let unknown = Etag("none".into());
                if stale {
                    before.unwrap_or(unknown)
                } else {
                    now.unwrap_or(unknown)
                }
            };
            // The version that a write of this very batch will give is not known here: whatever it changed cannot be matched.
            let known = next.get(&key).map(|(_, e)| e.clone());
            let (write, ok) = match step {
                Move::Create => (Write::Create(document.clone()), known.is_none()),
                Move::Upsert => (Write::Upsert(document.clone()), true),
                Move::Replace { stale } => {
                    let given = etag(stale);
                    (
                        Write::Replace(document.clone(), given.clone()),
                        known == Some(given),
                    )
                }
                Move::Delete { condition } => {
                    let given = condition.map(&etag);
                    let ok = known.is_some() && (given.is_none() || known == given);
                    (Write::Delete(key.1.clone(), given), ok)
                }
            };
            fits &= ok;
            if matches!(write, Write::Delete(..)) {
                next.remove(&key);
            } else {
                next.insert(key, (document, Etag(format!("new {place}"))));
            }
            writes.push(write);
        }
        let result = store.commit(batch(&source, writes)).await;
        assert_eq!(result.is_ok(), fits, "{result:?}");
        if let Ok(done) = result {
            for (_, etag) in next.values_mut() {
                if let Some(place) = etag.0.strip_prefix("new ") {
                    *etag = done.etags[place.parse::<usize>().unwrap()].clone().unwrap();
                }
            }
            for (key, (_, etag)) in &model {
                if next.get(key).is_none_or(|(_, e)| e != etag) {
                    old.insert(key.clone(), etag.clone());
                }
            }
            model = next;
        } else {
            assert!(result.unwrap_err().is_conflict());
        }
    }
    for source in ["s0", "s1"] {
        for id in 0..4 {
            let key = (source.to_owned(), format!("d{id}"));
            let found = store
                .read(&key.0, &key.1)
                .await
                .unwrap()
                .map(|f| (f.document, f.etag));
            assert_eq!(found.as_ref(), model.get(&key));
        }
    }
    let list = List {
        source: None,
        kind: "digest",
        limit: 100,
        before: None,
    };
    assert_eq!(store.list(list).await.unwrap().len(), model.len());
}
