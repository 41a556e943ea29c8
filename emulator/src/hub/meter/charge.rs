//! What is billed.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// What billing units are charged for (Azure docs, IoT Hub billing information, 2023-02). Keep-alives, connecting and
/// the registry are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Charge {
    /// A device-to-cloud message.
    Telemetry,
    /// A cloud-to-device message.
    Devicebound,
    /// A direct method: request and answer each; one that finds no device too, and one unit for saying so.
    Method,
    /// A twin that is read or changed, from either side, and a change that the device is told of.
    Twin,
    /// The begin and the end of a file upload.
    Upload,
}

/// Billing units by what they were charged for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Charged {
    /// Device-to-cloud messages.
    pub telemetry: u64,
    /// Cloud-to-device messages.
    pub devicebound: u64,
    /// Direct methods: request and answer each.
    pub methods: u64,
    /// Twins: reads, updates, and what devices are told of updates.
    pub twins: u64,
    /// File uploads: begin and end each.
    pub uploads: u64,
    /// Queries for twins, by the size of each page. They are no device's.
    pub queries: u64,
}

/// The same, counted.
#[derive(Default)]
pub(in crate::hub) struct Charges([AtomicU64; 5]);

impl Charges {
    pub(in crate::hub) fn add(&self, charge: Charge, units: u64) {
        self.0[charge as usize].fetch_add(units, Ordering::Relaxed);
    }

    pub(in crate::hub) fn view(&self) -> Charged {
        use Charge::{Devicebound, Method, Telemetry, Twin, Upload};
        let [telemetry, devicebound, methods, twins, uploads] =
            [Telemetry, Devicebound, Method, Twin, Upload]
                .map(|charge| self.0[charge as usize].load(Ordering::Relaxed));
        Charged {
            telemetry,
            devicebound,
            methods,
            twins,
            uploads,
            queries: 0,
        }
    }
}

impl Charged {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.telemetry + self.devicebound + self.methods + self.twins + self.uploads + self.queries
    }
}

impl std::ops::AddAssign for Charged {
    fn add_assign(&mut self, more: Self) {
        self.telemetry += more.telemetry;
        self.devicebound += more.devicebound;
        self.methods += more.methods;
        self.twins += more.twins;
        self.uploads += more.uploads;
        self.queries += more.queries;
    }
}
