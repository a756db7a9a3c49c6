//! The written forms of times, spans and addresses.

mod rfc3339;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::{Duration, Timestamp, Value, ValueType};

pub(crate) use rfc3339::{parse as parse_rfc3339, write as write_rfc3339};

/// A text is not a value of the type that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not {expected}")]
pub struct InvalidText {
    /// The text.
    pub text: String,
    /// What it should have been, with an article.
    pub expected: &'static str,
}

/// The address that 4 or 16 bytes stand for. An IPv4 address mapped into IPv6 is the IPv4 address: proxies write
/// the same peer in both ways.
pub(crate) fn ip_of(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::V4(Ipv4Addr::from(v4)));
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| IpAddr::V6(Ipv6Addr::from(v6)).to_canonical())
}

impl Value {
    /// The bytes of an address: 4 or 16 of them.
    pub fn from_ip(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::Bytes(ip.octets().as_slice().into()),
            IpAddr::V6(ip) => Self::Bytes(ip.octets().as_slice().into()),
        }
    }

    /// The address that a value stands for: 4 or 16 bytes, IPv4 mapped into IPv6 being IPv4.
    pub fn to_ip(&self) -> Option<IpAddr> {
        match self {
            Self::Bytes(bytes) => ip_of(bytes),
            _ => None,
        }
    }

    /// Reads a value of a type as people write it: numbers in decimal, `true` and `false`, RFC 3339, Go's spans,
    /// addresses, and `key:value;key:value` for maps.
    pub fn parse(value_type: ValueType, text: &str) -> Result<Self, InvalidText> {
        let invalid = |expected| InvalidText { text: text.to_owned(), expected };
        match value_type {
            ValueType::String | ValueType::EmailAddress | ValueType::Uri | ValueType::DnsName => {
                Ok(text.into())
            }
            ValueType::Int64 => text.parse().map(Self::Int64).map_err(|_| invalid("a 64-bit integer")),
            ValueType::Double => text.parse().map(Self::Double).map_err(|_| invalid("a number")),
            ValueType::Bool => text.parse().map(Self::Bool).map_err(|_| invalid("`true` or `false`")),
            ValueType::Timestamp => Timestamp::parse_rfc3339(text)
                .map(Self::Timestamp)
                .ok_or_else(|| invalid("a time such as 2017-04-29T02:11:54Z")),
            ValueType::Duration => Duration::parse_go(text)
                .map(Self::Duration)
                .ok_or_else(|| invalid("a duration such as 1m30s")),
            ValueType::IpAddress => text.parse().map(Self::from_ip).map_err(|_| invalid("an IP address")),
            ValueType::StringMap if text.is_empty() => Ok(Self::StringMap(std::sync::Arc::default())),
            ValueType::StringMap => text
                .split(';')
                .map(|entry| entry.split_once(':'))
                .collect::<Option<crate::StringMap>>()
                .map(Self::from)
                .ok_or_else(|| invalid("a map such as key:value;key:value")),
        }
    }
}

/// Nanoseconds in each unit, the units with a longer name first, so that `ms` is not read as `m`.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Go's range is that of a signed 64-bit count of nanoseconds; what does not fit is no duration.
pub(crate) fn parse_go_duration(input: &str) -> Option<Duration> {
    let (negative, mut rest) = match input.as_bytes().first()? {
        b'-' => (true, input.get(1..)?),
        b'+' => (false, input.get(1..)?),
        _ => (false, input),
    };
    if rest == "0" {
        return Some(Duration::default());
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (unit, nanos) = UNITS.iter().find(|(unit, _)| after.starts_with(unit))?;
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(*nanos)?)?.checked_add(fraction_of(fraction, *nanos))?;
        rest = after.get(unit.len()..)?;
    }
    let total = if negative { -total } else { total };
    i64::try_from(total).ok().map(|nanos| Duration::from_nanos(nanos.into()))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// The part of a unit that a decimal fraction stands for, rounded down.
fn fraction_of(fraction: &str, unit: i128) -> i128 {
    let (mut sum, mut scale) = (0, 1);
    // Beyond 13 digits even an hour's fraction is below a nanosecond.
    for digit in fraction.bytes().take(13) {
        sum = sum * 10 + i128::from(digit - b'0');
        scale *= 10;
    }
    sum * unit / scale
}

pub(crate) fn write_go_duration(span: Duration, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let nanos = span.nanos();
    if nanos == 0 {
        return f.write_str("0s");
    }
    if nanos < 0 {
        f.write_str("-")?;
    }
    let nanos = nanos.unsigned_abs();
    for (unit, size) in [("ns", 1), ("\u{b5}s", 1_000), ("ms", 1_000_000)] {
        if nanos < size * 1_000 {
            return write!(f, "{}{unit}", Decimal { nanos, size });
        }
    }
    if nanos >= 1_000_000_000 {
        let (hours, minutes) = (nanos / 3_600_000_000_000, nanos / 60_000_000_000 % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(f, "{minutes}m")?;
        }
    }
    write!(f, "{}s", Decimal { nanos: nanos % 60_000_000_000, size: 1_000_000_000 })
}

/// A number of units with as many decimals as are needed.
struct Decimal {
    nanos: u128,
    size: u128,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.nanos / self.size, self.nanos % self.size);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let width = self.size.ilog10() as usize;
        let decimals = format!("{rest:0width$}");
        write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests;
