//! Amounts that are in use until they are given back.

use std::time::Duration;

use super::Count;
use crate::{Limit, Tick};

#[derive(Debug, Default)]
pub(crate) struct Allocation {
    used: u64,
}

impl Count for Allocation {
    fn available(&mut self, limit: Limit, _now: Tick) -> u64 {
        limit.max().saturating_sub(self.used)
    }

    fn take(&mut self, _limit: Limit, _now: Tick, amount: u64) -> Duration {
        self.used = self.used.saturating_add(amount);
        Duration::ZERO
    }

    fn release(&mut self, _limit: Limit, _now: Tick, amount: u64) -> u64 {
        let released = amount.min(self.used);
        self.used -= released;
        released
    }

    fn idle_at(&self) -> Option<Tick> {
        (self.used == 0).then(Tick::default)
    }
}
