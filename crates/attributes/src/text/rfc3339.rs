//! Times in the notation of RFC 3339.
//!
//! The calendar is a few lines; a library of calendars and time zones would be a tenth of the filter's module.

use std::fmt;

use crate::Timestamp;

const SECONDS_PER_DAY: i64 = 86_400;

/// From 0000-01-01, where the notation starts, and until the end of the year 9999, in seconds since the epoch.
const WRITABLE: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

/// The offset may be `Z` or numeric; leap seconds are taken as the second before.
pub(crate) fn parse(input: &str) -> Option<Timestamp> {
    let mut rest = input.as_bytes();
    let year = number(&mut rest, 4)?;
    let month = after(&mut rest, b"-").and_then(|()| number(&mut rest, 2))?;
    let day = after(&mut rest, b"-").and_then(|()| number(&mut rest, 2))?;
    after(&mut rest, b"Tt ")?;
    let (hour, minute) = clock(&mut rest)?;
    let second = after(&mut rest, b":").and_then(|()| number(&mut rest, 2))?;
    let nanos = match after(&mut rest, b".") {
        Some(()) => fraction(&mut rest)?,
        None => 0,
    };
    let offset = match first(&mut rest)? {
        b'Z' | b'z' => 0,
        sign @ (b'+' | b'-') => {
            let (hours, minutes) = clock(&mut rest)?;
            let seconds = hours * 3_600 + minutes * 60;
            if sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let is_valid = rest.is_empty() && (1..=days_of_month(year, month)?).contains(&day) && second <= 60;
    if !is_valid {
        return None;
    }
    let time_of_day = hour * 3_600 + minute * 60 + second.min(59);
    Some(Timestamp { seconds: days_of(year, month, day) * SECONDS_PER_DAY + time_of_day - offset, nanos })
}

pub(crate) fn write(time: Timestamp, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Timestamp { seconds, nanos } = time;
    if !WRITABLE.contains(&seconds) {
        // There is no RFC 3339 for it; the number is still the truth.
        return write!(f, "{seconds}.{nanos:09}");
    }
    let (year, month, day) = date_of(seconds.div_euclid(SECONDS_PER_DAY));
    let time_of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    let (hour, minute, second) = (time_of_day / 3_600, time_of_day / 60 % 60, time_of_day % 60);
    write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
    if nanos != 0 {
        let digits = format!("{nanos:09}");
        write!(f, ".{}", digits.trim_end_matches('0'))?;
    }
    f.write_str("Z")
}

/// A number of so many digits.
fn number(rest: &mut &[u8], digits: usize) -> Option<i64> {
    let (number, after) = rest.split_at_checked(digits)?;
    *rest = after;
    number.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
}

/// Steps over one of the expected bytes.
fn after(rest: &mut &[u8], expected: &[u8]) -> Option<()> {
    let (first, after) = rest.split_first()?;
    expected.contains(first).then(|| *rest = after)
}

fn first(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

/// Hours and minutes.
fn clock(rest: &mut &[u8]) -> Option<(i64, i64)> {
    let hour = number(rest, 2)?;
    let minute = after(rest, b":").and_then(|()| number(rest, 2))?;
    (hour < 24 && minute < 60).then_some((hour, minute))
}

/// Nanoseconds from one to nine digits.
fn fraction(rest: &mut &[u8]) -> Option<u32> {
    let (mut nanos, mut unit) = (0, 100_000_000);
    let mut is_empty = true;
    while let Some(digit) = rest.first().copied().filter(u8::is_ascii_digit) {
        if unit == 0 {
            return None;
        }
        nanos += u32::from(digit - b'0') * unit;
        unit /= 10;
        is_empty = false;
        *rest = rest.get(1..)?;
    }
    (!is_empty).then_some(nanos)
}

fn days_of_month(year: i64, month: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if is_leap { 29 } else { 28 }),
        _ => None,
    }
}

/// Days since the epoch. Years are counted from March, so that the leap day is the last one, in eras of 400 years,
/// after which the calendar repeats.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of so many days after the epoch: [`days_of`] the other way.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{SECONDS_PER_DAY, WRITABLE, date_of, days_of, parse};
    use crate::Timestamp;

    #[test]
    fn what_is_no_time_is_refused() {
        let wrong = [
            "2017-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2017-00-01T00:00:00Z",
            "2017-04-31T00:00:00Z",
            "2017-04-29T24:00:00Z",
            "2017-04-29T00:60:00Z",
            "2017-04-29T00:00:61Z",
            "2017-04-29T00:00:00",
            "2017-04-29T00:00:00.Z",
            "2017-04-29T00:00:00.1234567890Z",
            "2017-04-29T00:00:00+1:00",
            "2017-04-29T00:00:00ZZ",
            "+017-04-29T00:00:00Z",
            "2017-04-29T00:00:00\u{661}Z",
        ];
        for text in wrong {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_the_notation_is_read_as_it_is_written() {
        let days = WRITABLE.start() / SECONDS_PER_DAY..=WRITABLE.end().div_euclid(SECONDS_PER_DAY);
        for day in days {
            let (year, month, day_of_month) = date_of(day);
            assert_eq!(days_of(year, month, day_of_month), day);
        }
        assert_eq!((date_of(0), date_of(11_016)), ((1970, 1, 1), (2000, 2, 29)));
    }

    proptest! {
        /// A library of calendars says the same.
        #[test]
        fn times_are_those_of_a_calendar(seconds in -62_167_219_200_i64..253_402_207_200, nanos in 0_u32..1_000_000_000) {
            let time = Timestamp { seconds, nanos };
            let civil = jiff::Timestamp::from_nanosecond(time.unix_nanos()).expect("in range");
            prop_assert_eq!(time.to_string(), civil.to_string());
            prop_assert_eq!(parse(&civil.to_string()), Some(time));
        }
    }
}
