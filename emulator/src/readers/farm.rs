use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::device::Device;
use super::{Answer, Body, Fault, Hangup, ReaderOptions, Server, StartError};

/// Many readers of one kind.
#[derive(Clone, Debug)]
pub struct FarmOptions {
    /// How many.
    pub readers: u32,
    /// What each is set to. Reader `n` has this seed plus `n`. Calls are only counted, unless `keep_calls` is set.
    pub reader: ReaderOptions,
}

impl Default for FarmOptions {
    fn default() -> Self {
        Self {
            readers: 1_000,
            reader: ReaderOptions {
                keep_calls: 0,
                ..ReaderOptions::default()
            },
        }
    }
}

/// Many readers behind one port: reader `n` answers under `/r/{n}/cm`, and reader 0 also under `/cm`.
pub struct ReaderFarm {
    server: Server,
    field: Arc<Field>,
}

impl ReaderFarm {
    /// Starts all readers.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(options: FarmOptions) -> Result<Self, StartError> {
        let bind = options.reader.bind;
        let shared = Arc::new(options.reader);
        let devices = (0..options.readers)
            .map(|number| Device::new(Arc::clone(&shared), number))
            .collect();
        let field = Arc::new(Field { devices });
        let server = Server::start(bind, Arc::clone(&field)).await?;
        Ok(Self { server, field })
    }

    /// Where they listen.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What a person would configure for reader `number`: `http://{address}/r/{number}`, to which `/cm` is appended.
    pub fn url(&self, number: u32) -> String {
        format!("http://{}/r/{number}", self.address())
    }

    /// Plans a fault of one reader for its next `times` calls (`None`: for ever). A reader that is not there does not fail.
    pub fn fail(&self, number: u32, fault: Fault, times: Option<u32>) {
        if let Some(device) = self.field.devices.get(number as usize) {
            device.script.plan(fault, times);
        }
    }

    /// Drops all planned faults.
    pub fn recover(&self) {
        for device in &self.field.devices {
            device.script.clear();
        }
    }

    /// How many calls came in, over all readers.
    pub fn calls(&self) -> u64 {
        self.field.devices.iter().map(Device::calls).sum()
    }

    /// How many calls came in for each reader, by number.
    pub fn calls_each(&self) -> Vec<u64> {
        self.field.devices.iter().map(Device::calls).collect()
    }

    /// How many calls one reader was answering at one time at most: 1 where a client keeps to one call per device.
    pub fn most_at_once(&self) -> u32 {
        self.field
            .devices
            .iter()
            .map(Device::most_at_once)
            .max()
            .unwrap_or(0)
    }

    /// What reader `number`, healthy, answers to a command at an instant (milliseconds since 1970 UTC).
    pub fn answer_at(&self, number: u32, command: &str, now_ms: i64) -> Option<String> {
        Some(
            self.field
                .devices
                .get(number as usize)?
                .answer_at(command, now_ms),
        )
    }

    /// Ends all readers and returns once the port is closed.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

struct Field {
    devices: Box<[Device]>,
}

impl Field {
    /// The device that a path names, and the rest of the path.
    fn find<'a>(&self, path: &'a str) -> Option<(&Device, &'a str)> {
        let Some(rest) = path.strip_prefix("/r/") else {
            return Some((self.devices.first()?, path));
        };
        let (number, rest) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/"),
        };
        Some((self.devices.get(number.parse::<usize>().ok()?)?, rest))
    }
}

impl Answer for Field {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Hangup> {
        let (parts, _) = request.into_parts();
        match self.find(parts.uri.path()) {
            Some((device, path)) => device.answer(path, &parts).await,
            None => {
                let mut response = Response::new(Body::from("No such reader\n"));
                *response.status_mut() = StatusCode::NOT_FOUND;
                Ok(response)
            }
        }
    }
}
