//! Refusals that only the service side meets.

use hyper::StatusCode;

use crate::hub::method::NoAnswer;
use crate::hub::refusal::Refusal;
use crate::hub::registry::Unwritten;

impl Refusal {
    /// 409001.
    pub(super) fn device_exists(device: &str) -> Self {
        let text = format!("A device with ID '{device}' is already registered.");
        Self::new(StatusCode::CONFLICT, "DeviceAlreadyExists", text)
    }

    /// 409301.
    pub(super) fn module_exists(module: &str) -> Self {
        let text = format!("A module with ID '{module}' is already registered on the device.");
        Self::new(StatusCode::CONFLICT, "ModuleAlreadyExistsOnDevice", text)
    }

    /// 412001.
    pub(super) fn precondition() -> Self {
        let text = "Precondition failed: the ETag in If-Match is not that of the resource";
        Self::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", text)
    }

    /// 413002.
    pub(super) fn too_many_devices() -> Self {
        let text = "A maximum of 100 devices can be specified per invocation";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "TooManyDevices", text)
    }

    /// 413003.
    pub(super) fn too_many_modules() -> Self {
        let text = "A device has 50 modules at most";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "TooManyModulesOnDevice", text)
    }

    /// 404002.
    pub(super) fn no_job(id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "JobNotFound",
            format!("There is no job {id}"),
        )
    }

    /// 409: a job of this id was there before.
    pub(super) fn job_exists(id: &str) -> Self {
        let text = format!("A job with ID '{id}' already exists.");
        Self::new(StatusCode::CONFLICT, "JobAlreadyExists", text)
    }

    /// 412003: it cannot be cancelled any more.
    pub(super) fn job_ended(id: &str, status: &str) -> Self {
        let text = format!("The job {id} is {status} already");
        Self::new(StatusCode::PRECONDITION_FAILED, "JobRunPreconditionFailed", text)
    }

    /// Not an answer of the hub's: the emulator says what it does not do.
    pub(super) fn not_offered(what: &str) -> Self {
        let text = format!("{what}: not offered by this emulator");
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", text)
    }

    /// A write of a device identity that was not made.
    pub(super) fn of_device(why: Unwritten, device: &str) -> Self {
        match why {
            Unwritten::Exists => Self::device_exists(device),
            Unwritten::Missing => Self::no_device(device),
            Unwritten::Changed => Self::precondition(),
        }
    }

    /// A write of a module identity that was not made.
    pub(super) fn of_module(why: Unwritten, device: &str, module: &str) -> Self {
        match why {
            Unwritten::Exists => Self::module_exists(module),
            Unwritten::Missing => Self::no_module(device, module),
            Unwritten::Changed => Self::precondition(),
        }
    }
}

impl From<NoAnswer> for Refusal {
    fn from(why: NoAnswer) -> Self {
        let text = why.to_string();
        match why {
            NoAnswer::NoDevice(device) => Self::no_device(&device),
            NoAnswer::NotOnline(_) => Self::nested(StatusCode::NOT_FOUND, "DeviceNotOnline", 404_103, text),
            NoAnswer::TimedOut(_) => {
                Self::nested(StatusCode::GATEWAY_TIMEOUT, "GatewayTimeout", 504_101, text)
            }
            NoAnswer::Invalid(_) => Self::argument(text),
            NoAnswer::Denied(denied) => denied.into(),
        }
    }
}
