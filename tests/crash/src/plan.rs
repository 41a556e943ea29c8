//! What one round is like. All of it is drawn from its seed, so that a round that failed can be run again by itself.

use std::fmt;
use std::str::FromStr;

use emulator::rapidm2m::{Cell, Row};
use fastrand::Rng;
use meterbridge::clock::Millis;

/// In the first channel of one row of each site: the hub refuses such a message for good.
pub(crate) const CURSE: &str = "666013";
const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
/// So much later than the overlap a row comes at most that only the gap ledger finds.
const FAR: Millis = 15 * MINUTE;

/// How the bridge is killed, and what it remembers in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The real program, by the clock, embedded store.
    Time,
    /// The bridge's parts under a fuse, embedded store.
    Await,
    /// The bridge's parts under a fuse, Cosmos DB.
    Cosmos,
    /// Two processes on one embedded store, and no kill.
    Pair,
    /// One script of faults, Cosmos DB, and no kill.
    Outage,
}

/// Names a round: `await-17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
}

/// One round.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) sites: Vec<Site>,
    pub(crate) readers: u32,
    /// MESSAGE_FORMAT.
    pub(crate) format: &'static str,
    /// IOTHUB_TIER.
    pub(crate) tier: &'static str,
    /// MESSAGE_UNITS.
    pub(crate) units: u32,
    /// Seconds.
    pub(crate) overlap: i64,
    /// Seconds.
    pub(crate) slice: i64,
    /// Seconds.
    pub(crate) send_every: i64,
    pub(crate) max_rows: usize,
    /// The hub answers 413 above it.
    pub(crate) message_bytes: usize,
    /// The same of a batch.
    pub(crate) batch_bytes: usize,
    /// Faults a second, at source and hub each.
    pub(crate) faults: f64,
    /// Milliseconds that each answer of the backend takes.
    pub(crate) latency: u64,
    /// No row becomes visible later than this.
    pub(crate) last: Millis,
    /// The interval at which rows are expected, where gaps are watched; some rows then come long after the overlap.
    pub(crate) expected: Option<Millis>,
    /// The range that is filled besides, where live polls begin later than the history.
    pub(crate) backfill: Option<(Millis, Millis)>,
    /// Whether dead letters are sent again once the hub takes them.
    pub(crate) replays: bool,
}

/// A site and its rows, in all their versions.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) id: String,
    pub(crate) rows: Vec<Row>,
}

impl Seed {
    /// The generator of everything that belongs to this round.
    pub(crate) fn rng(self, salt: u64) -> Rng {
        Rng::with_seed(
            self.number
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .wrapping_add(self.kind as u64)
                .wrapping_mul(31)
                .wrapping_add(salt),
        )
    }
}

impl Plan {
    /// The plan of a round that begins at `begin`.
    pub(crate) fn of(seed: Seed, begin: Millis) -> Self {
        let mut rng = seed.rng(0);
        let real = seed.kind == Kind::Time;
        let overlap = match seed.kind {
            Kind::Time => 300,
            Kind::Await | Kind::Cosmos => rng.i64(10..=20) * 60,
            Kind::Pair => 5,
            Kind::Outage => 3_600,
        };
        let (sites, step, history, span) = match seed.kind {
            Kind::Time => (40, 4 * SECOND, 6 * MINUTE, 300 * SECOND),
            Kind::Pair => (6, SECOND / 10, 10 * SECOND, 90 * SECOND),
            Kind::Outage => (1, MINUTE, MINUTE, 80 * 60 * MINUTE),
            Kind::Await | Kind::Cosmos => (4, 30 * SECOND, 50 * MINUTE, 70 * MINUTE),
        };
        let mut plan = Self {
            sites: Vec::new(),
            readers: match seed.kind {
                Kind::Pair => 0,
                Kind::Outage => 1,
                _ => 2,
            },
            format: ["timeseries", "flat", "columns"][rng.usize(..3)],
            tier: ["F1", "S1"][rng.usize(..2)],
            units: rng.u32(1..=6),
            overlap,
            slice: [60, 300, 900, 86_400][rng.usize(..4)],
            send_every: match seed.kind {
                Kind::Time => [0, 0, 2][rng.usize(..3)],
                Kind::Await | Kind::Cosmos => [0, 0, 60, 240][rng.usize(..4)],
                Kind::Pair | Kind::Outage => 0,
            },
            max_rows: [100, 100_000][rng.usize(..2)],
            message_bytes: [1_500, 2_500, 262_144][rng.usize(..3)],
            batch_bytes: [6_000, 262_144][rng.usize(..2)],
            faults: if real { 1.0 } else { 4.0 },
            latency: if seed.kind == Kind::Pair { 2 } else { 0 },
            last: begin + span,
            expected: None,
            backfill: None,
            replays: false,
        };
        plan.besides(seed, begin, step, history);
        let overlap = plan.overlap * SECOND;
        if seed.kind == Kind::Outage {
            // As people have it: what is measured is the script.
            (plan.format, plan.tier, plan.units) = ("timeseries", "S1", 1);
            (plan.slice, plan.max_rows) = (86_400, 100_000);
            (plan.message_bytes, plan.batch_bytes) = (262_144, 262_144);
        }
        // A batch is no larger than what one message may be.
        plan.batch_bytes = plan.batch_bytes.max(plan.message_bytes);
        for number in 0..sites {
            plan.sites.push(Site {
                id: format!("site-{number:02}"),
                rows: match seed.kind {
                    Kind::Outage => even(begin, step, history, span),
                    _ => {
                        let mut rows = rows(&mut rng, begin, step, history, span, overlap);
                        if plan.expected.is_some() && !real {
                            let within = begin + 5 * step..begin + span - overlap - FAR;
                            far_too_late(&mut seed.rng(8 + number), &mut rows, within, overlap);
                        }
                        rows
                    }
                },
            });
        }
        plan
    }

