//! Which topic means what.
//!
//! Any other topic ends the connection at the hub (Azure docs, "Communicate with an IoT hub using MQTT").

use crate::mqtt::Closing;

/// What a device may publish to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Topic<'a> {
    /// `devices/{id}/messages/events/{bag}`: telemetry, with its properties as sent.
    Events {
        /// Everything behind the last `/`.
        bag: &'a str,
    },
}

/// What a device may subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Filter {
    /// Cloud-to-device messages.
    Devicebound,
    /// Answers to questions about the twin.
    TwinAnswers,
    /// Changes of desired properties.
    Desired,
    /// Direct methods.
    Methods,
}

impl<'a> Topic<'a> {
    /// Reads the topic of a PUBLISH of `device`. Ids are not encoded in topics.
    pub(super) fn parse(topic: &'a str, device: &str) -> Result<Self, Closing> {
        if topic.contains(['+', '#']) && !device.contains(['+', '#']) {
            return Err(Closing::protocol(format!(
                "a PUBLISH to {topic}, a topic with wildcards"
            )));
        }
        let own = topic
            .strip_prefix("devices/")
            .and_then(|rest| rest.strip_prefix(device))
            .and_then(|rest| rest.strip_prefix('/'));
        match own {
            Some(rest) => telemetry(topic, rest),
            None => Err(Closing::topic(forbidden(topic, device))),
        }
    }
}

fn telemetry<'a>(topic: &str, rest: &'a str) -> Result<Topic<'a>, Closing> {
    match rest.strip_prefix("messages/events/") {
        Some(bag) if bag.contains('/') => Err(Closing::topic(format!(
            "a PUBLISH to {topic}: inside a property, / is written %2F ($.ct=application%2Fjson)"
        ))),
        Some(bag) => Ok(Topic::Events { bag }),
        None if rest == "messages/events" => Err(Closing::topic(format!(
            "a PUBLISH to {topic}: the topic ends with a /"
        ))),
        None => Err(Closing::topic(format!(
            "a PUBLISH to {topic}: a device sends to messages/events/ alone"
        ))),
    }
}

/// What is wrong with a topic that is not the device's own.
fn forbidden(topic: &str, device: &str) -> String {
    let mut words = topic.split('/');
    match (words.next(), words.next()) {
        (Some("devices"), Some(other)) => {
            format!("a PUBLISH to {topic}: it names the device {other}, the connection is that of {device}")
        }
        (Some("$dps"), _) => format!(
            "a PUBLISH to {topic}: a topic of the DPS, whose user name is {{id scope}}/registrations/{{id}}/api-version=2019-03-31"
        ),
        (Some("$iothub"), _) => format!("a PUBLISH to {topic}: twins and methods are not emulated yet"),
        _ => format!("a PUBLISH to {topic}: IoT Hub is no broker; send to devices/{device}/messages/events/"),
    }
}

impl Filter {
    /// Reads the filter of a SUBSCRIBE of `device`.
    pub(super) fn parse(filter: &str, device: &str) -> Result<Self, Closing> {
        match filter {
            "$iothub/twin/res/#" => return Ok(Self::TwinAnswers),
            "$iothub/twin/PATCH/properties/desired/#" => return Ok(Self::Desired),
            "$iothub/methods/POST/#" => return Ok(Self::Methods),
            _ => {}
        }
        let id = filter
            .strip_prefix("devices/")
            .and_then(|rest| rest.strip_suffix("/messages/devicebound/#"));
        match id {
            // The C SDK for embedded devices writes a wildcard.
            Some(id) if id == device || id == "+" => Ok(Self::Devicebound),
            _ => Err(Closing::topic(format!(
                "a SUBSCRIBE to {filter}: a device subscribes to devices/{device}/messages/devicebound/#, \
                 $iothub/twin/res/#, $iothub/twin/PATCH/properties/desired/# and $iothub/methods/POST/# alone"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn topics_of_a_device() {
        let cases = [
            ("devices/m:1/messages/events/", Ok("")),
            ("devices/m:1/messages/events/a=b&%24.ct=x", Ok("a=b&%24.ct=x")),
            ("devices/m:1/messages/events", Err("ends with a /")),
            ("devices/m:1/messages/events/a=1/2", Err("%2F")),
            (
                "devices/m:1/messages/devicebound/x",
                Err("messages/events/ alone"),
            ),
            ("devices/other/messages/events/", Err("the device other")),
            ("devices/m:1", Err("the device m:1")),
            ("devices/+/messages/events/", Err("wildcards")),
            (
                "$dps/registrations/PUT/iotdps-register/?$rid=1",
                Err("topic of the DPS"),
            ),
            ("home/kitchen", Err("no broker")),
        ];
        for (topic, expected) in cases {
            match (Topic::parse(topic, "m:1"), expected) {
                (Ok(Topic::Events { bag }), Ok(expected)) => assert_eq!(bag, expected),
                (Err(why), Err(expected)) => assert!(why.text.contains(expected), "{topic}: {}", why.text),
                (other, _) => panic!("{topic}: {other:?}"),
            }
        }
    }

    #[test]
    fn filters_of_a_device() {
        let good = [
            ("devices/m/messages/devicebound/#", Filter::Devicebound),
            ("devices/+/messages/devicebound/#", Filter::Devicebound),
            ("$iothub/twin/res/#", Filter::TwinAnswers),
            ("$iothub/twin/PATCH/properties/desired/#", Filter::Desired),
            ("$iothub/methods/POST/#", Filter::Methods),
        ];
        for (filter, expected) in good {
            assert_eq!(Filter::parse(filter, "m").unwrap(), expected);
        }
        for filter in [
            "#",
            "devices/n/messages/devicebound/#",
            "devices/m/messages/events/#",
            "$iothub/twin/#",
            "$dps/registrations/res/#",
        ] {
            assert!(Filter::parse(filter, "m").unwrap_err().text.contains(filter));
        }
    }
}
