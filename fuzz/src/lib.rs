//! What the fuzz targets share.

/// A number that depends on all of `data`: targets choose their parameters by it, so that an input is the parser's text and
/// nothing else, and answers that were recorded are inputs as they are. FNV-1a, with its bits mixed once more.
#[must_use]
pub fn dice(data: &[u8]) -> u64 {
    let hash = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^ (hash >> 29) ^ (hash >> 47)
}

/// 2026-01-26T13:15:00Z, the present of the targets, in milliseconds.
pub const NOW: i64 = 1_769_433_300_000;
