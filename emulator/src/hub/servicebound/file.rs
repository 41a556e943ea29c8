//! What a back end is told of an uploaded file.

use serde_json::json;

use super::Servicebound;
use crate::hub::reply::rfc3339;

/// A file that a device has uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) struct FileNotice<'a> {
    pub(in crate::hub) device: &'a str,
    /// Its name in the container, with the device's id in front.
    pub(in crate::hub) blob_name: &'a str,
    /// Where it lies.
    pub(in crate::hub) blob_uri: &'a str,
    /// When it was written last, milliseconds since 1970.
    pub(in crate::hub) updated_ms: i64,
    /// Its size.
    pub(in crate::hub) bytes: u64,
}

impl Servicebound {
    /// Keeps the notice of an uploaded file for a back end (Azure docs, file uploads, "File upload notifications").
    pub(in crate::hub) fn uploaded(&self, file: &FileNotice<'_>, now_ms: i64) {
        let notice = json!({
            "deviceId": file.device,
            "blobUri": file.blob_uri,
            "blobName": file.blob_name,
            "lastUpdatedTime": rfc3339(file.updated_ms),
            "blobSizeInBytes": file.bytes,
            "enqueuedTimeUtc": rfc3339(now_ms),
        });
        self.add(vec![notice], now_ms);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_notice_is_one_object() {
        let queue = Servicebound::file_notices();
        let file = FileNotice {
            device: "m",
            blob_name: "m/a.bin",
            blob_uri: "https://store/uploads/m/a.bin",
            updated_ms: 1_000,
            bytes: 12,
        };
        queue.uploaded(&file, 2_000);
        let body: serde_json::Value =
            serde_json::from_str(&queue.receive(2_000, 62_000).unwrap().body).unwrap();
        let expected = json!({
            "deviceId": "m", "blobUri": "https://store/uploads/m/a.bin", "blobName": "m/a.bin",
            "lastUpdatedTime": "1970-01-01T00:00:01.000Z", "blobSizeInBytes": 12,
            "enqueuedTimeUtc": "1970-01-01T00:00:02.000Z",
        });
        assert_eq!(body, expected);
    }
}
