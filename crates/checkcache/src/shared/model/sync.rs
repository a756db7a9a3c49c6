//! What threads meet at, for the model: every use is one step, and may be when another thread gets its turn.

pub(super) use shuttle::sync::Mutex;
pub(super) use shuttle::sync::atomic::{AtomicBool, Ordering};
pub(super) use std::sync::PoisonError;

use std::cell::RefCell;
use std::hash::Hash;
use std::marker::PhantomData;
use std::ops::DerefMut;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct ArcSwap<T>(Mutex<Arc<T>>);

#[derive(Debug)]
pub(super) struct Map<K, V>(Mutex<Vec<Entry<K, V>>>);

type Entry<K, V> = (Arc<K>, Arc<V>);

pub(super) struct Pin<'m, K, V> {
    map: &'m Map<K, V>,
    /// What was found, which stays.
    held: RefCell<Vec<Entry<K, V>>>,
}

pub(super) struct Found<'p, K, V> {
    key: Arc<K>,
    value: Arc<V>,
    pin: PhantomData<&'p ()>,
}

pub(super) trait Equivalent<K> {
    fn equivalent(&self, key: &K) -> bool;
}

fn step<T>(mutex: &Mutex<T>) -> impl DerefMut<Target = T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

impl<K: Hash + Eq, V> Map<K, V> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(super) fn pin(&self) -> Pin<'_, K, V> {
        Pin { map: self, held: RefCell::default() }
    }

    pub(super) fn insert(&self, key: K, value: V) {
        let mut entries = step(&self.0);
        match entries.iter_mut().find(|(other, _)| **other == key) {
            Some((_, before)) => *before = Arc::new(value),
            None => entries.push((Arc::new(key), Arc::new(value))),
        }
    }

    pub(super) fn remove(&self, key: &K) {
        let mut entries = step(&self.0);
        let before = entries.len();
        entries.retain(|(other, _)| **other != *key);
        assert_eq!(entries.len() + 1, before, "a node is removed once");
    }
}

impl<K, V> Pin<'_, K, V> {
    pub(super) fn get(&self, key: &impl Equivalent<K>) -> Option<Found<'_, K, V>> {
        let entries = step(&self.map.0);
        let (key, value) = entries.iter().find(|(other, _)| key.equivalent(other))?;
        let found = || (Arc::clone(key), Arc::clone(value));
        self.held.borrow_mut().push(found());
        let (key, value) = found();
        Some(Found { key, value, pin: PhantomData })
    }
}

impl<K, V> Found<'_, K, V> {
    pub(super) fn key(&self) -> &K {
        &self.key
    }

    pub(super) fn value(&self) -> &V {
        &self.value
    }
}
