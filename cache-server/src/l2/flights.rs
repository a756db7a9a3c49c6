//! Flights: of equal requests that are being decided about, one is, and the others wait for what comes of it.
//!
//! Requests are equal if everything that checks may look at under their configuration is, compared in full. A flight
//! belongs to a generation of the cache: who asks after a drop is not answered with what was on its way before.
//!
//! Invariant: a flight is among those under way until its answer is known, and not after, whatever becomes of it. So
//! an answer that must not be kept only gets to those who joined before it was known.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use attributes::Bag;
use checkcache::{OutcomeRef, Test};
use tokio::sync::watch;

use super::Decided;
use crate::limits;
use crate::runtime::Active;

/// The flights under way.
#[derive(Debug, Default)]
pub(super) struct Flights {
    hasher: RandomState,
    under_way: Mutex<HashMap<Key, Arrival>>,
}

/// What a flight is known by.
#[derive(Clone)]
pub(super) struct Key {
    hash: u64,
    generation: u64,
    active: Arc<Active>,
    bag: Arc<Bag>,
}

/// Where those who wait hear what came of a flight.
#[derive(Debug, Clone)]
pub(super) struct Arrival(watch::Receiver<Option<Arc<Decided>>>);

/// What a request is to do.
pub(super) enum Boarding {
    /// Fly, for all that join.
    Lead(Landing, Arrival),
    /// Wait for one that flies already.
    Join(Arrival),
    /// Fly for itself: there are too many flights.
    Alone,
}

/// The duty to end a flight. Dropping it ends the flight without an answer.
pub(super) struct Landing {
    flights: Arc<Flights>,
    key: Key,
    answer: watch::Sender<Option<Arc<Decided>>>,
}

// === impl Flights ===

impl Flights {
    /// What the flight of a request is known by, in a generation of the cache.
    pub(super) fn key(&self, generation: u64, active: &Arc<Active>, bag: &Arc<Bag>) -> Key {
        let mut hasher = self.hasher.build_hasher();
        generation.hash(&mut hasher);
        active.snapshot.revision().hash(&mut hasher);
        for outcome in looks(active, bag) {
            outcome.hash(&mut hasher);
        }
        Key { hash: hasher.finish(), generation, active: Arc::clone(active), bag: Arc::clone(bag) }
    }

    /// Joins the flight of an equal request, or begins one.
    pub(super) fn board(self: &Arc<Self>, key: Key) -> Boarding {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(arrival) = under_way.get(&key) {
            return Boarding::Join(arrival.clone());
        }
        if under_way.len() >= limits::FLIGHTS {
            return Boarding::Alone;
        }
        let (answer, arrival) = watch::channel(None);
        let arrival = Arrival(arrival);
        under_way.insert(key.clone(), arrival.clone());
        Boarding::Lead(Landing { flights: Arc::clone(self), key, answer }, arrival)
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// How everything comes out that checks may look at.
fn looks<'a>(active: &'a Active, bag: &'a Bag) -> impl Iterator<Item = OutcomeRef<'a>> {
    active.snapshot.demand().check.iter().map(|target| Test::Value.perform(target, bag))
}

// === impl Arrival ===

impl Arrival {
    /// Waits for the answer; `None` if the flight ended without one.
    pub(super) async fn answer(mut self) -> Option<Arc<Decided>> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}

// === impl Landing ===

impl Landing {
    /// Ends the flight with an answer.
    pub(super) fn land(self, decided: Arc<Decided>) {
        self.end();
        self.answer.send_replace(Some(decided));
    }

    fn end(&self) {
        let mut under_way = self.flights.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        // After `land` an equal request may have begun a flight of its own, which is not ours to end.
        if under_way.get(&self.key).is_some_and(|arrival| self.is_ours(arrival)) {
            under_way.remove(&self.key);
        }
    }

    fn is_ours(&self, arrival: &Arrival) -> bool {
        self.answer.subscribe().same_channel(&arrival.0)
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.end();
    }
}

// === impl Key ===

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.generation == other.generation
            && self.active.snapshot.revision() == other.active.snapshot.revision()
            // Equal revisions have equal demands, so that these are the same questions.
            && looks(&self.active, &self.bag).eq(looks(&other.active, &other.bag))
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("hash", &self.hash).finish_non_exhaustive()
    }
}
