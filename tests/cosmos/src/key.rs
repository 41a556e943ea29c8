//! The account key: whether a request is signed with it.
//!
//! Source: <https://learn.microsoft.com/rest/api/cosmos-db/access-control-on-cosmosdb-resources>.

use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use percent_encoding::percent_decode_str;
use sha2::Sha256;

/// Whether `authorization` is what this key makes of the request.
pub(crate) fn fits(key: &str, parts: &Parts) -> bool {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(given), Some(date)) = (header("authorization"), header("x-ms-date")) else {
        return false;
    };
    let given = percent_decode_str(given).decode_utf8_lossy();
    let Some(signature) = given.strip_prefix("type=master&ver=1.0&sig=") else {
        return false;
    };
    let path = percent_decode_str(parts.uri.path()).decode_utf8_lossy();
    let text = text(parts.method.as_str(), &path, date);
    let (Ok(key), Ok(signature)) = (STANDARD.decode(key), STANDARD.decode(signature)) else {
        return false;
    };
    Hmac::<Sha256>::new_from_slice(&key)
        .is_ok_and(|mac| mac.chain_update(text).verify_slice(&signature).is_ok())
}

/// What is signed: verb, type and link of the resource, and the date, a line each.
fn text(verb: &str, path: &str, date: &str) -> String {
    let link = path.trim_matches('/');
    let segments: Vec<&str> = link.split('/').filter(|s| !s.is_empty()).collect();
    let (kind, link) = match segments.as_slice() {
        [] => ("", String::new()),
        // A feed belongs to the resource above it.
        [above @ .., feed] if above.len() % 2 == 0 => (*feed, above.join("/")),
        // Offers go by their resource id, which is not case sensitive.
        ["offers", id] => ("offers", id.to_lowercase()),
        [.., kind, _] => (*kind, link.to_owned()),
        [only] => (*only, String::new()),
    };
    format!(
        "{}\n{kind}\n{link}\n{}\n\n",
        verb.to_lowercase(),
        date.to_lowercase()
    )
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn the_signed_text_names_type_and_link() {
        let check = |verb: &str, path: &str, expected: &str| {
            assert_eq!(text(verb, path, "Thu, 27 Apr 2017 00:51:12 GMT"), expected);
        };
        // The page's own example.
        check(
            "GET",
            "/dbs/ToDoList",
            "get\ndbs\ndbs/ToDoList\nthu, 27 apr 2017 00:51:12 gmt\n\n",
        );
        check("GET", "/", "get\n\n\nthu, 27 apr 2017 00:51:12 gmt\n\n");
        check("POST", "/dbs", "post\ndbs\n\nthu, 27 apr 2017 00:51:12 gmt\n\n");
        check(
            "POST",
            "/dbs/d/colls/c/docs/",
            "post\ndocs\ndbs/d/colls/c\nthu, 27 apr 2017 00:51:12 gmt\n\n",
        );
    }
}
