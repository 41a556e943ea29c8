//! A batch as Cosmos DB's transactional batch, and its answer.

use azure_core::http::Etag as HttpEtag;
use azure_data_cosmos::models::TransactionalBatchOperationResult;
use azure_data_cosmos::options::{BatchDeleteOptions, BatchReplaceOptions, Precondition};
use azure_data_cosmos::{CosmosError, TransactionalBatch};

use crate::store::{Batch, Error, Etag, Write};

/// The same writes in the same order.
pub(super) fn of(batch: &Batch) -> Result<TransactionalBatch, CosmosError> {
    let if_match = |etag: &Etag| Precondition::IfMatch(HttpEtag::from(etag.0.clone()));
    let start = TransactionalBatch::new(batch.source.clone());
    batch.writes.iter().try_fold(start, |all, write| match write {
        Write::Create(document) => all.create_item(document),
        Write::Upsert(document) => all.upsert_item(document, None),
        Write::Replace(document, etag) => {
            let options = BatchReplaceOptions::default().with_precondition(if_match(etag));
            all.replace_item(document.id().to_owned(), document, Some(options))
        }
        Write::Delete(id, etag) => {
            let options = etag
                .as_ref()
                .map(|etag| BatchDeleteOptions::default().with_precondition(if_match(etag)));
            Ok(all.delete_item(id.clone(), options))
        }
    })
}

/// The new versions; or, of a batch that failed, what stopped it. The one write at fault has a status of its own, every other 424.
pub(super) fn etags(
    batch: &Batch,
    results: &[TransactionalBatchOperationResult],
) -> Result<Vec<Option<Etag>>, Error> {
    const FAILED_DEPENDENCY: u16 = 424;
    if results.len() != batch.writes.len() {
        return Err(Error::Unavailable {
            detail: format!("{} results for {} writes", results.len(), batch.writes.len()),
        });
    }
    let pairs = || batch.writes.iter().zip(results);
    let failed = |(_, r): &(&Write, &TransactionalBatchOperationResult)| !r.is_success();
    let culprit = pairs()
        .filter(failed)
        .find(|(_, r)| r.status_code() != FAILED_DEPENDENCY)
        .or_else(|| pairs().find(failed));
    if let Some((write, result)) = culprit {
        return Err(fault(batch, write, result.status_code()));
    }
    Ok(pairs()
        .map(|(write, result)| match write {
            Write::Delete(..) => None,
            _ => result.etag().map(|etag| Etag(etag.to_owned())),
        })
        .collect())
}

/// What the status of one write means.
fn fault(batch: &Batch, write: &Write, status: u16) -> Error {
    let source_id = batch.source.clone();
    let id = match write {
        Write::Create(document) | Write::Replace(document, _) | Write::Upsert(document) => document.id(),
        Write::Delete(id, _) => id,
    }
    .to_owned();
    match (write, status) {
        (Write::Create(_), 409) => Error::Exists { source_id, id },
        (Write::Replace(..) | Write::Delete(..), 404 | 412) => Error::Changed { source_id, id },
        (_, 413) => Error::Refused {
            what: format!("{id} of {source_id} is too large for Cosmos DB"),
            mend: "store fewer rows at once: a shorter slice".into(),
        },
        (_, 408 | 410 | 424 | 429 | 449 | 500..) => Error::Unavailable {
            detail: format!("the write of {id} of {source_id} was answered {status}"),
        },
        _ => Error::Refused {
            what: format!("Cosmos DB refuses the write of {id} of {source_id} ({status})"),
            mend: "this is a fault in meterbridge; please report it".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::store::documents::PollWish;
    use crate::store::{Document, Etag};

    fn wish(at: i64) -> Document {
        Document::Poll(PollWish {
            id: PollWish::ID.into(),
            source: "s".into(),
            at,
        })
    }

    #[test]
    fn the_write_at_fault_is_found_among_the_others() {
        let batch = Batch {
            source: "s".into(),
            writes: vec![
                Write::Create(wish(1)),
                Write::Replace(wish(2), Etag("v".into())),
                Write::Delete("d".into(), None),
                Write::Upsert(wish(3)),
            ],
        };
        let check = |statuses: [u16; 4], words: &str, transient: bool| {
            let results = statuses
                .map(|status| format!("{{\"statusCode\":{status}}}"))
                .join(",");
            let results: Vec<TransactionalBatchOperationResult> =
                serde_json::from_str(&format!("[{results}]")).unwrap();
            let error = etags(&batch, &results).unwrap_err();
            assert!(error.to_string().contains(words), "{statuses:?}: {error}");
            assert_eq!(error.is_transient(), transient, "{error}");
        };
        check([409, 424, 424, 424], "poll of s exists already", false);
        check([424, 412, 424, 424], "poll of s was changed", false);
        check([424, 404, 424, 424], "poll of s was changed", false);
        check([424, 424, 404, 424], "d of s was changed", false);
        check([424, 424, 424, 429], "429", true);
        check([424, 424, 424, 449], "449", true);
        check([424, 424, 424, 424], "424", true);
        check([424, 424, 424, 413], "too large", false);
        check([424, 424, 424, 400], "(400)", false);
    }
}
