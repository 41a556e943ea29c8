//! Jobs of the queue, as the host quotes them: read or refused in words, whatever the message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|message: &[u8]| {
    let Ok(text) = std::str::from_utf8(message) else {
        return;
    };
    let call = |data: serde_json::Value| {
        let body = json!({"Data": {"job": data}, "Metadata": {"DequeueCount": "2"}}).to_string();
        meterbridge::trigger::fuzzing::job(body.as_bytes())
    };
    let once = call(json!(text));
    // The host gives the text of a message as a JSON text inside a JSON text.
    let quoted = call(json!(json!(text).to_string()));
    assert_eq!(once, quoted, "quoted once more");
    if let Err(why) = once {
        assert!(why.chars().count() < 1000, "{why}");
    }
});
