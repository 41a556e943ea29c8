//! The delivery guarantee, tried: the bridge's own tick over a store, a hub and a source in memory, with every fault and every
//! interleaving that a seed draws, and each step checked against what the guarantee says.
//!
//! One seed is one *schedule*: a configuration, a source that changes over time, a handful of ticks by several processes, and
//! what befalls them. After the faults stop, ticks run undisturbed, and in the end everything must have arrived.
//!
//! # Layout
//!
//! - [`plan`]: what a seed draws: configuration, rows, which faults there are and how often.
//! - [`dice`]: draws each fault, numbers it, and leaves out those that a shrunk schedule does without.
//! - [`gate`]: where every operation of a tick waits until the schedule lets it go on.
//! - [`world`]: time, documents, hub and source of one schedule. [`store`], [`hub`], [`backend`]: its parts as a tick sees them.
//! - [`worker`]: one process with one tick. [`schedule`]: which of them goes on, what dies, how time jumps; then the calm.
//! - [`ledger`]: what was recorded, frozen, sent. [`check`]: the promises.
//! - [`shrink`]: a failing schedule with fewer faults. [`campaign`]: many seeds on all processors.
//!
//! Nothing here knows how the tick works, but for the documents it stores.

pub mod backend;
pub mod campaign;
pub mod check;
pub mod dice;
pub mod gate;
pub mod hub;
pub mod ledger;
pub mod plan;
pub mod schedule;
pub mod shrink;
pub mod store;
pub mod worker;
pub mod world;

pub use schedule::{Ran, run};
