//! The questions of a tree, each once.
//!
//! Very many nodes ask the same: all that stand equally far from the root, as a rule. So a walk finds what is asked
//! where it found it before, not in another place in memory for each node.
//!
//! Mostly questions come from policies, but the key of a map may be what a request says: they are hashed under the cache's
//! secret seed, as edges are.

use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use siphasher::sip::SipHasher13;

use crate::Question;

#[derive(Debug)]
pub(crate) struct Questions {
    /// A hasher that knows the seed and nothing else.
    seeded: SipHasher13,
    asked: HashTable<Asked>,
}

/// A question, and how many nodes ask it.
#[derive(Debug)]
struct Asked {
    question: Arc<Question>,
    nodes: usize,
}

impl Questions {
    /// No questions. Whoever does not know the seed cannot make them collide.
    pub(crate) fn new(seed: [u8; 16]) -> Self {
        Self { seeded: SipHasher13::new_with_key(&seed), asked: HashTable::new() }
    }

    /// Takes out everything.
    pub(crate) fn clear(&mut self) {
        self.asked.clear();
    }

    /// Keys the hash table anew.
    pub(crate) fn reseed(&mut self, seed: [u8; 16]) {
        let Self { seeded, asked } = Self::new(seed);
        self.seeded = seeded;
        for question in std::mem::replace(&mut self.asked, asked) {
            self.asked.insert_unique(question.hash(seeded), question, |other| other.hash(seeded));
        }
    }

    /// What one more node asks, with how many bytes more are held for it.
    pub(crate) fn ask(&mut self, question: &Arc<Question>) -> (Arc<Question>, usize) {
        let is_it = |asked: &Asked| asked.question == *question;
        let seeded = self.seeded;
        match self.asked.entry(hash(seeded, question), is_it, |other| other.hash(seeded)) {
            Entry::Occupied(mut asked) => {
                asked.get_mut().nodes += 1;
                (Arc::clone(&asked.get().question), 0)
            }
            Entry::Vacant(place) => {
                place.insert(Asked { question: Arc::clone(question), nodes: 1 });
                (Arc::clone(question), question.weight())
            }
        }
    }

    /// One node less asks a question. Returns how many bytes less are held for it.
    pub(crate) fn forget(&mut self, question: &Arc<Question>) -> usize {
        let is_it = |asked: &Asked| asked.question == *question;
        let Ok(mut asked) = self.asked.find_entry(hash(self.seeded, question), is_it) else { return 0 };
        asked.get_mut().nodes -= 1;
        if asked.get().nodes > 0 {
            return 0;
        }
        asked.remove();
        question.weight()
    }
}

impl Asked {
    fn hash(&self, seeded: SipHasher13) -> u64 {
        hash(seeded, &self.question)
    }
}

fn hash(mut seeded: SipHasher13, question: &Question) -> u64 {
    question.hash(&mut seeded);
    seeded.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Target, Test};

    #[test]
    fn a_question_is_held_as_long_as_it_is_asked() {
        let mut questions = Questions::new([1; 16]);
        let asking = |test| Arc::new(Question { target: Target::Attribute("a".into()), test });
        let (first, weight) = questions.ask(&asking(Test::Value));
        let (second, nothing) = questions.ask(&asking(Test::Value));
        let (other, _) = questions.ask(&asking(Test::Present));
        assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &other));
        assert_eq!((nothing, questions.asked.len()), (0, 2));
        questions.reseed([2; 16]);
        assert_eq!((questions.forget(&first), questions.forget(&first)), (0, weight));
        assert_eq!(questions.asked.len(), 1);
    }
}
