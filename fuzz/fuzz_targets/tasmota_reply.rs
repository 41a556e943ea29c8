//! Replies of readers. Values are numbers a receiver can hold, key paths are short and stand once, no two values go out under
//! one name, and a second telegram never brings back what the first took away.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use meterbridge::reading::Channel;
use meterbridge::source::Mapped;
use meterbridge::source::tasmota::json::{MAX_PATH, Value};
use meterbridge::source::tasmota::reply::Fault;
use meterbridge::source::tasmota::telegram::{self, Memory};
use meterbridge::source::tasmota::{channels, number, reply, time};
use meterbridge_fuzz::{NOW, dice};

fuzz_target!(|body: &[u8]| {
    if let Some(offset) = time::status7(body) {
        assert!(offset.abs() <= 14 * 3600 && offset % 60 == 0, "{offset}");
    }
    let reply = match reply::parse(body) {
        Ok(reply) => reply,
        Err(Fault::Warning(words) | Fault::Command(words) | Fault::Garbled(words)) => {
            assert!(words.chars().count() < 400, "{words}");
            assert!(!words.contains(char::is_control), "{words:?}");
            return;
        }
        Err(Fault::Empty | Fault::Html | Fault::NoSensor) => return,
    };
    let mut paths = HashSet::new();
    for leaf in &reply.leaves {
        assert!(
            leaf.path.len() <= MAX_PATH && leaf.path.starts_with('/'),
            "{leaf:?}"
        );
        assert!(paths.insert(&leaf.path), "{} stands twice", leaf.path);
        if let Value::Number(text) = &leaf.value {
            assert!(wire::json::is_number(text), "{text}");
        }
    }
    let dice = dice(body);
    let map: Vec<Mapped> = reply
        .leaves
        .iter()
        .take((dice % 3) as usize)
        .map(|leaf| Mapped {
            channel: Channel::named(leaf.path.clone()),
            scale: ["0.001", "1000", "-1"][(dice >> 8) as usize % 3].parse().ok(),
        })
        .collect();
    let picked = channels::pick(&reply.leaves, &map, (dice >> 16) % 4 > 0);
    let mut memory = Memory::default();
    for _ in 0..3 {
        let mut sifted = picked.clone();
        telegram::sift(&mut sifted, &mut memory, 2);
        let mut names = HashSet::new();
        for pick in &sifted.values {
            assert!(
                names.insert(pick.channel.sent_name().to_owned()),
                "{} twice",
                pick.channel.sent_name()
            );
            if let Some(text) = &pick.read {
                assert!(
                    wire::json::is_number(text) && text.len() <= number::MAX_TEXT,
                    "{text}"
                );
            }
            if let Some(text) = &pick.sent {
                assert!(wire::json::is_number(text), "{text}");
                assert!(pick.read.is_some());
            }
        }
    }
    let settled = time::settle(time::read(&reply.clue), None, chrono_tz::Europe::Berlin, NOW);
    assert!(settled.stamp.abs_diff(NOW) <= time::MAX_OFF.cast_unsigned());
});
