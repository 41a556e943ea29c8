//! How a service says no.

use fe2o3_amqp::types::definitions::{Error, ErrorCondition};
use fe2o3_amqp::types::primitives::Symbol;

/// Why a login, a link or a message is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// AMQP's name of the reason: what SDKs tell their own errors by.
    pub(crate) condition: &'static str,
    /// What kind of reason, for counters: the name of the hub's error where there is one.
    pub(crate) name: &'static str,
    /// What was wrong, and what to change.
    pub(crate) text: String,
}

impl Refused {
    pub(crate) fn new(condition: &'static str, name: &'static str, text: impl Into<String>) -> Self {
        Self {
            condition,
            name,
            text: text.into(),
        }
    }

    /// What is no AMQP, or breaks its rules.
    pub(crate) fn protocol(text: impl Into<String>) -> Self {
        Self::new("amqp:not-allowed", "AmqpProtocol", text)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let condition = ErrorCondition::Custom(Symbol::from(refused.condition));
        Self::new(condition, refused.text, None)
    }
}
