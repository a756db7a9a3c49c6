//! Ordered traces ⇄ `istio.mixer.v1.Trace`.

use attributes::wire::{Compressor, Expander, InvalidAttributes};
use attributes::{Dictionary, Name, Value};
use proto::v1;
use proto::v1::trace::operand::Kind as Operand;
use proto::v1::trace::{Outcome as ProtoOutcome, Test as ProtoTest};
use thiserror::Error;

use crate::{InvalidMatcher, Matcher, Observation, Outcome, Question, Target, Test, Trace, limits};

/// A trace cannot be used: the verdict that came with it must not be stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidTrace {
    /// A word or a value cannot be read.
    #[error("observation {index}: {source}")]
    Attributes {
        /// Which observation, from 0.
        index: usize,
        /// Why.
        source: InvalidAttributes,
    },
    /// A test or an outcome is not known here, or has not got what it needs.
    #[error("observation {index}: test {test} with outcome {outcome} is not understood")]
    NotUnderstood {
        /// Which observation, from 0.
        index: usize,
        /// The test's number.
        test: i32,
        /// The outcome's number.
        outcome: i32,
    },
    /// A regular expression cannot be used.
    #[error("observation {index}: {source}")]
    Matcher {
        /// Which observation, from 0.
        index: usize,
        /// Why.
        source: InvalidMatcher,
    },
    /// The tables of regular expressions are larger than the limit allows.
    #[error("{bytes} bytes of tables, at most {} are allowed", limits::TRACE_MATCHER_BYTES)]
    TooLarge {
        /// How many there are.
        bytes: usize,
    },
    /// There are more observations than the limit allows.
    #[error("{count} observations, at most {} are allowed", limits::TRACE_OBSERVATIONS)]
    TooLong {
        /// How many there are.
        count: usize,
    },
}

/// Writes a trace with the first `word_count` words of a dictionary.
pub fn encode_trace(trace: &Trace, dictionary: &Dictionary, word_count: u32) -> v1::Trace {
    let mut words = Compressor::new(dictionary, word_count as usize);
    let observations = trace.observations().iter().map(|seen| encode(seen, &mut words)).collect();
    v1::Trace { words: words.into_words(), observations }
}

/// Reads a trace that was written with the first `word_count` words of a dictionary.
pub fn decode_trace(
    trace: v1::Trace,
    dictionary: &Dictionary,
    word_count: u32,
) -> Result<Trace, InvalidTrace> {
    let v1::Trace { words, observations } = trace;
    if observations.len() > limits::TRACE_OBSERVATIONS {
        return Err(InvalidTrace::TooLong { count: observations.len() });
    }
    let bytes = observations.iter().map(|seen| seen.automaton.len()).sum();
    if bytes > limits::TRACE_MATCHER_BYTES {
        return Err(InvalidTrace::TooLarge { bytes });
    }
    let words = Expander::new(dictionary, word_count, words);
    observations.into_iter().enumerate().map(|(index, seen)| decode(index, seen, &words)).collect()
}

fn encode(seen: &Observation, words: &mut Compressor<'_>) -> v1::trace::Observation {
    let Question { target, test } = &*seen.question;
    let how = match test {
        Test::Value => ProtoTest::Value,
        Test::Present => ProtoTest::Present,
        Test::Equals(_) => ProtoTest::Equals,
        Test::Prefix(_) => ProtoTest::Prefix,
        Test::Suffix(_) => ProtoTest::Suffix,
        Test::Matches(_) => ProtoTest::Matches,
        Test::Less(_) => ProtoTest::Less,
        Test::LessOrEqual(_) => ProtoTest::LessOrEqual,
        Test::Greater(_) => ProtoTest::Greater,
        Test::GreaterOrEqual(_) => ProtoTest::GreaterOrEqual,
    };
    let (outcome, value) = match &seen.outcome {
        Outcome::Absent => (ProtoOutcome::Absent, None),
        Outcome::NoMap => (ProtoOutcome::NoMap, None),
        Outcome::WrongKind => (ProtoOutcome::WrongKind, None),
        Outcome::Yes => (ProtoOutcome::Yes, None),
        Outcome::No => (ProtoOutcome::No, None),
        Outcome::Value(value) => (ProtoOutcome::Is, Some(value)),
    };
    let automaton = match test {
        Test::Matches(matcher) => matcher.table(),
        Test::Value
        | Test::Present
        | Test::Equals(_)
        | Test::Prefix(_)
        | Test::Suffix(_)
        | Test::Less(_)
        | Test::LessOrEqual(_)
        | Test::Greater(_)
        | Test::GreaterOrEqual(_) => Vec::new(),
    };
    v1::trace::Observation {
        name: words.index(target.attribute().as_str()),
        key: target.key().map(|key| words.index(key)),
        test: how.into(),
        constant: test.constant().map(|constant| operand(&constant, words)),
        outcome: outcome.into(),
        value: value.map(|value| operand(value, words)),
        automaton,
    }
}

