//! The tree that a program is: what is evaluated.
//!
//! Made by `compile` alone, so the types of operands fit. What they evaluate to is checked all the same, since an
//! attribute is only as typed as who sent it.

mod looks;
mod prepared;

use std::ops::Range;

use attributes::{Value, ValueType};
use checkcache::Target;

use crate::EvalError;
use crate::comparison::Comparison;

pub(crate) use looks::{looks, reads, tune};
pub(crate) use prepared::Prepared;

/// A part of a program.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// A value that is known already.
    Constant(Value),
    /// An error that is known already.
    Fail(EvalError),
    /// An attribute that the manifest gives a type, and where it is written.
    Attribute(Prepared, ValueType, Range<usize>),
    /// The entry of a map, and where it is written.
    Index(Box<Index>, Range<usize>),
    /// The first of two that is there.
    Or(Box<[Node; 2]>),
    /// Whether all hold.
    All(Vec<Node>),
    /// Whether one holds.
    Any(Vec<Node>),
    /// A comparison of two values of a type, neither of them known.
    Compare(Relation, ValueType, Box<[Node; 2]>),
    /// A sum, or one text after the other.
    Add(Box<[Node; 2]>),
    /// The second or the third, as the first says.
    Conditional(Box<[Node; 3]>),
    /// What is made of a text.
    Convert(Conversion, Box<Node>),
    /// A test of the first text with the second.
    Test(TextTest, Box<[Node; 2]>),
    /// A comparison with something that is known already. See [`Node::ask`].
    Ask(Box<Comparison>, Box<Node>),
}

/// The entry of a map.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    /// The map, the key.
    pub(crate) operands: [Node; 2],
    /// The entry, where it is one of an attribute under a key that is known already.
    pub(crate) known: Option<Prepared>,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is made of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversion {
    Size,
    Lower,
    Ip,
    Timestamp,
    DnsName,
    Email,
    Uri,
}

/// How one text is tested with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextTest {
    /// The first starts with the second.
    StartsWith,
    /// The first ends with the second.
    EndsWith,
    /// The first is what the second says, which may begin or end with `*`.
    Wildcard,
    /// The first is a regular expression that is found in the second.
    Matches,
}

impl Node {
    /// The operands, in the order in which they are evaluated.
    pub(crate) fn operands(&self) -> &[Node] {
        match self {
            Self::Constant(_) | Self::Fail(_) | Self::Attribute(_, _, _) => &[],
            Self::All(operands) | Self::Any(operands) => operands,
            Self::Index(index, _) => &index.operands,
            Self::Or(operands)
            | Self::Add(operands)
            | Self::Compare(_, _, operands)
            | Self::Test(_, operands) => operands.as_slice(),
            Self::Conditional(operands) => operands.as_slice(),
            Self::Convert(_, operand) | Self::Ask(_, operand) => std::slice::from_ref(operand),
        }
    }

    /// Whether the node may be absent, which `|` asks of its first operand. All others have a value or an error.
    pub(crate) fn may_be_absent(&self) -> bool {
        match self {
            Self::Attribute(_, _, _) | Self::Index(_, _) => true,
            Self::Or(operands) => operands.iter().all(Self::may_be_absent),
            Self::Constant(_)
            | Self::Fail(_)
            | Self::All(_)
            | Self::Any(_)
            | Self::Compare(_, _, _)
            | Self::Add(_)
            | Self::Conditional(_)
            | Self::Convert(_, _)
            | Self::Test(_, _)
            | Self::Ask(_, _) => false,
        }
    }

    /// The place in the request that the node stands for, if it is known beforehand.
    pub(crate) fn place(&self) -> Option<&Prepared> {
        match self {
            Self::Attribute(place, _, _) => Some(place),
            Self::Index(index, _) => index.known.as_ref(),
            Self::Constant(_)
            | Self::Fail(_)
            | Self::Or(_)
            | Self::All(_)
            | Self::Any(_)
            | Self::Compare(_, _, _)
            | Self::Add(_)
            | Self::Conditional(_)
            | Self::Convert(_, _)
            | Self::Test(_, _)
            | Self::Ask(_, _) => None,
        }
    }

    /// A comparison of a node.
    pub(crate) fn ask(comparison: Comparison, mut subject: Self) -> Self {
        subject.compare(&comparison);
        Self::Ask(Box::new(comparison), Box::new(subject))
    }

    /// Prepares the places to which an evaluation hands a comparison down.
    fn compare(&mut self, comparison: &Comparison) {
        match self {
            Self::Attribute(place, _, _) => place.compare(comparison),
            Self::Index(index, _) => {
                if let Some(place) = &mut index.known {
                    place.compare(comparison);
                }
            }
            Self::Or(operands) => operands.iter_mut().for_each(|operand| operand.compare(comparison)),
            Self::Conditional(operands) => {
                let [_, yes, no] = operands.as_mut();
                yes.compare(comparison);
                no.compare(comparison);
            }
            Self::Constant(_)
            | Self::Fail(_)
            | Self::All(_)
            | Self::Any(_)
            | Self::Compare(_, _, _)
            | Self::Add(_)
            | Self::Convert(_, _)
            | Self::Test(_, _)
            | Self::Ask(_, _) => {}
        }
    }

    /// The operands, to be changed.
    pub(crate) fn operands_mut(&mut self) -> &mut [Node] {
        match self {
            Self::Constant(_) | Self::Fail(_) | Self::Attribute(_, _, _) => &mut [],
            Self::All(operands) | Self::Any(operands) => operands,
            Self::Index(index, _) => &mut index.operands,
            Self::Or(operands)
            | Self::Add(operands)
            | Self::Compare(_, _, operands)
            | Self::Test(_, operands) => operands.as_mut_slice(),
            Self::Conditional(operands) => operands.as_mut_slice(),
            Self::Convert(_, operand) | Self::Ask(_, operand) => std::slice::from_mut(operand),
        }
    }
}

impl Index {
    /// The entry of a map under a key.
    pub(crate) fn new(operands: [Node; 2]) -> Self {
        let known = match &operands {
            [Node::Attribute(map, _, _), Node::Constant(Value::String(key))] => {
                Some(Prepared::new(Target::Key(map.target().attribute().clone(), key.clone())))
            }
            _ => None,
        };
        Self { operands, known }
    }
}

impl Relation {
    /// The relation with its sides exchanged.
    pub(crate) fn flipped(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}
