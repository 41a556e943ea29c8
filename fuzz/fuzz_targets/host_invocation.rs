//! Calls of the Functions host. A tick is due on a whole instant that can be written; quoting a message once more changes
//! nothing; answers are never empty.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meterbridge::trigger::invocation::Invocation;
use meterbridge_fuzz::NOW;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    if let Ok(call) = Invocation::parse(body, "timer") {
        let tick = call.tick(NOW);
        assert_eq!(tick, call.tick(NOW), "the same call is the same tick");
        if let Ok(tick) = tick {
            // Schedules add to it.
            let _ = tick
                .due
                .checked_add(86_400_000 * 366)
                .expect("an instant of the calendar");
        }
    }
    if let Ok(call) = Invocation::parse(body, "job") {
        let job = call.job();
        if !matches!(call.data, Value::String(_)) {
            let quoted = Invocation {
                data: Value::String(call.data.to_string()),
                ..call
            };
            assert_eq!(quoted.job(), job, "quoted once more");
        }
    }
});
