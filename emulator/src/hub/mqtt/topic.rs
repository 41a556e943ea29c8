//! Which topic means what.
//!
//! Any other topic ends the connection at the hub (Azure docs, "Communicate with an IoT hub using MQTT").

use crate::hub::identity::Identity;
use crate::mqtt::Closing;

/// What a device or a module may publish to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Topic<'a> {
    /// `devices/{id}/messages/events/{bag}`, or `devices/{id}/modules/{id}/…`: telemetry, with its properties as sent.
    Events {
        /// Everything behind the last `/`.
        bag: &'a str,
    },
    /// `$iothub/twin/GET/?$rid=R`: what is the twin?
    TwinGet {
        /// What the answer repeats.
        rid: &'a str,
    },
    /// `$iothub/twin/PATCH/properties/reported/?$rid=R`: reported properties to merge.
    Reported {
        /// What the answer repeats.
        rid: &'a str,
    },
    /// `$iothub/methods/res/{status}/?$rid=R`: the answer to a direct method.
    MethodAnswer {
        /// What the device gave.
        status: i64,
        /// Which call it answers.
        rid: &'a str,
    },
}

/// What a device or a module may subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Filter {
    /// Cloud-to-device messages; of devices alone.
    Devicebound,
    /// Answers to questions about the twin.
    TwinAnswers,
    /// Changes of desired properties.
    Desired,
    /// Direct methods.
    Methods,
}

impl<'a> Topic<'a> {
    /// Reads the topic of a PUBLISH of `who`. Ids are not encoded in topics.
    pub(super) fn parse(topic: &'a str, who: &Identity) -> Result<Self, Closing> {
        let own = [Some(&who.device), who.module.as_ref()];
        let own = own.into_iter().flatten().any(|id| id.contains(['+', '#']));
        if topic.contains(['+', '#']) && !own {
            return Err(Closing::protocol(format!(
                "a PUBLISH to {topic}, a topic with wildcards"
            )));
        }
        if let Some(rest) = topic.strip_prefix("$iothub/") {
            return iothub(topic, rest);
        }
        match below(topic, who) {
            Some(rest) => telemetry(topic, rest, who),
            None => Err(Closing::topic(forbidden(topic, who))),
        }
    }
}

/// What follows `devices/{device}/`, or `devices/{device}/modules/{module}/`.
fn below<'a>(topic: &'a str, who: &Identity) -> Option<&'a str> {
    let rest = topic
        .strip_prefix("devices/")?
        .strip_prefix(who.device.as_str())?;
    let rest = match &who.module {
        None => rest,
        Some(module) => rest.strip_prefix("/modules/")?.strip_prefix(module.as_str())?,
    };
    rest.strip_prefix('/')
}

/// Topics of the twin and of direct methods.
fn iothub<'a>(topic: &str, rest: &'a str) -> Result<Topic<'a>, Closing> {
    let wrong = |what: &str| {
        Closing::topic(format!(
            "a PUBLISH to {topic}: {what}; the topics are $iothub/twin/GET/?$rid={{id}}, \
             $iothub/twin/PATCH/properties/reported/?$rid={{id}} and $iothub/methods/res/{{status}}/?$rid={{id}}"
        ))
    };
    let (path, query) = rest.split_once('?').ok_or_else(|| wrong("it has no query"))?;
    let rid = query.split('&').find_map(|pair| pair.strip_prefix("$rid="));
    let rid = rid
        .filter(|rid| !rid.is_empty())
        .ok_or_else(|| wrong("it has no $rid"))?;
    match path {
        "twin/GET/" => Ok(Topic::TwinGet { rid }),
        "twin/PATCH/properties/reported/" => Ok(Topic::Reported { rid }),
        _ => {
            let status = path
                .strip_prefix("methods/res/")
                .and_then(|rest| rest.strip_suffix('/'));
            let status = status.and_then(|status| status.parse().ok());
            let status = status.ok_or_else(|| wrong("it is none of the topics of twins and methods"))?;
            Ok(Topic::MethodAnswer { status, rid })
        }
    }
}

