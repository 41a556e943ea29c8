//! What a service sends of its own accord.

use mqtt_protocol_core::mqtt::packet::Qos;
use mqtt_protocol_core::mqtt::packet::v3_1_1::Publish;
use mqtt_protocol_core::mqtt::result_code::MqttError;

/// A message for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publication {
    /// Where to; no wildcards.
    pub(crate) topic: String,
    /// What.
    pub(crate) payload: Vec<u8>,
    /// Its packet id, at QoS 1; `None` is QoS 0.
    pub(crate) packet_id: Option<u16>,
}

impl Publication {
    /// At QoS 0, or at QoS 1 under `packet_id`.
    pub(crate) fn new(topic: String, payload: impl Into<Vec<u8>>, packet_id: Option<u16>) -> Self {
        Self {
            topic,
            payload: payload.into(),
            packet_id,
        }
    }

    /// The packet. Fails when the topic holds a wildcard or the packet id is 0.
    pub(super) fn bytes(self) -> Result<Vec<u8>, MqttError> {
        let packet = Publish::builder().topic_name(self.topic)?.payload(self.payload);
        let packet = match self.packet_id {
            None => packet.qos(Qos::AtMostOnce),
            Some(id) => packet.qos(Qos::AtLeastOnce).packet_id(id),
        };
        Ok(packet.build()?.to_continuous_buffer())
    }
}
