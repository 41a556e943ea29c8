//! Which address means what.

use crate::amqp::Refused;

/// Where a link leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    /// Tokens, and what was said to them.
    Cbs,
    /// Messages for devices.
    Devicebound,
    /// Feedback on them.
    Feedback,
    /// Notices of uploaded files.
    FileNotices,
}

impl Address {
    /// Reads an address: a path (Node), or a whole URL (Python).
    pub(super) fn parse(text: &str) -> Result<Self, Refused> {
        let path = match text.split_once("://") {
            Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
            None => text,
        };
        match path.trim_matches('/').to_ascii_lowercase().as_str() {
            "$cbs" => Ok(Self::Cbs),
            "messages/devicebound" => Ok(Self::Devicebound),
            "messages/servicebound/feedback" => Ok(Self::Feedback),
            "messages/servicebound/filenotifications" => Ok(Self::FileNotices),
            _ => Err(Refused::new(
                "amqp:not-found",
                "AmqpAddress",
                format!("nothing is at the address '{text}'; back ends use $cbs and /messages/…"),
            )),
        }
    }
}

/// The refusal of a link in the wrong direction.
pub(super) fn one_way(way: &str) -> Refused {
    let text = format!("this address is {way} only");
    Refused::new("amqp:not-allowed", "AmqpAddress", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_sdks() {
        for (text, expected) in [
            ("$cbs", Some(Address::Cbs)),
            ("/messages/devicebound", Some(Address::Devicebound)),
            (
                "amqps://localhost/messages/devicebound",
                Some(Address::Devicebound),
            ),
            ("/messages/serviceBound/feedback", Some(Address::Feedback)),
            (
                "/messages/serviceBound/filenotifications",
                Some(Address::FileNotices),
            ),
            (
                "amqps://localhost/messages/serviceBound/feedback/",
                Some(Address::Feedback),
            ),
            ("amqps://localhost", None),
            ("/messages/events", None),
            ("/messages", None),
            ("", None),
        ] {
            assert_eq!(Address::parse(text).ok(), expected, "{text}");
        }
    }
}
