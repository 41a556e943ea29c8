//! Every token and key in `tests/data/vectors-sas.json`, which the official SDKs made.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::Value;
use wire::key::Key;
use wire::sas::{Refusal, Resource, Token, sign};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/data/vectors-sas.json")).unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} in {value}"))
}

fn key(vectors: &Value, name: &str) -> Key {
    Key::parse(text(&vectors["keys"], name)).unwrap()
}

/// The resource that a vector's fields describe.
fn resource(vector: &Value) -> Resource {
    match text(vector, "kind") {
        "device" if vector["module"].is_string() => Resource::module(
            text(vector, "host"),
            text(vector, "device"),
            text(vector, "module"),
        ),
        "device" => Resource::device(text(vector, "host"), text(vector, "device")),
        "service" => Resource::service(text(vector, "host")),
        "hub_policy_on_device_scope" => {
            let id = text(vector, "path").strip_prefix("/devices/").unwrap();
            Resource::device(text(vector, "host"), id)
        }
        "dps_device" => Resource::registration(text(vector, "id_scope"), text(vector, "registration_id")),
        other => panic!("unknown kind {other}"),
    }
}

#[test]
fn tokens_of_the_sdks_are_read_verified_and_reproduced() {
    let vectors = vectors();
    let mut read = 0;
    for vector in vectors["tokens"].as_array().unwrap() {
        let id = text(vector, "id");
        let (key, resource) = (key(&vectors, text(vector, "key")), resource(vector));
        let expiry = vector["se"].as_u64().unwrap();
        let policy = vector["skn"].as_str();

        let ours = sign(&resource, &key, expiry, policy);
        assert_eq!(ours, text(&vector["python"], "token"), "{id}");

        for sdk in ["python", "node"] {
            let token = Token::parse(text(&vector[sdk], "token")).unwrap();
            assert_eq!(token.verify(&key, expiry, 0), Ok(()), "{id} {sdk}");
            assert_eq!(token.expiry(), expiry, "{id} {sdk}");
            assert!(token.covers(&resource), "{id} {sdk}");
            assert_eq!(token.scope(), resource.to_string(), "{id} {sdk}");
            // Node's provisioning client names a policy where the Python one does not.
            let named = policy.or((id == "dps-ind" && sdk == "node").then_some("registration"));
            assert_eq!(token.policy(), named, "{id} {sdk}");
            read += 1;
        }

        let same_signature = vector["same_signature"].as_bool().unwrap();
        assert_eq!(
            signature(&ours) == signature(text(&vector["node"], "token")),
            same_signature,
            "{id}"
        );
        assert_eq!(
            ours == text(&vector["node"], "token"),
            vector["same_text"].as_bool().unwrap(),
            "{id}"
        );
    }
    assert_eq!(read, 18);
}

fn signature(token: &str) -> String {
    let fields = token.split_once(' ').unwrap().1;
    let sig = fields
        .split('&')
        .find_map(|field| field.strip_prefix("sig="))
        .unwrap();
    wire::percent::decode(sig).unwrap().into_owned()
}

#[test]
fn device_keys_derive_from_group_keys() {
    let vectors = vectors();
    let groups = vectors["group_key_derivation"].as_array().unwrap();
    assert_eq!(groups.len(), 3);
    for vector in groups {
        let group = key(&vectors, text(vector, "master_key"));
        let derived = Key::derive(&group, text(vector, "registration_id"));
        assert_eq!(
            derived.to_base64(),
            text(vector, "derived_key"),
            "{}",
            text(vector, "id")
        );
    }
}

#[test]
fn negatives_are_refused_for_the_right_reason() {
    let vectors = vectors();
    let mut seen = Vec::new();
    for vector in vectors["negative"].as_array().unwrap() {
        let id = text(vector, "id");
        let token = Token::parse(text(vector, "token")).unwrap();
        let verdict = token.verify(&key(&vectors, text(vector, "key")), 1_790_000_000, 300);
        match id {
            "neg-expired" => {
                let expired = Refusal::Expired {
                    expiry: 1_700_000_000,
                    now: 1_790_000_000,
                };
                assert_eq!(verdict, Err(expired));
            }
            "neg-wrong-key" => assert_eq!(verdict, Err(Refusal::Signature)),
            "neg-other-device" => {
                assert_eq!(verdict, Ok(()));
                let (host, device) = text(vector, "resource").split_once("/devices/").unwrap();
                assert!(!token.covers(&Resource::device(host, device)));
                assert!(token.covers(&Resource::device(host, "meter-001")));
            }
            other => panic!("a negative this test does not know: {other}"),
        }
        seen.push(id);
    }
    assert_eq!(seen.len(), 3);
}

/// What the SDKs sent while they were recorded, wherever in the records a token stands; the file says
/// that all of it was signed with `k32`.
#[test]
fn recorded_tokens_verify() {
    let vectors = vectors();
    let key = key(&vectors, "k32");
    let mut tokens = Vec::new();
    collect(&vectors["recorded"], &mut tokens);
    assert_eq!(tokens.len(), 34, "tokens found in the records");
    for text in tokens {
        let token = Token::parse(text).unwrap();
        assert_eq!(token.verify(&key, token.expiry(), 0), Ok(()), "{text}");
        assert_eq!(
            token.verify(&Key::derive(&key, "x"), 0, 0),
            Err(Refusal::Signature),
            "{text}"
        );
    }
}

fn collect<'a>(value: &'a Value, tokens: &mut Vec<&'a str>) {
    match value {
        Value::String(text) if text.starts_with("SharedAccessSignature ") => tokens.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect(item, tokens)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, tokens)),
        _ => {}
    }
}
