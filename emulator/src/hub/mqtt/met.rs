//! What a fault on demand makes of a packet.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use crate::hub::{Fault, Inner};
use crate::mqtt::Closing;

/// What becomes of a packet.
pub(super) enum Met {
    /// No fault, or one that only cost time or turned the clock.
    Nothing { now_ms: i64 },
    /// The connection is closed; `status` stands for the reason.
    Closing { why: Closing, status: Option<u16> },
    /// The packet is confirmed and nothing is taken.
    Swallowed,
    /// The message is taken and the connection reset.
    ResetAfter { now_ms: i64 },
    /// The message is taken and never confirmed.
    Silent { now_ms: i64 },
    /// The message is taken twice.
    Twice { now_ms: i64 },
}

/// Meets the fault that waits for `device`, if one does.
pub(super) async fn fault(hub: &Inner, device: &str) -> Met {
    let fault = hub.faults.take(Some(device));
    hub.counters
        .faults
        .fetch_add(u64::from(fault.is_some()), Ordering::Relaxed);
    let now_ms = hub.options.clock.now_ms();
    match fault {
        None | Some(Fault::ExpiredCertificate) => Met::Nothing { now_ms },
        Some(Fault::Delay(ms)) => {
            sleep(Duration::from_millis(ms)).await;
            let now_ms = hub.options.clock.now_ms();
            Met::Nothing { now_ms }
        }
        Some(Fault::ClockSkew(seconds)) => Met::Nothing {
            now_ms: now_ms.saturating_add(seconds.saturating_mul(1000)),
        },
        Some(Fault::Reset | Fault::ResetMidBody) => Met::Closing {
            why: Closing::fault("a fault on demand: reset").with_reset(),
            status: None,
        },
        Some(Fault::ResetAfterAccept) => Met::ResetAfter { now_ms },
        Some(Fault::NoAnswer) => Met::Silent { now_ms },
        Some(Fault::Duplicate) => Met::Twice { now_ms },
        Some(Fault::Throttle) => Met::Closing {
            why: Closing::fault("a fault on demand: throttled"),
            status: Some(429),
        },
        Some(Fault::Status { code, .. }) if (200..300).contains(&code) => Met::Swallowed,
        Some(Fault::Status { code, .. }) => Met::Closing {
            why: Closing::fault(format!("a fault on demand: status {code}")),
            status: Some(code),
        },
    }
}
