//! The questions of a tree, each once.
//!
//! Very many nodes ask the same: all that stand equally far from the root, as a rule. So a walk finds what is asked
//! where it found it before, not in another place in memory for each node.
//!
//! Questions come from policies, not from requests: nobody gains from making them collide.

use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use siphasher::sip::SipHasher13;

use crate::walk::{self, Question};
use crate::{Target, Test};

#[derive(Debug, Default)]
pub(crate) struct Questions(HashTable<Asked>);

/// A question, and how many nodes ask it.
#[derive(Debug)]
struct Asked {
    question: Arc<Question>,
    nodes: usize,
}

impl Questions {
    /// What one more node asks, with how many bytes more are held for it.
    pub(crate) fn ask(&mut self, target: &Target, test: &Test) -> (Arc<Question>, usize) {
        let is_it = |asked: &Asked| asked.question.0 == *target && asked.question.1 == *test;
        match self.0.entry(hash(target, test), is_it, Asked::hash) {
            Entry::Occupied(mut asked) => {
                asked.get_mut().nodes += 1;
                (Arc::clone(&asked.get().question), 0)
            }
            Entry::Vacant(place) => {
                let question = Arc::new((target.clone(), test.clone()));
                let weight = walk::weight(&question);
                place.insert(Asked { question: Arc::clone(&question), nodes: 1 });
                (question, weight)
            }
        }
    }

    /// One node less asks a question. Returns how many bytes less are held for it.
    pub(crate) fn forget(&mut self, question: &Question) -> usize {
        let (target, test) = question;
        let is_it = |asked: &Asked| *asked.question == *question;
        let Ok(mut asked) = self.0.find_entry(hash(target, test), is_it) else { return 0 };
        asked.get_mut().nodes -= 1;
        if asked.get().nodes > 0 {
            return 0;
        }
        asked.remove();
        walk::weight(question)
    }
}

impl Asked {
    fn hash(&self) -> u64 {
        hash(&self.question.0, &self.question.1)
    }
}

fn hash(target: &Target, test: &Test) -> u64 {
    let mut hasher = SipHasher13::new();
    (target, test).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_held_as_long_as_it_is_asked() {
        let mut questions = Questions::default();
        let target = Target::Attribute("a".into());
        let (first, weight) = questions.ask(&target, &Test::Value);
        let (second, nothing) = questions.ask(&target, &Test::Value);
        let (other, _) = questions.ask(&target, &Test::Present);
        assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &other));
        assert_eq!((nothing, questions.0.len()), (0, 2));
        assert_eq!((questions.forget(&first), questions.forget(&first)), (0, weight));
        assert_eq!(questions.0.len(), 1);
    }
}
