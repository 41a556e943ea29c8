//! The handler's idle connections, kept alive as .NET's `HttpClient` keeps them.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use super::connection::{Broken, Connection, Head};

/// Idle connections to one address.
#[derive(Debug)]
pub(super) struct Pool {
    address: SocketAddr,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            idle: Mutex::default(),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// An idle connection, or a new one.
    pub(super) async fn take(&self) -> Result<Connection, Broken> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                Some(connection) if connection.is_quiet() => return Ok(connection),
                Some(_) => {}
                None => return Connection::open(self.address).await,
            }
        }
    }

    /// Keeps a connection whose answer was read to the end.
    pub(super) fn give(&self, connection: Connection, head: &Head) {
        if head.is_reusable() {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
    }

    /// Forgets all, once their process is gone.
    pub(super) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
