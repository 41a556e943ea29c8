//! Who sends, is asked and has a twin: a device, or one of its modules.

use std::sync::Arc;

use super::{Activity, Entry, ModuleEntry, Record};
use crate::hub::identity::{Authentication, Identity};
use crate::hub::twin::Shadow;

/// A device or a module, with what is kept for it.
#[derive(Clone)]
pub(crate) struct Party {
    /// The device. It is charged for its modules, and counts what they send.
    pub(crate) device: Arc<Entry>,
    pub(crate) module: Option<Arc<ModuleEntry>>,
}

impl Party {
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            device: self.device_id().to_owned(),
            module: self.module_id().map(str::to_owned),
        }
    }

    pub(crate) fn device_id(&self) -> &str {
        &self.device.device.id
    }

    pub(crate) fn module_id(&self) -> Option<&str> {
        self.module.as_ref().map(|entry| entry.module.id.as_str())
    }

    pub(crate) fn authentication(&self) -> &Authentication {
        match &self.module {
            None => &self.device.device.authentication,
            Some(entry) => &entry.module.authentication,
        }
    }

    pub(crate) fn record(&self) -> &Record {
        match &self.module {
            None => &self.device.record,
            Some(entry) => &entry.record,
        }
    }

    pub(crate) fn activity(&self) -> &Activity {
        match &self.module {
            None => &self.device.activity,
            Some(entry) => &entry.activity,
        }
    }

    pub(crate) fn twin(&self) -> &Shadow {
        match &self.module {
            None => &self.device.twin,
            Some(entry) => &entry.twin,
        }
    }
}

impl From<Arc<Entry>> for Party {
    fn from(device: Arc<Entry>) -> Self {
        Self { device, module: None }
    }
}
