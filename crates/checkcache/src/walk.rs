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
    type At;

    /// What a node asks.
    fn question<'a>(&'a self, at: &'a Self::At) -> Option<&'a Arc<Question>>;

    /// Where an outcome leads.
    fn child(&self, at: &Self::At, outcome: &OutcomeRef<'_>) -> Option<Self::At>;

    /// What is left of the validity of the verdict at a node, if it has one.
    fn life<'a>(&'a self, at: &'a Self::At) -> Option<&'a Life>;
}

/// Finds the first node on a request's way whose verdict can be used, taking steps. If there is one that cannot, leaves
/// behind why.
#[inline]
pub(crate) fn walk<T: Tree>(
    tree: &T,
    root: T::At,
    now: Tick,
    reason: &mut MissReason,
    mut step: impl FnMut(&T::At) -> Option<T::At>,
) -> Option<T::At> {
    let mut at = root;
    loop {
        if let Some(life) = tree.life(&at) {
            match life.unusable(now) {
                None => return Some(at),
                Some(why) => *reason = why,
            }
        }
        at = step(&at)?;
    }
}

/// Where a request gets to from a node.
#[inline]
pub(crate) fn step<T: Tree>(tree: &T, at: &T::At, source: &(impl AttributeSource + ?Sized)) -> Option<T::At> {
    tree.child(at, &tree.question(at)?.ask(source))
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
