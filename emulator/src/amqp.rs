//! AMQP 1.0 as IoT Hub serves it to back ends; the protocol itself is `fe2o3-amqp`'s.
//!
//! # Layout
//!
//! - `connection`: the life of one connection: SASL if the client wants it, then sessions.
//! - `frames`: what is passed on to the library.
//! - `link`: messages that a client sends, and messages for it.
//! - `service`: what the hub decides: who may log in, what an address is, what becomes of a message.
//! - `refused`: how a service says no.

mod connection;
mod frames;
mod link;
mod refused;
mod service;

pub(crate) use connection::serve;
pub(crate) use fe2o3_amqp::types::messaging::{
    AmqpValue, ApplicationProperties, Body, Data, MessageAnnotations, MessageId, Properties,
};
pub(crate) use fe2o3_amqp::types::primitives::{Binary, SimpleValue, Symbol, Timestamp, Value};
pub(crate) use refused::Refused;
pub(crate) use service::{Inlet, Outlet, Service, Settlement};

/// A message with any body.
pub(crate) type Message = fe2o3_amqp::types::messaging::Message<Body<Value>>;
