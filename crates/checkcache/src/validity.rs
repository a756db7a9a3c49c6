//! How long a verdict may be used again.

use std::time::Duration;

/// A point on the monotonic clock of whoever holds the cache, in nanoseconds from an origin of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tick(pub u64);

impl Tick {
    /// The point so much later; the end of time if it lies beyond.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The time from an earlier point to this one; nothing if that one is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Which configuration snapshot a verdict belongs to. Equal snapshots have equal revisions; 0 stands for a server
/// that does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// How long, and how often, a verdict may be used again for requests that its trace holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Validity {
    /// Not at all: it depends on more than the request and the snapshot.
    Never,
    /// For a time, and if `uses` is given, so many times.
    For {
        /// The time.
        ttl: Duration,
        /// How often; `None` is any number of times.
        uses: Option<u32>,
    },
    /// As long as the snapshot is in force.
    Revision,
}

impl Validity {
    /// The tightest of two: "never" wins, of times and of uses the smaller.
    #[must_use]
    pub fn fold(self, other: Self) -> Self {
        match (self, other) {
            (Self::Never, _) | (_, Self::Never) => Self::Never,
            (Self::Revision, tighter) | (tighter, Self::Revision) => tighter,
            (Self::For { ttl: a, uses: m }, Self::For { ttl: b, uses: n }) => {
                let uses = match (m, n) {
                    (None, uses) | (uses, None) => uses,
                    (Some(m), Some(n)) => Some(m.min(n)),
                };
                Self::For { ttl: a.min(b), uses }
            }
        }
    }

    /// Whether it ends after a number of uses.
    pub fn is_counted(self) -> bool {
        match self {
            Self::For { uses, .. } => uses.is_some(),
            Self::Never | Self::Revision => false,
        }
    }

    /// Whether a verdict with this validity can be stored at all.
    pub fn is_cacheable(self) -> bool {
        match self {
            Self::Never => false,
            Self::For { ttl, uses } => !ttl.is_zero() && uses != Some(0),
            Self::Revision => true,
        }
    }
}
