//! Evaluation: a walk over a program's tree that sees the request through a recorder and nothing else.
//!
//! Invariant: what is looked at next depends only on what was seen before, so equal observations lead to equal
//! results. Nothing here panics, whatever values a request has, and no node is evaluated twice.

mod operand;

use std::sync::Arc;

use attributes::{MapEntry, Name, Value, ValueRef, ValueType};
use checkcache::Recorder;

pub(crate) use self::operand::Operand;
use crate::error::quoted;
use crate::node::{Conversion, Node, Relation, TextTest};
use crate::{EvalError, compare, limits, notation, pattern};

/// Where a map is from which one entry is wanted, so that the rest of it need not be looked at.
enum Place<'e> {
    /// An attribute that is there.
    Attribute(&'e Name),
    /// An attribute that is absent.
    Absent(&'e Name),
    /// A map that no attribute has.
    Made(Operand<'e>),
}

/// What an entry of a map turned out to be.
enum Entry<'e> {
    /// The map's attribute is absent.
    NoMap(&'e Name),
    /// The map is there and the key is not, or the key itself has no value.
    NoKey,
    Found(Operand<'e>),
}

/// What the evaluation of a computed key does where an attribute is absent.
#[derive(Clone, Copy)]
enum WhenAbsent {
    Fail,
    Skip,
}

/// The value of a node.
pub(crate) fn evaluate<'e, 'r: 'e>(
    node: &'e Node,
    recorder: &mut Recorder<'r>,
) -> Result<Operand<'e>, EvalError> {
    match node {
        Node::Constant(value) => Ok(Operand::Constant(value)),
        Node::Fail(error) => Err(error.clone()),
        Node::Attribute(name, value_type) => {
            attribute(name, *value_type, recorder)?.ok_or_else(|| EvalError::LookupFailed(name.clone()))
        }
        Node::Index(operands) => match entry(operands, WhenAbsent::Fail, recorder)? {
            Entry::Found(value) => Ok(value),
            Entry::NoKey => Ok(Operand::Looked(ValueRef::String(""))),
            Entry::NoMap(name) => Err(EvalError::LookupFailed(name.clone())),
        },
        Node::Or(operands) => {
            let [first, second] = operands.as_ref();
            match find(first, recorder)? {
                Some(value) => Ok(value),
                None => evaluate(second, recorder),
            }
        }
        Node::Add(operands) => {
            let [left, right] = operands.as_ref();
            let left = evaluate(left, recorder)?;
            add(&left, &evaluate(right, recorder)?)
        }
        Node::Conditional(operands) => evaluate(branch(operands, recorder)?, recorder),
        Node::Convert(conversion, operand) => convert(*conversion, evaluate(operand, recorder)?),
        Node::All(_) | Node::Any(_) | Node::Compare(_, _, _) | Node::Test(_, _) | Node::Matches(_, _) => {
            Ok(Operand::Made(Value::Bool(truth(node, recorder)?)))
        }
    }
}

/// The value of a node of type BOOL.
pub(crate) fn truth(node: &Node, recorder: &mut Recorder<'_>) -> Result<bool, EvalError> {
    match node {
        Node::All(operands) => {
            for operand in operands {
                if !truth(operand, recorder)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Node::Any(operands) => {
            for operand in operands {
                if truth(operand, recorder)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Node::Compare(relation, value_type, operands) => relate(*relation, *value_type, operands, recorder),
        Node::Test(test, operands) => {
            let [left, right] = operands.as_ref();
            let left = evaluate(left, recorder)?;
            let right = evaluate(right, recorder)?;
            text_test(*test, left.text()?, right.text()?)
        }
        Node::Matches(regex, subject) => Ok(regex.is_match(evaluate(subject, recorder)?.text()?)),
        Node::Constant(_)
        | Node::Fail(_)
        | Node::Attribute(_, _)
        | Node::Index(_)
        | Node::Or(_)
        | Node::Add(_)
        | Node::Conditional(_)
        | Node::Convert(_, _) => evaluate(node, recorder)?.truth(),
    }
}

/// The value of a node that `|` asks for: `None` if it is an attribute or an entry that is absent. Deeper inside of
/// other functions absence stays an error.
fn find<'e, 'r: 'e>(node: &'e Node, recorder: &mut Recorder<'r>) -> Result<Option<Operand<'e>>, EvalError> {
    match node {
        Node::Attribute(name, value_type) => attribute(name, *value_type, recorder),
        Node::Index(operands) => match entry(operands, WhenAbsent::Skip, recorder)? {
            Entry::Found(value) => Ok(Some(value)),
            Entry::NoKey | Entry::NoMap(_) => Ok(None),
        },
        Node::Or(operands) => {
            let [first, second] = operands.as_ref();
            match find(first, recorder)? {
                Some(value) => Ok(Some(value)),
                None => find(second, recorder),
            }
        }
        Node::Constant(_)
        | Node::Fail(_)
        | Node::All(_)
        | Node::Any(_)
        | Node::Compare(_, _, _)
        | Node::Add(_)
        | Node::Conditional(_)
        | Node::Convert(_, _)
        | Node::Test(_, _)
        | Node::Matches(_, _) => evaluate(node, recorder).map(Some),
    }
}

/// The value of an attribute, if it is there and is what the manifest says.
fn attribute<'e, 'r: 'e>(
    name: &Name,
    value_type: ValueType,
    recorder: &mut Recorder<'r>,
) -> Result<Option<Operand<'e>>, EvalError> {
    match recorder.value(name) {
        None => Ok(None),
        Some(value) if value.kind() == value_type.carrier() => Ok(Some(Operand::Looked(value))),
        Some(value) => Err(wrong_kind(value_type, value)),
    }
}

fn wrong_kind(expected: ValueType, value: ValueRef<'_>) -> EvalError {
    EvalError::WrongKind { expected, value: quoted(&value.to_string()) }
}

/// One entry of a map.
fn entry<'e, 'r: 'e>(
    operands: &'e [Node; 2],
    when_absent: WhenAbsent,
    recorder: &mut Recorder<'r>,
) -> Result<Entry<'e>, EvalError> {
    let [map, key] = operands;
    if let (Node::Attribute(name, _), Node::Constant(Value::String(key))) = (map, key) {
        return attribute_entry(name, key, recorder);
    }
    let place = match locate(map, recorder)? {
        // Without the map the key makes no difference, so it is not looked at.
        Place::Absent(name) => return Ok(Entry::NoMap(name)),
        place @ (Place::Attribute(_) | Place::Made(_)) => place,
    };
    let key = match when_absent {
        WhenAbsent::Fail => evaluate(key, recorder)?,
        WhenAbsent::Skip => match find(key, recorder)? {
            Some(key) => key,
            None => return Ok(Entry::NoKey),
        },
    };
    match place {
        Place::Absent(name) => Ok(Entry::NoMap(name)),
        Place::Attribute(name) => attribute_entry(name, &key.shared_text()?, recorder),
        Place::Made(map) => match map.as_ref() {
            ValueRef::StringMap(map) => Ok(match map.get(key.text()?) {
                Some(value) => Entry::Found(Operand::Made(value.into())),
                None => Entry::NoKey,
            }),
            value => Err(wrong_kind(ValueType::StringMap, value)),
        },
    }
}

fn attribute_entry<'e, 'r: 'e>(
    name: &'e Name,
    key: &Arc<str>,
    recorder: &mut Recorder<'r>,
) -> Result<Entry<'e>, EvalError> {
    match recorder.entry(name, key) {
        MapEntry::NoMap => Ok(Entry::NoMap(name)),
        MapEntry::NoKey => Ok(Entry::NoKey),
        MapEntry::Found(value) => Ok(Entry::Found(Operand::Looked(ValueRef::String(value)))),
        MapEntry::NotAMap => Err(EvalError::NotAMap(name.clone())),
    }
}

