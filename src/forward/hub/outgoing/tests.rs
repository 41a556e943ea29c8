#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn message(id: &str, body: &str, properties: &[(&str, &str)]) -> Message {
    Message {
        id: id.into(),
        created: 1_767_225_600_000,
        body: Bytes::copy_from_slice(body.as_bytes()),
        properties: properties
            .iter()
            .map(|(n, v)| ((*n).into(), (*v).into()))
            .collect(),
    }
}

fn shape(outgoing: &Outgoing) -> &str {
    outgoing.headers[CONTENT_TYPE].to_str().unwrap()
}

const SINGLE: &str = "application/octet-stream";
const ENVELOPE: &str = "application/vnd.microsoft.iothub.json";

#[test]
fn the_envelope_is_written_to_the_letter() {
    let messages = [
        message(
            "m-1",
            r#"{"i":1}"#,
            &[("Customer_Id", "c~1"), ("revision", "true")],
        ),
        message("m\"2", "", &[("a", "\\\"\n")]),
    ];
    assert_eq!(
        envelope(&messages),
        concat!(
            r#"[{"body":"eyJpIjoxfQ==","base64Encoded":true,"properties":{"iothub-contenttype":"application/json","#,
            r#""iothub-contentencoding":"utf-8","iothub-messageid":"m-1","iothub-creationtimeutc":"2026-01-01T00:00:00.000Z","#,
            r#""iothub-app-Customer_Id":"c~1","iothub-app-revision":"true"}},"#,
            r#"{"body":"","base64Encoded":true,"properties":{"iothub-contenttype":"application/json","#,
            r#""iothub-contentencoding":"utf-8","iothub-messageid":"m\"2","iothub-creationtimeutc":"2026-01-01T00:00:00.000Z","#,
            r#""iothub-app-a":"\\\"\n"}}]"#
        )
    );
}

#[test]
fn one_message_travels_alone_where_headers_can_say_all_of_it() {
    let check = |message: &Message, expected: &str| {
        assert_eq!(
            shape(&Outgoing::of(std::slice::from_ref(message))),
            expected,
            "{:?}",
            message.properties
        );
    };
    check(&message("m", "{}", &[]), SINGLE);
    check(&message("m", "{}", &[("revision", "true")]), SINGLE);
    check(&message("m", "{}", &[("Site_Id", "s")]), ENVELOPE);
    check(&message("m", "{}", &[("site id", "s")]), ENVELOPE);
    check(&message("m", "{}", &[("site", "a b")]), ENVELOPE);
    check(&message("m", "{}", &[("site", "ü")]), ENVELOPE);
    check(&message("m\n", "{}", &[]), ENVELOPE);
    let large = "x".repeat(200 * 1024);
    check(&message("m", &large, &[("Site_Id", "s")]), SINGLE);
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    let properties = prop::collection::vec(
        (
            "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,30}",
            "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,60}",
        ),
        0..6,
    );
    let one = (
        "[a-zA-Z0-9_.-]{1,128}",
        prop::num::i64::ANY,
        0..40_000usize,
        properties,
    );
    prop::collection::vec(
        one.prop_map(|(id, created, len, properties)| Message {
            id,
            created,
            body: vec![b'x'; len].into(),
            properties,
        }),
        1..12,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What `pack` lets into one envelope is never more than the hub takes, and the room reckoned is never too small.
    #[test]
    fn pack_reckons_with_no_less_than_is_written(messages in messages()) {
        let fit = pack::envelope(&messages);
        let written = envelope(&messages[..fit]);
        prop_assert!(written.len() <= REQUEST, "{} bytes", written.len());
        let bound: usize = messages[..fit].iter().map(envelope_bound).sum();
        prop_assert!(written.len() <= bound + 2);
        prop_assert_eq!(written.capacity(), bound + 2);
        if fit < messages.len() {
            let next: usize = messages[..=fit].iter().map(envelope_bound).sum();
            prop_assert!(next + 2 > REQUEST);
        }
    }

    /// Any JSON reader finds in the envelope what was put in.
    #[test]
    fn the_envelope_is_json(id in ".{0,40}", name in ".{0,20}", value in ".{0,40}", body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut one = message(&id, "", &[(name.as_str(), value.as_str())]);
        one.body = body.clone().into();
        let read: serde_json::Value = serde_json::from_str(&envelope(&[one])).unwrap();
        let element = &read[0];
        prop_assert_eq!(STANDARD.decode(element["body"].as_str().unwrap()).unwrap(), body);
        prop_assert_eq!(element["properties"]["iothub-messageid"].as_str(), Some(id.as_str()));
        prop_assert_eq!(
            element["properties"][format!("iothub-app-{name}")].as_str(),
            Some(value.as_str())
        );
    }
}
