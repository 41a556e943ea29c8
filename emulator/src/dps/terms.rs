//! What an enrolment gives its devices.

use serde_json::{Map, Value};

/// What a device gets that registers.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Terms {
    /// A disabled enrolment refuses its devices.
    pub enabled: bool,
    /// What becomes of a device that registers again.
    pub reprovision: Reprovision,
    /// Tags that a new device's twin begins with.
    pub tags: Map<String, Value>,
    /// Desired properties that it begins with.
    pub desired: Map<String, Value>,
    /// The hub that is named to the device; the service's own choice if `None`. Devices come into being at the linked
    /// hub, whatever it is called.
    pub hub: Option<String>,
    /// Whether the device is an IoT Edge device at the hub.
    pub edge: bool,
    /// What the device is handed with its assignment, as a custom allocation's webhook would.
    pub payload: Option<Value>,
}

/// What becomes of a device that registers again [docs: reprovisioning concepts].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reprovision {
    /// It moves to the hub that is named now, with its data; one that the hub has lost is made again.
    #[default]
    Migrate,
    /// It is removed at the hub and made again, with the twin it began with.
    Reset,
    /// It keeps what it was given the first time.
    Never,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            enabled: true,
            reprovision: Reprovision::default(),
            tags: Map::new(),
            desired: Map::new(),
            hub: None,
            edge: false,
            payload: None,
        }
    }
}

impl Reprovision {
    /// `reprovisionPolicy`: whether the assignment is updated, and whether the data goes with it.
    pub(super) fn flags(self) -> (bool, bool) {
        match self {
            Self::Migrate => (true, true),
            Self::Reset => (true, false),
            Self::Never => (false, false),
        }
    }

    pub(super) fn from_flags(updates: bool, migrates: bool) -> Self {
        match (updates, migrates) {
            (true, true) => Self::Migrate,
            (true, false) => Self::Reset,
            (false, _) => Self::Never,
        }
    }
}
