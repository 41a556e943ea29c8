//! Packs rows into message bodies, each as full as its billing units allow. Pure.
//!
//! IoT Hub meters device-to-cloud messages in steps of 4 KB (0.5 KB on the free tier), counting the body, system property values
//! and application properties. So a body is filled to just under a whole number of steps, and readings per unit is what is maximised.

use std::ops::Range;

use bytes::Bytes;
use wire::payload::{Envelope, Identity, Size, Timerange, Writer};

use super::Message;
use crate::config::{Format, Naming, PackConfig};
use crate::reading::Rows;
use crate::store::documents::{Part, Shipment};

/// What all bodies of one shipment share.
pub struct Frame<'a> {
    shipment: &'a Shipment,
    birth: &'a str,
    format: Format,
    limit: usize,
}

impl<'a> Frame<'a> {
    /// The frame of a shipment, by the format it was frozen in.
    #[must_use]
    pub fn of(shipment: &'a Shipment, birth: &'a str, pack: &PackConfig) -> Self {
        let format = format_named(&shipment.format).unwrap_or(pack.format);
        let mut frame = Self {
            shipment,
            birth,
            format,
            limit: limit(pack),
        };
        frame.limit = frame.limit.saturating_sub(frame.overhead()).max(MIN_BODY);
        frame
    }

    fn identity(&self) -> Identity<'_> {
        match &self.shipment.naming {
            Naming::Site { customer, site } => Identity::Site { customer, site },
            Naming::Source => Identity::Source {
                id: &self.shipment.source,
            },
        }
    }

    fn envelope(&self, revision: bool) -> Envelope {
        Envelope::new(&self.identity(), revision)
    }

    /// Bytes that count besides the body: values of system properties, names and values of application properties.
    fn overhead(&self) -> usize {
        let id = self.shipment.source.len() + self.birth.len() + 24;
        let system = id + CONTENT_TYPE.len() + CONTENT_ENCODING.len() + "2026-01-26T13:15:00.000Z".len();
        let named: usize = self
            .properties(true)
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        system + named
    }

    fn properties(&self, revision: bool) -> Vec<(String, String)> {
        let mut properties = match &self.shipment.naming {
            Naming::Site { customer, site } => {
                vec![property("Customer_Id", customer), property("Site_Id", site)]
            }
            Naming::Source => vec![property("Source_Id", &self.shipment.source)],
        };
        properties.push(property(
            "Sequence",
            &format!("{}.{:010}", self.birth, self.shipment.number),
        ));
        if revision {
            properties.push(property("revision", "true"));
        }
        properties.retain(|(_, value)| !value.is_empty());
        properties
    }
}

/// The message's own content type; set every time, or routed bodies turn into base64.
pub const CONTENT_TYPE: &str = "application/json";
/// The message's own content encoding.
pub const CONTENT_ENCODING: &str = "utf-8";
/// Bytes that one device-to-cloud request may have: the hub's limit is 256 KB, the SDKs stay below 255 KiB.
const REQUEST: usize = 255 * 1024;
/// What of that a body may have so that it fits in base64, in the envelope that keeps the letter case of property names.
const ENVELOPED: usize = REQUEST / 4 * 3 - 4_096;
/// A body has at least this, however long its properties are.
pub(crate) const MIN_BODY: usize = 256;

/// Bytes of body and counted properties that a message is filled to.
#[must_use]
pub fn limit(pack: &PackConfig) -> usize {
    (pack.unit * pack.units).min(ENVELOPED)
}

/// Where rows are cut into bodies. A body never mixes first values and revisions.
#[must_use]
pub fn cut(rows: &Rows, frame: &Frame<'_>) -> Vec<Range<usize>> {
    let names = names(rows);
    let mut cuts = Vec::new();
    let mut start = 0;
    let mut revision = rows.is_revised(0);
    // In the flat format each reading carries the mark of a revision, so that it must be reckoned only where it stands.
    let size_of = |revision| Size::new(wire_format(frame.format), &frame.envelope(revision));
    let mut size = size_of(revision);
    let revisions = !rows.revised().is_empty();
    for (row, &stamp) in rows.stamps().iter().enumerate() {
        let turns = revisions && rows.is_revised(row) != revision;
        let full = size.add(stamp, values(rows, &names, row)) > frame.limit && row > start;
        if turns || full {
            cuts.push(start..row);
            start = row;
            if turns {
                revision = !revision;
                size = size_of(revision);
            } else {
                size.clear();
            }
            let _ = size.add(stamp, values(rows, &names, row));
        }
    }
    if start < rows.len() {
        cuts.push(start..rows.len());
    }
    cuts
}

