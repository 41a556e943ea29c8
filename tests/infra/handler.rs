//! How the program answers the host's calls: asked once, of the real router.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use meterbridge::app::App;
use meterbridge::clock::Clock;
use meterbridge::config::Fault;
use meterbridge::trigger;
use serde_json::{Value, json};

/// The answers to calls that were tried.
#[derive(Clone)]
pub struct Handler {
    tried: Arc<std::sync::Mutex<BTreeMap<(String, String), u16>>>,
}

impl Handler {
    pub fn real() -> Self {
        static TRIED: OnceLock<Handler> = OnceLock::new();
        TRIED
            .get_or_init(|| Self {
                tried: Arc::default(),
            })
            .clone()
    }

    /// The status of the answer to a call of this function whose trigger is bound under this name: 404 is no such function, 400 no such
    /// binding. No source is ever polled, since the configuration is faulty: that is the 500 of a call that was understood.
    pub fn status(&self, function: &str, binding: &str) -> u16 {
        let key = (function.to_owned(), binding.to_owned());
        if let Some(status) = self.tried.lock().unwrap().get(&key) {
            return *status;
        }
        let status = ask(function, binding);
        self.tried.lock().unwrap().insert(key, status);
        status
    }
}

#[tokio::main(flavor = "current_thread")]
async fn ask(function: &str, binding: &str) -> u16 {
    let faulty = || {
        Err(vec![Fault {
            place: "X".into(),
            text: "is faulty".into(),
        }])
    };
    let router = trigger::router(App::new(Clock::system(), Box::new(faulty)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/{function}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let now = "2026-01-26T13:15:00Z";
    // A timer's value, and a job, in one.
    let value = json!({
        "ScheduleStatus": {"Last": now, "Next": now, "LastUpdated": now}, "IsPastDue": false,
        "job": {"v": 1, "sources": []}
    });
    let body = json!({"Data": {binding: value}, "Metadata": {"DequeueCount": "1", "sys": {"UtcNow": now}}});
    let client = meterbridge::http::client(&[]).unwrap();
    let answer = client.post(url).json(&body).send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap_or_default();
    // A call that was understood complains of the configuration.
    if status == 500 {
        assert!(body.to_string().contains("is faulty"), "{body}");
    }
    status
}
