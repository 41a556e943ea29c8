use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response};

use super::device::Device;
use super::{Answer, Body, Call, Fault, Hangup, ReaderOptions, Server, StartError};

/// One reader on a port of its own, until it is dropped.
pub struct Reader {
    server: Server,
    device: Arc<Device>,
}

impl Reader {
    /// Starts a reader.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(options: ReaderOptions) -> Result<Self, StartError> {
        let bind = options.bind;
        let device = Arc::new(Device::new(Arc::new(options), 0));
        let server = Server::start(bind, Arc::clone(&device)).await?;
        Ok(Self { server, device })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// `http://` and the address: what a person would configure.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Plans a fault for the next `times` calls (`None`: for ever), after those already planned.
    pub fn fail(&self, fault: Fault, times: Option<u32>) {
        self.device.script.plan(fault, times);
    }

    /// Drops all planned faults.
    pub fn recover(&self) {
        self.device.script.clear();
    }

    /// How many calls came in.
    pub fn calls(&self) -> u64 {
        self.device.calls()
    }

    /// How many calls are being answered, or wait for it.
    pub fn at_once(&self) -> u32 {
        self.device.at_once()
    }

    /// How many calls were being answered, or waited for it, at one time at most.
    pub fn most_at_once(&self) -> u32 {
        self.device.most_at_once()
    }

    /// The latest calls, oldest first, without passwords.
    pub fn latest(&self) -> Vec<Call> {
        self.device.latest()
    }

    /// What the reader, healthy, answers to a command at an instant (milliseconds since 1970 UTC).
    pub fn answer_at(&self, command: &str, now_ms: i64) -> String {
        self.device.answer_at(command, now_ms)
    }

    /// Ends the reader and returns once its port is closed.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

impl Answer for Device {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Hangup> {
        let (parts, _) = request.into_parts();
        Device::answer(self, parts.uri.path(), &parts).await
    }
}
