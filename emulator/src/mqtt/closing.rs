//! Why a connection was closed.

/// The reason of a connection's end. The client sees nothing of it but the end; people do, in the log and
/// over the control API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closing {
    /// What kind of reason, for counters.
    pub(crate) name: &'static str,
    /// What was wrong and what to change.
    pub(crate) text: String,
    /// The end is a TCP reset, as if the service had died.
    pub(crate) reset: bool,
}

impl Closing {
    pub(crate) fn new(name: &'static str, text: impl Into<String>) -> Self {
        Self {
            name,
            text: text.into(),
            reset: false,
        }
    }

    /// Not MQTT 3.1.1.
    pub(crate) fn protocol(text: impl Into<String>) -> Self {
        Self::new("MqttProtocol", text)
    }

    /// A topic or filter that means nothing to the service.
    pub(crate) fn topic(text: impl Into<String>) -> Self {
        Self::new("MqttTopic", text)
    }

    /// A fault on demand.
    pub(crate) fn fault(text: impl Into<String>) -> Self {
        Self::new("Fault", text)
    }

    /// The same with a TCP reset.
    pub(crate) fn with_reset(self) -> Self {
        Self { reset: true, ..self }
    }
}
