//! Readings: what travels from a source through the store to the hub.
//!
//! A *reading* is one channel's value at one instant. [`Rows`] is the columnar form of many: one stamp, many channels.
//! Values keep their JSON number text, so an integer stays an integer and a decimal is never rounded.

mod rows;

pub use rows::{Column, Rows};

use serde::{Deserialize, Serialize};

/// One channel of a source: the name it has there and what is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// The name as the source gives it: `ch0`, or the key path `/SML/Total_in`.
    pub name: String,
    /// OBIS code in its full form, `1-0:1.8.0*255`, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obis: Option<String>,
    /// Unit of the values as sent, for example `kWh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The backend's own title, for example `Vin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

impl Channel {
    /// A channel of which only the name is known.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// The name under which its values are sent: the OBIS code where there is one, else the source's name.
    #[must_use]
    pub fn sent_name(&self) -> &str {
        self.obis.as_deref().unwrap_or(&self.name)
    }
}
