//! Evaluation: a walk over a program's tree that sees the request through a recorder and nothing else.
//!
//! Invariant: what is looked at next depends only on what was seen before, so equal observations lead to equal
//! results. Nothing here panics, whatever values a request has, and no node is evaluated twice.

mod operand;

use attributes::{Name, Value, ValueRef, ValueType};
use checkcache::{OutcomeRef, Recorder, Target, Test};

pub use self::operand::Operand;
use crate::comparison::Comparison;
use crate::error::quoted;
use crate::node::{Conversion, Index, Node, Prepared};
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

/// Where an entry is, so that it need not be looked at to be tested.
enum Spot<'e> {
    /// The map's attribute is absent.
    NoMap(&'e Name),
    /// The key itself has no value, or a map that no attribute has is without it.
    NoKey,
    /// Under a key of an attribute.
    Key(Key<'e>),
    Made(Operand<'e>),
}

/// A key of an attribute.
enum Key<'e> {
    /// The program says which.
    Known(&'e Prepared),
    /// The request does.
    Computed(Target, &'e Name),
}

/// What an entry of a map turned out to be, or what was asked of it.
enum Entry<'e, T> {
    /// The map's attribute is absent.
    NoMap(&'e Name),
    /// The map is there and the key is not, or the key itself has no value.
    NoKey,
    Found(T),
}

/// What an evaluation does where an attribute is absent.
#[derive(Clone, Copy)]
enum WhenAbsent {
    Fail,
    Skip,
}

impl<'e> Key<'e> {
    /// The attribute.
    fn map(&self) -> &'e Name {
        match self {
            Self::Known(place) => place.target().attribute(),
            Self::Computed(_, map) => map,
        }
    }

    fn value<'r>(&self, recorder: &mut Recorder<'r>) -> OutcomeRef<'r> {
        match self {
            Self::Known(place) => recorder.ask(place.value()),
            Self::Computed(target, _) => recorder.perform(target, &Test::Value),
        }
    }
}

/// The value of a node.
pub(crate) fn evaluate<'e, 'r: 'e>(
    node: &'e Node,
    recorder: &mut Recorder<'r>,
) -> Result<Operand<'e>, EvalError> {
    match node {
        Node::Constant(value) => Ok(Operand::Constant(value)),
        Node::Fail(error) => Err(error.clone()),
        Node::Attribute(place, value_type, _) => attribute(place, *value_type, recorder)?
            .ok_or_else(|| EvalError::LookupFailed(place.target().attribute().clone())),
        Node::Index(index, _) => match entry(index, WhenAbsent::Fail, recorder)? {
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
        Node::All(_) | Node::Any(_) | Node::Compare(_, _, _) | Node::Test(_, _) | Node::Ask(_, _) => {
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
        Node::Compare(relation, value_type, operands) => {
            let [left, right] = operands.as_ref();
            let left = evaluate(left, recorder)?;
            let right = evaluate(right, recorder)?;
            compare::holds(*relation, *value_type, left.as_ref(), right.as_ref())
        }
        Node::Test(test, operands) => {
            let [left, right] = operands.as_ref();
            let left = evaluate(left, recorder)?;
            let right = evaluate(right, recorder)?;
            pattern::test(*test, left.text()?, right.text()?)
        }
        // Where absence is an error there always is an answer.
        Node::Ask(comparison, subject) => {
            ask(comparison, subject, WhenAbsent::Fail, recorder).map(Option::unwrap_or_default)
        }
        Node::Constant(_)
        | Node::Fail(_)
        | Node::Attribute(_, _, _)
        | Node::Index(_, _)
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
        Node::Attribute(place, value_type, _) => attribute(place, *value_type, recorder),
        Node::Index(index, _) => match entry(index, WhenAbsent::Skip, recorder)? {
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
        | Node::Ask(_, _) => evaluate(node, recorder).map(Some),
    }
}

/// The value of an attribute, if it is there and is what the manifest says.
fn attribute<'e, 'r: 'e>(
    place: &Prepared,
    value_type: ValueType,
    recorder: &mut Recorder<'r>,
) -> Result<Option<Operand<'e>>, EvalError> {
    match recorder.ask(place.value()) {
        OutcomeRef::Value(value) if value.kind() == value_type.carrier() => Ok(Some(Operand::Looked(value))),
        OutcomeRef::Value(value) => Err(EvalError::wrong_kind(value_type, value)),
        OutcomeRef::Absent | OutcomeRef::NoMap | OutcomeRef::WrongKind | OutcomeRef::Yes | OutcomeRef::No => {
            Ok(None)
        }
    }
}