fn decode(
    index: usize,
    seen: v1::trace::Observation,
    words: &Expander<'_>,
) -> Result<Observation, InvalidTrace> {
    let v1::trace::Observation { name, key, test, constant, outcome, value, automaton } = seen;
    let attributes = |source| InvalidTrace::Attributes { index, source };
    let not_understood = || InvalidTrace::NotUnderstood { index, test, outcome };
    let read = |operand: Option<v1::trace::Operand>| {
        let kind = operand.and_then(|operand| operand.kind).ok_or_else(not_understood)?;
        self::value(kind, words).map_err(attributes)
    };
    let text = |operand| match read(operand)? {
        Value::String(text) => Ok(text),
        _ => Err(not_understood()),
    };

    let name = Name::from(words.word(name).map_err(attributes)?);
    let target = match key {
        None => Target::Attribute(name),
        Some(key) => Target::Key(name, words.word(key).map_err(attributes)?),
    };
    let known = ProtoTest::try_from(test).map_err(|_| not_understood())?;
    let test = match known {
        ProtoTest::Value => Test::Value,
        ProtoTest::Present => Test::Present,
        ProtoTest::Equals => Test::Equals(read(constant)?),
        ProtoTest::Prefix => Test::Prefix(text(constant)?),
        ProtoTest::Suffix => Test::Suffix(text(constant)?),
        ProtoTest::Less => Test::Less(read(constant)?),
        ProtoTest::LessOrEqual => Test::LessOrEqual(read(constant)?),
        ProtoTest::Greater => Test::Greater(read(constant)?),
        ProtoTest::GreaterOrEqual => Test::GreaterOrEqual(read(constant)?),
        ProtoTest::Matches => Test::Matches(
            Matcher::new(&text(constant)?, &automaton)
                .map_err(|source| InvalidTrace::Matcher { index, source })?,
        ),
        ProtoTest::Unspecified => return Err(not_understood()),
    };
    let outcome = match ProtoOutcome::try_from(outcome).map_err(|_| not_understood())? {
        ProtoOutcome::Absent => Outcome::Absent,
        ProtoOutcome::NoMap => Outcome::NoMap,
        ProtoOutcome::WrongKind => Outcome::WrongKind,
        ProtoOutcome::Yes => Outcome::Yes,
        ProtoOutcome::No => Outcome::No,
        ProtoOutcome::Is => Outcome::Value(read(value)?),
        ProtoOutcome::Unspecified => return Err(not_understood()),
    };
    Ok(Observation::new(target, test, outcome))
}

fn operand(value: &Value, words: &mut Compressor<'_>) -> v1::trace::Operand {
    let kind = match value {
        Value::String(text) => Operand::String(words.index(text)),
        Value::Int64(number) => Operand::Int64(*number),
        Value::Double(number) => Operand::Double(*number),
        Value::Bool(truth) => Operand::Bool(*truth),
        Value::Timestamp(time) => Operand::Timestamp((*time).into()),
        Value::Duration(span) => Operand::Duration((*span).into()),
        Value::Bytes(bytes) => Operand::Bytes(bytes.to_vec()),
        Value::StringMap(map) => Operand::StringMap(words.string_map(map)),
    };
    v1::trace::Operand { kind: Some(kind) }
}

/// Called from many places and never in a hurry: once is enough in the module.
#[inline(never)]
fn value(operand: Operand, words: &Expander<'_>) -> Result<Value, InvalidAttributes> {
    Ok(match operand {
        Operand::String(text) => Value::String(words.word(text)?),
        Operand::Int64(number) => Value::Int64(number),
        Operand::Double(number) => Value::Double(number),
        Operand::Bool(truth) => Value::Bool(truth),
        Operand::Timestamp(time) => Value::Timestamp(time.try_into()?),
        Operand::Duration(span) => Value::Duration(span.try_into()?),
        Operand::Bytes(bytes) => Value::Bytes(bytes.into()),
        Operand::StringMap(map) => Value::from(words.string_map(&map)?),
    })
}
