//! What a device asks of the hub: to begin an upload, and to take note of its end.

use bytes::Bytes;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{CONTAINER, Refused, Told, Uploads};
use crate::hub::Inner;
use crate::hub::refusal::Refusal;
use crate::hub::reply::{Reply, Stamp};
use crate::hub::servicebound::FileNotice;

/// Longest name of a blob, characters [docs: naming containers and blobs].
const LONGEST_NAME: usize = 1024;

/// What a device asks about files.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::hub) enum Files {
    /// A place for one.
    Begin,
    /// How it went; the correlation id may be in the path (Node) or in the body (Python, C#).
    End(Option<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    blob_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notice {
    correlation_id: Option<String>,
    is_success: bool,
    #[serde(default)]
    status_code: i64,
    #[serde(default)]
    status_description: String,
}

/// Answers a request of `device`. `host` is what the client called the hub, so it finds the place there, too.
pub(in crate::hub) fn answer(
    hub: &Inner,
    device: &str,
    asked: &Files,
    body: &[u8],
    host: &str,
    stamp: &Stamp,
) -> Result<Reply, Refusal> {
    match asked {
        Files::Begin => begin(&hub.uploads, device, body, host, stamp),
        Files::End(id) => end(hub, device, id.as_deref(), body, host, stamp),
    }
}

fn begin(uploads: &Uploads, device: &str, body: &[u8], host: &str, stamp: &Stamp) -> Result<Reply, Refusal> {
    let Asked { blob_name } = serde_json::from_slice(body)
        .map_err(|_| Refusal::format("The body is no file upload request: it has no blobName"))?;
    let characters = blob_name.chars().count();
    if characters == 0 || device.chars().count() + 1 + characters > LONGEST_NAME {
        let text = format!(
            "The blob name has {characters} characters; with the device id it may have 1 to {LONGEST_NAME}"
        );
        return Err(Refusal::argument(text));
    }
    let (upload, pass) = uploads.begin(device, &blob_name, stamp.now_ms)?;
    let body = json!({
        "correlationId": upload.correlation_id,
        "hostName": host,
        "containerName": CONTAINER,
        "blobName": upload.blob,
        "sasToken": pass,
    });
    Ok(stamp.reply(StatusCode::OK, body.to_string().into()))
}

fn end(
    hub: &Inner,
    device: &str,
    id: Option<&str>,
    body: &[u8],
    host: &str,
    stamp: &Stamp,
) -> Result<Reply, Refusal> {
    let notice: Notice = serde_json::from_slice(body)
        .map_err(|_| Refusal::format("The body is no file upload notification: it has no isSuccess"))?;
    let id = id.or(notice.correlation_id.as_deref());
    let id = id.ok_or_else(|| Refusal::argument("The correlationId is missing"))?;
    let told = Told {
        is_success: notice.is_success,
        status_code: notice.status_code,
        status_description: notice.status_description.clone(),
    };
    if let Some(blob) = hub.uploads.end(device, id, told, stamp.now_ms)? {
        tell(hub, device, &blob, host, stamp.now_ms);
    }
    Ok(stamp.reply(StatusCode::NO_CONTENT, Bytes::new()))
}

/// Tells back ends of a file that is there now.
fn tell(hub: &Inner, device: &str, blob_name: &str, host: &str, now_ms: i64) {
    let Some(blob) = hub.uploads.shelf.get(blob_name) else {
        return;
    };
    let file = FileNotice {
        device,
        blob_name,
        blob_uri: &format!("https://{host}/{CONTAINER}/{blob_name}"),
        updated_ms: blob.written_ms,
        bytes: blob.content.len() as u64,
    };
    hub.file_notices.uploaded(&file, now_ms);
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TooMany => Self::uploads(),
            Refused::Unknown => Self::upload(
                "InvalidFileUploadCorrelationId",
                "The correlation id is not known",
            ),
            Refused::Expired => {
                Self::upload("ExpiredFileUploadCorrelationId", "The correlation id has expired")
            }
            Refused::NoBlob => Self::upload(
                "InvalidStorageEndpointOrBlob",
                "The upload was told to have succeeded, and there is no such blob",
            ),
        }
    }
}
