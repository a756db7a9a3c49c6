//! Layouts of times in Go's notation: the time Mon Jan 2 15:04:05 MST 2006, written as others shall be written.

use std::fmt::Write;

use attributes::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// A layout, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Element(Element),
    /// Decimals of a second after the separator: so many, or no more than so many without zeros at the end.
    Fraction {
        separator: char,
        digits: usize,
        trimmed: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    LongMonth,
    ShortMonth,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    ShortWeekday,
    Day,
    SpaceDay,
    ZeroDay,
    SpaceDayOfYear,
    ZeroDayOfYear,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    ShortYear,
    Noon,
    LowerNoon,
    Zone,
    /// An offset that is spelled out; all times are in UTC.
    Offset(&'static str),
}

/// How elements are written. Of two that start alike, the longer comes first.
const ELEMENTS: [(&str, Element); 33] = [
    ("January", Element::LongMonth),
    ("Jan", Element::ShortMonth),
    ("Monday", Element::LongWeekday),
    ("Mon", Element::ShortWeekday),
    ("MST", Element::Zone),
    ("002", Element::ZeroDayOfYear),
    ("01", Element::ZeroMonth),
    ("02", Element::ZeroDay),
    ("03", Element::ZeroHour12),
    ("04", Element::ZeroMinute),
    ("05", Element::ZeroSecond),
    ("06", Element::ShortYear),
    ("15", Element::Hour),
    ("1", Element::NumMonth),
    ("2006", Element::LongYear),
    ("2", Element::Day),
    ("__2", Element::SpaceDayOfYear),
    ("_2", Element::SpaceDay),
    ("3", Element::Hour12),
    ("4", Element::Minute),
    ("5", Element::Second),
    ("PM", Element::Noon),
    ("pm", Element::LowerNoon),
    ("-070000", Element::Offset("+000000")),
    ("-07:00:00", Element::Offset("+00:00:00")),
    ("-0700", Element::Offset("+0000")),
    ("-07:00", Element::Offset("+00:00")),
    ("-07", Element::Offset("+00")),
    ("Z070000", Element::Offset("Z")),
    ("Z07:00:00", Element::Offset("Z")),
    ("Z0700", Element::Offset("Z")),
    ("Z07:00", Element::Offset("Z")),
    ("Z07", Element::Offset("Z")),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl Layout {
    /// Every text is a layout.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (part, len) = match fraction(rest).or_else(|| element(rest)) {
                Some((part, len)) => (Some(part), len),
                None => (None, first.len_utf8()),
            };
            let (taken, behind) = rest.split_at(len);
            match part {
                Some(part) => {
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(part);
                }
                None => literal.push_str(taken),
            }
            rest = behind;
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Self(parts)
    }

    /// Writes a time, in UTC. A time that no calendar has is written as a number of seconds.
    pub(crate) fn format(&self, time: Timestamp) -> String {
        let Ok(instant) = jiff::Timestamp::from_nanosecond(time.unix_nanos()) else {
            return time.to_string();
        };
        let civil = Offset::UTC.to_datetime(instant);
        let mut text = String::new();
        for part in &self.0 {
            // Writing to a string does not fail.
            let _ = match part {
                Part::Text(literal) => text.write_str(literal),
                Part::Element(element) => write_element(&mut text, *element, civil),
                Part::Fraction { separator, digits, trimmed } => {
                    let nanos = format!("{:09}", civil.subsec_nanosecond());
                    let decimals = nanos.get(..*digits).unwrap_or(&nanos);
                    let decimals = if *trimmed { decimals.trim_end_matches('0') } else { decimals };
                    if decimals.is_empty() { Ok(()) } else { write!(text, "{separator}{decimals}") }
                }
            };
        }
        text
    }
}

/// The element that a text starts with, and its length there.
fn element(text: &str) -> Option<(Part, usize)> {
    // An underscore and a year, not a day filled up with a space.
    if text.starts_with("_2006") {
        return None;
    }
    let (name, element) = ELEMENTS.iter().find(|(name, element)| {
        text.strip_prefix(name).is_some_and(|rest| {
            // "Janet" is a name, and "Monster" is none of a day.
            !matches!(element, Element::ShortMonth | Element::ShortWeekday)
                || !rest.starts_with(|c: char| c.is_ascii_lowercase())
        })
    })?;
    Some((Part::Element(*element), name.len()))
}

/// Decimals of a second: a separator and then zeros, or nines, and no other digit after them.
fn fraction(text: &str) -> Option<(Part, usize)> {
    let separator = text.chars().next().filter(|c| matches!(c, '.' | ','))?;
    let digit = text.chars().nth(1).filter(|c| matches!(c, '0' | '9'))?;
    let digits = text.chars().skip(1).take_while(|c| *c == digit).count();
    let next = text.chars().nth(1 + digits);
    if next.is_some_and(|c| c.is_ascii_digit()) || digits > 9 {
        return None;
    }
    Some((Part::Fraction { separator, digits, trimmed: digit == '9' }, 1 + digits))
}

fn write_element(text: &mut String, element: Element, time: DateTime) -> std::fmt::Result {
    let month = name(&MONTHS, time.month());
    let weekday = name(&WEEKDAYS, time.weekday().to_monday_one_offset());
    let hour12 = (time.hour() + 11) % 12 + 1;
    let afternoon = time.hour() >= 12;
    match element {
        Element::LongMonth => text.write_str(month),
        Element::ShortMonth => text.write_str(short(month)),
        Element::NumMonth => write!(text, "{}", time.month()),
        Element::ZeroMonth => write!(text, "{:02}", time.month()),
        Element::LongWeekday => text.write_str(weekday),
        Element::ShortWeekday => text.write_str(short(weekday)),
        Element::Day => write!(text, "{}", time.day()),
        Element::SpaceDay => write!(text, "{:2}", time.day()),
        Element::ZeroDay => write!(text, "{:02}", time.day()),
        Element::SpaceDayOfYear => write!(text, "{:3}", time.day_of_year()),
        Element::ZeroDayOfYear => write!(text, "{:03}", time.day_of_year()),
        Element::Hour => write!(text, "{:02}", time.hour()),
        Element::Hour12 => write!(text, "{hour12}"),
        Element::ZeroHour12 => write!(text, "{hour12:02}"),
        Element::Minute => write!(text, "{}", time.minute()),
        Element::ZeroMinute => write!(text, "{:02}", time.minute()),
        Element::Second => write!(text, "{}", time.second()),
        Element::ZeroSecond => write!(text, "{:02}", time.second()),
        Element::LongYear => write!(text, "{:04}", time.year()),
        Element::ShortYear => write!(text, "{:02}", time.year().rem_euclid(100)),
        Element::Noon => text.write_str(if afternoon { "PM" } else { "AM" }),
        Element::LowerNoon => text.write_str(if afternoon { "pm" } else { "am" }),
        Element::Zone => text.write_str("UTC"),
        Element::Offset(offset) => text.write_str(offset),
    }
}

/// The name with a number from 1.
fn name(names: &[&'static str], number: i8) -> &'static str {
    usize::try_from(number).ok().and_then(|n| names.get(n.checked_sub(1)?)).copied().unwrap_or_default()
}

fn short(name: &str) -> &str {
    name.get(..3).unwrap_or(name)
}
