//! How much was asked for within the last second.

use std::time::Duration;

use checkcache::Tick;

/// The time that is looked back on, and so the time that is provided for.
pub(crate) const WINDOW: Duration = Duration::from_secs(1);
const SLOTS: usize = 20;
const SLOT_NANOS: u64 = WINDOW.as_nanos() as u64 / SLOTS as u64;

/// A rolling sum.
#[derive(Debug, Default)]
pub(super) struct Rolling {
    slots: [u64; SLOTS],
    /// The number of the slot that was written last, counted from the beginning of time.
    last: u64,
}

impl Rolling {
    pub(super) fn add(&mut self, amount: u64, now: Tick) {
        self.roll(now);
        if let Some(slot) = self.slots.get_mut((self.last % SLOTS as u64) as usize) {
            *slot = slot.saturating_add(amount);
        }
    }

    pub(super) fn sum(&mut self, now: Tick) -> u64 {
        self.roll(now);
        self.slots.iter().fold(0, |sum, slot| sum.saturating_add(*slot))
    }

    /// Empties the slots whose time is up. A clock that goes back changes nothing.
    fn roll(&mut self, now: Tick) {
        let current = now.0 / SLOT_NANOS;
        let passed = current.saturating_sub(self.last).min(SLOTS as u64);
        for number in (current - passed.min(current))..current {
            if let Some(slot) = self.slots.get_mut(((number + 1) % SLOTS as u64) as usize) {
                *slot = 0;
            }
        }
        self.last = self.last.max(current);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let mut rolling = Rolling::default();
        rolling.add(1, Tick(10_000 * MS));
        rolling.add(2, Tick(10_049 * MS));
        rolling.add(4, Tick(10_500 * MS));
        assert_eq!(rolling.sum(Tick(10_999 * MS)), 7);
        assert_eq!(rolling.sum(Tick(11_000 * MS)), 4, "the first slot has gone as a whole");
        assert_eq!(rolling.sum(Tick(11_499 * MS)), 4);
        assert_eq!(rolling.sum(Tick(11_500 * MS)), 0);
        rolling.add(8, Tick(90_000 * MS));
        assert_eq!(rolling.sum(Tick(90_000 * MS)), 8);
        assert_eq!(rolling.sum(Tick(0)), 8, "time does not go back");
    }
}