fn telemetry<'a>(topic: &str, rest: &'a str, who: &Identity) -> Result<Topic<'a>, Closing> {
    let bag = rest.strip_prefix("messages/events/");
    // SDKs end the topic with a slash where it names a module's output (`sendOutputEvent` of Node).
    let bag = bag.map(|bag| match bag.strip_suffix('/') {
        Some(bag) if who.module.is_some() => bag,
        _ => bag,
    });
    match bag {
        Some(bag) if bag.contains('/') => Err(Closing::topic(format!(
            "a PUBLISH to {topic}: inside a property, / is written %2F ($.ct=application%2Fjson)"
        ))),
        Some(bag) => Ok(Topic::Events { bag }),
        None if rest == "messages/events" => Err(Closing::topic(format!(
            "a PUBLISH to {topic}: the topic ends with a /"
        ))),
        None => Err(Closing::topic(format!(
            "a PUBLISH to {topic}: devices and modules send to messages/events/ alone"
        ))),
    }
}

/// What is wrong with a topic that is not the client's own.
fn forbidden(topic: &str, who: &Identity) -> String {
    let mut words = topic.split('/');
    match (words.next(), words.next()) {
        (Some("devices"), Some(device)) => {
            let module = words.next().filter(|word| *word == "modules").and(words.next());
            let other = Identity {
                device: device.to_owned(),
                module: module.map(str::to_owned),
            };
            let (other, own) = (other.told(), who.told());
            format!("a PUBLISH to {topic}: it names {other}, the connection is that of {own}")
        }
        (Some("$dps"), _) => format!(
            "a PUBLISH to {topic}: a topic of the DPS, whose user name is {{id scope}}/registrations/{{id}}/api-version=2019-03-31"
        ),
        _ => format!(
            "a PUBLISH to {topic}: IoT Hub is no broker; send to {}/messages/events/",
            who.path()
        ),
    }
}

