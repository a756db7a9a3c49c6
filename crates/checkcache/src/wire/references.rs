//! Traces ⇄ `istio.mixer.v1.ReferencedAttributes`: which attributes counted, in no order, by value only.

use attributes::wire::{Compressor, Expander, InvalidAttributes};
use attributes::{AttributeSource, Dictionary, Name, ValueRef};
use proto::v1;
use proto::v1::referenced_attributes::{AttributeMatch, Condition};
use thiserror::Error;

use crate::{Observation, Outcome, OutcomeRef, Question, Target, Test, Trace, limits};

/// References cannot be used: the verdict that came with them must not be stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidReferences {
    /// A word cannot be read.
    #[error(transparent)]
    Attributes(#[from] InvalidAttributes),
    /// The condition is none that can be tested.
    #[error("`{target}` is referenced under condition {condition}, which cannot be tested")]
    Condition {
        /// What is referenced.
        target: Target,
        /// The condition's number.
        condition: i32,
    },
    /// The references say something of the request that is not so.
    #[error("`{0}` is not in the request as the references say")]
    Contradiction(Target),
    /// There are more references than the limit allows.
    #[error("{count} references, at most {} are allowed", limits::TRACE_OBSERVATIONS)]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

/// What is said of targets, the last word on each, in the order of their names. A list, which moves what is behind a new
/// one, is no slower for so few, and less of the filter's module than a tree.
struct ByTarget<T>(Vec<(Target, T)>);

impl<T> Default for ByTarget<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> ByTarget<T> {
    fn insert(&mut self, target: Target, said: T) {
        let at = self.0.partition_point(|(other, _)| *other < target);
        match self.0.get_mut(at) {
            Some((known, before)) if *known == target => *before = said,
            Some(_) | None => self.0.insert(at, (target, said)),
        }
    }
}

/// Writes what a trace depends on for a client that does not accept traces. It comes out narrower than the trace,
/// never wider: a client compares values where the trace only tests them.
pub fn encode_references(
    trace: &Trace,
    dictionary: &Dictionary,
    word_count: u32,
) -> v1::ReferencedAttributes {
    let mut conditions = ByTarget::default();
    for seen in trace.observations() {
        let (target, condition) = reference(seen);
        conditions.insert(target, condition);
    }
    let mut words = Compressor::new(dictionary, word_count as usize);
    let attribute_matches = conditions
        .0
        .into_iter()
        .map(|(target, condition)| AttributeMatch {
            name: words.index(target.attribute().as_str()),
            condition: condition.into(),
            regex: String::new(),
            map_key: target.key().map_or(0, |key| words.index(key)),
        })
        .collect();
    v1::ReferencedAttributes { words: words.into_words(), attribute_matches }
}

fn reference(seen: &Observation) -> (Target, Condition) {
    let Question { target, test } = &*seen.question;
    let whole = || Target::Attribute(target.attribute().clone());
    match (&seen.outcome, test) {
        // "Not present" says nothing of whether it is a key or its map that is missing; a client looks at the
        // request to find out.
        (Outcome::Absent, _) | (Outcome::No, Test::Present) => (target.clone(), Condition::Absence),
        (Outcome::NoMap, _) => (whole(), Condition::Absence),
        (Outcome::WrongKind, _) => (whole(), Condition::Exact),
        (Outcome::Yes | Outcome::No | Outcome::Value(_), _) => (target.clone(), Condition::Exact),
    }
}

/// Reads references into a trace, in an order of their names. The values are those of the request that the
/// verdict was asked for.
pub fn decode_references(
    references: v1::ReferencedAttributes,
    dictionary: &Dictionary,
    word_count: u32,
    source: &dyn AttributeSource,
) -> Result<Trace, InvalidReferences> {
    let v1::ReferencedAttributes { words, attribute_matches } = references;
    if attribute_matches.len() > limits::TRACE_OBSERVATIONS {
        return Err(InvalidReferences::TooMany { count: attribute_matches.len() });
    }
    let words = Expander::new(dictionary, word_count, words);
    let mut seen = ByTarget::default();
    for AttributeMatch { name, condition, regex: _, map_key } in attribute_matches {
        let name = Name::from(words.word(name)?);
        let target = match source.get(name.as_str()) {
            // On the wire "no key" looks like index 0. The whole map is what covers both.
            Some(ValueRef::StringMap(_)) if map_key != 0 => Target::Key(name, words.word(map_key)?),
            _ => Target::Attribute(name),
        };
        let outcome = Test::Value.perform(&target, source);
        let whole_map = map_key == 0 && matches!(outcome, OutcomeRef::Value(ValueRef::StringMap(_)));
        match (Condition::try_from(condition), outcome) {
            (Ok(Condition::Exact), OutcomeRef::Value(_)) | (Ok(Condition::Absence), OutcomeRef::Absent) => {}
            (Ok(Condition::Absence), OutcomeRef::Value(_)) if whole_map => {}
            (Ok(Condition::Exact | Condition::Absence), _) => {
                return Err(InvalidReferences::Contradiction(target));
            }
            (Ok(Condition::Regex | Condition::Unspecified) | Err(_), _) => {
                return Err(InvalidReferences::Condition { target, condition });
            }
        }
        seen.insert(target, outcome.to_outcome());
    }
    Ok(seen.0.into_iter().map(|(target, outcome)| Observation::new(target, Test::Value, outcome)).collect())
}
