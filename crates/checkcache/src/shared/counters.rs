//! Counters that many threads count at once without getting in each other's way.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::{MissReason, Statistics};

/// How many threads count each at a place of its own; of more threads, several share one.
const STRIPES: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Counters([Stripe; STRIPES]);

/// As large as what processors take turns at, or a pair of them.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Stripe {
    hits: AtomicU64,
    misses_cold: AtomicU64,
    misses_revision: AtomicU64,
    misses_expired: AtomicU64,
    misses_used_up: AtomicU64,
    insertions: AtomicU64,
    refusals: AtomicU64,
}

impl Counters {
    pub(super) fn hit(&self) {
        self.stripe().hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn miss(&self, reason: MissReason) {
        let stripe = self.stripe();
        let counter = match reason {
            MissReason::Cold => &stripe.misses_cold,
            MissReason::Revision => &stripe.misses_revision,
            MissReason::Expired => &stripe.misses_expired,
            MissReason::UsedUp => &stripe.misses_used_up,
            MissReason::Ending => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stored(&self) {
        self.stripe().insertions.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.stripe().refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds what was counted.
    pub(super) fn add_to(&self, mut statistics: Statistics) -> Statistics {
        for stripe in &self.0 {
            let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            statistics.hits += read(&stripe.hits);
            statistics.misses_cold += read(&stripe.misses_cold);
            statistics.misses_revision += read(&stripe.misses_revision);
            statistics.misses_expired += read(&stripe.misses_expired);
            statistics.misses_used_up += read(&stripe.misses_used_up);
            statistics.insertions += read(&stripe.insertions);
            statistics.refusals += read(&stripe.refusals);
        }
        statistics
    }

    fn stripe(&self) -> &Stripe {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
        }
        let [first, ..] = &self.0;
        self.0.get(OWN.with(|own| *own)).unwrap_or(first)
    }
}
