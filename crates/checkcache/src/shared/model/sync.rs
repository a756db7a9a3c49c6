//! What threads meet at, for the model: every use is one step, and may be when another thread gets its turn.

pub(super) use shuttle::sync::Mutex;
pub(super) use shuttle::sync::atomic::{AtomicBool, Ordering};
pub(super) use std::sync::PoisonError;

use std::hash::Hash;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct ArcSwap<T>(Mutex<Arc<T>>);

#[derive(Debug)]
pub(super) struct ArcSwapOption<T>(Mutex<Option<Arc<T>>>);

#[derive(Debug)]
pub(super) struct Set<K>(Mutex<Vec<K>>);

pub(super) struct Pin<'s, K>(&'s Set<K>);

#[derive(Clone)]
pub(super) struct Found<'p, K> {
    key: K,
    pin: PhantomData<&'p ()>,
}

pub(super) trait Equivalent<K> {
    fn equivalent(&self, key: &K) -> bool;
}

fn step<T>(mutex: &Mutex<T>) -> impl DerefMut<Target = T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn found<K: Clone>(beside: &K) -> Found<'_, K> {
    Found { key: beside.clone(), pin: PhantomData }
}

impl<T> ArcSwap<T> {
    pub(super) fn from_pointee(value: T) -> Self {
        Self(Mutex::new(Arc::new(value)))
    }

    pub(super) fn load(&self) -> Arc<T> {
        Arc::clone(&step(&self.0))
    }

    pub(super) fn store(&self, value: Arc<T>) {
        *step(&self.0) = value;
    }
}

impl<T> ArcSwapOption<T> {
    pub(super) fn load_full(&self) -> Option<Arc<T>> {
        step(&self.0).clone()
    }

    pub(super) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
        std::mem::replace(&mut *step(&self.0), value)
    }
}

impl<T> From<Option<Arc<T>>> for ArcSwapOption<T> {
    fn from(value: Option<Arc<T>>) -> Self {
        Self(Mutex::new(value))
    }
}

impl<K: Hash + Eq + Clone> Set<K> {
    pub(super) fn new(_: [u8; 16]) -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(super) fn pin(&self) -> Pin<'_, K> {
        Pin(self)
    }

    pub(super) fn insert(&self, key: K) {
        let mut keys = step(&self.0);
        assert!(!keys.contains(&key), "a node is added once");
        keys.push(key);
    }

    pub(super) fn remove(&self, key: &impl Equivalent<K>) {
        let mut keys = step(&self.0);
        let before = keys.len();
        keys.retain(|other| !key.equivalent(other));
        assert_eq!(keys.len() + 1, before, "a node is removed once");
    }
}

impl<K: Clone> Pin<'_, K> {
    pub(super) fn get(&self, key: &impl Equivalent<K>) -> Option<Found<'_, K>> {
        step(&self.0.0)
            .iter()
            .find(|other| key.equivalent(other))
            .map(found)
            .map(|found| Found { key: found.key, pin: PhantomData })
    }
}

impl<K> Deref for Found<'_, K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.key
    }
}
