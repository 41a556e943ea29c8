use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::percent;

/// What a token opens: a path below a hub or below an id scope of the provisioning service.
///
/// Ids are kept as whole segments, so an id with a slash in it is never mistaken for two.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource {
    /// Never empty; the first is the host or the id scope.
    segments: Vec<String>,
}

impl Resource {
    /// One device: `{hub}/devices/{id}`. The hub is its full host name.
    pub fn device(hub: &str, id: &str) -> Self {
        Self::of(&[hub, "devices", id])
    }

    /// One module of a device: `{hub}/devices/{id}/modules/{module}`.
    pub fn module(hub: &str, id: &str, module: &str) -> Self {
        Self::of(&[hub, "devices", id, "modules", module])
    }

    /// The whole hub: `{hub}`, for the service side with a policy such as `service`.
    pub fn service(hub: &str) -> Self {
        Self::of(&[hub])
    }

    /// Every device of the hub: `{hub}/devices`, with the policy `device`.
    pub fn all_devices(hub: &str) -> Self {
        Self::of(&[hub, "devices"])
    }

    /// One registration at the provisioning service: `{id_scope}/registrations/{id}`.
    pub fn registration(id_scope: &str, registration_id: &str) -> Self {
        Self::of(&[id_scope, "registrations", registration_id])
    }

    /// The path, strictly percent-encoded as a whole, its slashes too: the `sr` of a token.
    pub fn encoded(&self) -> String {
        let mut text = String::new();
        for (position, segment) in self.segments.iter().enumerate() {
            if position > 0 {
                text.push_str("%2F");
            }
            percent::push(&mut text, segment);
        }
        text
    }

    /// Whether this lies at or below the scope, a decoded path, by whole segments. The first segment is
    /// a host name and compared without letter case; ids are compared exactly.
    pub(super) fn is_within(&self, scope: &str) -> bool {
        let mut own = self.segments.iter();
        scope.split('/').enumerate().all(|(position, wanted)| {
            own.next().is_some_and(|segment| {
                segment == wanted || (position == 0 && segment.eq_ignore_ascii_case(wanted))
            })
        })
    }

    fn of(segments: &[&str]) -> Self {
        Self {
            segments: segments.iter().copied().map(String::from).collect(),
        }
    }
}

/// The path, readable: for people and logs.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segments.join("/"))
    }
}
