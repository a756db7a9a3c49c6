//! The check cache for many threads: the same trees and the same walk as [`CheckCache`](crate::CheckCache), shared.
//!
//! Readers never wait, neither for one another nor for a writer: they load one pointer, and walk a table without
//! locks. What they find they borrow, while they hold on to the table, and so they write to nothing that others read.
//! Writers take turns. What is evicted is chosen by a ring with a second chance instead of a list of uses, since
//! readers would have to write to that.
//!
//! A verdict with a limited number of uses is not stored: whoever asks would be handed the full number.

mod ahead;
mod counters;
mod forest;
mod plot;
mod sync;
mod tree;
mod written;

use std::fmt;
use std::sync::Arc;

use attributes::AttributeSource;

use self::counters::Counters;
use self::forest::{Forest, Found, Insertion, Look};
use self::plot::Plot;
use self::written::{Space, Written};
use crate::life::Life;
use crate::{Limits, MissReason, Revision, Root, Statistics, Tick, Trace, Vacancy, Validity, Verdict, walk};

/// Verdicts under their traces, for many threads.
#[derive(Debug)]
pub struct SharedCache {
    limits: Limits,
    forest: Forest,
    counters: Counters,
    written: Arc<Space>,
}

/// What a lookup found.
#[derive(Debug)]
pub enum Lookup<R> {
    /// What was made of a verdict.
    Hit(R),
    /// Nothing that can be used.
    Miss(Vacancy),
}

/// A verdict that was found. Stays what it is whatever becomes of the cache.
pub struct Hit<'c> {
    found: Found<'c>,
    now: Tick,
}

/// What was taken out at once, as much memory as it may be. No reader can find it any more; it is freed when this is
/// dropped, so drop it where that may take a while.
#[must_use = "dropping it here frees the memory here"]
pub struct Felled {
    plots: Vec<Plot>,
}

// === impl SharedCache ===

impl SharedCache {
    /// An empty cache. The seed keys the hash table: whoever does not know it cannot make entries collide.
    pub fn new(limits: Limits, seed: [u8; 16]) -> Self {
        let written = Arc::new(Space::new(limits.bytes / crate::limits::WRITTEN_PART));
        Self { limits, forest: Forest::new(limits, seed), counters: Counters::default(), written }
    }

    /// Looks for a verdict that holds for a request at a time, and takes from it what is needed. Leaves no trace of its
    /// own.
    ///
    /// What goes out of the cache meanwhile is not freed before the verdict is let go, so do not wait for anything.
    pub fn lookup<R>(
        &self,
        root: &Root,
        source: &(impl AttributeSource + ?Sized),
        now: Tick,
        take: impl FnOnce(&Hit<'_>) -> R,
    ) -> Lookup<R> {
        let take = |found: Found<'_>| {
            self.counters.hit();
            found.leaf.touch();
            take(&Hit { found, now })
        };
        let Look { found, reason, generation } = self.forest.look(root, source, now, take);
        match found {
            Some(taken) => Lookup::Hit(taken),
            None => {
                self.counters.miss(reason);
                Lookup::Miss(Vacancy::new(reason, generation))
            }
        }
    }

    /// Looks once more after a miss, in case that somebody else has stored the verdict since. Counts as no lookup.
    pub fn look_again<R>(
        &self,
        root: &Root,
        source: &(impl AttributeSource + ?Sized),
        now: Tick,
        take: impl FnOnce(&Hit<'_>) -> R,
    ) -> Option<R> {
        self.forest.look(root, source, now, |found| take(&Hit { found, now })).found
    }

    /// What is said about a verdict that was found, kept from when it was said first. `None` if there is no room to keep
    /// it: then it has to be written each time.
    ///
    /// What is written must follow from the hit alone, but for its time, and be the same whoever asks.
    pub fn written<'h>(&self, hit: &'h Hit<'_>, write: impl FnOnce(&Hit<'_>) -> Vec<u8>) -> Option<&'h [u8]> {
        if hit.found.leaf.written.get().is_none()
            && !self.written.is_full()
            && let Some(written) = self.written.keep(write(hit))
        {
            // Somebody else may have been faster, with the same.
            let _ = hit.found.leaf.written.set(written);
        }
        hit.written()
    }

    /// Stores a verdict under its trace, if its validity allows it. Says whether it did.
    ///
    /// The root is the one that the verdict was reached under, which may be newer than the one that was looked up. What
    /// was dropped since the lookup is not stored.
    pub fn insert(
        &self,
        vacancy: Vacancy,
        root: &Root,
        trace: &Trace,
        verdict: Arc<Verdict>,
        now: Tick,
    ) -> bool {
        let is_shareable = match verdict.validity {
            Validity::Never | Validity::For { uses: Some(_), .. } => false,
            Validity::For { uses: None, .. } | Validity::Revision => true,
        };
        let life = Life::begin(verdict.validity, now);
        let is_possible = is_shareable && self.limits.leaves > 0 && walk::is_short(trace);
        let Some(life) = life.filter(|_| is_possible) else { return false };
        let (insertion, gone) = self.forest.insert(vacancy.spend(), root, trace, verdict, life, now);
        drop(gone);
        match insertion {
            Insertion::Stored => self.counters.stored(),
            Insertion::Refused => self.counters.refused(),
        }
        insertion == Insertion::Stored
    }

    /// Takes out everything that belongs to another revision.
    pub fn retain(&self, revision: Revision) -> Felled {
        Felled { plots: self.forest.retain(revision) }
    }

    /// Takes out everything.
    pub fn clear(&self) -> Felled {
        Felled { plots: self.forest.clear() }
    }

    /// What the cache has seen and holds. Waits for writers.
    pub fn statistics(&self) -> Statistics {
        let held = self.forest.statistics();
        self.counters.add_to(Statistics { bytes: held.bytes + self.written.bytes(), ..held })
    }
}

// === impl Hit ===

impl Hit<'_> {
    /// The verdict as it was stored.
    pub fn verdict(&self) -> &Arc<Verdict> {
        &self.found.leaf.verdict
    }

    /// How long the verdict may be used from the lookup on.
    pub fn validity(&self) -> Validity {
        self.found.leaf.life.left(self.now)
    }

    /// The trace that the verdict was stored under.
    pub fn trace(&self) -> Trace {
        self.found.place.trace()
    }

    /// What is said about the verdict, if it is kept.
    pub fn written(&self) -> Option<&[u8]> {
        self.found.leaf.written.get().map(Written::text)
    }

    /// Whether the verdict is in the last tenth of its life, so that it is worth renewing.
    pub fn is_ending(&self) -> bool {
        self.found.leaf.life.is_ending(self.now)
    }

    /// The right to renew a verdict that is in the last tenth of its life. One caller gets it, once for each life.
    pub fn renew(&self) -> Option<Vacancy> {
        let is_first = self.is_ending() && self.found.leaf.begin_renewal();
        is_first.then(|| Vacancy::new(MissReason::Ending, self.found.generation))
    }
}

// === impl Felled ===

impl Felled {
    /// How many verdicts it has.
    pub fn verdicts(&self) -> usize {
        self.plots.iter().map(Plot::leaves).sum()
    }
}

impl fmt::Debug for Hit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hit").field("leaf", self.found.leaf).field("now", &self.now).finish_non_exhaustive()
    }
}

impl fmt::Debug for Felled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Felled").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
