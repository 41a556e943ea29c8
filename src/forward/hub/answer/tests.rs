#![allow(clippy::unwrap_used)]

use super::*;

const HUB: &str = "contoso.azure-devices.net";

fn answer(status: u16, name: Option<&str>, body: &str) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        name: name.map(String::from),
        retry_after: None,
        skew: None,
        body: body.as_bytes().to_vec(),
    }
}

fn meter() -> Assignment {
    Assignment {
        hub: HUB.into(),
        device: "meter-001".into(),
    }
}

/// Each answer: status, header `iothub-errorcode`, body, then the kind of error, the wait in seconds and words that the text has.
#[test]
fn every_answer_has_a_meaning() {
    let check = |status: u16, name: Option<&str>, body: &str, kind: &str, after: Option<u64>, words: &str| {
        let error = answer(status, name, body).hub_error(&meter(), None);
        let text = error.to_string();
        assert_eq!(
            (error.kind(), error.retry_after()),
            (kind, after.map(Duration::from_secs)),
            "{status} {body}: {text}"
        );
        assert!(text.contains(words), "{status} {body}: {text}");
        assert!(text.contains(HUB), "{text}");
        assert_eq!(error.is_transient(), kind == "unavailable");
    };

    check(300, None, "", "unavailable", None, "redirect (300)");
    check(302, None, "<html>", "unavailable", None, "check IOTHUB_HOST");
    check(307, None, "", "unavailable", None, "redirect");

    check(
        400,
        Some("ArgumentInvalid"),
        r#"{"Message":"ErrorCode:ArgumentInvalid;Invalid batch"}"#,
        "refused",
        None,
        "ArgumentInvalid, Invalid batch",
    );
    check(
        400,
        None,
        r#"{"errorCode":400004,"message":"bad","trackingId":"t"}"#,
        "refused",
        None,
        "(400): 400004, bad",
    );
    check(400, None, "", "refused", None, "an empty body");
    check(400, Some("MessageTooLarge"), "", "too-large", None, "too large");
    check(
        400,
        None,
        r#"{"errorCode":413001,"message":"m"}"#,
        "too-large",
        None,
        "too large",
    );

    check(
        401,
        Some("IotHubUnauthorizedAccess"),
        r#"{"Message":"ErrorCode:IotHubUnauthorizedAccess;Unauthorized","ExceptionMessage":"Tracking ID:t"}"#,
        "unauthorized",
        None,
        "IotHubUnauthorizedAccess, Unauthorized",
    );
    check(
        401,
        None,
        r#"{"errorCode":401003,"message":"Unauthorized"}"#,
        "unauthorized",
        None,
        "401003",
    );
    check(402, None, "", "unavailable", None, "402");

    check(
        403,
        Some("IotHubQuotaExceeded"),
        r#"{"Message":"ErrorCode:IotHubQuotaExceeded;Total number of messages on IotHub 'contoso' exceeded the allocated quota."}"#,
        "quota",
        None,
        "00:00 UTC",
    );
    check(
        403,
        None,
        r#"{"errorCode":403002,"message":"quota"}"#,
        "quota",
        None,
        "daily message quota",
    );
    check(
        429,
        None,
        r#"{"errorCode":"403002","message":"quota"}"#,
        "quota",
        None,
        "daily",
    );
    check(
        403,
        None,
        r#"{"errorCode":403012,"message":"Device disabled"}"#,
        "device",
        None,
        "403012, Device disabled",
    );
    check(403, Some("Forbidden"), "", "device", None, "Forbidden");
    check(
        404,
        Some("DeviceNotFound"),
        r#"{"Message":"ErrorCode:DeviceNotFound;E2FSN: Device meter-001 not registered"}"#,
        "device",
        None,
        "not registered",
    );
    check(
        404,
        None,
        r#"{"Message":"{\"errorCode\":404001,\"message\":\"Device not found\"}"}"#,
        "device",
        None,
        "404001, Device not found",
    );
    check(410, None, "", "device", None, "register or enable");

    check(
        405,
        None,
        "",
        "unavailable",
        None,
        "check IOTHUB_HOST".replace("check", "Check").as_str(),
    );
    check(407, None, "proxy", "unavailable", None, "proxy");
    check(406, None, "", "refused", None, "(406)");
    check(
        408,
        None,
        r#"{"errorCode":408001,"message":"late"}"#,
        "unavailable",
        None,
        "408001",
    );
    check(409, None, "", "refused", None, "(409)");
    check(411, None, "", "refused", None, "(411)");
    check(412, None, "", "refused", None, "(412)");
    check(413, Some("MessageTooLarge"), "", "too-large", None, "too large");
    check(413, None, "<html>", "too-large", None, "too large");
    check(415, None, "", "refused", None, "(415)");
    check(421, None, "", "unavailable", None, "another server");
    check(422, None, "", "refused", None, "(422)");
    check(426, None, "", "unavailable", None, "IOTHUB_HOST");
    check(
        429,
        Some("ThrottlingException"),
        r#"{"Message":"ErrorCode:ThrottlingBacklogTimeout;Throttled. Wait 10 seconds and try again. Operation type: DeviceTelemetry."}"#,
        "unavailable",
        Some(10),
        "ThrottlingBacklogTimeout",
    );
    check(
        429,
        None,
        r#"{"errorCode":429001,"message":"slow down"}"#,
        "unavailable",
        None,
        "429001, slow down",
    );
    check(429, None, "", "unavailable", None, "429");
    check(431, None, "", "refused", None, "(431)");
    check(
        500,
        Some("ServerError"),
        r#"{"Message":"ErrorCode:ServerError;Wait 2 seconds"}"#,
        "unavailable",
        Some(2),
        "ServerError",
    );
    check(501, None, "", "unavailable", None, "501");
    check(
        502,
        None,
        "<html>\n<h1>502 Bad Gateway</h1>",
        "unavailable",
        None,
        "Bad Gateway",
    );
    check(
        503,
        None,
        r#"{"errorCode":503001,"message":"busy"}"#,
        "unavailable",
        None,
        "503001",
    );
    check(
        504,
        None,
        r#"{"errorCode":504101,"message":"timed out"}"#,
        "unavailable",
        None,
        "504101",
    );
    check(505, None, "", "unavailable", None, "505");
    check(599, None, "", "unavailable", None, "599");
    check(600, None, "", "unavailable", None, "600");
}

