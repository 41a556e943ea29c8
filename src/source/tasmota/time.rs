//! When a reply was made: from the reader's local time to an instant.
//!
//! In order: epoch seconds, an offset in the text, the difference that `Status 7` tells, the configured zone, the instant of
//! receiving. A time that is far off the receiving clock is not believed.

use chrono::{Duration, LocalResult, NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

use super::reply::{self, Clue};
use crate::clock::{Millis, iso};

/// A device time further off the receiving clock than this is not used.
pub const MAX_OFF: Millis = 5 * 60 * 1000;

/// No zone is further from UTC than this, in seconds.
const MAX_OFFSET: i64 = 14 * 3600;

/// What the reader said, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated {
    /// An instant.
    Instant(Millis, How),
    /// A local time without an offset.
    Local(NaiveDateTime),
    /// No time, or one that cannot be read.
    Nothing,
}

/// How an instant was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `Epoch`, or `Time` as a number.
    Epoch,
    /// An offset in the text (`SetOption52 1`).
    Offset,
    /// The difference between `Local` and `UTC` of `Status 7`.
    Status7,
    /// The configured zone.
    Zone,
    /// The receiving clock.
    Received,
}

/// The instant of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The stamp of the row.
    pub stamp: Millis,
    /// The device's own instant, used or not.
    pub device: Option<Millis>,
    /// How the device's instant was found; [`How::Received`] where there is none.
    pub how: How,
    /// What people should know.
    pub remark: Option<String>,
}

/// Reads what the reader said.
#[must_use]
pub fn read(clue: &Clue) -> Stated {
    if let Some(at) = clue.epoch.and_then(|s| s.checked_mul(1000)) {
        return Stated::Instant(at, How::Epoch);
    }
    match clue.text.as_deref().and_then(parse) {
        Some((local, Some(offset))) => {
            let at = local.and_utc().timestamp_millis() - offset * 1000;
            Stated::Instant(at, How::Offset)
        }
        Some((local, None)) => Stated::Local(local),
        None => Stated::Nothing,
    }
}

/// Finds the instant of a reply that was received at `received`. `offset` is what `Status 7` told, in seconds east of UTC.
#[must_use]
pub fn settle(stated: Stated, offset: Option<i64>, zone: Tz, received: Millis) -> Settled {
    let mut remark = None;
    let (device, how) = match stated {
        Stated::Instant(at, how) => (at, how),
        Stated::Local(local) => match offset {
            Some(offset) => (local.and_utc().timestamp_millis() - offset * 1000, How::Status7),
            None => {
                let (at, exists) = in_zone(local, zone, received);
                if !exists {
                    remark = Some(format!(
                        "the reader's time {local} does not exist in {zone} (clocks go forward); set its Timezone to 99"
                    ));
                }
                (at, How::Zone)
            }
        },
        Stated::Nothing => {
            return Settled {
                stamp: received,
                device: None,
                how: How::Received,
                remark: Some(
                    "the reader gave no time that can be read; the time of receiving is used".into(),
                ),
            };
        }
    };
    let off = device.saturating_sub(received);
    let believed = off.saturating_abs() <= MAX_OFF;
    if !believed {
        remark = Some(far_off(device, off, how));
    }
    Settled {
        stamp: if believed { device } else { received },
        device: Some(device),
        how,
        remark,
    }
}

/// The offset that a reply to `Status 7` tells, in seconds east of UTC.
#[must_use]
pub fn status7(body: &[u8]) -> Option<i64> {
    let (text, _) = reply::decode(body);
    let members = reply::object(&text).ok()?;
    let times = super::json::Members::parse(members.get("StatusTIM")?.get()).ok()?;
    let utc = any_form(&times.text("UTC")?)?;
    let local = any_form(&times.text("Local")?)?;
    let seconds = (local - utc).num_seconds();
    // The two texts may be made on either side of a second; offsets are whole minutes.
    let offset = (seconds + 30).div_euclid(60) * 60;
    (offset.abs() <= MAX_OFFSET).then_some(offset)
}

/// How many quarters of an hour a local time seems ahead of UTC: when this changes, a remembered offset is out of date.
#[must_use]
pub fn apparent_quarters(local: NaiveDateTime, received: Millis) -> i64 {
    const QUARTER: i64 = 15 * 60 * 1000;
    let ahead = local.and_utc().timestamp_millis().saturating_sub(received);
    ahead.saturating_add(QUARTER / 2).div_euclid(QUARTER)
}

