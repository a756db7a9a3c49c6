//! Answers that were given to requests that named themselves.
//!
//! Two generations take turns: an answer goes into the recent one, each turn makes it the old one, and the next forgets
//! it. So an answer lives for one to two turns, and forgetting costs nothing per answer.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::{Key, Tick};

/// What tells a request from others: its id, the counter that it is about and whether it takes or gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fingerprint([u8; 32]);

/// An answer that was given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    pub(crate) amount: u64,
    /// When what was granted is no longer valid; `None` if it does not end.
    pub(crate) valid_until: Option<Tick>,
}

#[derive(Debug)]
pub(crate) struct Deduplication {
    /// Nanoseconds of a turn.
    turn: u64,
    /// Answers in both generations, at most.
    bound: usize,
    turned: Tick,
    recent: BTreeMap<Fingerprint, Answered>,
    old: BTreeMap<Fingerprint, Answered>,
}

impl Fingerprint {
    pub(crate) fn new(id: &str, key: &Key, is_release: bool) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([u8::from(is_release)]);
        hasher.update((key.as_bytes().len() as u64).to_be_bytes());
        hasher.update(key.as_bytes());
        hasher.update(id.as_bytes());
        Self(hasher.finalize().into())
    }
}

impl Deduplication {
    pub(crate) fn new(turn: u64, bound: usize) -> Self {
        Self { turn, bound, turned: Tick::default(), recent: BTreeMap::new(), old: BTreeMap::new() }
    }

    /// The answer that was given, if it is still remembered.
    pub(crate) fn find(&mut self, request: &Fingerprint, now: Tick) -> Option<Answered> {
        self.forget(now);
        self.recent.get(request).or_else(|| self.old.get(request)).copied()
    }

    /// Remembers an answer; `false` if there is no room for it.
    pub(crate) fn remember(&mut self, request: Fingerprint, answered: Answered) -> bool {
        if self.recent.len() + self.old.len() >= self.bound {
            return false;
        }
        self.recent.insert(request, answered);
        true
    }

    fn forget(&mut self, now: Tick) {
        let passed = now.since(self.turned);
        if passed < self.turn {
            return;
        }
        self.turned = now;
        self.old = std::mem::take(&mut self.recent);
        // Nothing was asked for a whole turn beside the one that is over.
        if passed >= self.turn.saturating_mul(2) {
            self.old.clear();
        }
    }
}
