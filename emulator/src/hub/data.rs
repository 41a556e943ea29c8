//! What survives a restart of the hub: devices and their modules with keys and twins, waiting cloud-to-device messages, the day's units.
//!
//! The feed, counters, connections, uploads and armed faults do not.

use std::collections::BTreeMap;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::hub::devicebound::{Devicebound, Kept, Waits};
use crate::hub::identity::{Authentication, Device, Module, Thumbprint};
use crate::hub::registry::{Entry, ModuleEntry, Record};
use crate::hub::twin::Twin;
use crate::hub::{Inner, Key};
use crate::saved::Save;

/// The format's number.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// The day that units are counted of, from 1970, and those.
    day: i64,
    units: u64,
    devices: BTreeMap<String, StoredDevice>,
}

#[derive(Serialize, Deserialize)]
struct StoredDevice {
    authentication: Proof,
    enabled: bool,
    status_reason: Option<String>,
    edge: bool,
    scope: Option<String>,
    parents: Vec<String>,
    record: Record,
    twin: Twin,
    /// Sequence number of the last message for the device.
    last_sequence: u64,
    waiting: Vec<Message>,
    /// Files of older programs have none.
    #[serde(default)]
    modules: BTreeMap<String, StoredModule>,
}

#[derive(Serialize, Deserialize)]
struct StoredModule {
    authentication: Proof,
    managed_by: Option<String>,
    record: Record,
    twin: Twin,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Proof {
    Sas {
        primary: String,
        secondary: String,
    },
    SelfSigned {
        primary: Option<String>,
        secondary: Option<String>,
    },
    CertificateAuthority,
}

#[derive(Serialize, Deserialize)]
struct Message {
    sequence: u64,
    enqueued_ms: i64,
    deliveries: u32,
    message_id: Option<String>,
    correlation_id: Option<String>,
    user_id: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    ack: Option<String>,
    expires_ms: Option<i64>,
    properties: BTreeMap<String, String>,
    /// Base64.
    body: String,
}

impl Save for Inner {
    const FILE: &str = "hub.json";

    fn text(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec_pretty(&Stored::of(self))?)
    }

    fn restore(&self, text: &[u8]) -> Result<(), String> {
        Stored::read(text)?.restore(self)
    }
}

impl Stored {
    /// The state of a hub.
    fn of(hub: &Inner) -> Self {
        let (day, units) = hub.meter.day();
        let devices = hub.registry.all().into_iter().map(|(id, entry)| {
            let Device {
                authentication,
                enabled,
                status_reason,
                edge,
                scope,
                parents,
                ..
            } = &entry.device;
            let kept = entry.mailbox.keep();
            let device = StoredDevice {
                authentication: Proof::of(authentication),
                enabled: *enabled,
                status_reason: status_reason.clone(),
                edge: *edge,
                scope: scope.clone(),
                parents: parents.clone(),
                record: entry.record.clone(),
                twin: entry.twin.lock().clone(),
                last_sequence: kept.last,
                waiting: kept.waiting.into_iter().map(Message::of).collect(),
                modules: StoredModule::all(&entry),
            };
            (id, device)
        });
        Self {
            version: VERSION,
            day,
            units,
            devices: devices.collect(),
        }
    }

    /// Reads a file.
    fn read(text: &[u8]) -> Result<Self, String> {
        let stored: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if stored.version == VERSION {
            Ok(stored)
        } else {
            Err(format!(
                "it has format {}, and this program reads {VERSION}",
                stored.version
            ))
        }
    }

