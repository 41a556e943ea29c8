//! When this process ends: with its host, or on a signal; never because of a request.

use std::time::Duration;

/// Why a handler ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The host is gone: with calls in flight it leaves its handler running, and an orphan would work beside the next one.
    HostGone,
    /// SIGTERM or SIGINT: Ctrl-C under `func start` reaches the whole process group.
    Signal,
}

/// Waits for the end. A *change* of the parent is looked for, not a certain parent: in a container the host may be process 1.
/// The parent of this call counts, not that of the first wait, so call it before anything else.
pub fn end() -> impl Future<Output = End> {
    let parent = std::os::unix::process::parent_id();
    async move {
        let mut look = tokio::time::interval(Duration::from_secs(1));
        let host = async {
            loop {
                look.tick().await;
                if std::os::unix::process::parent_id() != parent {
                    return End::HostGone;
                }
            }
        };
        tokio::select! {
            end = host => end,
            () = signal() => End::Signal,
        }
    }
}

/// Waits for SIGTERM or SIGINT.
pub async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = interrupt.await;
        }
    }
}
