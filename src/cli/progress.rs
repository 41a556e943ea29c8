//! Progress of long work, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::clock::{Millis, iso};

/// A bar over `total` steps on standard error; invisible when that is no terminal.
pub(super) fn bar(total: usize, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(total).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A bar over a range of time, with the instant that was reached and the rows so far.
pub(super) fn range(from: Millis, until: Millis, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(length(from, until));
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {percent:>3} % {msg} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Moves a bar over a range of time.
pub(super) fn at(bar: &ProgressBar, from: Millis, until: Millis, at: Millis, rows: u64) {
    bar.set_length(length(from, until));
    bar.set_position(length(from, at));
    bar.set_message(format!("{}, {rows} rows", iso(at)));
}

/// Seconds from one instant to another.
fn length(from: Millis, until: Millis) -> u64 {
    u64::try_from((until - from) / 1000).unwrap_or(0)
}
