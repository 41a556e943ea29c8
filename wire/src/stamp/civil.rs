//! Days since 1970-01-01 to and from dates of the Gregorian calendar, by counting from 1 March of year 0
//! in eras of 400 years (the method is described in Howard Hinnant's "chrono-Compatible Low-Level Date
//! Algorithms").

const DAYS_PER_ERA: i64 = 146_097;

/// From 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;

/// Year, month from 1, day from 1. For days within the years 0001 to 9999.
pub(super) fn date_of(day: i64) -> (u32, u32, u32) {
    // Positive and small for every year that has a text.
    let shifted = (day + EPOCH) as u32;
    let (era, of_era) = (shifted / DAYS_PER_ERA as u32, shifted % DAYS_PER_ERA as u32);
    // Take the leap days out, then all years have 365 days.
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (era * 400 + year_of_era + u32::from(month <= 2), month, day)
}

/// The day of a date, if there is such a date.
pub(super) fn day_of(year: u32, month: u32, day: u32) -> Option<i64> {
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let year = i64::from(year) - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = i64::from((month + 9) % 12);
    let of_year = (153 * from_march + 2) / 5 + i64::from(day) - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    Some(era * DAYS_PER_ERA + of_era - EPOCH)
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
