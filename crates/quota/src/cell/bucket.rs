//! A bucket that fills up evenly.
//!
//! What is missing from the bucket is counted in units so small that both a token and a nanosecond are whole numbers of
//! them: a token is as many as the window has nanoseconds, and each nanosecond brings back as many as the bucket has
//! tokens. So nothing is ever rounded while the limit stays.

use std::time::Duration;

use super::Count;
use crate::{Limit, Tick};

#[derive(Debug)]
pub(crate) struct Bucket {
    /// Units that are missing from a full bucket.
    missing: u128,
    /// When that was so.
    at: Tick,
    /// The limit that the units are of.
    limit: Limit,
}

impl Bucket {
    pub(crate) fn new(limit: Limit) -> Self {
        Self { missing: 0, at: Tick::default(), limit }
    }

    fn fill(&mut self, limit: Limit, now: Tick) {
        // Less than 2^127: amounts are positive `i64`s.
        let filled = u128::from(now.since(self.at)) * u128::from(self.limit.max());
        self.missing = self.missing.saturating_sub(filled);
        self.at = now;
        if limit.window() != self.limit.window() {
            // Whole tokens, so that the new bucket is not fuller than the old one was.
            self.missing = u128::from(self.tokens_begun()) * u128::from(limit.window());
        }
        // A bucket that became smaller is empty at most: what was granted under another limit is not a debt.
        self.missing = self.missing.min(u128::from(limit.max()) * u128::from(limit.window()));
        self.limit = limit;
    }

    /// Tokens that are missing; one that is missing in part counts.
    fn tokens_begun(&self) -> u64 {
        u64::try_from(self.missing.div_ceil(u128::from(self.limit.window()))).unwrap_or(u64::MAX)
    }
}

impl Count for Bucket {
    fn available(&mut self, limit: Limit, now: Tick) -> u64 {
        self.fill(limit, now);
        limit.max().saturating_sub(self.tokens_begun())
    }

    fn take(&mut self, limit: Limit, _now: Tick, amount: u64) -> Duration {
        self.missing = self.missing.saturating_add(u128::from(amount) * u128::from(limit.window()));
        Duration::from_nanos(limit.window())
    }

    fn release(&mut self, limit: Limit, now: Tick, amount: u64) -> u64 {
        self.fill(limit, now);
        let whole = u64::try_from(self.missing / u128::from(limit.window())).unwrap_or(u64::MAX);
        let released = amount.min(whole);
        self.missing -= u128::from(released) * u128::from(limit.window());
        released
    }

    fn idle_at(&self) -> Option<Tick> {
        let full_in = match u128::from(self.limit.max()) {
            // Nothing fills a bucket that is for nothing. It grants nothing either, so a window later it may as well
            // not be there.
            0 => self.limit.window(),
            each => u64::try_from(self.missing.div_ceil(each)).unwrap_or(u64::MAX),
        };
        Some(if self.missing == 0 { Tick::default() } else { self.at.after(full_in) })
    }
}
