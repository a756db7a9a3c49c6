//! The recorder: the only way to look at a request while deciding about it.

use std::sync::Arc;

use attributes::{AttributeSource, Bag, MapEntry, Name, ValueRef, Word};

use crate::implication::implies;
use crate::{Observation, OutcomeRef, Question, Target, Test, Trace};

/// How many observations most traces have room in.
const USUAL: usize = 8;

/// Looks at a request, and writes down each look.
///
/// Whoever evaluates gets a recorder and not the request, so nothing can decide a verdict without being in its trace.
/// What an earlier observation implies is not written down: after the value of an attribute nothing else about it is,
/// nor after `equals` held; after `prefix "ab"` held, `prefix "a"` goes without saying.
pub struct Recorder<'a> {
    source: &'a dyn AttributeSource,
    /// Attributes that adapters derived. Never named in a trace: what they were made from is there already.
    derived: Option<&'a Bag>,
    /// `None`: nobody will store the result.
    seen: Option<Vec<Observation>>,
}

impl<'a> Recorder<'a> {
    /// A recorder that looks at a source.
    pub fn new(source: &'a dyn AttributeSource) -> Self {
        Self { source, derived: None, seen: Some(Vec::with_capacity(USUAL)) }
    }

    /// A recorder that goes on where another stopped: on the same source, after what that one observed.
    pub fn resume(source: &'a dyn AttributeSource, trace: Trace) -> Self {
        Self { source, derived: None, seen: Some(trace.into()) }
    }

    /// A recorder that writes nothing down, for what is never cached: reports.
    pub fn untraced(source: &'a dyn AttributeSource) -> Self {
        Self { source, derived: None, seen: None }
    }

    /// Lays derived attributes over the request's own. The inputs of their derivation must have been recorded.
    pub fn lay_over(&mut self, derived: &'a Bag) {
        self.derived = (!derived.is_empty()).then_some(derived);
    }

    /// The value of an attribute.
    pub fn value(&mut self, name: &Name) -> Option<ValueRef<'a>> {
        match self.perform(&Target::Attribute(name.clone()), &Test::Value) {
            OutcomeRef::Value(value) => Some(value),
            OutcomeRef::Absent
            | OutcomeRef::NoMap
            | OutcomeRef::WrongKind
            | OutcomeRef::Yes
            | OutcomeRef::No => None,
        }
    }

    /// Whether an attribute is there.
    pub fn present(&mut self, name: &Name) -> bool {
        self.perform(&Target::Attribute(name.clone()), &Test::Present) == OutcomeRef::Yes
    }

    /// One entry of a string-map attribute.
    pub fn entry(&mut self, map: &Name, key: &Word) -> MapEntry<'a> {
        match self.perform(&Target::Key(map.clone(), key.clone()), &Test::Value) {
            OutcomeRef::Value(ValueRef::String(text)) => MapEntry::Found(text),
            OutcomeRef::Absent => MapEntry::NoKey,
            OutcomeRef::NoMap => MapEntry::NoMap,
            OutcomeRef::Value(_) | OutcomeRef::WrongKind | OutcomeRef::Yes | OutcomeRef::No => {
                MapEntry::NotAMap
            }
        }
    }

    /// Any test on an attribute or a key.
    pub fn perform(&mut self, target: &Target, test: &Test) -> OutcomeRef<'a> {
        self.observe(target, test, || Arc::new(Question { target: target.clone(), test: test.clone() }))
    }

    /// Asks a question that is there already, as those of a policy are: to write it down takes no copy.
    pub fn ask(&mut self, question: &Arc<Question>) -> OutcomeRef<'a> {
        self.observe(&question.target, &question.test, || Arc::clone(question))
    }

    /// How many observations there are so far: [`Trace::truncate`] goes back to here.
    pub fn looks(&self) -> usize {
        self.seen.as_ref().map_or(0, Vec::len)
    }

    /// What was observed, in order.
    pub fn into_trace(self) -> Trace {
        self.seen.unwrap_or_default().into()
    }

    fn observe(
        &mut self,
        target: &Target,
        test: &Test,
        question: impl FnOnce() -> Arc<Question>,
    ) -> OutcomeRef<'a> {
        if let Some(derived) = self.derived
            && derived.value(target.attribute().as_str()).is_some()
        {
            return test.perform(target, derived);
        }
        let outcome = test.perform(target, self.source);
        if let Some(seen) = &mut self.seen
            && !seen.iter().any(|seen| implies(seen, target, test))
        {
            // Room first, so that what is pushed is made where it stays.
            seen.reserve(1);
            let outcome = outcome.to_outcome();
            seen.push(Observation { question: question(), outcome });
        }
        outcome
    }
}
