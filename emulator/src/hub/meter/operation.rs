//! What throttles tell apart.

use clap::ValueEnum;

/// An operation with a throttle of its own (Azure docs, IoT Hub quotas and throttling, 2025-05).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Operation {
    /// A device-to-cloud send: one message, or a batch. Over MQTT, a will too.
    Send,
    /// A new connection over MQTT or AMQP. HTTPS connections are not devices' connections.
    Connect,
    /// Registry: create, read, list, change, delete; statistics.
    Registry,
    /// A query for twins.
    Query,
    /// A cloud-to-device send.
    SendToDevice,
    /// A cloud-to-device receive over HTTPS.
    Receive,
    /// 4 KB of a direct method's payload; a call has one at least.
    Method,
    /// A twin read, from either side.
    TwinRead,
    /// A twin update, from either side.
    TwinUpdate,
    /// A file upload that begins.
    Upload,
}

impl Operation {
    /// How many there are.
    pub(super) const COUNT: usize = 10;

    /// Whether the basic tiers have it.
    pub(in crate::hub) fn is_basic(self) -> bool {
        matches!(
            self,
            Self::Send | Self::Connect | Self::Registry | Self::Query | Self::Upload
        )
    }

    /// Its name in the words of a 429. Seen of a hub: `CRUD` (Azure-Samples/Iot-Telemetry-Simulator#39); the others
    /// are made up.
    pub(in crate::hub) fn name(self) -> &'static str {
        match self {
            Self::Send => "DeviceSendMessage",
            Self::Connect => "DeviceConnect",
            Self::Registry => "CRUD",
            Self::Query => "Query",
            Self::SendToDevice => "SendCommand",
            Self::Receive => "ReceiveCommand",
            Self::Method => "InvokeMethod",
            Self::TwinRead => "GetTwin",
            Self::TwinUpdate => "UpdateTwin",
            Self::Upload => "FileUpload",
        }
    }
}
