//! Asking ahead: a walk that need not wait for one node to look for the next.
//!
//! Most requests for one thing are asked the same, one question after the other. So once it is known what a request is
//! for, all of these are asked at once, and with the outcomes it is known where the nodes are to which they lead. The walk
//! goes from node to node none the less, and looks at each whether it asks what was expected; but a processor, which
//! expects that too, fetches them all at the same time.
//!
//! Invariant: nothing is found that is not found without. Of what was asked ahead, only the answer to the very question
//! that a node asks is used, and a node is compared with it and with the node before in full. From where a node asks
//! something else, each is asked when the walk gets there.

use std::ops::Range;
use std::ptr;
use std::sync::Arc;

use attributes::AttributeSource;

use super::tree::{self, Onward};
use crate::edge::EdgeHasher;
use crate::{OutcomeRef, Question, Test, limits};

/// What will probably be asked.
#[derive(Debug)]
pub(super) struct Trail(Box<[Arc<Question>]>);

/// A walk's answers.
pub(super) struct Ahead<'a, S: ?Sized> {
    source: &'a S,
    /// Nodes that it came to.
    depth: usize,
    answers: [Answer<'a>; limits::TRAIL_QUESTIONS],
    /// Those that may still be of use.
    expected: Range<usize>,
}

/// The answer to a question, wherever the walk is asked it.
#[derive(Clone, Copy)]
struct Answer<'a> {
    /// Where the question is. It stays there: whoever walks has hold of the node with the trail.
    question: *const Question,
    outcome: OutcomeRef<'a>,
    /// Of the way that goes on with it.
    hash: u64,
}

// === impl Trail ===

impl Trail {
    /// So many of these as are asked ahead of the walk.
    pub(super) fn new<'q>(questions: impl Iterator<Item = &'q Arc<Question>>) -> Self {
        let is_cheap = |question: &&Arc<Question>| match question.test {
            // Not worth it if it should be in vain.
            Test::Matches(_) => false,
            Test::Value
            | Test::Present
            | Test::Equals(_)
            | Test::Prefix(_)
            | Test::Suffix(_)
            | Test::Less(_)
            | Test::LessOrEqual(_)
            | Test::Greater(_)
            | Test::GreaterOrEqual(_) => true,
        };
        Self(questions.take(limits::TRAIL_QUESTIONS).take_while(is_cheap).map(Arc::clone).collect())
    }

    /// About how many bytes it holds. The questions are those of nodes, as a rule, but may outlive these.
    pub(super) fn weight(&self) -> usize {
        size_of_val(&*self.0) + self.0.iter().map(|question| question.weight()).sum::<usize>()
    }
}

// === impl Ahead ===

impl<'a, S: AttributeSource + ?Sized> Ahead<'a, S> {
    /// Nothing was asked yet.
    pub(super) fn new(source: &'a S) -> Self {
        let none = Answer { question: ptr::null(), outcome: OutcomeRef::Absent, hash: 0 };
        Self { source, depth: 0, answers: [none; limits::TRAIL_QUESTIONS], expected: 0..0 }
    }

    /// What comes out at the next node of the walk, the way to which has a hash, with the hash of the way that goes on.
    #[inline]
    pub(super) fn ask(&mut self, seeded: EdgeHasher, hash: u64, onward: &Onward) -> (OutcomeRef<'a>, u64) {
        if self.depth == limits::TRAIL_FROM
            && let Some(trail) = onward.fork.trail.get()
        {
            self.follow(trail, seeded, hash);
        }
        self.depth += 1;
        let question = &onward.question;
        if let Some(at) = self.expected.next()
            && let Some(answer) = self.answers.get(at)
            && answer.question == Arc::as_ptr(question)
        {
            return (answer.outcome, answer.hash);
        }
        // What else was asked ahead is of another way.
        self.expected = 0..0;
        let outcome = question.ask(self.source);
        (outcome, tree::hash(seeded, hash, &outcome))
    }

    /// Asks all that will probably be asked from a node on.
    fn follow(&mut self, Trail(questions): &Trail, seeded: EdgeHasher, from: u64) {
        let mut hash = from;
        for (question, answer) in questions.iter().zip(&mut self.answers) {
            let outcome = question.ask(self.source);
            hash = tree::hash(seeded, hash, &outcome);
            *answer = Answer { question: Arc::as_ptr(question), outcome, hash };
        }
        self.expected = 0..questions.len();
    }
}
