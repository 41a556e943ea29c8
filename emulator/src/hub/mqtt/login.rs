//! What CONNECT says of the client: client id and user name.

use crate::hub::route::has_api_version;
use crate::hub::token::decode;
use crate::mqtt::Closing;

/// Who wants to connect. Nothing of it is proven.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) device: String,
    /// The model that an IoT Plug and Play device says it follows.
    pub(super) model_id: Option<String>,
}

impl Login {
    /// Reads client id and user name, `{hub}/{device}/?api-version=2021-04-12&…`. The query is parsed, because
    /// SDKs differ: Node writes `model-id` bare and first, Python encoded and last.
    pub(super) fn parse(client_id: &str, user_name: Option<&str>, hub: &str) -> Result<Self, Closing> {
        let shape = format!("{hub}/{client_id}/?api-version=2021-04-12");
        let wrong = |what: String| Closing::new("MqttUserName", format!("{what}; the user name is {shape}"));
        let Some(user_name) = user_name else {
            return Err(wrong("CONNECT has no user name".to_owned()));
        };
        let mut parts = user_name.splitn(3, '/');
        let (host, device, rest) = (parts.next(), parts.next(), parts.next());
        let (Some(host), Some(device)) = (host, device) else {
            return Err(wrong("the user name names no device".to_owned()));
        };
        if !host.eq_ignore_ascii_case(hub) {
            return Err(wrong(format!(
                "the user name names the hub {host}, this one is {hub}"
            )));
        }
        if client_id.contains('/') {
            return Err(wrong(
                "the client id names a module, and modules are not emulated".to_owned(),
            ));
        }
        if device != client_id {
            return Err(wrong(format!(
                "the user name names the device {device}, the client id is {client_id}"
            )));
        }
        // Old clients leave the question mark out.
        let query = rest.map(|rest| rest.strip_prefix('?').unwrap_or(rest));
        if !has_api_version(query) {
            return Err(wrong("the user name has no api-version".to_owned()));
        }
        let model_id = query.unwrap_or_default().split('&').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (name == "model-id").then(|| decode(value))?
        });
        Ok(Self {
            device: device.to_owned(),
            model_id,
        })
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
                (login.device.as_str(), login.model_id.as_deref()),
                ("m", model),
                "{user}"
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
            ("m/x", Some("localhost/m/x/?api-version=2021-04-12"), "modules"),
        ];
        for (client, user, expected) in cases {
            let why = Login::parse(client, user, "localhost").unwrap_err();
            assert!(why.text.contains(expected), "{user:?}: {}", why.text);
        }
    }
}
