//! What Cosmos DB's refusals mean for whoever asked.

use azure_data_cosmos::CosmosError;

use super::CosmosSettings;
use crate::store::Error;

/// Sorts an error of the service or its client. Status codes:
/// <https://learn.microsoft.com/rest/api/cosmos-db/http-status-codes-for-cosmosdb>; the client's own have sub-statuses from 20000 on.
pub(super) fn classify(settings: &CosmosSettings, error: &CosmosError) -> Error {
    let status = error.status();
    let code = u16::from(status.status_code());
    let detail = one_line(&error.to_string());
    let endpoint = &settings.endpoint;
    let refused = |what: String, mend: &str| Error::Refused {
        what: format!("{what} ({detail})"),
        mend: mend.to_owned(),
    };
    match code {
        // The token, not the account, is missing; the identity's endpoint may only be slow.
        401 if !error.is_from_wire() => Error::Unavailable {
            detail: format!(
                "no token for {endpoint}: {}; switch the app's managed identity on, or set COSMOS_KEY",
                causes(error)
            ),
        },
        401 | 403 if status.is_write_forbidden() || status.is_database_account_not_found() => {
            Error::Unavailable {
                detail: format!("{endpoint} is moving between regions ({detail})"),
            }
        }
        401 | 403 => match settings.key {
            Some(_) => refused(
                format!("{endpoint} refuses the key"),
                "check COSMOS_KEY, and that the account allows keys and this address",
            ),
            None => refused(
                format!("{endpoint} refuses this identity"),
                "give it the role Cosmos DB Built-in Data Contributor, and let the account's firewall admit it",
            ),
        },
        404 if status.is_read_session_not_available() => Error::Unavailable { detail },
        404 => refused(
            format!(
                "{endpoint} has no container {} in database {}",
                settings.container, settings.database
            ),
            "make it with partition key /source and time to live on, without a default; with COSMOS_KEY it is made at the start",
        ),
        413 => refused(
            format!("{endpoint} says that the write is too large"),
            "store fewer rows at once: a shorter slice",
        ),
        408 | 410 | 429 | 449 | 500.. => Error::Unavailable {
            detail: format!("{endpoint}: {detail}"),
        },
        _ => refused(
            format!("{endpoint} refuses"),
            "check COSMOS_ENDPOINT, COSMOS_DATABASE and COSMOS_CONTAINER; plain http is for loopback only",
        ),
    }
}

/// The error's causes in their own words: the outermost says little when no token could be had.
fn causes(error: &CosmosError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    one_line(&text)
}

/// A message fit for one line of a log.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 400;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}