/// One entry of a map.
fn entry<'e, 'r: 'e>(
    index: &'e Index,
    when_absent: WhenAbsent,
    recorder: &mut Recorder<'r>,
) -> Result<Entry<'e, Operand<'e>>, EvalError> {
    Ok(match spot(index, when_absent, recorder)? {
        Spot::NoMap(name) => Entry::NoMap(name),
        Spot::NoKey => Entry::NoKey,
        Spot::Key(key) => attribute_entry(&key, recorder)?,
        Spot::Made(value) => Entry::Found(value),
    })
}

/// Finds an entry of a map without looking at it.
fn spot<'e, 'r: 'e>(
    index: &'e Index,
    when_absent: WhenAbsent,
    recorder: &mut Recorder<'r>,
) -> Result<Spot<'e>, EvalError> {
    if let Some(place) = &index.known {
        return Ok(Spot::Key(Key::Known(place)));
    }
    let [map, key] = &index.operands;
    let place = match locate(map, recorder)? {
        // Without the map the key makes no difference, so it is not looked at.
        Place::Absent(name) => return Ok(Spot::NoMap(name)),
        place @ (Place::Attribute(_) | Place::Made(_)) => place,
    };
    let key = match when_absent {
        WhenAbsent::Fail => evaluate(key, recorder)?,
        WhenAbsent::Skip => match find(key, recorder)? {
            Some(key) => key,
            None => return Ok(Spot::NoKey),
        },
    };
    match place {
        Place::Absent(name) => Ok(Spot::NoMap(name)),
        Place::Attribute(name) => {
            let target = Target::Key(name.clone(), key.shared_text()?);
            Ok(Spot::Key(Key::Computed(target, name)))
        }
        Place::Made(map) => match map.as_ref() {
            ValueRef::StringMap(map) => Ok(match map.get(key.text()?) {
                Some(value) => Spot::Made(Operand::Made(value.into())),
                None => Spot::NoKey,
            }),
            value => Err(EvalError::wrong_kind(ValueType::StringMap, value)),
        },
    }
}

fn attribute_entry<'e, 'r: 'e>(
    key: &Key<'e>,
    recorder: &mut Recorder<'r>,
) -> Result<Entry<'e, Operand<'e>>, EvalError> {
    match key.value(recorder) {
        OutcomeRef::NoMap => Ok(Entry::NoMap(key.map())),
        OutcomeRef::Absent => Ok(Entry::NoKey),
        OutcomeRef::Value(value) => Ok(Entry::Found(Operand::Looked(value))),
        OutcomeRef::WrongKind | OutcomeRef::Yes | OutcomeRef::No => {
            Err(EvalError::NotAMap(key.map().clone()))
        }
    }
}

/// The answer of a comparison for the value of a node; `None` where absence is not an error and the node is absent.
///
/// The one place that decides how comparisons are observed: they are handed down to where the value comes from,
/// and what comes from the request is tested there and not looked at.
fn ask<'e, 'r: 'e>(
    comparison: &Comparison,
    node: &'e Node,
    when_absent: WhenAbsent,
    recorder: &mut Recorder<'r>,
) -> Result<Option<bool>, EvalError> {
    // What policies mostly consist of: a place that is known, and a test of it that has an answer.
    let tested = node.place().and_then(Prepared::test).map(|question| recorder.ask(question));
    if let Some(answer) = tested.and_then(|outcome| comparison.answer_of(outcome)) {
        return Ok(Some(answer));
    }
    match node {
        Node::Attribute(place, value_type, _) => {
            match (ask_attribute(comparison, place, *value_type, tested, recorder)?, when_absent) {
                (None, WhenAbsent::Fail) => Err(EvalError::LookupFailed(place.target().attribute().clone())),
                (answer, _) => Ok(answer),
            }
        }
        Node::Index(index, _) => {
            match (ask_entry(comparison, index, when_absent, tested, recorder)?, when_absent) {
                (Entry::Found(answer), _) => Ok(Some(answer)),
                (Entry::NoKey | Entry::NoMap(_), WhenAbsent::Skip) => Ok(None),
                (Entry::NoKey, WhenAbsent::Fail) => comparison.answer(ValueRef::String("")).map(Some),
                (Entry::NoMap(name), WhenAbsent::Fail) => Err(EvalError::LookupFailed(name.clone())),
            }
        }
        Node::Or(operands) => {
            let [first, second] = operands.as_ref();
            match ask(comparison, first, WhenAbsent::Skip, recorder)? {
                Some(answer) => Ok(Some(answer)),
                None => ask(comparison, second, when_absent, recorder),
            }
        }
        Node::Conditional(operands) => {
            ask(comparison, branch(operands, recorder)?, WhenAbsent::Fail, recorder)
        }
        Node::Constant(_)
        | Node::Fail(_)
        | Node::All(_)
        | Node::Any(_)
        | Node::Compare(_, _, _)
        | Node::Add(_)
        | Node::Convert(_, _)
        | Node::Test(_, _)
        | Node::Ask(_, _) => comparison.answer(evaluate(node, recorder)?.as_ref()).map(Some),
    }
}

