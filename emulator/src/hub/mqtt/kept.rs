//! Subscriptions that outlast their connection: those of clients that connect with CleanSession 0.
//!
//! Microsoft's Node SDK counts on them: with a fresh token it connects anew, and does not subscribe again
//! (`azure-iot-mqtt-base`; `e2etests/test/device_method.js`, "after renewing the SAS token"). What waits for the device comes
//! right behind CONNACK, as users see it at Azure (Azure-Samples/iot-middleware-freertos-samples#397,
//! Azure/azure-iot-sdk-csharp#3335). They do not outlast the hub.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::topic::Filter;
use crate::mqtt::Qos;

/// The sessions by client id.
#[derive(Default)]
pub(in crate::hub) struct Sessions(Mutex<HashMap<String, Kept>>);

struct Kept {
    /// The registry's number for the identity: one that was removed leaves nothing to the next of its name.
    generation: String,
    subscribed: BTreeMap<Filter, Qos>,
}

impl Sessions {
    /// What a client has subscribed to before; with `clean`, it wants that forgotten.
    pub(super) fn resume(
        &self,
        client: &str,
        generation: &str,
        clean: bool,
    ) -> Option<BTreeMap<Filter, Qos>> {
        let mut sessions = self.lock();
        if clean {
            sessions.remove(client);
        }
        let kept = sessions.get(client)?;
        (kept.generation == generation).then(|| kept.subscribed.clone())
    }

    /// Keeps what a client has subscribed to.
    pub(super) fn keep(&self, client: &str, generation: &str, subscribed: &BTreeMap<Filter, Qos>) {
        let kept = Kept {
            generation: generation.to_owned(),
            subscribed: subscribed.clone(),
        };
        self.lock().insert(client.to_owned(), kept);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