/// Finds the map that a node stands for, without looking into it.
fn locate<'e, 'r: 'e>(node: &'e Node, recorder: &mut Recorder<'r>) -> Result<Place<'e>, EvalError> {
    match node {
        Node::Attribute(name, _) if recorder.present(name) => Ok(Place::Attribute(name)),
        Node::Attribute(name, _) => Ok(Place::Absent(name)),
        Node::Or(operands) => {
            let [first, second] = operands.as_ref();
            match locate(first, recorder)? {
                Place::Absent(_) => locate(second, recorder),
                place @ (Place::Attribute(_) | Place::Made(_)) => Ok(place),
            }
        }
        Node::Conditional(operands) => locate(branch(operands, recorder)?, recorder),
        Node::Constant(_)
        | Node::Fail(_)
        | Node::Index(_)
        | Node::All(_)
        | Node::Any(_)
        | Node::Compare(_, _, _)
        | Node::Add(_)
        | Node::Convert(_, _)
        | Node::Test(_, _)
        | Node::Matches(_, _) => evaluate(node, recorder).map(Place::Made),
    }
}

/// The branch of a conditional that counts.
fn branch<'e>(operands: &'e [Node; 3], recorder: &mut Recorder<'_>) -> Result<&'e Node, EvalError> {
    let [condition, yes, no] = operands;
    Ok(if truth(condition, recorder)? { yes } else { no })
}