    /// Puts the state into a hub: devices that it knows already get what is stored of them.
    fn restore(self, hub: &Inner) -> Result<(), String> {
        for (id, stored) in self.devices {
            let at = |what: String| format!("device {id}: {what}");
            let device = Device {
                enabled: stored.enabled,
                status_reason: stored.status_reason,
                edge: stored.edge,
                scope: stored.scope,
                parents: stored.parents,
                ..Device::with(&id, stored.authentication.read().map_err(at)?)
            };
            let waiting: Result<Vec<Waits>, String> = stored.waiting.into_iter().map(Message::read).collect();
            let entry = hub.registry.restore(device, stored.record);
            *entry.twin.lock() = stored.twin;
            entry.mailbox.restore(Kept {
                last: stored.last_sequence,
                waiting: waiting.map_err(at)?,
            });
            for (module, stored) in stored.modules {
                let at = |what: String| format!("module {id}/{module}: {what}");
                let restored = stored.read(&module).map_err(at)?;
                entry.modules.restore(restored);
            }
        }
        hub.meter.set_day(self.day, self.units);
        Ok(())
    }
}

impl StoredModule {
    fn all(of: &Entry) -> BTreeMap<String, Self> {
        let all = of.modules.all();
        all.iter()
            .map(|entry| {
                let stored = Self {
                    authentication: Proof::of(&entry.module.authentication),
                    managed_by: entry.module.managed_by.clone(),
                    record: entry.record.clone(),
                    twin: entry.twin.lock().clone(),
                };
                (entry.module.id.clone(), stored)
            })
            .collect()
    }

    fn read(self, id: &str) -> Result<ModuleEntry, String> {
        let module = Module {
            id: id.to_owned(),
            managed_by: self.managed_by,
            authentication: self.authentication.read()?,
        };
        let entry = ModuleEntry::new(module, self.record);
        *entry.twin.lock() = self.twin;
        Ok(entry)
    }
}

impl Proof {
    fn of(authentication: &Authentication) -> Self {
        match authentication {
            Authentication::Sas { primary, secondary } => Self::Sas {
                primary: primary.text(),
                secondary: secondary.text(),
            },
            Authentication::SelfSigned { primary, secondary } => {
                let text =
                    |thumbprint: &Option<Thumbprint>| thumbprint.as_ref().map(|it| it.text().to_owned());
                Self::SelfSigned {
                    primary: text(primary),
                    secondary: text(secondary),
                }
            }
            Authentication::CertificateAuthority => Self::CertificateAuthority,
        }
    }

    fn read(self) -> Result<Authentication, String> {
        let key = |text: &str| Key::parse(text).map_err(|error| error.to_string());
        match self {
            Self::Sas { primary, secondary } => Ok(Authentication::Sas {
                primary: key(&primary)?,
                secondary: key(&secondary)?,
            }),
            Self::SelfSigned { primary, secondary } => {
                let read = |text: Option<String>| {
                    let read = text.map(|text| Thumbprint::parse(&text)).transpose();
                    read.map_err(|error| error.to_string())
                };
                Ok(Authentication::SelfSigned {
                    primary: read(primary)?,
                    secondary: read(secondary)?,
                })
            }
            Self::CertificateAuthority => Ok(Authentication::CertificateAuthority),
        }
    }
}

impl Message {
    fn of(waits: Waits) -> Self {
        let Devicebound {
            message_id,
            correlation_id,
            user_id,
            content_type,
            content_encoding,
            ack,
            expires_ms,
            properties,
            body,
        } = waits.message;
        Self {
            sequence: waits.sequence,
            enqueued_ms: waits.enqueued_ms,
            deliveries: waits.deliveries,
            message_id,
            correlation_id,
            user_id,
            content_type,
            content_encoding,
            ack,
            expires_ms,
            properties,
            body: STANDARD.encode(&body),
        }
    }

    fn read(self) -> Result<Waits, String> {
        let body = STANDARD
            .decode(&self.body)
            .map_err(|error| format!("a message's body: {error}"))?;
        Ok(Waits {
            sequence: self.sequence,
            enqueued_ms: self.enqueued_ms,
            deliveries: self.deliveries,
            message: Devicebound {
                message_id: self.message_id,
                correlation_id: self.correlation_id,
                user_id: self.user_id,
                content_type: self.content_type,
                content_encoding: self.content_encoding,
                ack: self.ack,
                expires_ms: self.expires_ms,
                properties: self.properties,
                body: body.into(),
            },
        })
    }
}
