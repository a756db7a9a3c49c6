//! Points in time and spans of it, as the wire carries them: seconds and nanoseconds.

use std::fmt;

use crate::text;

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const NANOS_PER_SECOND_64: u64 = 1_000_000_000;

/// A point in time, counted from the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Whole seconds since 1970-01-01T00:00:00Z, negative before it.
    pub seconds: i64,
    /// Nanoseconds after those, below 1,000,000,000.
    pub nanos: u32,
}

/// A span of time with a sign. Both fields have the same sign or are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration {
    /// Whole seconds.
    pub seconds: i64,
    /// Nanoseconds above those, below 1,000,000,000 in size.
    pub nanos: i32,
}

impl Timestamp {
    /// The time so many nanoseconds after the epoch; times too far away become the farthest there is.
    pub fn from_unix_nanos(nanos: i128) -> Self {
        // Any time of a clock; and no machine divides 128 bits as fast as 64.
        if let Ok(nanos) = u64::try_from(nanos) {
            let (seconds, rest) = (nanos / NANOS_PER_SECOND_64, nanos % NANOS_PER_SECOND_64);
            return Self { seconds: seconds as i64, nanos: rest as u32 };
        }
        let seconds = nanos.div_euclid(NANOS_PER_SECOND);
        let rest = nanos.rem_euclid(NANOS_PER_SECOND) as u32;
        match i64::try_from(seconds) {
            Ok(seconds) => Self { seconds, nanos: rest },
            Err(_) if nanos < 0 => Self { seconds: i64::MIN, nanos: 0 },
            Err(_) => Self { seconds: i64::MAX, nanos: 999_999_999 },
        }
    }

    /// Nanoseconds since the epoch.
    pub fn unix_nanos(self) -> i128 {
        i128::from(self.seconds) * NANOS_PER_SECOND + i128::from(self.nanos)
    }

    /// Reads a time in the notation of RFC 3339, such as `2017-04-29T02:11:54.98Z`.
    pub fn parse_rfc3339(input: &str) -> Option<Self> {
        text::parse_rfc3339(input)
    }
}

/// RFC 3339 in UTC with as many digits of a second as are needed.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write_rfc3339(*self, f)
    }
}

impl Duration {
    /// A span of so many nanoseconds.
    pub fn from_nanos(nanos: i128) -> Self {
        if let Ok(nanos) = u64::try_from(nanos) {
            let (seconds, rest) = (nanos / NANOS_PER_SECOND_64, nanos % NANOS_PER_SECOND_64);
            return Self { seconds: seconds as i64, nanos: rest as i32 };
        }
        let seconds = nanos / NANOS_PER_SECOND;
        let rest = (nanos % NANOS_PER_SECOND) as i32;
        match i64::try_from(seconds) {
            Ok(seconds) => Self { seconds, nanos: rest },
            Err(_) if nanos < 0 => Self { seconds: i64::MIN, nanos: 0 },
            Err(_) => Self { seconds: i64::MAX, nanos: 0 },
        }
    }

    /// The span in nanoseconds.
    pub fn nanos(self) -> i128 {
        i128::from(self.seconds) * NANOS_PER_SECOND + i128::from(self.nanos)
    }

    /// The span in seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.seconds as f64 + f64::from(self.nanos) / 1e9
    }

    /// Reads a span as Go writes it: a sign, then numbers with units (`ns`, `us`, `µs`, `ms`, `s`, `m`, `h`), such as
    /// `1m30s` or `-1.5h`; or `0`.
    pub fn parse_go(input: &str) -> Option<Self> {
        text::parse_go_duration(input)
    }

    /// The span as the standard library's unsigned one; negative spans are zero.
    pub fn to_std(self) -> std::time::Duration {
        match (u64::try_from(self.seconds), u32::try_from(self.nanos)) {
            (Ok(seconds), Ok(nanos)) => std::time::Duration::new(seconds, nanos),
            _ => std::time::Duration::ZERO,
        }
    }
}

impl From<std::time::Duration> for Duration {
    fn from(span: std::time::Duration) -> Self {
        Self { seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX), nanos: span.subsec_nanos() as i32 }
    }
}

/// As Go prints it: `1h2m3.5s`, `1.5ms`, `0s`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write_go_duration(*self, f)
    }
}