/// Local date and time with an offset in seconds, where the text has one: `2026-07-21T18:59:19`, `2018.02.04 23:17:01`,
/// with `.492` for milliseconds and `+01:00`, `+0100` or `Z`.
#[must_use]
pub fn parse(text: &str) -> Option<(NaiveDateTime, Option<i64>)> {
    let b = text.trim().as_bytes();
    if !b.is_ascii() || b.len() < 19 {
        return None;
    }
    let shape = matches!(
        [b[4], b[7], b[10], b[13], b[16]],
        [b'-', b'-', b'T' | b't' | b' ', b':', b':'] | [b'.', b'.', b'T' | b' ', b':', b':']
    );
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(digits(&b[..4])?).ok()?,
        digits(&b[5..7])?,
        digits(&b[8..10])?,
    );
    let (hour, minute, second) = (digits(&b[11..13])?, digits(&b[14..16])?, digits(&b[17..19])?);
    let mut rest = &b[19..];
    let mut milli = 0;
    if let [b'.', tail @ ..] = rest {
        let length = tail.iter().take_while(|c| c.is_ascii_digit()).count();
        let mut text = tail[..length].to_vec();
        text.resize(3, b'0');
        milli = digits(&text)?;
        if length == 0 {
            return None;
        }
        rest = &tail[length..];
    }
    let local = date?.and_hms_milli_opt(hour, minute, second, milli)?;
    let offset = match rest {
        [] => None,
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, tail @ ..] => {
            let minutes = tail.strip_prefix(b":").unwrap_or(tail);
            let minutes = if tail.is_empty() {
                0
            } else {
                i64::from(digits(minutes)?)
            };
            let ahead = i64::from(digits(&[*h1, *h2])?) * 3600 + minutes * 60;
            if minutes > 59 || ahead > MAX_OFFSET {
                return None;
            }
            Some(if *sign == b'-' { -ahead } else { ahead })
        }
        _ => return None,
    };
    shape.then_some((local, offset))
}

/// A number of one to four digits and nothing else.
fn digits(b: &[u8]) -> Option<u32> {
    let fits = (1..=4).contains(&b.len()) && b.iter().all(u8::is_ascii_digit);
    fits.then(|| b.iter().fold(0, |n, c| n * 10 + u32::from(c - b'0')))
}

/// `Status 7` had `Thu Feb 15 00:00:50 2018` in old firmware.
fn any_form(text: &str) -> Option<NaiveDateTime> {
    parse(text)
        .map(|(at, _)| at)
        .or_else(|| NaiveDateTime::parse_from_str(text.trim(), "%a %b %d %H:%M:%S %Y").ok())
}

/// The instant of a local time in a zone, and whether it exists there. Of the two in the repeated hour, and of the two
/// readings of an hour that is skipped (offset before, offset after), the one nearest to `received`.
fn in_zone(local: NaiveDateTime, zone: Tz, received: Millis) -> (Millis, bool) {
    let nearest = |a: Millis, b: Millis| {
        if received.saturating_sub(a).saturating_abs() <= received.saturating_sub(b).saturating_abs() {
            a
        } else {
            b
        }
    };
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) => (at.timestamp_millis(), true),
        LocalResult::Ambiguous(a, b) => (nearest(a.timestamp_millis(), b.timestamp_millis()), true),
        LocalResult::None => {
            let utc = local.and_utc();
            let around = |shift: Duration| {
                let at = utc.checked_add_signed(shift).unwrap_or(utc).naive_utc();
                let offset = zone.offset_from_utc_datetime(&at).fix().local_minus_utc();
                utc.timestamp_millis() - i64::from(offset) * 1000
            };
            (
                nearest(around(Duration::days(-1)), around(Duration::days(1))),
                false,
            )
        }
    }
}

/// What to say of a device time that is not believed.
fn far_off(device: Millis, off: Millis, how: How) -> String {
    let seconds = off.saturating_abs() / 1000;
    let side = if off > 0 { "ahead of" } else { "behind" };
    let at = iso(device);
    let mend = match how {
        // 2000-01-01: before it a reader has not heard from its time server since it started.
        _ if device < 946_684_800_000 => "its clock is not set; let it reach a time server (NtpServer1)",
        How::Zone => "set its Timezone to 99, or `zone` of the source to the reader's zone",
        _ => "check its time server (NtpServer1)",
    };
    format!(
        "the reader's time {at} is {seconds} s {side} the time of receiving, which is used instead; {mend}"
    )
}

#[cfg(test)]
mod tests;
