//! A Microtronics rapidM2M backend (`/api/1`) as a client sees it: customers, sites, blueprints, time series and positions
//! behind HTTP Basic, with late and corrected rows, and the answers that trouble clients.
//!
//! A series is either written down row by row, or made by a [`Generator`] from its stamps alone: a reply of a million
//! rows is made while it is sent and stored nowhere. Rows that a test pushes lie over the generated ones.
//!
//! # Layout
//!
//! - [`options`](BackendOptions): what the backend holds and how it behaves. [`backend`](Backend): the running thing.
//! - `desk`: where requests come in. `route`: from a path to an answer. `query`: the `json=` parameter. `journal`: what was asked.
//! - `series`: what is visible when. `generator`: rows from arithmetic. `walk`: a window, row by row, as JSON.
//! - [`stamp`]: the backend's zero-stripped stamps. `cell`: a value as its JSON text. `fault`: what goes wrong.
//!
//! No documentation of this API is public. What is here was seen in the vendor's own clients and those of others;
//! where sources are silent (is `from` inclusive?) there is an option.

pub mod command;
pub mod stamp;

mod backend;
mod cell;
mod desk;
mod fault;
mod generator;
mod journal;
mod options;
mod query;
mod route;
mod series;
mod site;
mod walk;

pub use backend::{Backend, NoSuchSeries, Place, Scope};
pub use cell::Cell;
pub use fault::{Fault, RefusalBody};
pub use generator::{Correction, Generator, Late, Wave};
pub use journal::Asked;
pub use options::{BackendOptions, Channel, CustomerOptions, Order, Position, SeriesOptions, SiteOptions};
pub use series::{Entry, Row};

pub use crate::readers::{Clock, Password, StartError};
