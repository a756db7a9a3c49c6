//! The tree that a program is: what is evaluated.
//!
//! Made by `compile` alone, so the types of operands fit. What they evaluate to is checked all the same, since an
//! attribute is only as typed as who sent it.

use std::collections::HashSet;

use attributes::{Name, Value, ValueType};
use checkcache::Target;
use regex::Regex;

use crate::EvalError;

/// A part of a program.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// A value that is known already.
    Constant(Value),
    /// An error that is known already.
    Fail(EvalError),
    /// An attribute that the manifest gives a type.
    Attribute(Name, ValueType),
    /// The entry of a map: the map, the key.
    Index(Box<[Node; 2]>),
    /// The first of two that is there.
    Or(Box<[Node; 2]>),
    /// Whether all hold.
    All(Vec<Node>),
    /// Whether one holds.
    Any(Vec<Node>),
    /// A comparison of two values of a type.
    Compare(Relation, ValueType, Box<[Node; 2]>),
    /// A sum, or one text after the other.
    Add(Box<[Node; 2]>),
    /// The second or the third, as the first says.
    Conditional(Box<[Node; 3]>),
    /// What is made of a text.
    Convert(Conversion, Box<Node>),
    /// A test of the first text with the second.
    Test(TextTest, Box<[Node; 2]>),
    /// A test of a text with a regular expression that is known already.
    Matches(Regex, Box<Node>),
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
            Self::Constant(_) | Self::Fail(_) | Self::Attribute(_, _) => &[],
            Self::All(operands) | Self::Any(operands) => operands,
            Self::Index(operands)
            | Self::Or(operands)
            | Self::Add(operands)
            | Self::Compare(_, _, operands)
            | Self::Test(_, operands) => operands.as_slice(),
            Self::Conditional(operands) => operands.as_slice(),
            Self::Convert(_, operand) | Self::Matches(_, operand) => std::slice::from_ref(operand),
        }
    }

    /// Whether the node may be absent, which `|` asks of its first operand. All others have a value or an error.
    pub(crate) fn may_be_absent(&self) -> bool {
        match self {
            Self::Attribute(_, _) | Self::Index(_) => true,
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
            | Self::Matches(_, _) => false,
        }
    }

    /// Everything that an evaluation may look at, without repetition.
    pub(crate) fn reads(&self) -> Vec<Target> {
        let mut reads = Reads::default();
        reads.node(self);
        reads.targets
    }
}

#[derive(Default)]
struct Reads {
    targets: Vec<Target>,
    seen: HashSet<Target>,
}

impl Reads {
    fn add(&mut self, target: Target) {
        if self.seen.insert(target.clone()) {
            self.targets.push(target);
        }
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Attribute(name, _) => self.add(Target::Attribute(name.clone())),
            Node::Index(operands) => {
                let [map, key] = operands.as_ref();
                self.map(map, key);
                self.node(key);
            }
            _ => node.operands().iter().for_each(|operand| self.node(operand)),
        }
    }

    /// A map of which only the entry of one key is asked for.
    fn map(&mut self, map: &Node, key: &Node) {
        match (map, key) {
            (Node::Attribute(name, _), Node::Constant(Value::String(key))) => {
                self.add(Target::Key(name.clone(), key.clone()));
            }
            (Node::Or(maps), _) => maps.iter().for_each(|map| self.map(map, key)),
            (Node::Conditional(operands), _) => {
                let [condition, yes, no] = operands.as_ref();
                self.node(condition);
                self.map(yes, key);
                self.map(no, key);
            }
            _ => self.node(map),
        }
    }
}
