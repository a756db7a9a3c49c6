//! Time for deadlines: what has passed since the machine started, as far as any clock of the host says.
//!
//! Invariant: it never goes back, and no clock that is set, goes back or fails for a while holds it up: a step back
//! counts as no time, and a step that the monotonic clock does not tell is taken from the wall's.

use checkcache::Tick;

/// What the clocks said last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// Time for deadlines.
    pub(crate) elapsed: Tick,
    /// The wall's clock, as it was when it last could be read.
    pub(crate) wall: u64,
    monotonic: Option<u64>,
}

impl Clock {
    pub(crate) const NEW: Self = Self { elapsed: Tick(0), wall: 0, monotonic: None };

    /// The clock after these readings; `None` is a clock that cannot be read.
    pub(crate) fn at(self, monotonic: Option<u64>, wall: Option<u64>) -> Self {
        let on_wall = wall.map_or(0, |now| now.saturating_sub(self.wall));
        let step = match (monotonic, self.monotonic) {
            (Some(now), Some(before)) => now.saturating_sub(before),
            _ => on_wall,
        };
        Self {
            elapsed: Tick(self.elapsed.0.saturating_add(step)),
            wall: wall.unwrap_or(self.wall),
            monotonic,
        }
    }

    /// The clock after a reading of the monotonic one alone, on which the wall's is taken to have gone on as it did.
    pub(crate) fn later(self, monotonic: u64) -> Option<Self> {
        let step = monotonic.saturating_sub(self.monotonic?);
        Some(Self {
            elapsed: Tick(self.elapsed.0.saturating_add(step)),
            wall: self.wall.saturating_add(step),
            monotonic: Some(monotonic),
        })
    }
}
