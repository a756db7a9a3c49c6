//! The walk: what it means to look for a request, or for the place of a trace, in a tree of traces.
//!
//! Both caches store such trees, each in its own way. The rules are here, once.

use std::sync::Arc;

use attributes::AttributeSource;

use crate::life::Life;
use crate::{MissReason, Observation, OutcomeRef, Question, Tick, Trace, limits};

/// A way to store a tree of traces.
pub(crate) trait Tree {
    /// A node.
    type At: Clone;
    /// A stored verdict.
    type Leaf;

    /// What a node asks.
    fn question<'a>(&'a self, at: &'a Self::At) -> Option<&'a Arc<Question>>;

    /// Where an outcome leads.
    fn child(&self, at: &Self::At, outcome: &OutcomeRef<'_>) -> Option<Self::At>;

    /// The verdict at a node.
    fn leaf(&self, at: &Self::At) -> Option<Self::Leaf>;

    /// What is left of its validity.
    fn life(leaf: &Self::Leaf) -> &Life;
}

/// Finds the first node on a request's way whose verdict can be used. If there is one that cannot, leaves behind why.
pub(crate) fn walk<T: Tree>(
    tree: &T,
    root: T::At,
    source: &(impl AttributeSource + ?Sized),
    now: Tick,
    reason: &mut MissReason,
) -> Option<(T::At, T::Leaf)> {
    let mut at = root;
    loop {
        if let Some(leaf) = tree.leaf(&at) {
            match T::life(&leaf).unusable(now) {
                None => return Some((at, leaf)),
                Some(why) => *reason = why,
            }
        }
        at = tree.child(&at, &tree.question(&at)?.ask(source))?;
    }
}

/// Whether a trace asks nothing else where a tree asks something.
pub(crate) fn fits<T: Tree>(tree: &T, root: T::At, trace: &Trace) -> bool {
    let mut at = root;
    for Observation { question, outcome } in trace.observations() {
        match tree.question(&at) {
            None => return true,
            Some(asked) if asked == question => {}
            Some(_) => return false,
        }
        match tree.child(&at, &outcome.as_ref()) {
            None => return true,
            Some(next) => at = next,
        }
    }
    true
}

/// Whether a trace is short enough to be stored.
pub(crate) fn is_short(trace: &Trace) -> bool {
    trace.observations().len() <= limits::TRACE_OBSERVATIONS
}
