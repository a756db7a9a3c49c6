//! All that threads meet at, in one place: the model that tests the order of things puts its own in its stead.

pub(super) use std::sync::atomic::{AtomicBool, Ordering};
pub(super) use std::sync::{Mutex, PoisonError};

pub(super) use arc_swap::{ArcSwap, ArcSwapOption};
pub(super) use papaya::Equivalent;

use std::fmt;
use std::hash::{BuildHasher, Hash};

use crate::edge::EdgeHasher;

/// A set that is read without locks. What a reader finds stays until it lets go of its [`Pin`].
pub(super) struct Set<K>(papaya::HashSet<K, Seed>);

/// A reader's hold on a set.
pub(super) struct Pin<'s, K> {
    set: &'s papaya::HashSet<K, Seed>,
    guard: papaya::LocalGuard<'s>,
}

/// What a reader finds.
pub(super) type Found<'p, K> = &'p K;

/// Keys the hash of a set: a hasher that knows the seed and nothing else.
#[derive(Clone)]
pub(super) struct Seed(EdgeHasher);

/// What stands beside the set, as if it was found in it.
pub(super) fn found<K>(beside: &K) -> Found<'_, K> {
    beside
}

impl<K: Hash + Eq> Set<K> {
    /// Whoever does not know the seed cannot make keys collide.
    pub(super) fn new(seed: [u8; 16]) -> Self {
        Self(papaya::HashSet::with_hasher(Seed(EdgeHasher::new(seed))))
    }

    pub(super) fn pin(&self) -> Pin<'_, K> {
        Pin { set: &self.0, guard: self.0.guard() }
    }

    pub(super) fn insert(&self, key: K) {
        self.0.insert(key, &self.0.guard());
    }

    pub(super) fn remove(&self, key: &(impl Equivalent<K> + Hash)) {
        self.0.remove(key, &self.0.guard());
    }
}

impl<K: Hash + Eq> Pin<'_, K> {
    pub(super) fn get(&self, key: &(impl Equivalent<K> + Hash)) -> Option<Found<'_, K>> {
        self.set.get(key, &self.guard)
    }
}

impl<K> fmt::Debug for Set<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Set").finish_non_exhaustive()
    }
}

impl BuildHasher for Seed {
    type Hasher = EdgeHasher;

    fn build_hasher(&self) -> EdgeHasher {
        self.0
    }
}
