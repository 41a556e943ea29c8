//! The property bag of a topic: `a=1&%24.ct=application%2Fjson`.

use crate::hub::devicebound::Devicebound;
use crate::hub::message::Message;
use crate::hub::reply::rfc3339;
use crate::hub::token::{decode, encode};
use crate::mqtt::Closing;

/// System properties by their names in a topic, and their header names, under which the feed knows them
/// (`MqttTransportHandler` and `CustomHeaderConstants` in Azure/azure-iot-sdk-csharp).
const SYSTEM: [(&str, &str); 10] = [
    ("$.mid", "iothub-messageid"),
    ("$.cid", "iothub-correlationid"),
    ("$.uid", "iothub-userid"),
    ("$.to", "iothub-to"),
    ("$.exp", "iothub-expiry"),
    ("$.ct", "iothub-contenttype"),
    ("$.ce", "iothub-contentencoding"),
    ("$.ctime", "iothub-creationtimeutc"),
    ("$.sub", "dt-subject"),
    ("$.ifid", "iothub-interface-id"),
];

/// Names that SDKs also send with a `$.` and that mean nothing to a device's telemetry.
const IGNORED: [&str; 6] = ["$.on", "$.schema", "$.cdid", "$.cmid", "$.diagid", "$.diagctx"];

/// Puts the properties of `bag` into `message`. Names and values are percent-encoded; SDKs write `%24.ct`, hands
/// write `$.ct`. A name without `=` has no value, which the feed shows as an empty one.
pub(super) fn read(bag: &str, message: &mut Message) -> Result<(), Closing> {
    // Some clients put a question mark before it.
    let bag = bag.strip_prefix('?').unwrap_or(bag);
    for pair in bag.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            return Err(wrong(&format!("{pair} is not percent-encoded UTF-8")));
        };
        if name.is_empty() {
            return Err(wrong(&format!("{pair} has no name")));
        }
        if let Some((_, header)) = SYSTEM.iter().find(|(key, _)| *key == name) {
            message.set(header, value, false)?;
        } else if !name.starts_with("$.") {
            message.properties.insert(name, value);
        } else if !IGNORED.contains(&name.as_str()) {
            return Err(wrong(&format!("{name} is no system property")));
        }
    }
    Ok(())
}

/// The bag of a message for `device`, as the hub writes it.
pub(super) fn write(message: &Devicebound, device: &str) -> String {
    let mut pairs = vec![("$.to", format!("/devices/{device}/messages/deviceBound"))];
    let system = message.system();
    pairs.extend(
        system
            .iter()
            .filter_map(|(name, _, value)| Some((*name, (*value)?.to_owned()))),
    );
    if let Some(end) = message.expires_ms {
        pairs.push(("$.exp", rfc3339(end)));
    }
    pairs.extend(message.ack.iter().map(|ack| ("iothub-ack", ack.clone())));
    pairs.extend(
        message
            .properties
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone())),
    );
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

fn wrong(what: &str) -> Closing {
    Closing::new("MqttProperties", format!("the property bag of a topic: {what}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn check(bag: &str, system: &[(&str, &str)], properties: &[(&str, &str)]) {
        let mut message = Message::default();
        read(bag, &mut message).unwrap();
        let owned = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        assert_eq!(
            (message.system, message.properties),
            (owned(system), owned(properties)),
            "{bag}"
        );
    }

    #[test]
    fn both_spellings_and_both_sides() {
        let json = ("iothub-contenttype", "application/json");
        check("", &[], &[]);
        check("%24.ct=application%2Fjson", &[json], &[]);
        check(
            "$.ct=application%2Fjson&$.ce=utf-8",
            &[json, ("iothub-contentencoding", "utf-8")],
            &[],
        );
        check(
            "?$.mid=7&a%20b=c%26d",
            &[("iothub-messageid", "7")],
            &[("a b", "c&d")],
        );
        check("a&b=&c=1%3D2=3", &[], &[("a", ""), ("b", ""), ("c", "1=2=3")]);
        check("%C3%BC=%E2%82%AC&$.on=x", &[], &[("ü", "€")]);
        check(
            "$.ctime=2026-01-01T00%3A00%3A00Z&$.cid=c&$.uid=u&$.sub=s",
            &[
                ("dt-subject", "s"),
                ("iothub-correlationid", "c"),
                ("iothub-creationtimeutc", "2026-01-01T00:00:00Z"),
                ("iothub-userid", "u"),
            ],
            &[],
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("a=%", "percent-encoded"),
            ("a=%zz", "percent-encoded"),
            ("a=%FF", "UTF-8"),
            ("=1", "no name"),
            ("$.what=1", "no system property"),
            ("$.ctime=yesterday", "does not fit"),
            ("$.mid=a%20b", "does not fit"),
        ];
        for (bag, expected) in cases {
            let why = read(bag, &mut Message::default()).unwrap_err();
            assert!(why.text.contains(expected), "{bag}: {}", why.text);
        }
    }
}
