//! What a seed draws before anything runs: the configuration, what the source has and when it shows it, and the odds of faults.

mod odds;
mod script;

pub use odds::Odds;
pub use script::{Row, Version};

use std::time::Duration;

use meterbridge::clock::Millis;
use meterbridge::config::{Format, Kind, Naming, PackConfig, Schedule, SourceConfig, SyntheticConfig};

use meterbridge::poll::past::Wish;

use crate::dice::Dice;

/// When every schedule begins.
pub const START: Millis = 1_769_433_300_000;
/// A minute.
pub const MINUTE: Millis = 60_000;
/// The one source.
pub const SOURCE: &str = "home";

/// One schedule.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whether the source has a history.
    pub history: bool,
    /// As processes begin with it.
    pub config: SourceConfig,
    /// How rows become bodies, at first.
    pub pack: PackConfig,
    /// What the source has.
    pub rows: Vec<Row>,
    /// From here on everything is to be seen and nothing changes any more.
    pub until: Millis,
    /// Odds of faults.
    pub odds: Odds,
    /// Ticks that are begun while there are faults.
    pub ticks: u32,
    /// Processes at once.
    pub processes: usize,
    /// More rows than this in a window are too many for the source.
    pub row_limit: Option<usize>,
    /// More bytes than this are too many for the hub.
    pub hub_limit: Option<usize>,
    /// A message with a value that this divides is refused by the hub for good.
    pub cursed: Option<i64>,
    /// The shortest overlap that any process is configured with.
    pub least_overlap: Millis,
    /// The longest overlap.
    pub most_overlap: Millis,
    /// How far a process' clock may be off.
    pub skew: Millis,
    /// Seconds that delivered documents are kept.
    pub retention: u32,
    /// Zeros behind a value, so that rows need documents of their own.
    pub padding: usize,
    /// Whether DPS names the device.
    pub registers: bool,
    /// Rows that a digest holds, where it is not as many as usual.
    pub digest: Option<usize>,
    /// A range of the past that a person wants.
    pub wish: Option<Wish>,
    /// Whether dead letters are sent again.
    pub replays: bool,
    /// Whether the store keeps text, as the real ones do, and counts bytes.
    pub text: bool,
}

impl Plan {
    /// Draws one.
    pub fn draw(dice: &mut Dice) -> Self {
        let history = dice.often(700);
        let overlaps = [0, 0, 5, 10, 60].map(|minutes| minutes * MINUTE);
        let (one, other) = (dice.one(&overlaps), dice.one(&overlaps));
        let odds = Odds::draw(dice);
        let (one, other) = (one.unwrap_or(0), other.unwrap_or(0));
        let other = if odds.overlap > 0 { other } else { one };
        let start = [None, Some(START), Some(START - 30 * MINUTE)];
        // Few rows in many schedules, many rows in few.
        let (rows, padding) = match dice.below(3_000) {
            0 => (2_200, 700),
            1..6 => (330, 900),
            6..200 => (40, 350),
            _ => (2 + dice.below(30), 0),
        };
        let (rows, until) = if history {
            script::draw(dice, rows, one.max(other))
        } else {
            (Vec::new(), START)
        };
        let skewed = dice.often(150);
        let pack = pack(dice, padding > 0);
        Self {
            history,
            config: SourceConfig {
                id: SOURCE.into(),
                kind: Kind::Synthetic(SyntheticConfig {
                    channels: Vec::new(),
                    counter: false,
                    interval: Duration::from_secs(60),
                    seed: 1,
                }),
                runner: "cloud".into(),
                schedule: Schedule::Every(Duration::from_secs(60)),
                zone: chrono_tz::Tz::UTC,
                overlap: minutes(one / MINUTE),
                expected: dice.one(&[None, None, Some(1), Some(5)]).flatten().map(minutes),
                start: dice.one(&start).flatten(),
                slice: minutes(dice.one(&[1, 3, 7, 1_440, 1_440]).unwrap_or(1)),
                send_every: send_every(dice),
                naming: Naming::Source,
                origin: "simulator".into(),
            },
            pack,
            rows,
            until,
            ticks: 3 + dice.below(8),
            processes: if dice.often(600) { 2 } else { 1 },
            row_limit: dice.often(100).then(|| 1 + dice.below(12) as usize),
            hub_limit: (dice.often(100) && padding == 0).then(|| 420 + dice.below(600) as usize),
            cursed: dice.often(100).then(|| 3 + i64::from(dice.below(12))),
            least_overlap: one.min(other),
            most_overlap: one.max(other),
            skew: if skewed {
                dice.one(&[MINUTE, 10 * MINUTE, 90 * MINUTE]).unwrap_or(0)
            } else {
                0
            },
            retention: dice.one(&[600, 86_400]).unwrap_or(600),
            padding,
            registers: dice.often(200),
            text: dice.often(15),
            digest: (history && dice.often(150)).then(|| 1 + dice.below(25) as usize),
            wish: (history && dice.often(250)).then(|| wish(dice)),
            replays: dice.often(250),
            odds,
        }
    }

    /// Whether the calm waits until every gap was asked for once more: where that takes few questions.
    #[must_use]
    pub fn asks_for_gaps(&self) -> bool {
        self.history && self.config.expected.is_some() && self.config.slice >= minutes(1_440)
    }

    /// What the next process is configured with: usually the same.
    pub fn configured(&self, dice: &mut Dice) -> (SourceConfig, PackConfig) {
        let (mut config, mut used) = (self.config.clone(), self.pack);
        if dice.fault(self.odds.overlap) {
            let off = dice.often(500);
            config.overlap = minutes(
                if off {
                    self.least_overlap
                } else {
                    self.most_overlap
                } / MINUTE,
            );
        }
        if dice.fault(self.odds.configure) {
            match dice.below(4) {
                0 => used = pack(dice, self.padding > 0),
                1 => config.send_every = send_every(dice),
                2 => config.slice = minutes(1 + i64::from(dice.below(10))),
                _ => {
                    config.naming = Naming::Site {
                        customer: "c".into(),
                        site: "s 1".into(),
                    };
                }
            }
        }
        (config, used)
    }
}

/// Some of the past that the source has, and some of what live polls have seen to.
fn wish(dice: &mut Dice) -> Wish {
    Wish {
        from: START - Millis::from(dice.below(120)) * MINUTE,
        until: START + Millis::from(dice.below(20)) * MINUTE - Millis::from(dice.below(3)) * 15 * MINUTE,
        again: false,
    }
}

fn pack(dice: &mut Dice, large: bool) -> PackConfig {
    let formats = [Format::Timeseries, Format::Flat, Format::Columns];
    PackConfig {
        format: dice.one(&formats).unwrap_or(Format::Timeseries),
        unit: if large {
            4_096
        } else {
            dice.one(&[512, 512, 4_096]).unwrap_or(512)
        },
        units: dice.one(&[1, 1, 2, 46]).unwrap_or(1),
    }
}

fn send_every(dice: &mut Dice) -> Duration {
    minutes(dice.one(&[0, 0, 0, 3, 15]).unwrap_or(0))
}

/// So many minutes.
#[must_use]
pub fn minutes(minutes: Millis) -> Duration {
    Duration::from_secs(u64::try_from(minutes).unwrap_or(0) * 60)
}
