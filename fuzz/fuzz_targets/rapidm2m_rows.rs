//! Time series of a rapidM2M backend. However a body is cut into pieces the result is the same; rows are ascending, one per
//! instant, inside the window, each with a number; they hold no more text than the body; and written as a backend writes
//! them they are read as the same rows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meterbridge::reading::{Channel, Rows};
use meterbridge::source::Mapped;
use meterbridge::source::rapidm2m::decode::{Decoded, Decoder, Fault, Limits};
use meterbridge::source::rapidm2m::stamp;
use meterbridge_fuzz::{NOW, dice};

const ALL: Limits = Limits {
    from: i64::MIN,
    until: i64::MAX,
    max_rows: usize::MAX,
};

fuzz_target!(|body: &[u8]| {
    let dice = dice(body);
    let scale = [None, None, None, Some("0.001"), Some("1000"), Some("0")][(dice % 6) as usize];
    let channels: Vec<Mapped> = (0..=(dice >> 8) % 3)
        .map(|i| Mapped {
            channel: Channel::named(format!("ch{i}")),
            scale: scale.and_then(|text| text.parse().ok()),
        })
        .collect();
    let limits = match (dice >> 16) % 4 {
        0 => Limits {
            from: 0,
            until: NOW,
            max_rows: 3,
        },
        1 => Limits { from: 0, ..ALL },
        _ => ALL,
    };
    let whole = decode([body], &channels, limits);
    let pieces = body.chunks(1 + (dice >> 24) as usize % 40);
    assert_eq!(whole, decode(pieces, &channels, limits), "cut into pieces");

    let Ok(Decoded { rows, .. }) = whole else { return };
    assert!(rows.len() <= limits.max_rows);
    assert!(rows.stamps().windows(2).all(|w| w[0] < w[1]), "ascending, unique");
    assert!(
        rows.stamps()
            .iter()
            .all(|at| (limits.from..=limits.until).contains(at))
    );
    let mut bytes = 0;
    for row in 0..rows.len() {
        let values: Vec<&str> = (0..channels.len()).filter_map(|c| rows.value(row, c)).collect();
        assert!(!values.is_empty(), "a hollow row");
        assert!(
            values.iter().all(|text| wire::json::is_number(text)),
            "{values:?}"
        );
        bytes += values.iter().map(|text| text.len()).sum::<usize>();
    }
    if scale.is_none() {
        assert!(bytes <= body.len(), "more text than was read");
        let again = decode([written(&rows).as_bytes()], &channels, limits);
        assert_eq!(
            again.map(|decoded| decoded.rows),
            Ok(rows),
            "written and read again"
        );
    }
});

fn decode<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    channels: &[Mapped],
    limits: Limits,
) -> Result<Decoded, Fault> {
    let mut decoder = Decoder::new(channels, limits);
    for piece in pieces {
        decoder.feed(piece)?;
    }
    decoder.finish()
}

fn written(rows: &Rows) -> String {
    let row = |row: usize| {
        let stamp = stamp::encode(rows.stamps()[row]);
        let mut text = format!("[\"{}\"", stamp.trim_end_matches('0'));
        for channel in 0..rows.channels().len() {
            text.push(',');
            text.push_str(rows.value(row, channel).unwrap_or("\"NAN\""));
        }
        text + "]"
    };
    format!("[{}]", (0..rows.len()).map(row).collect::<Vec<_>>().join(", "))
}