#[test]
fn the_header_is_obeyed_before_the_text() {
    let mut throttled = answer(429, None, "Wait 10 seconds");
    throttled.retry_after = Some(Duration::from_secs(3));
    let error = throttled.hub_error(&meter(), None);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
}

#[test]
fn dps_refuses_or_is_asked_later() {
    let check = |status: u16, body: &str, kind: &str, words: &str| {
        let error =
            answer(status, None, body).dps_error("global.azure-devices-provisioning.net", "home", None);
        let text = error.to_string();
        assert_eq!(error.kind(), kind, "{status}: {text}");
        assert!(text.contains(words), "{status}: {text}");
    };
    let unauthorized =
        r#"{"errorCode":401002,"trackingId":"t","message":"IOTDPS01: Unauthorized","timestampUtc":"u"}"#;
    check(
        401,
        unauthorized,
        "not-assigned",
        "401002, IOTDPS01: Unauthorized",
    );
    check(
        404,
        r#"{"errorCode":404201,"message":"no enrolment"}"#,
        "not-assigned",
        "Not Found (404201, no enrolment)",
    );
    check(400, "", "not-assigned", "home");
    check(403, "", "not-assigned", "DPS_ID_SCOPE");
    check(429, "", "unavailable", "429");
    check(500, "oops", "unavailable", "oops");
    check(302, "", "unavailable", "the DPS endpoint's name");
}

#[test]
fn a_remark_stands_behind_the_words() {
    let remark = Some("this machine's clock is 30 min behind".to_owned());
    let error = answer(401, None, "no").hub_error(&meter(), remark);
    assert!(
        error
            .to_string()
            .contains("no; this machine's clock is 30 min behind")
    );
}

#[test]
fn faults_name_the_setting_that_helps() {
    let check = |chain: &str, peer: Peer, expected: Option<&str>| {
        let advice = advice(chain, peer);
        match expected {
            Some(words) => assert!(
                advice.as_deref().is_some_and(|a| a.contains(words)),
                "{chain}: {advice:?}"
            ),
            None => assert_eq!(advice, None, "{chain}"),
        }
    };
    let unknown = "client error (Connect)\ninvalid peer certificate: UnknownIssuer\n";
    check(unknown, Peer::Hub, Some("IOTHUB_CA_FILE"));
    let lookup = "dns error\nfailed to lookup address information: Temporary failure in name resolution\n";
    check(lookup, Peer::Hub, Some("IOTHUB_HOST"));
    check(lookup, Peer::Dps, Some("DPS"));
    check(
        "received corrupt message of type InvalidContentType\n",
        Peer::Hub,
        Some("IOTHUB_CA_FILE"),
    );
    check("tls handshake eof\n", Peer::Hub, Some("check the port"));
    check(
        "tcp connect error\nConnection refused (os error 111)\n",
        Peer::Hub,
        None,
    );
}
