//! What CONNECT says of the client: client id and user name.

use crate::hub::identity::Identity;
use crate::hub::route::has_api_version;
use crate::hub::token::decode;
use crate::mqtt::Closing;

/// Who wants to connect. Nothing of it is proven.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) who: Identity,
    /// The model that an IoT Plug and Play device says it follows.
    pub(super) model_id: Option<String>,
}

impl Login {
    /// Reads client id and user name, `{hub}/{device}/?api-version=2021-04-12&…`; a module's id follows its device's, in both.
    /// The query is parsed, because SDKs differ: Node writes `model-id` bare and first, Python encoded and last.
    pub(super) fn parse(client_id: &str, user_name: Option<&str>, hub: &str) -> Result<Self, Closing> {
        let shape = format!("{hub}/{client_id}/?api-version=2021-04-12");
        let wrong = |what: String| Closing::new("MqttUserName", format!("{what}; the user name is {shape}"));
        let Some(user_name) = user_name else {
            return Err(wrong("CONNECT has no user name".to_owned()));
        };
        let Some((host, rest)) = user_name.split_once('/') else {
            return Err(wrong("the user name names no device".to_owned()));
        };
        if !host.eq_ignore_ascii_case(hub) {
            return Err(wrong(format!(
                "the user name names the hub {host}, this one is {hub}"
            )));
        }
        let Some(who) = Identity::parse(client_id) else {
            return Err(wrong(format!(
                "the client id {client_id} has more parts than a device and its module"
            )));
        };
        let inner = usize::from(who.module.is_some());
        let end = rest
            .match_indices('/')
            .nth(inner)
            .map(|(at, _)| rest.split_at(at));
        let (named, query) = end.map_or((rest, None), |(named, query)| (named, query.get(1..)));
        if named != client_id {
            let kind = if who.module.is_some() { "module" } else { "device" };
            return Err(wrong(format!(
                "the user name names the {kind} {named}, the client id is {client_id}"
            )));
        }
        // Old clients leave the question mark out.
        let query = query.map(|query| query.strip_prefix('?').unwrap_or(query));
        if !has_api_version(query) {
            return Err(wrong("the user name has no api-version".to_owned()));
        }
        let model_id = query.unwrap_or_default().split('&').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (name == "model-id").then(|| decode(value))?
        });
        Ok(Self { who, model_id })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn user_names_of_the_sdks() {
        let model = "dtmi:com:example:Meter;1";
        // Recorded from Node, Node with a model, Python, Python with a model; the C SDK; without `?`.
        let cases = [
            (
                "localhost/m/?api-version=2021-04-12&DeviceClientType=azure-iot-device%2F1.18.4",
                None,
            ),
            (
                "localhost/m/?model-id=dtmi:com:example:Meter;1&api-version=2021-04-12&DeviceClientType=x",
                Some(model),
            ),
            (
                "localhost/m/?api-version=2019-10-01&DeviceClientType=azure-iot-device-iothub-py%2F2.14.0",
                None,
            ),
            (
                "LocalHost/m/?api-version=2020-09-30&DeviceClientType=x&model-id=dtmi%3Acom%3Aexample%3AMeter%3B1",
                Some(model),
            ),
            ("localhost/m/api-version=2018-06-30", None),
        ];
        for (user, model) in cases {
            let login = Login::parse("m", Some(user), "localhost").unwrap();
            assert_eq!(
                (login.who, login.model_id.as_deref()),
                (Identity::of_device("m"), model),
                "{user}"
            );
        }
        for user in [
            "localhost/m/x/?api-version=2021-04-12&DeviceClientType=azure-iot-device%2F1.18.4",
            "localhost/m/x/?api-version=2019-10-01&DeviceClientType=azure-iot-device-iothub-py%2F2.14.0",
        ] {
            let login = Login::parse("m/x", Some(user), "localhost").unwrap();
            assert_eq!(
                (login.who.device.as_str(), login.who.module.as_deref()),
                ("m", Some("x"))
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("m", None, "no user name"),
            ("m", Some("localhost"), "names no device"),
            ("m", Some("other/m/?api-version=2021-04-12"), "the hub other"),
            ("m", Some("localhost/n/?api-version=2021-04-12"), "the device n"),
            ("m", Some("localhost/m/?api-version=tomorrow"), "no api-version"),
            ("m", Some("localhost/m"), "no api-version"),
            (
                "m",
                Some("localhost/m/x/?api-version=2021-04-12"),
                "no api-version",
            ),
            (
                "m/x",
                Some("localhost/m/?api-version=2021-04-12"),
                "the module m/?",
            ),
            (
                "m/x",
                Some("localhost/m/y/?api-version=2021-04-12"),
                "the module m/y",
            ),
            ("m/x", Some("localhost/m/x"), "no api-version"),
            (
                "m/x/y",
                Some("localhost/m/x/y/?api-version=2021-04-12"),
                "more parts",
            ),
        ];
        for (client, user, expected) in cases {
            let why = Login::parse(client, user, "localhost").unwrap_err();
            assert!(why.text.contains(expected), "{user:?}: {}", why.text);
        }
    }
}
