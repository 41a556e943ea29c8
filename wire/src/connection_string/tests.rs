#![allow(clippy::unwrap_used)]

use std::format;
use std::string::ToString;

use proptest::prelude::*;

use super::*;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SAS: &str = "SharedAccessSignature sr=h%2Fdevices%2Fd&sig=IXrDqr9KUs%2BlTaiT5gKMrc4iBThvegpbZ8Mui97MPhs%3D&se=1893456000";

#[test]
fn device_strings_are_read() {
    let check = |text: &str, expected: (&str, Option<&str>, &str, Option<&str>, Option<&str>)| {
        let device = Device::parse(&text.replace("KEY", KEY).replace("SAS", SAS)).unwrap();
        let Device {
            host,
            gateway,
            device,
            module,
            policy,
            ..
        } = &device;
        let found = (
            host.as_str(),
            gateway.as_deref(),
            device.as_str(),
            module.as_deref(),
            policy.as_deref(),
        );
        assert_eq!(found, expected, "{text}");
    };
    check(
        "HostName=h.example;DeviceId=Meter=1;SharedAccessKey=KEY",
        ("h.example", None, "Meter=1", None, None),
    );
    check(
        " sharedaccesskey=KEY ; deviceid=d;HOSTNAME=h;\n",
        ("h", None, "d", None, None),
    );
    check(
        "HostName=h;GatewayHostName=localhost:8443;DeviceId=d;ModuleId=m;SharedAccessKey=KEY;x509=false",
        ("h", Some("localhost:8443"), "d", Some("m"), None),
    );
    check(
        "HostName=h;DeviceId=d;SharedAccessKeyName=device;SharedAccessKey=KEY",
        ("h", None, "d", None, Some("device")),
    );
    check(
        "HostName=h;DeviceId=d;SharedAccessSignature=SAS",
        ("h", None, "d", None, None),
    );
}

#[test]
fn credentials_come_out_whole() {
    let Credential::Key(key) = Device::parse(&format!("HostName=h;DeviceId=d;SharedAccessKey={KEY}"))
        .unwrap()
        .credential
    else {
        panic!("a key was given")
    };
    assert_eq!(key.to_base64(), KEY);
    let text = format!("HostName=h;DeviceId=d;SharedAccessSignature={SAS}");
    let Credential::Signature(token) = Device::parse(&text).unwrap().credential else {
        panic!("a token was given")
    };
    assert_eq!((token.text(), token.expiry()), (SAS, 1_893_456_000));
}

#[test]
fn service_strings_are_read() {
    let text = format!("HostName=h.example;SharedAccessKeyName=iothubowner;SharedAccessKey={KEY}");
    let service = Service::parse(&text).unwrap();
    assert_eq!(
        (service.host.as_str(), service.policy.as_deref()),
        ("h.example", Some("iothubowner"))
    );
    assert_eq!(Device::parse(&text).map(|_| ()), Err(Error::NotDevice));
    let text = format!("HostName=h;DeviceId=d;SharedAccessKey={KEY}");
    assert_eq!(Service::parse(&text).map(|_| ()), Err(Error::NotService));
}

#[test]
fn faults_are_named() {
    let check = |text: &str, expected: Error| {
        let text = text.replace("KEY", KEY).replace("SAS", SAS);
        assert_eq!(
            ConnectionString::parse(&text).map(|_| ()),
            Err(expected),
            "{text}"
        );
    };
    let doubtful = |part, why| Error::Doubtful { part, why };
    check("", Error::Missing("HostName"));
    check("DeviceId=d;SharedAccessKey=KEY", Error::Missing("HostName"));
    check(
        "HostName=;DeviceId=d;SharedAccessKey=KEY",
        Error::Missing("HostName"),
    );
    check("HostName=h;DeviceId=d", Error::Missing("SharedAccessKey"));
    check(
        "HostName=h;DeviceId=d;SharedAccessKey=",
        Error::Missing("SharedAccessKey"),
    );
    check(
        "HostName=h;DeviceId=;SharedAccessKey=KEY",
        Error::Missing("DeviceId"),
    );
    check(
        "HostName=h;ModuleId=m;SharedAccessKey=KEY",
        Error::Missing("DeviceId"),
    );
    check(
        "HostName=h;SharedAccessKey=KEY",
        Error::Missing("DeviceId (of a device) and no SharedAccessKeyName (of a policy)"),
    );
    check(
        "HostName=h;DeviceId=d;DeviceID=e;SharedAccessKey=KEY",
        Error::Duplicate("DeviceId"),
    );
    check("HostName=h;DeviceId=d;KEY", Error::Unknown(3));
    check("HostName=h;DeviceId=d;;abcdef", Error::NoValue(4));
    check("HostName=h;DeviceId=d;SharedAccesKey=KEY", Error::Unknown(3));
    check(
        "Endpoint=sb://x/;SharedAccessKeyName=p;SharedAccessKey=KEY",
        Error::EventHubs,
    );
    check("HostName=h;DeviceId=d;x509=True", Error::Certificate);
    check(
        "HostName=h;DeviceId=d;x509=1",
        doubtful("x509", "is neither true nor false"),
    );
    check(
        "HostName=h;DeviceId=d;SharedAccessKey=short",
        Error::Key(KeyError::Base64),
    );
    check(
        "HostName=h;DeviceId=d;SharedAccessKey=AAAA",
        Error::Key(KeyError::Length { len: 3 }),
    );
    check(
        "HostName=h;DeviceId=d;SharedAccessSignature=KEY",
        Error::Signature(ParseError::Scheme),
    );
    check(
        "HostName=https://h/;DeviceId=d;SharedAccessKey=KEY",
        doubtful(
            "HostName",
            "is not a bare host name; leave out https:// and any path",
        ),
    );
    check(
        "HostName=h;DeviceId=a b;SharedAccessKey=KEY",
        doubtful(
            "DeviceId",
            "has characters that ids may not have, such as spaces, slashes or accents",
        ),
    );
    check(
        "HostName=h;DeviceId=d;SharedAccessKey=KEY;SharedAccessSignature=SAS",
        doubtful(
            "SharedAccessSignature",
            "stands beside a SharedAccessKey; keep one of the two",
        ),
    );
    check(
        "HostName=h;GatewayHostName=g;SharedAccessKeyName=p;SharedAccessKey=KEY",
        doubtful("GatewayHostName", "is only for devices, and there is no DeviceId"),
    );
    let long = format!("HostName=h;DeviceId={};SharedAccessKey=KEY", "d".repeat(129));
    check(&long, doubtful("DeviceId", "is longer than 128 characters"));
}

proptest! {
    /// Wherever a slip of the hand puts the key, neither the error nor `Debug` repeats it.
    #[test]
    fn the_key_is_never_shown(before in "(HostName=h;|DeviceId=d;|x509=|HostName=|ModuleId=|;|=|SharedAccessKey=|\"){0,4}", after in "(;HostName=h|;DeviceId=d|=|;x|;SharedAccessKey=|\"){0,3}") {
        let secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQh";
        let shown = match ConnectionString::parse(&format!("{before}{secret}{after}")) {
            Ok(ConnectionString::Device(device)) => format!("{:?}", device.credential),
            Ok(ConnectionString::Service(service)) => format!("{:?}", service.credential),
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(!shown.contains("c2VjcmV0"), "{}", shown);
    }

    #[test]
    fn never_panics(text in ".*") {
        if let Err(error) = ConnectionString::parse(&text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
