//! What a source with a history has: rows that appear at their time, late or early, and that are corrected, back and forth.

use meterbridge::clock::Millis;

use super::{MINUTE, START};
use crate::dice::Dice;

/// One instant of the source.
#[derive(Clone, Debug)]
pub struct Row {
    /// The instant.
    pub stamp: Millis,
    /// What it shows from when on, ascending.
    pub versions: Vec<Version>,
}

/// What a row shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// From when on.
    pub from: Millis,
    /// In tenths, one a channel; at least one is there.
    pub values: [Option<i64>; 2],
}

impl Row {
    /// What is to be seen at this instant.
    #[must_use]
    pub fn at(&self, now: Millis) -> Option<&Version> {
        self.versions.iter().rev().find(|version| version.from <= now)
    }
}

/// Draws rows, and the instant from which on nothing changes.
pub(super) fn draw(dice: &mut Dice, count: u32, overlap: Millis) -> (Vec<Row>, Millis) {
    let step = dice.one(&[MINUTE, MINUTE, 5 * MINUTE]).unwrap_or(MINUTE);
    // Bulk lies in the past, for a first run to find.
    let first = START - Millis::from(count.max(20)) * step / if count > 100 { 1 } else { 2 };
    let odd = Odd::draw(dice);
    let (mut rows, mut until) = (Vec::new(), START);
    for place in 0..count {
        let odd_stamp = dice.often(200);
        let jitter = Millis::from(dice.below(if odd_stamp { 60_000 } else { 1 }));
        let stamp = first + Millis::from(place) * step + jitter;
        let mut from = stamp.max(first) + appears(dice, &odd, overlap);
        let mut version = values(dice);
        let mut versions = vec![Version {
            from,
            values: version,
        }];
        if dice.often(odd.corrected) {
            let before = version;
            version = values(dice);
            for turn in 0..=dice.below(4) {
                from += 1 + Millis::from(dice.below(20)) * MINUTE / 4;
                let values = if turn % 2 == 0 { version } else { before };
                versions.push(Version { from, values });
            }
        }
        until = until.max(from);
        rows.push(Row { stamp, versions });
    }
    (rows, until)
}

/// How often rows are not as they should be, in a thousand.
struct Odd {
    late: u32,
    ahead: u32,
    corrected: u32,
}

impl Odd {
    fn draw(dice: &mut Dice) -> Self {
        let mut some = |of: [u32; 3]| {
            if dice.often(500) {
                dice.one(&of).unwrap_or(0)
            } else {
                0
            }
        };
        Self {
            late: some([50, 200, 500]),
            ahead: some([20, 50, 200]),
            corrected: some([50, 200, 400]),
        }
    }
}

/// How long after its instant a row appears.
fn appears(dice: &mut Dice, odd: &Odd, overlap: Millis) -> Millis {
    if dice.often(odd.ahead) {
        return -(Millis::from(dice.below(30)) * MINUTE);
    }
    if !dice.often(odd.late) {
        return 0;
    }
    let most = u32::try_from(overlap / MINUTE).unwrap_or(0);
    match dice.below(4) {
        0 => overlap,
        1 => overlap + MINUTE,
        _ => Millis::from(dice.below(most + 1)) * MINUTE,
    }
}

fn values(dice: &mut Dice) -> [Option<i64>; 2] {
    let value = |dice: &mut Dice| i64::from(1 + dice.below(2_000));
    match dice.below(12) {
        0 => [None, Some(value(dice))],
        1 => [Some(value(dice)), Some(value(dice))],
        _ => [Some(value(dice)), None],
    }
}
