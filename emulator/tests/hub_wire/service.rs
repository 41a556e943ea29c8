//! The service side of the hub, over HTTPS.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use emulator::hub::Hub;

use crate::wire::{K64, NOW_S, Reply, Wire, key, request};

/// A client with one connection, and the token of a policy.
pub struct Service {
    wire: Wire,
    token: String,
}

impl Service {
    /// The policy that may do everything.
    pub async fn owner(hub: &Hub) -> Self {
        Self::of(hub, "iothubowner").await
    }

    pub async fn of(hub: &Hub, policy: &str) -> Self {
        let token = key(K64).token("localhost", NOW_S + 600, Some(policy));
        Self::with(hub, token).await
    }

    pub async fn with(hub: &Hub, token: String) -> Self {
        Self {
            wire: Wire::to(hub).await,
            token,
        }
    }

    /// A call; the api-version is added.
    pub async fn call(&mut self, line: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let version = if line.contains('?') { '&' } else { '?' };
        let line = format!("{line}{version}api-version=2021-04-12");
        let token = self.token.clone();
        let mut all = vec![("Authorization", token.as_str())];
        all.extend(headers);
        self.wire.ask(&request(&line, &all, body)).await.unwrap()
    }

    /// A call that is answered with 200.
    #[track_caller]
    pub fn ok<'a>(&'a mut self, line: &'a str, body: &'a str) -> impl Future<Output = Reply> + 'a {
        let at = std::panic::Location::caller();
        async move {
            let reply = self.call(line, &[], body).await;
            assert_eq!(reply.status, 200, "{at}: {line}: {}", reply.body);
            reply
        }
    }

    /// A call that is refused: with this status, and this name in header and body.
    #[track_caller]
    pub fn refused<'a>(
        &'a mut self,
        line: &'a str,
        headers: &'a [(&'a str, &'a str)],
        body: &'a str,
        status: u16,
        name: &'a str,
    ) -> impl Future<Output = String> + 'a {
        let at = std::panic::Location::caller();
        async move {
            let reply = self.call(line, headers, body).await;
            assert_eq!(reply.status, status, "{at}: {line} {body}: {}", reply.body);
            assert_eq!(
                reply.header("iothub-errorcode"),
                Some(name),
                "{at}: {line} {body}"
            );
            let message = reply.json()["Message"].as_str().unwrap().to_owned();
            let expected = format!("ErrorCode:{name};");
            assert!(message.starts_with(&expected), "{at}: {message}");
            message
        }
    }
}
