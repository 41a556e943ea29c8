//! Who is connected over MQTT.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot};

use super::method::Answered;
use crate::mqtt::Closing;

/// The connections by client id: one each for devices, by their ids, and for modules, by `{device}/{module}`.
#[derive(Default)]
pub(super) struct Presence {
    connected: Mutex<HashMap<String, Place>>,
    next: AtomicU64,
    /// Wakes who waits for a client.
    pub(super) changed: Notify,
}

/// What a connection is to tell its client.
#[derive(Debug)]
pub(super) enum Order {
    /// Desired properties have changed: the change, with its `$version`.
    Desired(Value),
    /// A direct method; a client that has not subscribed to them is not asked.
    Method {
        name: String,
        payload: String,
        answer: oneshot::Sender<Answered>,
    },
}

struct Place {
    number: u64,
    /// Ends the connection.
    end: oneshot::Sender<Closing>,
    orders: mpsc::UnboundedSender<Order>,
    /// Whether the client has subscribed to direct methods.
    takes_methods: bool,
}

/// A connection's place; the connection ends when told so on `ended`.
pub(super) struct Seat {
    pub(super) number: u64,
    pub(super) ended: oneshot::Receiver<Closing>,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
}

impl Presence {
    /// Takes a client's place. Who has it now is closed: the newer connection wins.
    pub(super) fn enter(&self, client: &str) -> Seat {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (end, ended) = oneshot::channel();
        let (sender, orders) = mpsc::unbounded_channel();
        let place = Place {
            number,
            end,
            orders: sender,
            takes_methods: false,
        };
        let older = self.lock().insert(client.to_owned(), place);
        if let Some(older) = older {
            let text = "a newer connection of the same device or module came (400027); \
                        each has one connection at a time, so look for a second client with its credentials";
            // It may be at its end by itself.
            let _ = older.end.send(Closing::new("ConnectionReplaced", text));
        }
        Seat {
            number,
            ended,
            orders,
        }
    }

    /// Says whether a client takes direct methods over this connection.
    pub(super) fn takes_methods(&self, client: &str, number: u64, takes: bool) {
        if let Some(place) = self.lock().get_mut(client).filter(|place| place.number == number) {
            place.takes_methods = takes;
        }
        self.changed.notify_waiters();
    }

    /// Has a client told something; `false` if it is not there to be told.
    pub(super) fn order(&self, client: &str, order: Order) -> bool {
        let connected = self.lock();
        let place = connected.get(client);
        let place = place.filter(|place| place.takes_methods || !matches!(order, Order::Method { .. }));
        place.is_some_and(|place| place.orders.send(order).is_ok())
    }

    /// Gives a place back, unless a newer connection has it; says whether it did.
    pub(super) fn leave(&self, client: &str, number: u64) -> bool {
        let mut connected = self.lock();
        let own = connected.get(client).is_some_and(|place| place.number == number);
        if own {
            connected.remove(client);
        }
        own
    }

    /// Ends a client's connection, if there is one.
    pub(super) fn close(&self, client: &str, why: Closing) {
        if let Some(place) = self.lock().remove(client) {
            let _ = place.end.send(why);
        }
    }

    /// Whether a client is connected.
    pub(super) fn is_connected(&self, client: &str) -> bool {
        self.lock().contains_key(client)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Place>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