    /// What goes on besides the live polls, in a share of the rounds each.
    fn besides(&mut self, seed: Seed, begin: Millis, step: Millis, history: Millis) {
        let mut rng = seed.rng(7);
        let [gaps, backfill, replays] = [(); 3].map(|()| rng.u8(..10) < 4);
        let fused = matches!(seed.kind, Kind::Await | Kind::Cosmos);
        if gaps && (fused || seed.kind == Kind::Time) {
            self.expected = Some(step);
            // A day passes before the last questions, and is asked for in a few slices.
            if fused {
                self.slice = self.slice.max(3_600);
                // Short, so that much is behind it while the bridge still dies.
                self.overlap = 300;
            }
        }
        if backfill && fused {
            // What lies further back than the overlap before the beginning changes no more.
            self.backfill = Some((
                begin / SECOND * SECOND - history,
                begin - self.overlap * SECOND - 2 * MINUTE,
            ));
        }
        self.replays = replays && fused;
    }

    /// Where the history of live polls begins.
    pub(crate) fn start(&self) -> Millis {
        if let Some((_, until)) = self.backfill {
            return until + 1;
        }
        let first = self.sites.iter().filter_map(|site| site.rows.first());
        first.map(|row| row.stamp_ms).min().unwrap_or_default()
    }

    /// The ids of all sources.
    pub(crate) fn ids(&self) -> impl Iterator<Item = String> + '_ {
        let readers = (0..self.readers).map(|number| format!("reader-{number}"));
        self.sites.iter().map(|site| site.id.clone()).chain(readers)
    }

    /// What all sources are, for the bridge. The addresses are the emulators'.
    pub(crate) fn sources(&self, backend: &str, reader: &str) -> String {
        let start = meterbridge::clock::iso(self.start());
        let (overlap, slice, send_every) = (self.overlap, self.slice, self.send_every);
        let expected = self.expected.map_or(String::new(), |every| {
            format!("expected = \"{}s\"\n", every / SECOND)
        });
        let mut text = String::new();
        for site in &self.sites {
            let id = &site.id;
            text += &format!(
                "[[source]]\nid = \"{id}\"\nkind = \"rapidm2m\"\nurl = \"{backend}\"\nuser = \"crash\"\npassword = \"${{BACKEND_PASSWORD}}\"\n\
                 customer = \"crash\"\nsite = \"{id}\"\nchannels = [\"ch0\", \"ch1\"]\nstart = {start}\nevery = \"1s\"\n\
                 overlap = \"{overlap}s\"\nslice = \"{slice}s\"\nsend_every = \"{send_every}s\"\nmax_rows = {}\ntimeout = \"2s\"\n{expected}\n",
                self.max_rows
            );
        }
        for number in 0..self.readers {
            text += &format!(
                "[[source]]\nid = \"reader-{number}\"\nkind = \"tasmota\"\nurl = \"{reader}{number}\"\nzone = \"Etc/GMT-1\"\n\
                 every = \"1s\"\nsend_every = \"{send_every}s\"\ntimeout = \"2s\"\nchannels = {{ \"/SML/Total_in\" = \"1-0:1.8.0*255\" }}\n\n"
            );
        }
        text
    }
}

/// How much later than its stamp, for so many in a hundred: never more than nine tenths of the overlap, in which the bridge promises
/// to see it.
fn later(rng: &mut Rng, share: u8, overlap: Millis) -> Millis {
    if rng.u8(..100) < share {
        rng.i64(0..overlap * 9 / 10)
    } else {
        0
    }
}

/// A row a step, each at its time.
fn even(begin: Millis, step: Millis, history: Millis, span: Millis) -> Vec<Row> {
    let first = begin / SECOND * SECOND - history;
    let row = |number: i64| Row {
        stamp_ms: first + number * step,
        cells: vec![Cell::from(51_000 + number), Cell::from(230 + number % 7)],
        visible_ms: first + number * step,
    };
    (0..(history + span) / step).map(row).collect()
}

