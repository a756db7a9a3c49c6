//! Windows that begin with their first grant.

use std::time::Duration;

use super::Count;
use crate::{Limit, Tick};

#[derive(Debug, Default)]
pub(crate) struct Fixed {
    used: u64,
    /// When the window began. Means nothing while nothing is used.
    began: Tick,
    ends: Tick,
}

impl Count for Fixed {
    fn available(&mut self, limit: Limit, now: Tick) -> u64 {
        // The limit may have changed since the window began.
        self.ends = self.began.after(limit.window());
        if now >= self.ends {
            self.used = 0;
        }
        limit.max().saturating_sub(self.used)
    }

    fn take(&mut self, limit: Limit, now: Tick, amount: u64) -> Duration {
        if self.used == 0 {
            self.began = now;
            self.ends = now.after(limit.window());
        }
        self.used = self.used.saturating_add(amount);
        Duration::from_nanos(self.ends.since(now))
    }

    fn release(&mut self, limit: Limit, now: Tick, amount: u64) -> u64 {
        self.available(limit, now);
        let released = amount.min(self.used);
        self.used -= released;
        released
    }

    fn idle_at(&self) -> Option<Tick> {
        Some(if self.used == 0 { Tick::default() } else { self.ends })
    }
}
