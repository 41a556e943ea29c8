//! What the decoder left out, counted, so that one remark stands for a thousand rows.

/// Longest piece of a foreign text that a remark shows, in characters.
const SHOWN: usize = 40;

/// Counts of what was left out of an answer. Each becomes at most one remark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows whose stamp is null, or that are empty.
    pub without_stamp: usize,
    /// Rows whose stamp names no instant.
    pub bad_stamp: usize,
    /// The first such stamp.
    pub first_bad_stamp: String,
    /// Values that are `null`, `NAN` or empty text.
    pub missing: usize,
    /// Values that are something else, but no number.
    pub junk: usize,
    /// Channel and text of the first such value.
    pub first_junk: (String, String),
    /// Numbers too long for the configured scale.
    pub unscaled: usize,
    /// Rows in which no value is left.
    pub hollow: usize,
    /// Rows outside the window that was asked for.
    pub outside: usize,
    /// Rows that shared their instant with another and were merged with it.
    pub merged: usize,
    /// Most values in a row beyond the channels asked for.
    pub surplus: usize,
}

impl Tally {
    /// Remarks for people, one for each kind of thing left out.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let mut say = |count: usize, noun: &str, what: &str| {
            if count > 0 {
                let plural = if count == 1 { "" } else { "s" };
                remarks.push(format!("{count} {noun}{plural} {what}"));
            }
        };
        say(self.without_stamp, "row", "without a stamp left out");
        let stamp = format!(
            "with an impossible stamp left out, first `{}`",
            self.first_bad_stamp
        );
        say(self.bad_stamp, "row", &stamp);
        say(self.missing, "value", "missing (null or NAN)");
        let (channel, text) = &self.first_junk;
        say(
            self.junk,
            "value",
            &format!("not a number and left out, first `{text}` in {channel}"),
        );
        say(
            self.unscaled,
            "value",
            "with too many digits for the scale left out",
        );
        say(self.hollow, "row", "without any value left out");
        say(self.outside, "row", "outside the window left out");
        say(self.merged, "row", "merged with another of the same instant");
        remarks
    }

    /// Counts a row whose stamp is no stamp.
    pub(super) fn count_bad_stamp(&mut self, text: &[u8]) {
        if self.bad_stamp == 0 {
            self.first_bad_stamp = shown(text);
        }
        self.bad_stamp += 1;
    }

    /// Counts a value that is no number.
    pub(super) fn count_junk(&mut self, channel: &str, text: &[u8]) {
        if self.junk == 0 {
            self.first_junk = (channel.to_owned(), shown(text));
        }
        self.junk += 1;
    }
}

/// The start of a foreign text, on one line.
fn shown(text: &[u8]) -> String {
    let mut start: String = String::from_utf8_lossy(&text[..text.len().min(SHOWN * 4)])
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(SHOWN + 1)
        .collect();
    if start.chars().count() > SHOWN {
        start.pop();
        start.push('…');
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_left_out_is_no_remark() {
        assert_eq!(Tally::default().remarks(), Vec::<String>::new());
    }

    #[test]
    fn a_thousand_rows_are_one_remark() {
        let mut tally = Tally {
            missing: 1,
            ..Tally::default()
        };
        for _ in 0..1000 {
            tally.count_bad_stamp(b"2017\nX");
        }
        tally.count_junk("ch3", "ä".repeat(100).as_bytes());
        let long = "ä".repeat(SHOWN);
        assert_eq!(
            tally.remarks(),
            [
                "1000 rows with an impossible stamp left out, first `2017 X`".to_owned(),
                "1 value missing (null or NAN)".to_owned(),
                format!("1 value not a number and left out, first `{long}…` in ch3"),
            ]
        );
    }
}
