use super::{MS_PER_DAY, civil, is_valid};

/// Why a text is not an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseStampError {
    /// Another form.
    #[error("not an instant: write it as 2026-01-26T13:15:00.000Z (Z or an offset such as +01:00)")]
    Form,
    /// The form is right, but the calendar or the clock has no such value.
    #[error("no such date or time of day (years 0001 to 9999, no leap seconds)")]
    Value,
    /// Local time without an offset.
    #[error("the time has no zone: add Z or an offset such as +01:00")]
    Zone,
}

/// Milliseconds since 1970 UTC of `2026-01-26T13:15:00.000Z`.
///
/// The fraction may have any number of digits (those after the third are dropped) or be left out, and in
/// place of `Z` an offset `+hh:mm` may stand.
///
/// # Errors
/// Another form, an impossible date or time, or no zone.
pub fn parse(text: &str) -> Result<i64, ParseStampError> {
    let mut rest = Rest(text.as_bytes());
    let year = rest.number(4)?;
    rest.skip(b'-')?;
    let month = rest.number(2)?;
    rest.skip(b'-')?;
    let day = rest.number(2)?;
    rest.skip(b'T')?;
    let hour = rest.number(2)?;
    rest.skip(b':')?;
    let minute = rest.number(2)?;
    rest.skip(b':')?;
    let second = rest.number(2)?;
    let millis = if rest.skip(b'.').is_ok() {
        rest.fraction()?
    } else {
        0
    };
    let offset = rest.offset()?;
    if !rest.0.is_empty() {
        return Err(ParseStampError::Form);
    }

    let day = civil::day_of(year, month, day).ok_or(ParseStampError::Value)?;
    if hour > 23 || minute > 59 || second > 59 {
        return Err(ParseStampError::Value);
    }
    let minutes = i64::from(hour * 60 + minute) - offset;
    let ms = day * MS_PER_DAY + minutes * 60_000 + i64::from(second * 1000 + millis);
    if is_valid(ms) {
        Ok(ms)
    } else {
        Err(ParseStampError::Value)
    }
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn skip(&mut self, wanted: u8) -> Result<(), ParseStampError> {
        match self.0 {
            [first, rest @ ..] if *first == wanted => {
                self.0 = rest;
                Ok(())
            }
            _ => Err(ParseStampError::Form),
        }
    }

    fn digit(&mut self) -> Result<u32, ParseStampError> {
        match self.0 {
            [first @ b'0'..=b'9', rest @ ..] => {
                self.0 = rest;
                Ok(u32::from(first - b'0'))
            }
            _ => Err(ParseStampError::Form),
        }
    }

    fn number(&mut self, digits: usize) -> Result<u32, ParseStampError> {
        (0..digits).try_fold(0, |number, _| Ok(number * 10 + self.digit()?))
    }

    /// Milliseconds from at least one digit.
    fn fraction(&mut self) -> Result<u32, ParseStampError> {
        let mut millis = self.digit()? * 100;
        for weight in [10, 1] {
            let Ok(digit) = self.digit() else {
                return Ok(millis);
            };
            millis += digit * weight;
        }
        while self.digit().is_ok() {}
        Ok(millis)
    }

    /// Minutes east of Greenwich.
    fn offset(&mut self) -> Result<i64, ParseStampError> {
        let sign = match self.0.first() {
            Some(b'Z') => return self.skip(b'Z').map(|()| 0),
            Some(b'+') => 1,
            Some(b'-') => -1,
            None => return Err(ParseStampError::Zone),
            Some(_) => return Err(ParseStampError::Form),
        };
        self.0 = &self.0[1..];
        let hours = self.number(2)?;
        self.skip(b':')?;
        let minutes = self.number(2)?;
        if hours > 23 || minutes > 59 {
            return Err(ParseStampError::Value);
        }
        Ok(sign * i64::from(hours * 60 + minutes))
    }
}