/// The body of some rows. The same rows and frame give the same bytes for ever.
#[must_use]
pub fn body(rows: &Rows, range: Range<usize>, revision: bool, frame: &Frame<'_>) -> Bytes {
    let names = names(rows);
    let mut out = Vec::with_capacity(frame.limit.min(range.len() * 96 + 512));
    let mut writer = Writer::new(wire_format(frame.format));
    let timerange = Timerange {
        begin: frame.shipment.begin,
        end: frame.shipment.end,
    };
    writer.begin(&mut out, &frame.envelope(revision), timerange);
    for row in range {
        writer.row(&mut out, rows.stamps()[row], values(rows, &names, row));
    }
    writer.end(&mut out);
    Bytes::from(out)
}

/// The message that carries a part.
#[must_use]
pub fn message(frame: &Frame<'_>, part: &Part, body: Bytes) -> Message {
    let shipment = frame.shipment;
    Message {
        id: format!(
            "{}.{}.{:010}.{}",
            shipment.source, frame.birth, shipment.number, part.label
        ),
        created: shipment.at,
        body,
        properties: frame.properties(part.revision),
    }
}

/// XXH3-64 of a body, hex: what a repeat is compared with.
#[must_use]
pub fn fingerprint(body: &[u8]) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(body))
}

/// Bytes that a message counts for: body, values of system properties, names and values of application properties.
#[must_use]
pub fn counted(message: &Message) -> usize {
    let properties: usize = message
        .properties
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    message.body.len() + message.id.len() + CONTENT_TYPE.len() + CONTENT_ENCODING.len() + 24 + properties
}

/// Billing units of a message, in steps of `unit` bytes.
#[must_use]
pub fn units(message: &Message, unit: usize) -> u32 {
    u32::try_from(counted(message).div_ceil(unit.max(1)))
        .unwrap_or(u32::MAX)
        .max(1)
}

/// How many of these messages, from the first, fit into one request.
#[must_use]
pub fn envelope(messages: &[Message]) -> usize {
    let mut total = 2;
    for (count, message) in messages.iter().enumerate() {
        // Base64 and the names of its properties, as `forward::hub` writes the batch.
        let properties: usize = message
            .properties
            .iter()
            .map(|(n, v)| n.len() + v.len() + 24)
            .sum();
        total += message.body.len().div_ceil(3) * 4 + message.id.len() + properties + 256;
        if total > REQUEST {
            return count.max(1);
        }
    }
    messages.len()
}

/// Approximate bytes of rows in a body: when waiting rows fill a unit.
#[must_use]
pub fn estimate(rows: &Rows, format: Format) -> usize {
    let values: usize = rows
        .columns()
        .iter()
        .map(|column| column.bytes(0..rows.len()))
        .sum();
    let names: usize = rows.channels().iter().map(|c| c.sent_name().len() + 4).sum();
    let per_row = match format {
        Format::Timeseries => 56 + names,
        Format::Flat => rows.channels().len() * 80 + names,
        Format::Columns => 8 + rows.channels().len(),
    };
    values + rows.len() * per_row
}

/// `timeseries/1`: the body format and the version of its layout, as a shipment keeps it.
#[must_use]
pub fn format_name(format: Format) -> &'static str {
    match format {
        Format::Timeseries => "timeseries/1",
        Format::Flat => "flat/1",
        Format::Columns => "columns/1",
    }
}

fn format_named(name: &str) -> Option<Format> {
    [Format::Timeseries, Format::Flat, Format::Columns]
        .into_iter()
        .find(|&f| format_name(f) == name)
}

fn wire_format(format: Format) -> wire::payload::Format {
    match format {
        Format::Timeseries => wire::payload::Format::Timeseries,
        Format::Flat => wire::payload::Format::Flat,
        Format::Columns => wire::payload::Format::Columns,
    }
}

fn property(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), wire::properties::http_encode(value).into_owned())
}

fn names(rows: &Rows) -> Vec<String> {
    rows.channels()
        .iter()
        .map(|channel| wire::json::escape(channel.sent_name()).into_owned())
        .collect()
}

fn values<'a>(rows: &'a Rows, names: &'a [String], row: usize) -> impl Iterator<Item = (&'a str, &'a str)> {
    names
        .iter()
        .enumerate()
        .filter_map(move |(i, name)| Some((name.as_str(), rows.value(row, i)?)))
}

#[cfg(test)]
#[path = "pack/tests.rs"]
pub(crate) mod tests;
