//! Sources without a backend: the old connector's counter, and a made-up household.
//!
//! With [`SyntheticConfig::counter`] this is the old connector's `EmulationMode`: one row stamped now, whose first channel is
//! the whole seconds since 2017-01-01T00:00:00Z. (There the seconds were counted in the host's own zone; here in UTC.) It only
//! knows the present, so `has_history` is false.
//!
//! Otherwise rows come from the [`curve`] of a household, a pure function of time and seed: the same question gets the same
//! answer at any time, on any machine. Any past window can be asked for.

pub mod curve;

use async_trait::async_trait;

use self::curve::Household;
use super::rapidm2m::scale::scaled;
use crate::clock::{Clock, Millis, iso};
use crate::config::SyntheticConfig;
use crate::reading::Rows;
use crate::source::{Answer, Error, Finding, Request, Source, Window};

/// 2017-01-01T00:00:00.000Z: the counter's zero, and when the household's meter was mounted.
pub const BIRTH: Millis = 1_483_228_800_000;

/// More rows than this are not made up at once.
const MAX_ROWS: usize = 1_000_000;

/// What stands for the backend's address in messages.
const WHAT: &str = "the synthetic source";

/// A source that needs nothing but the time.
#[derive(Clone, Debug)]
pub struct Synthetic {
    config: SyntheticConfig,
    clock: Clock,
    household: Household,
}

impl Synthetic {
    /// A source of this kind.
    #[must_use]
    pub fn new(config: SyntheticConfig, clock: Clock) -> Self {
        let household = Household::new(config.seed);
        Self {
            config,
            clock,
            household,
        }
    }

    /// No rows yet.
    fn rows(&self) -> Rows {
        Rows::new(self.config.channels.iter().map(|m| m.channel.clone()).collect())
    }

    fn counter(&self, window: Window, now: Millis) -> Rows {
        let mut rows = self.rows();
        let wanted = match window {
            Window::Youngest => true,
            Window::Range { from, until, open } => from <= now && (open || now <= until),
        };
        if wanted && !self.config.channels.is_empty() {
            let seconds = (now - BIRTH).div_euclid(1000).to_string();
            let value = self.scaled(0, seconds);
            rows.push(now, |i| Some(value.as_str()).filter(|_| i == 0));
        }
        rows
    }

    /// Rows on the grid of whole intervals since 1970, never before the meter was mounted, never in the future.
    fn curve(&self, window: Window, now: Millis) -> Result<Rows, Error> {
        let interval = Millis::try_from(self.config.interval.as_millis())
            .unwrap_or(Millis::MAX)
            .max(1);
        let newest = now.div_euclid(interval);
        let (first, last) = match window {
            Window::Youngest => (newest, newest),
            Window::Range { from, until, .. } => {
                let from = from.max(BIRTH);
                let first = from.div_euclid(interval) + Millis::from(from.rem_euclid(interval) > 0);
                (first, until.div_euclid(interval).min(newest))
            }
        };
        let mut rows = self.rows();
        if first > last || first.saturating_mul(interval) < BIRTH {
            return Ok(rows);
        }
        if usize::try_from(last - first).map_or(true, |steps| steps >= MAX_ROWS) {
            return Err(Error::TooManyRows {
                what: WHAT.into(),
                limit: MAX_ROWS,
            });
        }
        let kinds = curve::kinds(&self.config.channels);
        let mut meter = self.household.meter(first * interval);
        for step in first..=last {
            let at = step * interval;
            meter.advance(at);
            let values: Vec<String> = kinds
                .iter()
                .enumerate()
                .map(|(i, kind)| self.scaled(i, meter.read(*kind)))
                .collect();
            rows.push(at, |i| Some(values[i].as_str()));
        }
        Ok(rows)
    }

    /// The channel's scale applied; these numbers are short enough for every scale that is not absurd.
    fn scaled(&self, channel: usize, value: String) -> String {
        let factor = self.config.channels.get(channel).and_then(|m| m.scale);
        factor.and_then(|by| scaled(&value, by)).unwrap_or(value)
    }
}

#[async_trait]
impl Source for Synthetic {
    fn has_history(&self) -> bool {
        !self.config.counter
    }

    fn request(&self, _: Window) -> Request {
        Request::default()
    }

    async fn read(&self, window: Window) -> Result<Answer, Error> {
        let now = self.clock.now();
        let rows = if self.config.counter {
            self.counter(window, now)
        } else {
            self.curve(window, now)?
        };
        Ok(Answer {
            rows,
            ..Answer::default()
        })
    }

    async fn inspect(&self) -> Vec<Finding> {
        let names: Vec<&str> = self
            .config
            .channels
            .iter()
            .map(|m| m.channel.name.as_str())
            .collect();
        let text = match (self.config.counter, names.first()) {
            (_, None) => "a synthetic source without channels gives no rows; see `channels`".into(),
            (true, Some(first)) => format!("no backend: {first} counts the seconds since {}", iso(BIRTH)),
            (false, Some(_)) => format!(
                "no backend: a made-up household (seed {}) in {}, every {:?}",
                self.config.seed,
                names.join(", "),
                self.config.interval
            ),
        };
        vec![Finding {
            good: !names.is_empty(),
            text,
        }]
    }
}
