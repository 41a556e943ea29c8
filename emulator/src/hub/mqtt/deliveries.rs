//! Cloud-to-device messages over MQTT: PUBACK completes, and there is no reject and no abandon. What is not confirmed
//! when the connection ends waits again.

use std::collections::BTreeMap;

use super::bag;
use crate::hub::devicebound::{Lock, Mailbox, Outcome};
use crate::mqtt::{Publication, Qos};

/// What was delivered over one connection and is not confirmed yet.
#[derive(Default)]
pub(super) struct Deliveries {
    unconfirmed: BTreeMap<u16, Lock>,
    last_packet_id: u16,
}

impl Deliveries {
    /// The next message for `device`, if one waits. At QoS 0 it is done with being sent.
    pub(super) fn next(
        &mut self,
        mailbox: &Mailbox,
        device: &str,
        qos: Qos,
        now_ms: i64,
    ) -> Option<Publication> {
        // The lock lasts as long as the connection.
        let received = mailbox.receive(now_ms, i64::MAX)?;
        let message = received.message;
        let topic = format!(
            "devices/{device}/messages/devicebound/{}",
            bag::write(&message, device)
        );
        let packet_id = self.packet_id(qos);
        match packet_id {
            None => {
                mailbox.settle(&received.lock, Some(Outcome::Success), now_ms);
            }
            Some(id) => {
                self.unconfirmed.insert(id, received.lock);
            }
        }
        Some(Publication::new(topic, message.body.to_vec(), packet_id))
    }

    /// The id of the next packet, where it takes one.
    pub(super) fn packet_id(&mut self, qos: Qos) -> Option<u16> {
        if qos == Qos::AtMostOnce {
            return None;
        }
        loop {
            self.last_packet_id = self.last_packet_id % u16::MAX + 1;
            // At most 50 messages wait, so that there is always a free one.
            if !self.unconfirmed.contains_key(&self.last_packet_id) {
                return Some(self.last_packet_id);
            }
        }
    }

    /// The device has confirmed a packet.
    pub(super) fn confirmed(&mut self, mailbox: &Mailbox, packet_id: u16, now_ms: i64) {
        if let Some(lock) = self.unconfirmed.remove(&packet_id) {
            mailbox.settle(&lock, Some(Outcome::Success), now_ms);
        }
    }

    /// The connection has ended.
    pub(super) fn ended(&mut self, mailbox: &Mailbox, now_ms: i64) {
        for lock in std::mem::take(&mut self.unconfirmed).into_values() {
            mailbox.settle(&lock, None, now_ms);
        }
    }
}
