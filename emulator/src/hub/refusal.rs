//! How the hub says no: status, `iothub-errorcode` and body of each refusal.

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::json;

use super::meter::{Denied, Operation};

/// A refusal, in the first of the hub's body shapes:
/// `{"Message":"ErrorCode:…;…","ExceptionMessage":"Tracking ID:…"}`.
///
/// Names and numbers are those of Microsoft's `ErrorCode` enumeration (Azure/azure-iot-sdk-csharp) and of
/// the page "Troubleshoot Azure IoT Hub error codes".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// Header `iothub-errorcode`.
    pub(crate) name: &'static str,
    /// What follows the name in `Message`.
    pub(crate) text: String,
    /// The error's number, of one in the third shape: `Message` is then itself JSON, as a text.
    number: Option<u32>,
}

impl Refusal {
    /// 400004: something in the request is wrong; `text` says what.
    pub(crate) fn argument(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ArgumentInvalid", text)
    }

    /// 400001: `api-version` is missing or no version.
    pub(crate) fn api_version() -> Self {
        let text = "The api-version query parameter is missing or invalid";
        Self::new(StatusCode::BAD_REQUEST, "InvalidProtocolVersion", text)
    }

    /// 400006: a body that is not what it claims to be.
    pub(crate) fn format(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "IotHubFormatError", text)
    }

    /// 401002. As at the hub, the answer does not tell a bad signature from an expired token.
    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "IotHubUnauthorizedAccess",
            "Unauthorized",
        )
    }

    /// 403002: the day's quota is used up.
    pub(crate) fn quota(hub: &str, max: u64, used: u64) -> Self {
        let text = format!(
            "Total number of messages on IotHub '{hub}' exceeded the allocated quota. \
             Max allowed message count : '{max}', current message count : '{used}'."
        );
        Self::new(StatusCode::FORBIDDEN, "IotHubQuotaExceeded", text)
    }

    /// 403012: the device is disabled. The documentation gives the number and not the name.
    pub(crate) fn disabled(device: &str) -> Self {
        let text = format!("Device {device} is disabled");
        Self::new(StatusCode::FORBIDDEN, "DeviceDisabled", text)
    }

    /// 403006: a device that does not tell the end of its uploads.
    pub(crate) fn uploads() -> Self {
        let text = "Number of active file upload requests cannot exceed 10";
        Self::new(
            StatusCode::FORBIDDEN,
            "DeviceMaximumActiveFileUploadLimitExceeded",
            text,
        )
    }

    /// 400015, 400016, 400020: a notification of a file upload that does not fit.
    pub(crate) fn upload(name: &'static str, text: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, name, text)
    }

    /// 404001.
    pub(crate) fn no_device(device: &str) -> Self {
        let text = format!("Device {device} not registered");
        Self::new(StatusCode::NOT_FOUND, "DeviceNotFound", text)
    }

    /// 404010.
    pub(crate) fn no_module(device: &str, module: &str) -> Self {
        let text = format!("Module {device}/{module} not registered");
        Self::new(StatusCode::NOT_FOUND, "ModuleNotFound", text)
    }

    /// No such path.
    pub(crate) fn no_route() -> Self {
        let text = "No HTTP resource was found that matches the request URI";
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFound", text)
    }

    /// A known path, another method.
    pub(crate) fn method() -> Self {
        let text = "The requested resource does not support this http method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "InvalidOperation", text)
    }

    /// 412002: the lock token of a cloud-to-device message is not known (any more).
    pub(crate) fn lock_lost() -> Self {
        let text = "The lock on the message is lost";
        Self::new(StatusCode::PRECONDITION_FAILED, "DeviceMessageLockLost", text)
    }

    /// 413001.
    pub(crate) fn too_large(limit: usize) -> Self {
        let text = format!("The message or batch exceeds the maximum of {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "MessageTooLarge", text)
    }

    /// 403010: the tier does not have the operation.
    pub(crate) fn not_in_tier(operation: Operation) -> Self {
        let name = operation.name();
        let text = format!("The operation {name} is not available in the current tier");
        Self::new(StatusCode::FORBIDDEN, "OperationNotAvailableInCurrentTier", text)
    }

    /// 429003. The words are a hub's; it sends no `Retry-After`.
    pub(crate) fn throttled(operation: Operation) -> Self {
        let name = operation.name();
        let text =
            format!("The request has been throttled. Wait 10 seconds and try again. Operation type: {name}");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "ThrottlingBacklogTimeout", text)
    }

    /// The usual refusal of a status, for faults on demand.
    pub(crate) fn of_status(status: StatusCode, hub: &str, device: &str) -> Self {
        match status.as_u16() {
            400 => Self::argument("The request is invalid"),
            401 => Self::unauthorized(),
            403 => Self::quota(hub, 8_000, 8_000),
            404 => Self::no_device(device),
            412 => Self::lock_lost(),
            413 => Self::too_large(256 * 1024),
            429 => Self::throttled(Operation::Send),
            503 => Self::new(
                status,
                "ServiceUnavailable",
                "The service is temporarily unavailable",
            ),
            504 => Self::new(status, "GatewayTimeout", "The operation did not complete in time"),
            _ => Self {
                status,
                ..Self::internal()
            },
        }
    }

    /// The number of a refusal that a twin may meet.
    pub(crate) fn number(&self) -> u32 {
        self.number.unwrap_or(match self.name {
            "IotHubQuotaExceeded" => 403_002,
            "OperationNotAvailableInCurrentTier" => 403_010,
            "ThrottlingBacklogTimeout" => 429_003,
            _ => u32::from(self.status.as_u16()) * 1000 + 1,
        })
    }

    /// The body, for request `id` at `stamp` (RFC 3339).
    pub(crate) fn body(&self, id: &str, stamp: &str) -> Bytes {
        if let Some(number) = self.number {
            let inner = json!({
                "errorCode": number,
                "trackingId": id,
                "message": self.text,
                "timestampUtc": stamp,
                "info": {},
            });
            return json!({ "Message": inner.to_string(), "ExceptionMessage": "" })
                .to_string()
                .into();
        }
        json!({
            "Message": format!("ErrorCode:{};{}", self.name, self.text),
            "ExceptionMessage": format!("Tracking ID:{id}-G:0-TimeStamp:{stamp}"),
        })
        .to_string()
        .into()
    }

    /// 500: it is the emulator's own fault.
    pub(crate) fn internal() -> Self {
        let text = "An internal error occurred, please retry";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ServerError", text)
    }

    pub(super) fn new(status: StatusCode, name: &'static str, text: impl Into<String>) -> Self {
        Self {
            status,
            name,
            text: text.into(),
            number: None,
        }
    }

    /// One in the third shape, as direct methods get it.
    pub(super) fn nested(
        status: StatusCode,
        name: &'static str,
        number: u32,
        text: impl Into<String>,
    ) -> Self {
        Self {
            number: Some(number),
            ..Self::new(status, name, text)
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::new(denied.status(), denied.name, denied.text)
    }
}
