//! The control API: feed, stream, counters, faults and devices over plain HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/wire.rs"]
mod wire;

use emulator::hub::{Fault, Hub, HubOptions, Key, StartError};
use serde_json::{Value, json};
use wire::{K32, K64, NOW_S, Wire, key, options, request};

struct Control {
    hub: Hub,
    wire: Wire,
    client: reqwest::Client,
}

impl Control {
    async fn start() -> Self {
        let control = Some("127.0.0.1:0".parse().unwrap());
        let hub = Hub::start(HubOptions { control, ..options() }).await.unwrap();
        let wire = Wire::to(&hub).await;
        Self {
            hub,
            wire,
            client: reqwest::Client::builder().tls_certs_only([]).build().unwrap(),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.hub.control_addr().unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        self.client
            .get(self.url(path))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let method = method.parse().unwrap();
        let request = self.client.request(method, self.url(path)).body(body.to_owned());
        let reply = request
            .header("content-type", "application/json")
            .send()
            .await
            .unwrap();
        (reply.status().as_u16(), reply.text().await.unwrap())
    }

    async fn send(&mut self, device: &str, key: &Key, body: impl AsRef<[u8]>) -> u16 {
        let token = key.token(&format!("localhost/devices/{device}"), NOW_S + 60, None);
        let line = format!("POST /devices/{device}/messages/events?api-version=2021-04-12");
        let headers = [
            ("Authorization", token.as_str()),
            ("iothub-messageid", "id"),
            ("iothub-app-a", "b"),
        ];
        self.wire
            .ask(&request(&line, &headers, body))
            .await
            .unwrap()
            .status
    }
}

#[tokio::test]
async fn the_feed_shows_what_arrived() {
    let mut control = Control::start().await;
    for body in [b"{}".as_ref(), b"\xff\x00", b"3"] {
        assert_eq!(control.send("meter-001", &key(K32), body).await, 204);
    }
    let all = control.get("/feed").await;
    assert_eq!(
        all["messages"][0],
        json!({
            "number": 1, "device": "meter-001", "module": null, "at": "2027-01-15T08:00:00.000Z", "messageId": "id",
            "contentType": null, "contentEncoding": null, "creationTime": null,
            "properties": {"a": "b"}, "system": {"iothub-messageid": "id"}, "units": 1, "body": "{}",
        })
    );
    assert_eq!(all["messages"][1]["bodyBase64"], "/wA=");
    let part = control.get("/feed?after=1&limit=1").await;
    assert_eq!(part["messages"].as_array().unwrap().len(), 1);
    assert_eq!(part["messages"][0]["number"], 2);
    let stats = control.get("/stats").await;
    assert_eq!((&stats["messages"], &stats["bytes"]), (&json!(3), &json!(5)));
    assert_eq!(stats["devices"]["meter-001"]["units"], 3);
    let (status, index) = control.call("GET", "/", "").await;
    assert!(status == 200 && index.contains("/feed/stream"), "{index}");
    for name in all["messages"][0].as_object().unwrap().keys() {
        assert!(!name.contains('_'), "{name}");
    }
}

#[tokio::test]
async fn the_stream_goes_on_where_the_feed_ends() {
    let mut control = Control::start().await;
    for body in ["1", "2"] {
        control.send("meter-001", &key(K32), body).await;
    }
    let mut stream = control
        .client
        .get(control.url("/feed/stream?after=1"))
        .send()
        .await
        .unwrap();
    assert_eq!(stream.headers()["content-type"], "application/x-ndjson");
    let mut seen = Vec::new();
    for next in ["3", "4", "5"] {
        let line = stream.chunk().await.unwrap().unwrap();
        let message: Value = serde_json::from_slice(line.strip_suffix(b"\n").unwrap()).unwrap();
        seen.push(message["body"].as_str().unwrap().to_owned());
        control.send("meter-001", &key(K32), next).await;
    }
    assert_eq!(seen, ["2", "3", "4"]);
}

#[tokio::test]
async fn faults_are_armed_and_taken_back() {
    let mut control = Control::start().await;
    let orders = [
        r#"{"device":"meter-001","fault":{"status":{"code":503,"retry_after":5}}}"#,
        r#"{"times":2,"fault":{"delay":1}}"#,
        r#"{"fault":{"clock_skew":86400}}"#,
    ];
    for order in orders {
        assert_eq!(
            control.call("POST", "/faults", order).await,
            (204, String::new()),
            "{order}"
        );
    }
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(control.send("meter-001", &key(K32), "{}").await);
    }
    assert_eq!(statuses, [503, 204, 204, 401, 204]);
    for bad in [
        "{}",
        r#"{"fault":"other"}"#,
        r#"{"fault":"reset","extra":1}"#,
        r#"{"fault":{"status":{"code":99}}}"#,
        r#"{"fault":{"status":{"code":101}}}"#,
    ] {
        let (status, text) = control.call("POST", "/faults", bad).await;
        assert!(matches!(status, 400 | 422), "{bad}: {status} {text}");
    }
    assert_eq!(
        control
            .call("POST", "/faults", r#"{"times":9,"fault":"reset"}"#)
            .await
            .0,
        204
    );
    assert_eq!(
        control.call("DELETE", "/faults", "").await,
        (200, r#"{"cleared":9}"#.to_owned())
    );
    control.hub.fail_next(1, Fault::ResetAfterAccept);
}

#[tokio::test]
async fn devices_are_added_changed_and_removed() {
    let mut control = Control::start().await;
    let (status, made) = control.call("PUT", "/devices/m-2", "{}").await;
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(status, 200);
    let string = made["connectionString"].as_str().unwrap();
    let secret = string
        .strip_prefix("HostName=localhost;DeviceId=m-2;SharedAccessKey=")
        .unwrap();
    let own = key(secret);
    assert_eq!(control.send("m-2", &own, "{}").await, 204);

    let disable = r#"{"enabled":false}"#;
    assert_eq!(control.call("PUT", "/devices/m-2", disable).await.0, 200);
    assert_eq!(control.send("m-2", &own, "{}").await, 403);
    let change = json!({ "primary_key": K64, "enabled": true }).to_string();
    assert_eq!(control.call("PUT", "/devices/m-2", &change).await.0, 200);
    assert_eq!(control.send("m-2", &own, "{}").await, 401);
    assert_eq!(
        control.send("m-2", &own.derive("secondary"), "{}").await,
        204,
        "the other key stays"
    );
    assert_eq!(control.send("m-2", &key(K64), "{}").await, 204);
    assert_eq!(
        control.hub.stats().devices["m-2"].messages,
        3,
        "counters outlive changes"
    );

    let ids: Vec<Value> = control
        .get("/devices")
        .await
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["id"].clone())
        .collect();
    assert_eq!(ids, ["m-2", "m:1", "meter-001", "off"]);
    for bad in [
        r#"{"primary_key":"%"}"#,
        r#"{"primary_key":"AAAA"}"#,
        r#"{"key":"x"}"#,
        "[",
    ] {
        assert!(
            matches!(control.call("PUT", "/devices/m-3", bad).await.0, 400 | 422),
            "{bad}"
        );
    }
    assert_eq!(control.call("PUT", "/devices/a%20b", "{}").await.0, 400);
    assert_eq!(control.call("DELETE", "/devices/m-2", "").await.0, 204);
    assert_eq!(control.call("DELETE", "/devices/m-2", "").await.0, 404);
    assert_eq!(control.send("m-2", &key(K64), "{}").await, 404);
}

#[tokio::test]
async fn the_control_api_stays_on_this_machine() {
    let control = Some("0.0.0.0:0".parse().unwrap());
    let refused = Hub::start(HubOptions { control, ..options() })
        .await
        .err()
        .unwrap();
    assert!(matches!(refused, StartError::ControlNotLoopback(_)), "{refused}");
}

/// Browsers get a page that may load nothing but the hub's own files; everybody else gets the list of calls.
#[tokio::test]
async fn a_browser_gets_the_page_and_others_the_list() {
    let control = Control::start().await;
    let get = async |path: &str, accept: &str| {
        let request = control.client.get(control.url(path)).header("accept", accept);
        request.send().await.unwrap()
    };
    let page = get("/", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8").await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.starts_with("default-src 'none';") && !policy.contains("unsafe"),
        "{policy}"
    );
    let page = page.text().await.unwrap();
    for attribute in ["style=", " onclick", "http:", "https:"] {
        assert!(!page.contains(attribute), "{attribute}");
    }
    // Every file that the page and its scripts name is there, with its type.
    let mut files: Vec<String> = page
        .split('"')
        .filter(|text| text.starts_with("/page/"))
        .map(str::to_owned)
        .collect();
    let mut seen = 0;
    while let Some(file) = files.get(seen).cloned() {
        seen += 1;
        let reply = get(&file, "*/*").await;
        assert_eq!(reply.status(), 200, "{file}");
        let kind = match file.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(reply.headers()["content-type"], kind, "{file}");
        assert_eq!(reply.headers()["x-content-type-options"], "nosniff");
        for imported in reply.text().await.unwrap().split('"') {
            let imported = imported.strip_prefix("./").filter(|_| file.ends_with(".js"));
            if let Some(path) = imported
                .map(|name| format!("/page/{name}"))
                .filter(|path| !files.contains(path))
            {
                files.push(path);
            }
        }
    }
    assert!(seen > 15, "{files:?}");
    for accept in ["*/*", "application/json"] {
        let list = get("/", accept).await.text().await.unwrap();
        assert!(list.contains("/feed/stream"), "{list}");
    }
    assert!(
        get("/help", "text/html")
            .await
            .text()
            .await
            .unwrap()
            .contains("/feed/stream")
    );
    assert_eq!(get("/page/../hub.rs", "*/*").await.status(), 404);
}

/// A page from elsewhere, open in a browser on this machine, reaches nothing.
#[tokio::test]
async fn foreign_names_and_pages_are_refused() {
    let control = Control::start().await;
    let status = async |name: &str, value: &str| {
        let request = control
            .client
            .delete(control.url("/devices/meter-001"))
            .header(name, value);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status("host", "rebound.example:8445").await, 403);
    assert_eq!(status("origin", "http://elsewhere.example").await, 403);
    assert_eq!(status("origin", "null").await, 403);
    assert!(control.hub.device("meter-001").is_some());
    assert_eq!(status("origin", &control.url("")).await, 204);
}

#[tokio::test]
async fn hub_dps_and_armed_faults_are_told() {
    let mut control = Control::start().await;
    let hub = control.get("/hub").await;
    assert_eq!(
        (&hub["hostName"], &hub["unitBytes"]),
        (&json!("localhost"), &json!(4096))
    );
    assert_eq!(hub["https"], json!(control.hub.url()));
    assert_eq!(control.call("GET", "/dps", "").await.0, 404);
    let group = emulator::dps::Group::new("meters", key(K32));
    let options = emulator::dps::DpsOptions {
        bind: None,
        groups: vec![group],
        ..Default::default()
    };
    let _dps = emulator::dps::Dps::start(options, &control.hub).await.unwrap();
    let dps = control.get("/dps").await;
    assert_eq!(dps["groups"][0]["id"], "meters");
    assert!(!dps.to_string().contains(K32), "{dps}");

    control.hub.fail_next_of("meter-001", 2, Fault::Delay(1));
    assert_eq!(
        control.get("/faults").await,
        json!([{"device": "meter-001", "times": 2, "fault": {"delay": 1}}])
    );
    for body in ["1", "2", "3"] {
        control.send("meter-001", &key(K32), body).await;
    }
    assert_eq!(control.get("/faults").await, json!([]));
    let last = control.get("/feed?last=2").await;
    let numbers: Vec<_> = last["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["number"])
        .collect();
    assert_eq!(numbers, [2, 3]);
    assert_eq!(control.get("/devices").await[0]["connected"], false);
}

#[tokio::test]
async fn limits_are_shown_and_changed() {
    let mut control = Control::start().await;
    let none = json!({"throttles": {}, "burstSeconds": null, "queueSeconds": null, "unitsPerDay": null});
    assert_eq!(control.get("/limits").await, none);
    let asked = json!({"throttles": {"send": "1/min", "twin-read": "5/s"}, "unitsPerDay": 7});
    assert_eq!(control.call("PUT", "/limits", &asked.to_string()).await.0, 200);
    let shown = control.get("/limits").await;
    assert_eq!(
        (&shown["throttles"], &shown["unitsPerDay"]),
        (&asked["throttles"], &json!(7))
    );
    for status in [204, 429] {
        assert_eq!(control.send("meter-001", &key(K32), "x").await, status);
    }
    let quota = json!({"unitsPerDay": 1});
    assert_eq!(control.call("PUT", "/limits", &quota.to_string()).await.0, 200);
    assert_eq!(
        control.send("meter-001", &key(K32), "x").await,
        403,
        "the day has its unit"
    );
    assert_eq!(control.call("PUT", "/limits", "{}").await.0, 200);
    assert_eq!(control.send("meter-001", &key(K32), "x").await, 204);
    assert_eq!(control.get("/devices").await[1]["units"], 2);
    for (body, word) in [
        ("{\"throttles\":{\"sand\":\"1/s\"}}", "sand"),
        ("{\"throttles\":{\"send\":\"1\"}}", "100/min"),
    ] {
        let (status, text) = control.call("PUT", "/limits", body).await;
        assert!(status == 400 && text.contains(word), "{text}");
    }
}

#[tokio::test]
async fn faults_may_be_rules() {
    let control = Control::start().await;
    let rule = r#"{"probability":0.25,"seed":7,"for_s":60,"fault":"duplicate"}"#;
    assert_eq!(control.call("POST", "/faults", rule).await.0, 204);
    let armed = control.get("/faults").await;
    assert_eq!(
        (&armed[0]["fault"], &armed[0]["probability"]),
        (&json!("duplicate"), &json!(0.25))
    );
    let (status, text) = control
        .call("POST", "/faults", r#"{"probability":7,"fault":"reset"}"#)
        .await;
    assert!(status == 400 && text.contains("0 to 1"), "{text}");
}

#[tokio::test]
async fn modules_are_made_listed_and_removed() {
    let control = Control::start().await;
    let path = "/devices/meter-001/modules/m";
    let (status, made) = control
        .call("PUT", path, &json!({ "primary_key": K64 }).to_string())
        .await;
    assert_eq!(status, 200, "{made}");
    let made: Value = serde_json::from_str(&made).unwrap();
    let view = json!({
        "id": "m", "authentication": "sas", "connected": false,
        "connectionString": format!("HostName=localhost;DeviceId=meter-001;ModuleId=m;SharedAccessKey={K64}"),
    });
    assert_eq!(made, view);
    let (_, again) = control.call("PUT", path, "{}").await;
    assert!(again.contains(K64), "what is left out stays: {again}");
    assert_eq!(control.get("/devices/meter-001/modules").await, json!([view]));
    let devices = control.get("/devices").await;
    let modules: Vec<_> = devices
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["modules"])
        .collect();
    assert_eq!(modules, [&json!([]), &json!([view]), &json!([])]);

    let change = r#"{"desired":{"every":60}}"#;
    assert_eq!(
        control.call("PATCH", &format!("{path}/twin"), change).await.0,
        200
    );
    assert_eq!(
        control.get(&format!("{path}/twin")).await["properties"]["desired"],
        json!({"every": 60, "$version": 2})
    );
    let (status, answer) = control
        .call("POST", &format!("{path}/methods"), r#"{"methodName":"reboot"}"#)
        .await;
    assert!(
        status == 404 && answer.contains("404103") && answer.contains("meter-001/m"),
        "{answer}"
    );

    for (method, path, body, expected) in [
        ("PUT", "/devices/nobody/modules/m", "{}", 404),
        ("PUT", "/devices/meter-001/modules/a%2Fb", "{}", 400),
        ("PUT", path, r#"{"enabled":false}"#, 400),
        ("PUT", path, r#"{"primary_key":"x"}"#, 400),
        ("GET", "/devices/nobody/modules", "", 404),
        ("GET", "/devices/meter-001/modules/x/twin", "", 404),
        (
            "POST",
            "/devices/meter-001/modules/x/methods",
            r#"{"methodName":"a"}"#,
            404,
        ),
        ("DELETE", "/devices/meter-001/modules/x", "", 404),
        ("DELETE", path, "", 204),
        ("DELETE", path, "", 404),
    ] {
        let (status, answer) = control.call(method, path, body).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
    }
    assert_eq!(control.get("/devices/meter-001/modules").await, json!([]));
}
