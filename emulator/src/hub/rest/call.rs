//! Which path means what on the service side, and which right it needs.

use hyper::Method;

use crate::hub::Rights;
use crate::hub::identity::Identity;
use crate::hub::token::decode;

/// A call of the service side.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::hub) struct Call {
    pub(super) operation: Operation,
    /// The segments of the path, decoded: what a token must cover.
    pub(super) path: Vec<String>,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Operation {
    ListDevices,
    GetDevice(String),
    PutDevice(String),
    DeleteDevice(String),
    /// Throw away the cloud-to-device messages that wait for a device.
    Purge(String),
    /// Write up to 100 identities.
    Bulk,
    ListModules(String),
    GetModule(Identity),
    PutModule(Identity),
    DeleteModule(Identity),
    GetTwin(Identity),
    PatchTwin(Identity),
    PutTwin(Identity),
    /// Call a direct method.
    Invoke(Identity),
    Query,
    /// Schedule a job over many devices.
    PutJob(String),
    GetJob(String),
    CancelJob(String),
    ListJobs,
    RegistryStatistics,
    ServiceStatistics,
    /// Known at Azure, and not emulated.
    NotOffered(&'static str),
    /// A known path, another method.
    OtherMethod,
}

impl Call {
    /// Reads method and path. Fixed words match in any letter case; ids are percent-decoded once and keep theirs. `None`
    /// for a path that the service side does not have.
    pub(in crate::hub) fn of(method: &Method, path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        // Node lists the devices at /devices/.
        let path = path.strip_suffix('/').unwrap_or(path);
        let path: Vec<String> = path.split('/').map(decode).collect::<Option<_>>()?;
        let words: Vec<String> = path.iter().map(|word| word.to_ascii_lowercase()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let operation = operation(method, &words, &path)?;
        Some(Self { operation, path })
    }

    /// The device that the path names.
    pub(in crate::hub) fn device(&self) -> Option<&str> {
        let named = matches!(self.path.first(), Some(first) if ["devices", "twins"].iter().any(|word| first.eq_ignore_ascii_case(word)));
        let device = self.path.get(1).map(String::as_str);
        device.filter(|_| named && self.operation != Operation::Query)
    }
}

/// `words` is `path` in lower case.
fn operation(method: &Method, words: &[&str], path: &[String]) -> Option<Operation> {
    let device = || path.get(1).cloned().unwrap_or_default();
    let target = || Identity {
        device: device(),
        module: path.get(3).filter(|_| words.get(2) == Some(&"modules")).cloned(),
    };
    let job = || path.get(2).cloned().unwrap_or_default();
    let method = method.as_str();
    Some(match words {
        ["devices"] => match method {
            "GET" => Operation::ListDevices,
            "POST" => Operation::Bulk,
            _ => Operation::OtherMethod,
        },
        ["devices", "query"] if method == "POST" => Operation::Query,
        ["devices", _] => match method {
            "GET" => Operation::GetDevice(device()),
            "PUT" => Operation::PutDevice(device()),
            "DELETE" => Operation::DeleteDevice(device()),
            _ => Operation::OtherMethod,
        },
        ["devices", _, "commands"] => only("DELETE", method, Operation::Purge(device())),
        ["devices", _, "modules"] => only("GET", method, Operation::ListModules(device())),
        ["devices", _, "modules", _] => match method {
            "GET" => Operation::GetModule(target()),
            "PUT" => Operation::PutModule(target()),
            "DELETE" => Operation::DeleteModule(target()),
            _ => Operation::OtherMethod,
        },
        ["twins", _] | ["twins", _, "modules", _] => match method {
            "GET" => Operation::GetTwin(target()),
            "PATCH" => Operation::PatchTwin(target()),
            "PUT" => Operation::PutTwin(target()),
            _ => Operation::OtherMethod,
        },
        ["twins", _, "methods"] | ["twins", _, "modules", _, "methods"] => {
            only("POST", method, Operation::Invoke(target()))
        }
        ["statistics", "devices"] => only("GET", method, Operation::RegistryStatistics),
        ["statistics", "service"] => only("GET", method, Operation::ServiceStatistics),
        ["configurations", ..] | ["devices", _, "applyconfigurationcontent"] => {
            Operation::NotOffered("Configurations")
        }
        ["jobs", "v2", "query"] => only("GET", method, Operation::ListJobs),
        ["jobs", "v2", _] => match method {
            "GET" => Operation::GetJob(job()),
            "PUT" => Operation::PutJob(job()),
            _ => Operation::OtherMethod,
        },
        ["jobs", "v2", _, "cancel"] => only("POST", method, Operation::CancelJob(job())),
        ["jobs", ..] => Operation::NotOffered("Import and export"),
        ["digitaltwins", ..] => Operation::NotOffered("Digital twins"),
        ["messages", "servicebound", "feedback", ..] => Operation::NotOffered("Feedback over HTTPS"),
        _ => return None,
    })
}

fn only(allowed: &str, method: &str, operation: Operation) -> Operation {
    if method == allowed {
        operation
    } else {
        Operation::OtherMethod
    }
}

impl Operation {
    /// The right that it needs (Azure docs, "Control access to IoT Hub by using shared access signatures").
    pub(super) fn needs(&self) -> Rights {
        match self {
            Self::ListDevices
            | Self::GetDevice(_)
            | Self::ListModules(_)
            | Self::GetModule(_)
            | Self::RegistryStatistics
            | Self::ServiceStatistics => Rights::REGISTRY_READ,
            Self::PutDevice(_)
            | Self::DeleteDevice(_)
            | Self::Bulk
            | Self::PutModule(_)
            | Self::DeleteModule(_) => Rights::REGISTRY_WRITE,
            Self::Purge(_)
            | Self::GetTwin(_)
            | Self::PatchTwin(_)
            | Self::PutTwin(_)
            | Self::Invoke(_)
            | Self::Query
            | Self::PutJob(_)
            | Self::GetJob(_)
            | Self::CancelJob(_)
            | Self::ListJobs => Rights::SERVICE_CONNECT,
            // Any policy hears that it is not offered.
            Self::NotOffered(_) | Self::OtherMethod => Rights::NONE,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_of_the_sdks() {
        let target = |device: &str, module: Option<&str>| Identity {
            device: device.to_owned(),
            module: module.map(str::to_owned),
        };
        let cases = [
            ("GET", "/devices/", Operation::ListDevices),
            ("POST", "/devices", Operation::Bulk),
            ("POST", "/devices/query", Operation::Query),
            ("GET", "/devices/query", Operation::GetDevice("query".to_owned())),
            ("PUT", "/Devices/m%3A1", Operation::PutDevice("m:1".to_owned())),
            ("DELETE", "/devices/A", Operation::DeleteDevice("A".to_owned())),
            ("PATCH", "/devices/a", Operation::OtherMethod),
            ("DELETE", "/devices/a/commands", Operation::Purge("a".to_owned())),
            (
                "GET",
                "/devices/a/modules",
                Operation::ListModules("a".to_owned()),
            ),
            (
                "PUT",
                "/devices/a/modules/M",
                Operation::PutModule(target("a", Some("M"))),
            ),
            ("GET", "/twins/a", Operation::GetTwin(target("a", None))),
            (
                "PUT",
                "/twins/a/modules/m",
                Operation::PutTwin(target("a", Some("m"))),
            ),
            ("POST", "/twins/a/methods", Operation::Invoke(target("a", None))),
            (
                "POST",
                "/twins/a/modules/m/methods",
                Operation::Invoke(target("a", Some("m"))),
            ),
            ("GET", "/statistics/service", Operation::ServiceStatistics),
            ("PUT", "/jobs/v2/J", Operation::PutJob("J".to_owned())),
            ("GET", "/jobs/v2/query", Operation::ListJobs),
            ("POST", "/jobs/v2/J/cancel", Operation::CancelJob("J".to_owned())),
            ("GET", "/jobs/j", Operation::NotOffered("Import and export")),
            ("GET", "/twins/a/methods", Operation::OtherMethod),
        ];
        for (method, path, expected) in cases {
            let call = Call::of(&method.parse().unwrap(), path).unwrap();
            assert_eq!(call.operation, expected, "{method} {path}");
        }
        for path in [
            "/",
            "/device",
            "/twins",
            "/twins/a/b",
            "/statistics",
            "/devices/a/b/c/d",
            "/devices/%zz",
        ] {
            assert_eq!(Call::of(&Method::GET, path), None, "{path}");
        }
        let device = |path| Call::of(&Method::POST, path).unwrap().device().map(str::to_owned);
        assert_eq!(device("/twins/a/methods").as_deref(), Some("a"));
        assert_eq!((device("/devices/query"), device("/jobs/a")), (None, None));
    }
}