impl Filter {
    /// Reads the filter of a SUBSCRIBE of `who`. A module has neither cloud-to-device messages (officially:
    /// Azure/azure-iot-sdk-node#282) nor, without an Edge hub, inputs.
    pub(super) fn parse(filter: &str, who: &Identity) -> Result<Self, Closing> {
        match filter {
            "$iothub/twin/res/#" => return Ok(Self::TwinAnswers),
            "$iothub/twin/PATCH/properties/desired/#" => return Ok(Self::Desired),
            "$iothub/methods/POST/#" => return Ok(Self::Methods),
            _ => {}
        }
        let id = filter
            .strip_prefix("devices/")
            .and_then(|rest| rest.strip_suffix("/messages/devicebound/#"));
        let device = &who.device;
        match (&who.module, id) {
            // The C SDK for embedded devices writes a wildcard.
            (None, Some(id)) if id == device || id == "+" => Ok(Self::Devicebound),
            (None, _) => Err(Closing::topic(format!(
                "a SUBSCRIBE to {filter}: a device subscribes to devices/{device}/messages/devicebound/#, \
                 $iothub/twin/res/#, $iothub/twin/PATCH/properties/desired/# and $iothub/methods/POST/# alone"
            ))),
            (Some(_), _) => Err(Closing::topic(format!(
                "a SUBSCRIBE to {filter}: a module subscribes to $iothub/twin/res/#, \
                 $iothub/twin/PATCH/properties/desired/# and $iothub/methods/POST/# alone; inputs are an IoT Edge hub's, and \
                 cloud-to-device messages are for devices"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn device(id: &str) -> Identity {
        Identity::of_device(id)
    }

    fn module() -> Identity {
        Identity {
            module: Some("x".to_owned()),
            ..device("m")
        }
    }

    #[track_caller]
    fn check(topic: &str, who: &Identity, expected: Result<&str, &str>) {
        match (Topic::parse(topic, who), expected) {
            (Ok(Topic::Events { bag }), Ok(expected)) => assert_eq!(bag, expected),
            (Err(why), Err(expected)) => assert!(why.text.contains(expected), "{topic}: {}", why.text),
            (other, _) => panic!("{topic}: {other:?}"),
        }
    }

    #[test]
    fn topics_of_a_device() {
        let cases = [
            ("devices/m:1/messages/events/", Ok("")),
            ("devices/m:1/messages/events/a=b&%24.ct=x", Ok("a=b&%24.ct=x")),
            ("devices/m:1/messages/events", Err("ends with a /")),
            ("devices/m:1/messages/events/a=1/2", Err("%2F")),
            ("devices/m:1/messages/events/a=1/", Err("%2F")),
            (
                "devices/m:1/modules/x/messages/events/",
                Err("messages/events/ alone"),
            ),
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
            check(topic, &device("m:1"), expected);
        }
    }

    #[test]
    fn topics_of_a_module() {
        let cases = [
            ("devices/m/modules/x/messages/events/", Ok("")),
            ("devices/m/modules/x/messages/events/a=b", Ok("a=b")),
            (
                "devices/m/modules/x/messages/events/%24.on=out&a=b/",
                Ok("%24.on=out&a=b"),
            ),
            ("devices/m/modules/x/messages/events/a=1/2", Err("%2F")),
            ("devices/m/modules/x/messages/events", Err("ends with a /")),
            ("devices/m/modules/x/inputs/in/", Err("messages/events/ alone")),
            ("devices/m/modules/xy/messages/events/", Err("the module m/xy,")),
            ("devices/n/modules/x/messages/events/", Err("the module n/x,")),
            ("devices/m/messages/events/", Err("the device m,")),
            ("home", Err("send to devices/m/modules/x/messages/events/")),
        ];
        for (topic, expected) in cases {
            check(topic, &module(), expected);
        }
    }

    #[test]
    fn topics_of_twins_and_methods() {
        let good = [
            ("$iothub/twin/GET/?$rid=1", Topic::TwinGet { rid: "1" }),
            (
                "$iothub/twin/PATCH/properties/reported/?$rid=a-b&x=1",
                Topic::Reported { rid: "a-b" },
            ),
            (
                "$iothub/methods/res/-7/?$rid=f",
                Topic::MethodAnswer { status: -7, rid: "f" },
            ),
        ];
        for (topic, expected) in good {
            assert_eq!(Topic::parse(topic, &device("m")).unwrap(), expected);
        }
        let bad = [
            ("$iothub/twin/GET/", "no query"),
            ("$iothub/twin/GET/?rid=1", "no $rid"),
            ("$iothub/twin/GET/?$rid=", "no $rid"),
            (
                "$iothub/twin/PATCH/properties/desired/?$rid=1",
                "none of the topics",
            ),
            ("$iothub/methods/res/ok/?$rid=1", "none of the topics"),
            ("$iothub/methods/res/200?$rid=1", "none of the topics"),
        ];
        for (topic, expected) in bad {
            let why = Topic::parse(topic, &module()).unwrap_err();
            assert!(why.text.contains(expected), "{topic}: {}", why.text);
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
            assert_eq!(Filter::parse(filter, &device("m")).unwrap(), expected);
            let of_module = Filter::parse(filter, &module()).ok();
            assert_eq!(of_module, Some(expected).filter(|it| *it != Filter::Devicebound));
        }
        for filter in [
            "#",
            "devices/n/messages/devicebound/#",
            "devices/m/messages/events/#",
            "devices/m/modules/x/inputs/#",
            "$iothub/twin/#",
            "$dps/registrations/res/#",
        ] {
            assert!(
                Filter::parse(filter, &device("m"))
                    .unwrap_err()
                    .text
                    .contains(filter)
            );
        }
    }
}
