//! Where a hub, or a DPS, listens, and why it does not start.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::saved::DataError;
use crate::tls;

/// Why a hub, or a DPS, does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {addr}: {source}; choose another port (0 takes a free one)")]
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The control API asks for no credentials, so that it is for this machine alone.
    #[error("the control API listens on loopback only, not on {0}")]
    ControlNotLoopback(SocketAddr),
    /// The certificates.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The state kept from the last time.
    #[error(transparent)]
    Data(#[from] DataError),
}

/// Listens where it is asked for; with the address that it got.
pub(super) async fn listener_on(
    asked: Option<SocketAddr>,
) -> Result<Option<(SocketAddr, TcpListener)>, StartError> {
    match asked {
        None => Ok(None),
        Some(asked) => {
            let listener = bind(asked).await?;
            Ok(Some((address(&listener, asked)?, listener)))
        }
    }
}

/// Listens on `addr`.
pub(crate) async fn bind(addr: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(addr)
        .await
        .map_err(|source| StartError::Bind { addr, source })
}

/// The address a listener got; `asked` is for the error.
pub(crate) fn address(listener: &TcpListener, asked: SocketAddr) -> Result<SocketAddr, StartError> {
    listener
        .local_addr()
        .map_err(|source| StartError::Bind { addr: asked, source })
}

/// An address as a URL, on `localhost` where that means it.
pub(crate) fn url(scheme: &str, addr: SocketAddr) -> String {
    let localhost = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    if localhost.contains(&addr.ip()) {
        format!("{scheme}://localhost:{}", addr.port())
    } else {
        format!("{scheme}://{addr}")
    }
}
