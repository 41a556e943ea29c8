//! A device's connection string, in the words of whoever set it. No message shows a value of it.

use wire::connection_string::{self as string, Device, Error};

use super::{address, credential};

/// Reads `HostName=…;DeviceId=…;SharedAccessKey=…`. The hub's name comes out in small letters.
pub(super) fn parse(text: &str) -> Result<Device, String> {
    let mut device = Device::parse(text).map_err(|error| words(&error))?;
    if device.policy.is_some() && matches!(device.credential, string::Credential::Key(_)) {
        return Err(words(&Error::NotDevice));
    }
    if device.module.is_some() {
        return Err(format!("names a module; a device is needed: {FORM}"));
    }
    credential::device_id(&device.device).map_err(|why| format!("DeviceId {why}"))?;
    device.host = address::host(&device.host, false).map_err(|why| format!("HostName {why}"))?;
    device.gateway = device
        .gateway
        .map(|text| address::host(&text, true).map_err(|why| format!("GatewayHostName {why}")))
        .transpose()?;
    Ok(device)
}

const FORM: &str = "`HostName=…;DeviceId=…;SharedAccessKey=…`";

fn words(error: &Error) -> String {
    match error {
        Error::NotDevice => format!(
            "is a policy's connection string; copy the device's own from the hub's device list: {FORM}"
        ),
        Error::Missing(part) => format!("has no {part}; write {FORM}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::connection_string::Credential;

    use super::parse;

    const KEY: &str = "bWV0ZXJicmlkZ2UtdGVzdC1rZXktMzItYnl0ZXMtISE=";

    #[test]
    fn a_devices_string_is_taken_apart() {
        let text = format!(
            "HostName=Hub.azure-devices.net; DeviceId=meter-1;SharedAccessKey={KEY};GatewayHostName=edge:8883;"
        );
        let device = parse(&text).ok().map(|d| {
            let key = match &d.credential {
                Credential::Key(key) => key.to_base64() == KEY,
                Credential::Signature(_) => false,
            };
            (d.host, d.gateway, d.device, key)
        });
        let expected = (
            "hub.azure-devices.net".to_owned(),
            Some("edge:8883".to_owned()),
            "meter-1".to_owned(),
            true,
        );
        assert_eq!(device, Some(expected));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_key() {
        for (text, expected) in [
            (String::new(), "has no HostName; write `HostName=…;"),
            (format!("HostName=h;SharedAccessKey={KEY}"), "has no DeviceId"),
            ("HostName=h;DeviceId=d".to_owned(), "has no SharedAccessKey"),
            (
                format!("HostName=h;DeviceId=d;SharedAccessKey={}", &KEY[..30]),
                "not base64",
            ),
            (
                "HostName=h;DeviceId=d;SharedAccessKey=bWV0ZXI=".to_owned(),
                "5 bytes where 16 to 64 are allowed",
            ),
            (
                format!("HostName=h;SharedAccessKeyName=iothubowner;SharedAccessKey={KEY}"),
                "policy's",
            ),
            (
                format!("HostName=h;DeviceId=d;SharedAccessKeyName=device;SharedAccessKey={KEY}"),
                "policy's",
            ),
            (
                format!("HostName=h;DeviceId=d;ModuleId=m;SharedAccessKey={KEY}"),
                "module",
            ),
            (
                "HostName=h;DeviceId=d;x509=true".to_owned(),
                "certificates are not supported",
            ),
            (
                format!("HostName=h;HostName=h;DeviceId=d;SharedAccessKey={KEY}"),
                "HostName appears twice",
            ),
            (format!("HostName=h;DeviceId=d;{KEY}x"), "part 3"),
            ("HostName=h;bWV0ZXJ".to_owned(), "part 2"),
            (
                format!("HostName=h h;DeviceId=d;SharedAccessKey={KEY}"),
                "HostName in the connection string is not a bare host name",
            ),
            (
                format!("HostName=a..b;DeviceId=d;SharedAccessKey={KEY}"),
                "HostName is not a host name",
            ),
            (
                format!("HostName=h;DeviceId=a/b;SharedAccessKey={KEY}"),
                "DeviceId in the connection string has characters",
            ),
            (
                format!("HostName=h;DeviceId=a<b;SharedAccessKey={KEY}"),
                "DeviceId is not a device id",
            ),
            (format!("Endpoint=sb://x/;SharedAccessKey={KEY}"), "Event Hubs"),
        ] {
            let fault = parse(&text).err().unwrap_or_default();
            assert!(
                fault.contains(expected) && !fault.contains("bWV0"),
                "{expected}: {fault}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}", parts in "((HostName|DeviceId|SharedAccessKey)=[a-z=]{0,8};?){0,5}") {
            let _ = parse(&text);
            let _ = parse(&parts);
        }
    }
}