/// Rows of one site: most at once, some late, some corrected, one that the hub never takes.
fn rows(
    rng: &mut Rng,
    begin: Millis,
    step: Millis,
    history: Millis,
    span: Millis,
    overlap: Millis,
) -> Vec<Row> {
    let begin = begin / SECOND * SECOND;
    let first = begin - history;
    let count = (history + span) / step;
    let cursed = rng.i64(count / 8..count * 7 / 8);
    let mut rows = Vec::new();
    for number in 0..count {
        let stamp_ms = first + number * step;
        let missing = rng.u8(..20) == 0;
        let cells = |version: i64| {
            let counted = match number {
                _ if number == cursed && version == 0 => Cell::json(format!("{CURSE}{number:04}")),
                _ => Cell::from(51_000 + number * 10 + version),
            };
            let measured = match missing {
                true => Cell::NAN,
                false => Cell::json(format!("{}.{}0", 230 + number % 7, 1 + version)),
            };
            vec![counted, measured]
        };
        let mut late = later(rng, 10, overlap);
        if rng.u8(..100) < 3 {
            // The device's clock is ahead: a row of the future.
            late = -rng.i64(0..overlap / 2);
        }
        let corrected = later(rng, 8, overlap);
        let visible = |at: Millis| at.max(begin).min(begin + span);
        rows.push(Row {
            stamp_ms,
            cells: cells(0),
            visible_ms: visible(stamp_ms + late),
        });
        if corrected > late {
            rows.push(Row {
                stamp_ms,
                cells: cells(1),
                visible_ms: visible(stamp_ms + corrected),
            });
        }
    }
    rows
}

/// Lets some rows appear long after the overlap: what only the gap ledger finds. A row before and one after are there in time.
fn far_too_late(rng: &mut Rng, rows: &mut Vec<Row>, within: std::ops::Range<Millis>, overlap: Millis) {
    for at in (0..rows.len()).rev() {
        let row = &mut rows[at];
        let in_time = row.visible_ms == row.stamp_ms;
        if within.contains(&row.stamp_ms) && in_time && rng.u8(..100) < 10 {
            row.visible_ms += overlap + rng.i64(MINUTE..FAR);
            let stamp = row.stamp_ms;
            // One version only: what is corrected so late is not seen.
            rows.retain(|row| row.stamp_ms != stamp || row.visible_ms > stamp + overlap);
        }
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Time => "time",
            Kind::Await => "await",
            Kind::Cosmos => "cosmos",
            Kind::Pair => "pair",
            Kind::Outage => "outage",
        };
        write!(f, "{kind}-{}", self.number)
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no seed; write time-N, await-N or cosmos-N as it was printed");
        let (kind, number) = text.split_once('-').ok_or_else(wrong)?;
        let kind = match kind {
            "time" => Kind::Time,
            "await" => Kind::Await,
            "cosmos" => Kind::Cosmos,
            "pair" => Kind::Pair,
            "outage" => Kind::Outage,
            _ => return Err(wrong()),
        };
        Ok(Self {
            kind,
            number: number.parse().map_err(|_| wrong())?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_seed_gives_the_same_plan_and_its_name_back() {
        for text in ["time-1", "await-17", "cosmos-4", "pair-1"] {
            let seed: Seed = text.parse().unwrap();
            assert_eq!(seed.to_string(), text);
            let begin = 1_769_433_300_000;
            let (one, two) = (Plan::of(seed, begin), Plan::of(seed, begin));
            assert_eq!(format!("{one:?}"), format!("{two:?}"));
            let all = || one.sites.iter().flat_map(|site| &site.rows);
            assert!(all().any(|row| row.visible_ms > row.stamp_ms + 1_000 && row.stamp_ms > begin));
            assert!(all().any(|row| row.cells[0].as_json().contains(CURSE)));
            assert!(all().all(|row| row.visible_ms <= one.last));
        }
        let plans: Vec<Plan> = (1..100)
            .map(|number| {
                Plan::of(
                    Seed {
                        kind: Kind::Await,
                        number,
                    },
                    1_769_433_300_000,
                )
            })
            .collect();
        let share = |of: fn(&Plan) -> bool| plans.iter().filter(|plan| of(plan)).count();
        assert!(share(|plan| plan.expected.is_some()) > 20 && share(|plan| plan.replays) > 20);
        assert!(share(|plan| plan.backfill.is_some()) > 20);
        for plan in &plans {
            let far = plan.overlap * SECOND;
            let late = |row: &Row| row.stamp_ms > 1_769_433_300_000 && row.visible_ms > row.stamp_ms + far;
            let late = plan.sites.iter().flat_map(|site| &site.rows).any(late);
            assert_eq!(late, plan.expected.is_some());
        }
        assert!("await".parse::<Seed>().is_err());
    }
}
