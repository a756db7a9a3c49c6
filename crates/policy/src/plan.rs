//! Plans: the aspects that apply to one request, in order.
//!
//! # Order
//!
//! From the subject `global` to the most specific one, within a block as the document has it, the aspects of a rule
//! before those of the rules nested in it. So what holds for everything speaks first, and since verdicts are folded
//! in this order, a deployment-wide refusal is told to the caller before a service's own. All services then also
//! begin their traces with the same tests, which the cache stores once.

use std::sync::Arc;

use attributes::{Name, ValueRef};
use checkcache::{OutcomeRef, Question, Recorder, Target, Test};
use expr::{EvalError, Program};

use crate::snapshot::{Block, Guarded, PhasePolicy, Rule};
use crate::subject::{self, GLOBAL};
use crate::walk::{Unwatched, Walk};
use crate::{Aspect, HeaderRules};

/// The aspects that apply to a request.
#[derive(Debug, Default)]
pub struct Plan<'s> {
    /// The aspects, in plan order.
    pub aspects: Vec<&'s Aspect>,
    /// Selectors that could not be evaluated. What they guard is not among the aspects; whoever decides on the plan
    /// applies the failure policy to each, so that none of them comes to mean "allowed" by being forgotten.
    pub errors: Vec<SelectorError<'s>>,
    /// What is done to headers if the request is allowed, in plan order.
    pub headers: Vec<SelectedHeaders<'s>>,
}

/// What a rule that applies does to headers.
#[derive(Debug, Clone, Copy)]
pub struct SelectedHeaders<'s> {
    /// Where the rule stands.
    pub location: &'s str,
    /// What it does.
    pub rules: &'s HeaderRules,
}

/// A selector that could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorError<'s> {
    /// Where the selector stands.
    pub location: &'s str,
    /// Its text.
    pub selector: &'s str,
    /// Why it has no result.
    pub error: EvalError,
    /// How many of the plan's aspects come before what it guards: its place in the fold.
    pub position: usize,
}

impl<'s> Plan<'s> {
    /// Resolves a request under the part of a snapshot that is for its phase.
    pub(crate) fn resolve(
        policy: &'s PhasePolicy,
        identity: &'s Identity,
        recorder: &mut Recorder<'_>,
        walk: &mut impl Walk<'s>,
    ) -> Self {
        let mut plan = Self::default();
        // Without a block below `global` the identity decides nothing, so it is not looked at, and the trace is
        // the same for every service.
        let specific =
            if policy.subjects.is_empty() { Vec::new() } else { identity.blocks(policy, recorder, walk) };
        walk.subject(GLOBAL, policy.global.as_ref().and_then(Block::place));
        for block in policy.global.iter().chain(specific) {
            plan.add_rules(&block.rules, recorder, walk);
        }
        plan
    }

    fn add_rules(&mut self, rules: &'s [Rule], recorder: &mut Recorder<'_>, walk: &mut impl Walk<'s>) {
        for rule in rules {
            if self.selects(rule.selector.as_ref(), &rule.location, recorder, walk) {
                self.add_aspects(&rule.aspects, recorder, walk);
                if !rule.headers.is_empty() {
                    self.headers.push(SelectedHeaders { location: &rule.location, rules: &rule.headers });
                }
                self.add_rules(&rule.rules, recorder, walk);
            }
        }
    }

    fn add_aspects(&mut self, aspects: &'s [Guarded], recorder: &mut Recorder<'_>, walk: &mut impl Walk<'s>) {
        for guarded in aspects {
            if self.selects(guarded.selector.as_ref(), &guarded.aspect.location, recorder, walk) {
                self.aspects.push(&guarded.aspect);
            }
        }
    }

    fn selects(
        &mut self,
        selector: Option<&'s Program>,
        location: &'s str,
        recorder: &mut Recorder<'_>,
        walk: &mut impl Walk<'s>,
    ) -> bool {
        let outcome = selector.map_or(Ok(true), |selector| selector.evaluate_bool(recorder));
        walk.considered(location, selector, outcome.as_ref().copied());
        match outcome {
            Ok(selected) => selected,
            Err(error) => {
                let position = self.aspects.len();
                let selector = selector.map_or("", Program::text);
                self.errors.push(SelectorError { location, selector, error, position });
                false
            }
        }
    }
}

/// Finds one aspect for a request: the first that applies, of the most specific subject that has one. No more is looked
/// at than that takes. A selector that cannot be evaluated ends the search: what it guards might have been the one.
pub(crate) fn resolve_most_specific<'s>(
    policy: &'s PhasePolicy,
    identity: &'s Identity,
    recorder: &mut Recorder<'_>,
) -> Result<Option<&'s Aspect>, SelectorError<'s>> {
    let specific = if policy.subjects.is_empty() {
        Vec::new()
    } else {
        identity.blocks(policy, recorder, &mut Unwatched)
    };
    for block in specific.into_iter().rev().chain(&policy.global) {
        if let Some(aspect) = first(&block.rules, recorder)? {
            return Ok(Some(aspect));
        }
    }
    Ok(None)
}

fn first<'s>(
    rules: &'s [Rule],
    recorder: &mut Recorder<'_>,
) -> Result<Option<&'s Aspect>, SelectorError<'s>> {
    let selects = |selector: Option<&'s Program>, location: &'s str, recorder: &mut Recorder<'_>| {
        selector.map_or(Ok(true), |selector| {
            let failed = |error| SelectorError { location, selector: selector.text(), error, position: 0 };
            selector.evaluate_bool(recorder).map_err(failed)
        })
    };
    for rule in rules {
        if !selects(rule.selector.as_ref(), &rule.location, recorder)? {
            continue;
        }
        for Guarded { selector, aspect } in &rule.aspects {
            if selects(selector.as_ref(), &aspect.location, recorder)? {
                return Ok(Some(aspect));
            }
        }
        if let Some(aspect) = first(&rule.rules, recorder)? {
            return Ok(Some(aspect));
        }
    }
    Ok(None)
}

/// How a request says which subject it is for.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The question after the attribute that has the subject's name.
    question: Arc<Question>,
    /// The part of the hierarchy that such names are in.
    pub(crate) domain: String,
}

impl Identity {
    /// An attribute whose values in a domain are names of subjects.
    pub(crate) fn new(attribute: &str, domain: &str) -> Self {
        let target = Target::Attribute(attribute.into());
        Self { question: Arc::new(Question { target, test: Test::Value }), domain: domain.to_owned() }
    }

    /// The attribute that has the subject's name.
    pub(crate) fn attribute(&self) -> &Name {
        self.question.target.attribute()
    }

    /// The blocks of the subjects below `global` that a request is for, the least specific first.
    fn blocks<'s>(
        &'s self,
        policy: &'s PhasePolicy,
        recorder: &mut Recorder<'_>,
        walk: &mut impl Walk<'s>,
    ) -> Vec<&'s Block> {
        let OutcomeRef::Value(ValueRef::String(name)) = recorder.ask(&self.question) else {
            walk.identity(self.attribute(), None, false);
            return Vec::new();
        };
        let is_in_domain = subject::is_suffix(&self.domain, name);
        walk.identity(self.attribute(), Some(name), is_in_domain);
        if !is_in_domain {
            return Vec::new();
        }
        let look_up = |subject| {
            let block = policy.subjects.get(subject);
            walk.subject(subject, block.and_then(Block::place));
            block
        };
        let mut blocks: Vec<_> = subject::ancestors(name).filter_map(look_up).collect();
        blocks.reverse();
        blocks
    }
}

#[cfg(test)]
mod tests;
