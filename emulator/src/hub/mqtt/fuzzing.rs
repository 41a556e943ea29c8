//! What holds for every input of the MQTT side: for the fuzz target `mqtt_packets`, and for what it found.

use std::collections::BTreeMap;

use super::bag;
use super::login::Login;
use super::topic::{Filter, Topic};
use crate::hub::devicebound::Devicebound;
use crate::hub::identity::Identity;
use crate::hub::message::Message;
use crate::mqtt::{Closing, Packet, decoded};

/// The device whose connection it is.
const DEVICE: &str = "meter-001";

/// The largest packet.
const LARGEST: usize = 4096;

/// Reads `input` as what a client sent over one connection, and looks at every packet as hub and session do.
///
/// # Panics
/// Something does not hold.
#[cfg_attr(
    not(fuzzing),
    allow(unreachable_pub, reason = "only the fuzz target is another crate")
)]
pub fn mqtt_packets(input: &[u8]) {
    let (packets, end) = decoded(&[input], LARGEST);
    // However the network cuts it, it is the same.
    let pieces = 1 + input.iter().map(|&byte| usize::from(byte)).sum::<usize>() % 17;
    let pieces: Vec<&[u8]> = input.chunks(pieces).collect();
    let (again, other_end) = decoded(&pieces, LARGEST);
    assert_eq!(format!("{packets:?} {end}"), format!("{again:?} {other_end}"));
    for packet in &packets {
        match packet {
            Packet::Connect(connect) => {
                let login = Login::parse(connect.client_id(), connect.user_name(), "localhost");
                if let Some(login) = held(login) {
                    assert_eq!(login.who.to_string(), connect.client_id());
                    assert!(!login.who.device.contains('/'));
                }
                if let Some(topic) = connect.will_topic() {
                    publication(topic);
                }
            }
            Packet::Publish(publish) => publication(publish.topic_name()),
            Packet::Subscribe(subscribe) => {
                for entry in subscribe.entries() {
                    for who in clients() {
                        held(Filter::parse(entry.topic_filter(), &who));
                    }
                }
            }
            Packet::Puback(id) => assert_ne!(*id, 0),
            Packet::Unsubscribe(_) | Packet::Pingreq | Packet::Disconnect => {}
        }
    }
}

/// Whose connection it may be.
fn clients() -> [Identity; 2] {
    let device = Identity::of_device(DEVICE);
    let module = Identity {
        module: Some("m".to_owned()),
        ..device.clone()
    };
    [device, module]
}

/// A topic means one thing, and telemetry is of one client; the properties in it are the same, written and read again.
fn publication(topic: &str) {
    let mut senders = 0;
    for who in clients() {
        match held(Topic::parse(topic, &who)) {
            Some(Topic::Events { bag }) => {
                senders += 1;
                let end = topic.strip_suffix('/').unwrap_or(topic);
                assert!(topic.ends_with(bag) || end.ends_with(bag));
                assert!(!bag.contains('/'));
                properties(bag);
            }
            Some(Topic::TwinGet { rid } | Topic::Reported { rid } | Topic::MethodAnswer { rid, .. }) => {
                assert!(!rid.is_empty() && topic.contains(rid));
            }
            None => {}
        }
    }
    assert!(senders < 2, "{topic}");
}

fn properties(text: &str) {
    let mut message = Message::default();
    if held(bag::read(text, &mut message)).is_none() {
        return;
    }
    assert!(
        message
            .properties
            .keys()
            .all(|name| !name.is_empty() && !name.starts_with("$."))
    );
    let sent = Devicebound {
        properties: message.properties.clone(),
        ..Devicebound::default()
    };
    let mut again = Message::default();
    assert_eq!(bag::read(&bag::write(&sent, DEVICE), &mut again), Ok(()));
    let to = BTreeMap::from([(
        "iothub-to".to_owned(),
        format!("/devices/{DEVICE}/messages/deviceBound"),
    )]);
    assert_eq!((again.properties, again.system), (message.properties, to));
}

/// What was read; a refusal has a name and words for it.
fn held<T>(read: Result<T, Closing>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(why) => {
            assert!(!why.name.is_empty() && !why.text.is_empty() && !why.reset);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ROUNDS: u64 = 20_000;

    /// Inputs to begin with, and those that were found.
    #[test]
    fn it_holds_for_the_seeds() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/mqtt_packets");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(seeds).unwrap() {
            let path = entry.unwrap().path();
            mqtt_packets(&std::fs::read(&path).unwrap());
            names.push(path);
        }
        assert!(names.len() >= 5, "{names:?}");
    }

    /// Seeds with a few bytes changed, lost, doubled, or put together from two; the fuzz target goes much further.
    #[test]
    fn it_holds_for_what_the_seeds_become() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/mqtt_packets");
        let entries = std::fs::read_dir(seeds).unwrap();
        let mut seeds: Vec<Vec<u8>> = entries
            .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
            .collect();
        seeds.sort();
        for number in 0..ROUNDS {
            let mut dice = fastrand::Rng::with_seed(number);
            let mut input = seeds[dice.usize(..seeds.len())].clone();
            for _ in 0..dice.usize(1..5) {
                let at = dice.usize(..=input.len());
                match dice.u8(..5) {
                    0 if at < input.len() => input[at] = dice.u8(..),
                    1 => input.truncate(at),
                    2 => input.insert(at, b"%&=/?$#+\0\x7f\xff"[dice.usize(..11)]),
                    3 if at < input.len() => drop(input.remove(at)),
                    _ => input.extend_from_slice(&seeds[dice.usize(..seeds.len())]),
                }
            }
            mqtt_packets(&input);
        }
    }

    /// What is recorded is what it is taken for, or the seeds would show nothing.
    #[test]
    fn a_session_is_decoded_whole() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/mqtt_packets/session");
        let (packets, end) = decoded(&[&std::fs::read(seeds).unwrap()], LARGEST);
        let kinds: Vec<&str> = packets
            .iter()
            .map(|packet| match packet {
                Packet::Connect(_) => "CONNECT",
                Packet::Publish(_) => "PUBLISH",
                Packet::Puback(_) => "PUBACK",
                Packet::Subscribe(_) => "SUBSCRIBE",
                Packet::Unsubscribe(_) => "UNSUBSCRIBE",
                Packet::Pingreq => "PINGREQ",
                Packet::Disconnect => "DISCONNECT",
            })
            .collect();
        let expected = [
            "CONNECT",
            "SUBSCRIBE",
            "PUBLISH",
            "PUBLISH",
            "PUBACK",
            "PINGREQ",
            "UNSUBSCRIBE",
            "DISCONNECT",
        ];
        assert_eq!(kinds, expected);
        assert_eq!(end, "the connection ended");
    }
}
