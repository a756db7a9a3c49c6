//! How much of a quota there is.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::tick::nanos;

/// How much of a quota there is, and for how long. It comes with each request, so one that changed holds from the next
/// request on, for what was counted before as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit {
    max: u64,
    window: Option<NonZeroU64>,
}

impl Limit {
    /// At most `max` in any `window` of time; without one, at most `max` in use at any time. A negative `max` is 0, a
    /// window is from one nanosecond to 584 years.
    pub fn new(max: i64, window: Option<Duration>) -> Self {
        let window = window.map(|window| NonZeroU64::new(nanos(window)).unwrap_or(NonZeroU64::MIN));
        Self { max: u64::try_from(max).unwrap_or(0), window }
    }

    /// The most that there is.
    pub fn max(self) -> u64 {
        self.max
    }

    /// Whether what is taken comes back by itself, as time goes by.
    pub fn is_rate(self) -> bool {
        self.window.is_some()
    }

    /// Nanoseconds of the window. What is allocated has one that does not end.
    pub(crate) fn window(self) -> u64 {
        self.window.map_or(u64::MAX, NonZeroU64::get)
    }

    /// The same for less, or more, at a time.
    #[must_use]
    pub fn with_max(self, max: u64) -> Self {
        Self { max: max.min(i64::MAX as u64), ..self }
    }
}
