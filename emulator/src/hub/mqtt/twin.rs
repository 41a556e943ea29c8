//! The twin over MQTT.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::hub::Inner;
use crate::hub::meter::{Charge, Operation};
use crate::hub::refusal::Refusal;
use crate::hub::registry::Party;
use crate::hub::reply::Stamp;
use crate::hub::twin::BadTwin;

/// A topic and a payload.
pub(super) type Answer = (String, Vec<u8>);

/// The answer to `$iothub/twin/GET/`: a throttle and the quota are told in it, where telemetry meets a closed
/// connection (429: Azure/azure-iot-sdk-csharp#2416).
pub(super) async fn get(hub: &Inner, of: &Party, rid: &str, now_ms: i64) -> Answer {
    if let Err(refusal) = hub.turn(Operation::TwinRead, now_ms).await {
        return refused(rid, &refusal, now_ms);
    }
    let document = text(&of.twin().lock().for_device());
    match hub.charge(&of.device, Charge::Twin, document.len(), now_ms) {
        Ok(()) => (format!("$iothub/twin/res/200/?$rid={rid}"), document),
        Err(refusal) => refused(rid, &refusal, now_ms),
    }
}

/// The answer to `$iothub/twin/PATCH/properties/reported/`.
pub(super) async fn report(hub: &Inner, of: &Party, rid: &str, patch: &[u8], now_ms: i64) -> Answer {
    if let Err(refusal) = hub.turn(Operation::TwinUpdate, now_ms).await {
        return refused(rid, &refusal, now_ms);
    }
    if let Err(refusal) = hub.can_charge(patch.len(), now_ms) {
        return refused(rid, &refusal, now_ms);
    }
    let outcome = of.twin().lock().report(patch, now_ms);
    match outcome {
        Ok(version) => {
            hub.charge_anyway(&of.device, Charge::Twin, patch.len(), now_ms);
            let topic = format!("$iothub/twin/res/204/?$rid={rid}&$version={version}");
            (topic, Vec::new())
        }
        Err(BadTwin(why)) => failed(rid, StatusCode::BAD_REQUEST, 400_004, &why, now_ms),
    }
}

/// An answer that says no.
pub(super) fn refused(rid: &str, refusal: &Refusal, now_ms: i64) -> Answer {
    failed(rid, refusal.status, refusal.number(), &refusal.text, now_ms)
}

fn failed(rid: &str, status: StatusCode, number: u32, why: &str, now_ms: i64) -> Answer {
    let stamp = Stamp::new(now_ms);
    let error = json!({
        "errorCode": number,
        "trackingId": stamp.id,
        "message": why,
        "timestampUtc": stamp.time(),
        "info": {},
    });
    let status = status.as_u16();
    (format!("$iothub/twin/res/{status}/?$rid={rid}"), text(&error))
}

/// What a device is told of changed desired properties, which hold their `$version`.
pub(super) fn desired(told: &Value) -> Answer {
    let topic = format!(
        "$iothub/twin/PATCH/properties/desired/?$version={}",
        told["$version"]
    );
    (topic, version_last(told).into_bytes())
}

/// As the hub writes it (Azure docs, MQTT support). Microsoft's Plug and Play sample counts on the order: the first member
/// is the component (`pnp_helper.py`).
fn version_last(told: &Value) -> String {
    let mut members = told.as_object().cloned().unwrap_or_default();
    let version = members.remove("$version").unwrap_or_default();
    let comma = if members.is_empty() { "" } else { "," };
    let mut text = Value::Object(members).to_string();
    // The closing brace.
    text.pop();
    format!(r#"{text}{comma}"$version":{version}}}"#)
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
