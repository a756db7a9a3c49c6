//! Points in time.

use std::time::Duration;

/// A point in time of the owner's monotonic clock, in nanoseconds since a beginning of its choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tick(pub u64);

impl Tick {
    /// The point so many nanoseconds later; the end of time if it lies beyond.
    #[must_use]
    pub(crate) fn after(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// The nanoseconds from an earlier point to this one; 0 if that one is later.
    pub(crate) fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl From<Duration> for Tick {
    /// The point so much after the beginning.
    fn from(since_beginning: Duration) -> Self {
        Self(nanos(since_beginning))
    }
}

/// A span of time in nanoseconds; what does not fit is 584 years.
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
