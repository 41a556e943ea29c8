//! What names mean in a document of the service side: a twin, a module's twin, a job's part for one device.

use std::borrow::Cow;

use serde_json::Value;

use crate::hub::expression::{Names, Path};

/// A document.
#[derive(Clone, Copy)]
pub(super) struct Twin<'a>(pub(super) &'a Value);

impl<'a> Twin<'a> {
    /// What is at a path.
    pub(super) fn member(self, path: &Path) -> Option<&'a Value> {
        path.within(self.top(&path.root)?)
    }

    /// The names that the hub gives (those at the top) compare without regard to letter case, and `id` is the device id.
    fn top(self, name: &str) -> Option<&'a Value> {
        let members = self.0.as_object()?;
        let name = if name == "id" { "deviceId" } else { name };
        members.get(name).or_else(|| {
            let mut named = members
                .iter()
                .filter(|(known, _)| known.eq_ignore_ascii_case(name));
            named.next().map(|(_, value)| value)
        })
    }
}

impl Names for Twin<'_> {
    fn root(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.top(name).map(Cow::Borrowed)
    }
}
