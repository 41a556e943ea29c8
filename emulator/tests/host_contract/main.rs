//! The Functions host double against what was recorded from the real host, with real processes and bare sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod command;
mod handler;
mod http;
mod life;
mod queues;
mod recorded;
mod stage;
mod timers;