/// A comparison. The one place that decides how it is observed: both values are.
fn relate(
    relation: Relation,
    value_type: ValueType,
    operands: &[Node; 2],
    recorder: &mut Recorder<'_>,
) -> Result<bool, EvalError> {
    let [left, right] = operands;
    let left = evaluate(left, recorder)?;
    let right = evaluate(right, recorder)?;
    compare::holds(relation, value_type, left.as_ref(), right.as_ref())
}

fn text_test(test: TextTest, left: &str, right: &str) -> Result<bool, EvalError> {
    match test {
        TextTest::StartsWith => Ok(left.starts_with(right)),
        TextTest::EndsWith => Ok(left.ends_with(right)),
        TextTest::Wildcard => Ok(pattern::wildcard(left, right)),
        TextTest::Matches => Ok(pattern::regex(left)?.is_match(right)),
    }
}

/// Integers wrap around, as they do where the language comes from.
fn add<'e>(left: &Operand<'_>, right: &Operand<'_>) -> Result<Operand<'e>, EvalError> {
    let sum = match (left.as_ref(), right.as_ref()) {
        (ValueRef::Int64(a), ValueRef::Int64(b)) => Value::Int64(a.wrapping_add(b)),
        (ValueRef::Double(a), ValueRef::Double(b)) => Value::Double(a + b),
        (ValueRef::String(a), ValueRef::String(b)) => {
            if a.len().saturating_add(b.len()) > limits::MADE_TEXT_BYTES {
                return Err(EvalError::TextTooLong);
            }
            Value::String([a, b].concat().into())
        }
        (_, other) => return Err(wrong_kind(ValueType::String, other)),
    };
    Ok(Operand::Made(sum))
}

fn convert(conversion: Conversion, operand: Operand<'_>) -> Result<Operand<'_>, EvalError> {
    let text = operand.text()?;
    let made = match conversion {
        Conversion::Size => Value::Int64(i64::try_from(text.len()).unwrap_or(i64::MAX)),
        Conversion::Ip => {
            let ip: std::net::IpAddr = text.parse().map_err(|_| EvalError::InvalidIp(quoted(text)))?;
            Value::from_ip(ip.to_canonical())
        }
        Conversion::Timestamp => {
            Value::parse(ValueType::Timestamp, text).map_err(|_| EvalError::InvalidTimestamp(quoted(text)))?
        }
        Conversion::Lower if text.chars().any(|c| !c.to_lowercase().eq([c])) => {
            Value::String(text.to_lowercase().into())
        }
        Conversion::Lower => return Ok(operand),
        Conversion::DnsName => return notation::dns::validate(text).map(|()| operand),
        Conversion::Email => return notation::email::validate(text).map(|()| operand),
        Conversion::Uri => return notation::uri::validate(text).map(|()| operand),
    };
    Ok(Operand::Made(made))
}

#[cfg(test)]
mod tests;
