use alloc::string::String;
use alloc::vec::Vec;

use crate::json;
use crate::stamp;

/// Whose readings a body carries. Names as they are; they are escaped here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity<'a> {
    /// A site of a rapidM2M customer: `"customer_id":"…","site_id":"…"`.
    Site {
        /// The customer's id at the backend.
        customer: &'a str,
        /// The site's id at the backend.
        site: &'a str,
    },
    /// A reader: `"source_id":"…"`.
    Source {
        /// The source's id in the configuration.
        id: &'a str,
    },
}

/// What every body of one shipment begins with: whose readings these are, and whether they replace
/// readings that were sent before. Escaped once, used for many bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The members between the opening brace and what the format adds, without a comma at the end.
    members: String,
}

/// From which to which instant the readings of a body reach, in milliseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timerange {
    /// The first instant.
    pub begin: i64,
    /// The last instant, as the caller defines it: it need not be that of a row.
    pub end: i64,
}

impl Envelope {
    /// The envelope of an identity. With `revision`, `"revision":true` follows the identity.
    pub fn new(identity: &Identity<'_>, revision: bool) -> Self {
        let mut members = String::new();
        let mut member = |name: &str, value: &str| {
            members.push_str(name);
            members.push_str(&json::escape(value));
            members.push('"');
        };
        match identity {
            Identity::Site { customer, site } => {
                member("\"customer_id\":\"", customer);
                member(",\"site_id\":\"", site);
            }
            Identity::Source { id } => member("\"source_id\":\"", id),
        }
        if revision {
            members.push_str(",\"revision\":true");
        }
        Self { members }
    }

    pub(super) fn members(&self) -> &[u8] {
        self.members.as_bytes()
    }

    /// Bytes of what [`Self::open`] writes.
    pub(super) fn open_len(&self) -> usize {
        OPEN.len() + self.members.len() + BEGIN.len() + stamp::LEN + END.len() + stamp::LEN + CLOSE.len()
    }

    /// `{`, the members and the time range.
    pub(super) fn open(&self, out: &mut Vec<u8>, range: Timerange, stamps: &mut stamp::Writer) {
        out.extend_from_slice(OPEN);
        out.extend_from_slice(self.members());
        out.extend_from_slice(BEGIN);
        stamps.push(out, range.begin);
        out.extend_from_slice(END);
        stamps.push(out, range.end);
        out.extend_from_slice(CLOSE);
    }
}

const OPEN: &[u8] = b"{";
const BEGIN: &[u8] = b",\"Timerange\":{\"begin\":\"";
const END: &[u8] = b"\",\"end\":\"";
const CLOSE: &[u8] = b"\"}";
