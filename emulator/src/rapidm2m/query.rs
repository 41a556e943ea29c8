use serde_json::Value;

use super::stamp;

/// The `json=` parameter of a time series.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// The channels wanted. `None`: none were named, so only stamps come back.
    pub(super) select: Option<Vec<String>>,
    /// `None`: from the first row on.
    pub(super) from: Option<Bound>,
    /// `None`: up to the newest row.
    pub(super) until: Option<Bound>,
}

/// An end of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// Milliseconds since 1970 UTC.
    At(i64),
    /// `*`: the newest row.
    Newest,
}

/// The decoded `json=` parameter of a request's query, or what is wrong with it.
pub(super) fn json_of(query: Option<&str>) -> Result<Option<Value>, String> {
    let parameters = url::form_urlencoded::parse(query.unwrap_or("").as_bytes());
    let Some((_, text)) = parameters.into_iter().find(|(name, _)| name == "json") else {
        return Ok(None);
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| format!("E_JSON {error}"))
}

impl Query {
    /// Reads what a client asks for. The error is the text of the backend's `err`.
    pub(super) fn read(json: Option<&Value>) -> Result<Self, String> {
        let Some(json) = json else {
            return Ok(Self::default());
        };
        let object = json.as_object().ok_or("E_JSON json= is no object")?;
        let select = match object.get("select") {
            None | Some(Value::Null) => None,
            Some(Value::Array(names)) => Some(
                names
                    .iter()
                    .map(|name| {
                        name.as_str()
                            .map(str::to_owned)
                            .ok_or_else(|| format!("E_SELECT {name} is no name"))
                    })
                    .collect::<Result<_, _>>()?,
            ),
            Some(other) => return Err(format!("E_SELECT {other} is no array")),
        };
        let bound = |name: &str| match object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text == "*" => Ok(Some(Bound::Newest)),
            Some(value) => {
                // A number is taken by its digits, as the vendor's parser would.
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                stamp::decode(&text)
                    .map(|ms| Some(Bound::At(ms)))
                    .ok_or_else(|| format!("E_STAMP {name} {text}"))
            }
        };
        Ok(Self {
            select,
            from: bound("from")?,
            until: bound("until")?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn what_clients_send_is_understood() {
        let check = |text: &str, select: Option<&[&str]>, from, until| {
            let json = serde_json::from_str(text).unwrap();
            let select = select.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            assert_eq!(
                Query::read(Some(&json)),
                Ok(Query { select, from, until }),
                "{text}"
            );
        };
        let at = Some(Bound::At(1_485_437_400_100));
        check("{}", None, None, None);
        check(
            r#"{"select":["ch0","Temperature"]}"#,
            Some(&["ch0", "Temperature"]),
            None,
            None,
        );
        check(
            r#"{"select":[],"from":"201701261330001","until":"*"}"#,
            Some(&[]),
            at,
            Some(Bound::Newest),
        );
        check(
            r#"{"from":"2017-01-26T13:30:00.1000000","until":20170126}"#,
            None,
            at,
            Some(Bound::At(1_485_388_800_000)),
        );
    }

    #[test]
    fn nonsense_is_named() {
        for text in [
            "[]",
            "1",
            r#"{"select":"ch0"}"#,
            r#"{"select":[1]}"#,
            r#"{"from":"yesterday"}"#,
            r#"{"until":"20171345"}"#,
        ] {
            let json = serde_json::from_str(text).unwrap();
            assert!(Query::read(Some(&json)).unwrap_err().starts_with("E_"), "{text}");
        }
        assert!(json_of(Some("json=%7B")).is_err());
        assert_eq!(json_of(Some("x=1")), Ok(None));
        assert_eq!(json_of(Some("a=b&json=%7B%7D")), Ok(Some(serde_json::json!({}))));
    }
}
