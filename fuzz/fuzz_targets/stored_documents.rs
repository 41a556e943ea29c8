//! Documents of the store, which people and older versions may have written: read, written and read again they are the same;
//! damaged rows and digests are told, and sound ones survive their stored form and can be packed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meterbridge::poll::digest::Digest;
use meterbridge::reading::Rows;
use meterbridge::store::documents::{DigestDoc, Document, StoredRows};

fuzz_target!(|data: &[u8]| {
    if let Ok(document) = serde_json::from_slice::<Document>(data) {
        let text = serde_json::to_string(&document).expect("a document can be written");
        let again: Document = serde_json::from_str(&text).expect("what was written can be read");
        assert_eq!(again, document);
        match &document {
            Document::Digest(digest) => check_digest(digest),
            Document::Rows(rows) => check_rows(&rows.rows),
            Document::Attempt(attempt) => attempt.inline.iter().for_each(check_rows),
            _ => {}
        }
    }
    if let Ok(rows) = serde_json::from_slice::<StoredRows>(data) {
        check_rows(&rows);
    }
});

fn check_rows(stored: &StoredRows) {
    let _ = stored.last_stamp();
    let Some(rows) = stored.rows() else { return };
    let text = stored.stamps.len() + stored.columns.iter().map(String::len).sum::<usize>();
    assert!(rows.len() <= text + 1, "more rows than text");
    let again = StoredRows::of(&rows, 0..rows.len());
    assert_eq!(again.rows().as_ref(), Some(&rows));
    let mut normal = rows.clone();
    normal.normalise();
    assert!(normal.stamps().windows(2).all(|w| w[0] < w[1]));
    let mut parts = rows.part(0..rows.len() / 2);
    parts.append(&rows.part(rows.len() / 2..rows.len()));
    assert_eq!((parts.len(), parts.readings()), (rows.len(), rows.readings()));
    sift(normal);
}

fn sift(rows: Rows) {
    let mut digest = Digest::new(0);
    let _ = digest.remember(&rows, 0);
    let sifted = digest.sift(rows);
    assert!(sifted.rows.is_empty(), "what is remembered is known");
}

fn check_digest(document: &DigestDoc) {
    let Some(digest) = Digest::from_document(document) else {
        return;
    };
    let again = Digest::from_document(&digest.document(&document.source));
    assert_eq!(again.as_ref(), Some(&digest));
    assert_eq!(digest.floor(), document.floor);
}
