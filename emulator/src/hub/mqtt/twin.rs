//! The twin over MQTT.

use serde_json::{Value, json};

use crate::hub::reply::Stamp;
use crate::hub::twin::{BadTwin, Shadow};

/// A topic and a payload.
pub(super) type Answer = (String, Vec<u8>);

/// The answer to `$iothub/twin/GET/`.
pub(super) fn get(twin: &Shadow, rid: &str) -> Answer {
    let document = twin.lock().for_device();
    (format!("$iothub/twin/res/200/?$rid={rid}"), text(&document))
}

/// The answer to `$iothub/twin/PATCH/properties/reported/`.
pub(super) fn report(twin: &Shadow, rid: &str, patch: &[u8], now_ms: i64) -> Answer {
    let outcome = twin.lock().report(patch, now_ms);
    match outcome {
        Ok(version) => (
            format!("$iothub/twin/res/204/?$rid={rid}&$version={version}"),
            Vec::new(),
        ),
        Err(BadTwin(why)) => {
            let stamp = Stamp::new(now_ms);
            let error = json!({
                "errorCode": 400_004,
                "trackingId": stamp.id,
                "message": why,
                "timestampUtc": stamp.time(),
                "info": {},
            });
            (format!("$iothub/twin/res/400/?$rid={rid}"), text(&error))
        }
    }
}

/// What a device is told of changed desired properties, which hold their `$version`.
pub(super) fn desired(told: &Value) -> Answer {
    let topic = format!(
        "$iothub/twin/PATCH/properties/desired/?$version={}",
        told["$version"]
    );
    (topic, text(told))
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
