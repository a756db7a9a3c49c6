//! All that threads meet at, in one place: the model that tests the order of things puts its own in its stead.

pub(super) use std::sync::atomic::{AtomicBool, Ordering};
pub(super) use std::sync::{Mutex, PoisonError};

pub(super) use arc_swap::ArcSwap;
pub(super) use papaya::Equivalent;

use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// A map that is read without locks. What a reader finds stays until it lets go of its [`Pin`].
pub(super) struct Map<K, V>(papaya::HashMap<K, V, BuildHasherDefault<AsItIs>>);

/// A reader's hold on a map.
pub(super) struct Pin<'m, K, V> {
    map: &'m papaya::HashMap<K, V, BuildHasherDefault<AsItIs>>,
    guard: papaya::LocalGuard<'m>,
}

/// What a reader finds.
pub(super) struct Found<'p, K, V> {
    key: &'p K,
    value: &'p V,
}

/// Keys bring their hash along, as one number.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl<K: Hash + Eq, V> Map<K, V> {
    pub(super) fn new() -> Self {
        Self(papaya::HashMap::with_hasher(BuildHasherDefault::new()))
    }

    pub(super) fn pin(&self) -> Pin<'_, K, V> {
        Pin { map: &self.0, guard: self.0.guard() }
    }

    /// Puts a value there, in the place of the one that was.
    pub(super) fn insert(&self, key: K, value: V) {
        self.0.insert(key, value, &self.0.guard());
    }

    pub(super) fn remove(&self, key: &(impl Equivalent<K> + Hash)) {
        self.0.remove(key, &self.0.guard());
    }
}

impl<K: Hash + Eq, V> Pin<'_, K, V> {
    #[inline]
    pub(super) fn get(&self, key: &(impl Equivalent<K> + Hash)) -> Option<Found<'_, K, V>> {
        let (key, value) = self.map.get_key_value(key, &self.guard)?;
        Some(Found { key, value })
    }
}

impl<K, V> Found<'_, K, V> {
    #[inline]
    pub(super) fn key(&self) -> &K {
        self.key
    }

    #[inline]
    pub(super) fn value(&self) -> &V {
        self.value
    }
}

impl<K, V> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").finish_non_exhaustive()
    }
}

impl Hasher for AsItIs {
    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, _: &[u8]) {
        debug_assert!(false, "a hash is one number");
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
