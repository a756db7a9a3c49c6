//! A window that ends now, wherever now is.
//!
//! Grants are remembered with their time. Those that lie closer together than a part of the window are remembered as
//! one, at the time of the last of them: so the memory is bounded, and what is forgotten is the early end, which makes
//! amounts come back late and never early.

use std::collections::VecDeque;
use std::time::Duration;

use super::Count;
use crate::{Limit, Tick, limits};

#[derive(Debug, Default)]
pub(crate) struct Rolling {
    /// Grants in the window, the oldest first.
    grants: VecDeque<Grants>,
    /// The sum of them.
    used: u64,
    /// When the last of them is out of the window; the beginning of time if there are none.
    idle_at: Tick,
}

/// Grants that lie close together.
#[derive(Debug)]
struct Grants {
    first: Tick,
    last: Tick,
    amount: u64,
}

impl Count for Rolling {
    fn available(&mut self, limit: Limit, now: Tick) -> u64 {
        while let Some(oldest) = self.grants.front().filter(|g| now >= g.last.after(limit.window())) {
            self.used -= oldest.amount;
            self.grants.pop_front();
        }
        // The limit may have changed since the last of them.
        self.idle_at = self.grants.back().map_or(Tick::default(), |newest| newest.last.after(limit.window()));
        limit.max().saturating_sub(self.used)
    }

    fn take(&mut self, limit: Limit, now: Tick, amount: u64) -> Duration {
        let part = limit.window() / limits::ROLLING_PARTS;
        match self.grants.back_mut() {
            Some(newest) if now == newest.last || now.since(newest.first) < part => {
                newest.last = now;
                newest.amount = newest.amount.saturating_add(amount);
            }
            Some(_) | None => self.grants.push_back(Grants { first: now, last: now, amount }),
        }
        self.used = self.used.saturating_add(amount);
        self.idle_at = now.after(limit.window());
        Duration::from_nanos(limit.window())
    }

    fn release(&mut self, limit: Limit, now: Tick, amount: u64) -> u64 {
        self.available(limit, now);
        let mut left = amount;
        // The oldest first: what goes on counting then counts the longest, so that no window holds more than the limit
        // whichever grant it was that was given back.
        while let Some(oldest) = self.grants.front_mut().filter(|_| left > 0) {
            let released = left.min(oldest.amount);
            oldest.amount -= released;
            self.used -= released;
            left -= released;
            if oldest.amount == 0 {
                self.grants.pop_front();
            }
        }
        self.available(limit, now);
        amount - left
    }

    fn idle_at(&self) -> Option<Tick> {
        Some(self.idle_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_by_the_parts_of_a_window() {
        let limit = Limit::new(i64::MAX, Some(Duration::from_secs(60)));
        let mut rolling = Rolling::default();
        for step in 0..100_000 {
            let now = Tick(step * 7_000_000);
            rolling.available(limit, now);
            rolling.take(limit, now, 1);
            assert!(rolling.grants.len() as u64 <= limits::ROLLING_PARTS + 1);
        }
    }
}
