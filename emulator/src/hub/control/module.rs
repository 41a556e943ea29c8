//! Modules of devices over the control API.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::super::Inner;
use super::super::registry::{Condition, Entry, ModuleEntry, is_device_id};
use super::bad;
use super::identity::Identity;

pub(super) fn routes() -> Router<Arc<Inner>> {
    Router::new()
        .route("/devices/{id}/modules", get(list))
        .route("/devices/{id}/modules/{module}", put(write).delete(remove))
}

/// The modules of a device.
pub(super) fn views(hub: &Inner, device: &Entry) -> Value {
    let modules = device.modules.all();
    let views = modules.iter().map(|entry| view(hub, &device.device.id, entry));
    views.collect()
}

async fn list(State(hub): State<Arc<Inner>>, Path(id): Path<String>) -> Response {
    match hub.registry.get(&id) {
        Some(entry) => Json(views(&hub, &entry)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn write(
    State(hub): State<Arc<Inner>>,
    Path((device, id)): Path<(String, String)>,
    Json(asked): Json<Identity>,
) -> Response {
    let Some(entry) = hub.registry.get(&device) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if !is_device_id(&id) {
        return bad("a module id has 1 to 128 letters, digits and -:.+%_#*?!(),=@$'");
    }
    if !entry.modules.has_room_for(&id) {
        return bad("the device has as many modules as it may have");
    }
    let known = entry.modules.get(&id);
    let module = match asked.apply_to_module(&id, known.as_ref().map(|known| &known.module)) {
        Ok(module) => module,
        Err(wrong) => return bad(&wrong),
    };
    let now_ms = hub.options.clock.now_ms();
    match entry.modules.write(module, &Condition::None, now_ms) {
        Ok(module) => Json(view(&hub, &device, &module)).into_response(),
        // Without a condition it is always written.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn remove(State(hub): State<Arc<Inner>>, Path((device, id)): Path<(String, String)>) -> StatusCode {
    let entry = hub.registry.get(&device);
    let removed = entry.map(|entry| hub.delete_module(&entry, &id, &Condition::Exists));
    match removed {
        Some(Ok(())) => StatusCode::NO_CONTENT,
        _ => StatusCode::NOT_FOUND,
    }
}

fn view(hub: &Inner, device: &str, entry: &ModuleEntry) -> Value {
    let module = &entry.module;
    json!({
        "id": module.id,
        "authentication": module.authentication.kind(),
        "connected": hub.presence.is_connected(&format!("{device}/{}", module.id)),
        "connectionString": module.connection_string(&hub.options.host_name, device),
    })
}