/// The answer for an attribute that was tested, if it could be, and the test had none.
fn ask_attribute(
    comparison: &Comparison,
    place: &Prepared,
    value_type: ValueType,
    tested: Option<OutcomeRef<'_>>,
    recorder: &mut Recorder<'_>,
) -> Result<Option<bool>, EvalError> {
    if let Some(OutcomeRef::Absent | OutcomeRef::NoMap) = tested {
        return Ok(None);
    }
    // A value of the wrong kind is quoted by the error, so it counts itself.
    let value = attribute(place, value_type, recorder)?;
    value.map(|value| comparison.answer(value.as_ref())).transpose()
}

/// The answer for an entry of a map. It was tested if its key is known and it could be, and the test had none.
fn ask_entry<'e, 'r: 'e>(
    comparison: &Comparison,
    index: &'e Index,
    when_absent: WhenAbsent,
    tested: Option<OutcomeRef<'_>>,
    recorder: &mut Recorder<'r>,
) -> Result<Entry<'e, bool>, EvalError> {
    let key = match spot(index, when_absent, recorder)? {
        Spot::NoMap(name) => return Ok(Entry::NoMap(name)),
        Spot::NoKey => return Ok(Entry::NoKey),
        Spot::Made(value) => return comparison.answer(value.as_ref()).map(Entry::Found),
        Spot::Key(key) => key,
    };
    let tested = match &key {
        Key::Known(_) => tested,
        Key::Computed(target, _) => comparison.test(target).map(|test| recorder.perform(target, test)),
    };
    if let Some(answer) = tested.and_then(|outcome| comparison.answer_of(outcome)) {
        return Ok(Entry::Found(answer));
    }
    match tested {
        Some(OutcomeRef::Absent) => Ok(Entry::NoKey),
        Some(OutcomeRef::NoMap) => Ok(Entry::NoMap(key.map())),
        Some(OutcomeRef::Yes | OutcomeRef::No | OutcomeRef::WrongKind | OutcomeRef::Value(_)) | None => {
            match attribute_entry(&key, recorder)? {
                Entry::NoMap(name) => Ok(Entry::NoMap(name)),
                Entry::NoKey => Ok(Entry::NoKey),
                Entry::Found(value) => comparison.answer(value.as_ref()).map(Entry::Found),
            }
        }
    }
}

/// Finds the map that a node stands for, without looking into it.
fn locate<'e, 'r: 'e>(node: &'e Node, recorder: &mut Recorder<'r>) -> Result<Place<'e>, EvalError> {
    match node {
        Node::Attribute(map, _, _) => Ok(match recorder.perform(map.target(), &Test::Present) {
            OutcomeRef::Yes => Place::Attribute(map.target().attribute()),
            OutcomeRef::No
            | OutcomeRef::Absent
            | OutcomeRef::NoMap
            | OutcomeRef::WrongKind
            | OutcomeRef::Value(_) => Place::Absent(map.target().attribute()),
        }),
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
        | Node::Index(_, _)
        | Node::All(_)
        | Node::Any(_)
        | Node::Compare(_, _, _)
        | Node::Add(_)
        | Node::Convert(_, _)
        | Node::Test(_, _)
        | Node::Ask(_, _) => evaluate(node, recorder).map(Place::Made),
    }
}

/// The branch of a conditional that counts.
fn branch<'e>(operands: &'e [Node; 3], recorder: &mut Recorder<'_>) -> Result<&'e Node, EvalError> {
    let [condition, yes, no] = operands;
    Ok(if truth(condition, recorder)? { yes } else { no })
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
        (_, other) => return Err(EvalError::wrong_kind(ValueType::String, other)),
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
