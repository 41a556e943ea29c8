//! What SQLite's refusals mean for whoever asked.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::store::Error;

/// Sorts an error of SQLite (result codes: <https://www.sqlite.org/rescode.html>) into what passes by itself and what does not.
pub(super) fn classify(path: &Path, error: &rusqlite::Error) -> Error {
    let file = path.display();
    let refused = |what: &str, mend: &str| Error::Refused {
        what: format!("{file}: {what} ({error})"),
        mend: mend.to_owned(),
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Unavailable {
            detail: format!("another process keeps {file} locked"),
        },
        Some(ErrorCode::DiskFull) => refused("the disk is full", "free space on it or move the file"),
        Some(ErrorCode::ReadOnly) => refused(
            "the file cannot be written",
            "make the file and its directory writable for this user",
        ),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => refused(
            "the file cannot be opened",
            "check the path, and that this user may read and write the file and its directory",
        ),
        Some(ErrorCode::DatabaseCorrupt) => refused(
            "the file is damaged",
            "stop every process that uses it, keep a copy, and restore a backup or let `sqlite3 FILE .recover` save what is left",
        ),
        Some(ErrorCode::NotADatabase) => refused(
            "the file is no SQLite database",
            "name another file, or move this one away",
        ),
        Some(ErrorCode::TooBig) => refused(
            "a document is too large",
            "store fewer rows at once: a shorter slice",
        ),
        // The disk failed or memory ran out: what was asked may or may not have happened.
        Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted) => {
            Error::Unavailable {
                detail: format!("{file}: {error}"),
            }
        }
        _ => refused(
            "SQLite refuses a statement",
            "this is a fault in meterbridge or the file was changed by hand; please report it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn only_what_passes_by_itself_is_transient() {
        let check = |code: i32, transient: bool, words: &str| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let sorted = classify(Path::new("/data/m.db"), &error);
            assert_eq!(sorted.is_transient(), transient, "{sorted}");
            assert!(sorted.to_string().contains(words), "{sorted}");
            assert!(sorted.to_string().contains("/data/m.db"), "{sorted}");
        };
        check(ffi::SQLITE_BUSY, true, "locked");
        check(ffi::SQLITE_LOCKED, true, "locked");
        check(ffi::SQLITE_IOERR, true, "not answering");
        check(ffi::SQLITE_FULL, false, "free space");
        check(ffi::SQLITE_READONLY, false, "writable");
        check(ffi::SQLITE_CORRUPT, false, "damaged");
        check(ffi::SQLITE_NOTADB, false, "no SQLite database");
        check(ffi::SQLITE_CANTOPEN, false, "check the path");
        check(ffi::SQLITE_TOOBIG, false, "too large");
        check(ffi::SQLITE_MISUSE, false, "report");
    }
}
