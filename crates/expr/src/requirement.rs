//! Requirements: comparisons that have to come out in one way for a program to be true.
//!
//! They are what is left of a selector if everything but its comparisons with constants is forgotten, and enough to
//! say that two selectors cannot hold together. Nothing is concluded from a comparison that has no answer.

use std::fmt;
use std::ops::Range;

use attributes::{Value, ValueType};
use checkcache::Target;

use crate::comparison::{Against, Comparison, is_ordered};
use crate::node::{Node, Relation, TextTest};
use crate::pattern::Wildcard;

/// A comparison with a constant that has to come out in one way.
///
/// It is about what a place *reads as*: an absent entry of a map that is there reads as the empty text.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// The attribute, or the entry of a map.
    pub target: Target,
    /// Where in the program's text the attribute or the entry stands.
    pub span: Range<usize>,
    against: Against,
    /// How the comparison has to come out.
    expected: bool,
}

/// One end of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Start,
    Finish,
}

/// One end of a range.
struct Bound<'r> {
    is_lower: bool,
    /// Whether the value itself is outside of the range.
    is_strict: bool,
    value_type: ValueType,
    value: &'r Value,
}

impl Requirement {
    /// What a comparison asks of the request, if it is about one place in it.
    pub(crate) fn of(comparison: &Comparison, subject: &Node, expected: bool) -> Option<Self> {
        let (target, span) = place(comparison, subject, expected)?;
        let (against, expected) = match comparison.against() {
            Against::Value(Relation::NotEqual, value_type, constant) => {
                (Against::Value(Relation::Equal, *value_type, constant.clone()), !expected)
            }
            against @ (Against::Value(_, _, _) | Against::Text(_, _) | Against::Pattern(_)) => {
                (against.clone(), expected)
            }
        };
        Some(Self { target, span, against, expected })
    }

    /// Whether no request can meet both. Both have to be of programs that were compiled against the same manifest.
    pub fn contradicts(&self, other: &Self) -> bool {
        self.target == other.target
            && (self.refutes(other)
                || other.refutes(self)
                || self.is_opposite(other)
                || self.leaves_no_range(other)
                || self.leaves_no_text(other)
                || other.leaves_no_text(self))
    }

    /// The only value that meets it, up to the equality of its type.
    pub fn value(&self) -> Option<Value> {
        match (&self.against, self.expected) {
            (Against::Value(Relation::Equal, _, value), true) => Some(value.clone()),
            (Against::Value(Relation::Equal, _, Value::Bool(truth)), false) => Some(Value::Bool(!truth)),
            (Against::Text(TextTest::Wildcard, pattern), true) => match Wildcard::of(pattern) {
                Wildcard::Exact(text) => Some(text.into()),
                Wildcard::Prefix(_) | Wildcard::Suffix(_) => None,
            },
            _ => None,
        }
    }

    /// Whether the one value that meets this does not meet the other.
    fn refutes(&self, other: &Self) -> bool {
        self.value().is_some_and(|value| other.against.answer(value.as_ref()) == Ok(!other.expected))
    }

    fn is_opposite(&self, other: &Self) -> bool {
        let same = match (&self.against, &other.against) {
            (Against::Value(one, _, x), Against::Value(other, _, y)) => (one, x) == (other, y),
            (Against::Text(one, x), Against::Text(other, y)) => (one, x) == (other, y),
            (Against::Pattern(one), Against::Pattern(other)) => one.as_str() == other.as_str(),
            (Against::Value(_, _, _) | Against::Text(_, _) | Against::Pattern(_), _) => false,
        };
        same && self.expected != other.expected
    }

    fn bound(&self) -> Option<Bound<'_>> {
        let Against::Value(relation, value_type, value) = &self.against else { return None };
        // What is not before a number need not come after it: it may be no number.
        if !self.expected && !is_ordered(*value_type) {
            return None;
        }
        let (is_lower, is_strict) = match relation {
            Relation::Less => (false, true),
            Relation::LessOrEqual => (false, false),
            Relation::Greater => (true, true),
            Relation::GreaterOrEqual => (true, false),
            Relation::Equal | Relation::NotEqual => return None,
        };
        let bound = Bound { is_lower, is_strict, value_type: *value_type, value };
        Some(if self.expected {
            bound
        } else {
            Bound { is_lower: !is_lower, is_strict: !is_strict, ..bound }
        })
    }

    fn leaves_no_range(&self, other: &Self) -> bool {
        let (lower, upper) = match (self.bound(), other.bound()) {
            (Some(a), Some(b)) if a.is_lower && !b.is_lower => (a, b),
            (Some(a), Some(b)) if b.is_lower && !a.is_lower => (b, a),
            _ => return false,
        };
        let relation =
            if lower.is_strict || upper.is_strict { Relation::GreaterOrEqual } else { Relation::Greater };
        let (low, high) = (lower.value.as_ref(), upper.value.as_ref());
        crate::compare::holds(relation, lower.value_type, low, high) == Ok(true)
    }

    /// How texts begin or end that meet this.
    fn end(&self) -> Option<(End, &str)> {
        match &self.against {
            Against::Text(TextTest::StartsWith, text) => Some((End::Start, text)),
            Against::Text(TextTest::EndsWith, text) => Some((End::Finish, text)),
            Against::Text(TextTest::Wildcard, pattern) => match Wildcard::of(pattern) {
                Wildcard::Prefix(text) => Some((End::Start, text)),
                Wildcard::Suffix(text) => Some((End::Finish, text)),
                Wildcard::Exact(_) => None,
            },
            Against::Text(TextTest::Matches, _) | Against::Value(_, _, _) | Against::Pattern(_) => None,
        }
    }

    /// Whether a text that begins or ends as this says cannot do so as the other says.
    fn leaves_no_text(&self, other: &Self) -> bool {
        let (Some((end, text)), Some((other_end, other_text))) = (self.end(), other.end()) else {
            return false;
        };
        let has = |text: &str, part: &str| match end {
            End::Start => text.starts_with(part),
            End::Finish => text.ends_with(part),
        };
        end == other_end
            && self.expected
            && if other.expected {
                !has(text, other_text) && !has(other_text, text)
            } else {
                has(text, other_text)
            }
    }
}

/// The place that a comparison is about, if its outcome is that place's.
fn place(comparison: &Comparison, subject: &Node, expected: bool) -> Option<(Target, Range<usize>)> {
    match subject {
        Node::Attribute(place, _, span) => Some((place.target().clone(), span.clone())),
        Node::Index(index, span) => index.known.as_ref().map(|place| (place.target().clone(), span.clone())),
        Node::Or(operands) => match operands.as_ref() {
            // What stands in for an absent value does not do, so there is one.
            [first, Node::Constant(value)] if comparison.answer(value.as_ref()) == Ok(!expected) => {
                place(comparison, first, expected)
            }
            _ => None,
        },
        Node::Constant(_)
        | Node::Fail(_)
        | Node::All(_)
        | Node::Any(_)
        | Node::Compare(_, _, _)
        | Node::Add(_)
        | Node::Conditional(_)
        | Node::Convert(_, _)
        | Node::Test(_, _)
        | Node::Ask(_, _) => None,
    }
}

/// As an expression would have it.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = &self.target;
        match (&self.against, self.expected) {
            (Against::Value(Relation::Equal, value_type, value), false) => {
                return write!(f, "{target} != {}", Constant(*value_type, value));
            }
            (_, true) => {}
            (_, false) => f.write_str("(")?,
        }
        match &self.against {
            Against::Value(relation, value_type, value) => {
                let operator = match relation {
                    Relation::Equal => "==",
                    Relation::NotEqual => "!=",
                    Relation::Less => "<",
                    Relation::LessOrEqual => "<=",
                    Relation::Greater => ">",
                    Relation::GreaterOrEqual => ">=",
                };
                write!(f, "{target} {operator} {}", Constant(*value_type, value))?;
            }
            Against::Text(TextTest::StartsWith, text) => write!(f, "{target}.startsWith({text:?})")?,
            Against::Text(TextTest::EndsWith, text) => write!(f, "{target}.endsWith({text:?})")?,
            Against::Text(TextTest::Wildcard, text) => write!(f, "match({target}, {text:?})")?,
            Against::Text(TextTest::Matches, text) => write!(f, "{target}.matches({text:?})")?,
            Against::Pattern(regex) => write!(f, "{:?}.matches({target})", regex.as_str())?,
        }
        if self.expected { Ok(()) } else { f.write_str(") == false") }
    }
}

/// A constant as an expression writes it.
struct Constant<'v>(ValueType, &'v Value);

impl fmt::Display for Constant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value_type, value) = self;
        let text = value.to_string();
        match value_type {
            ValueType::String | ValueType::Duration => write!(f, "{text:?}"),
            ValueType::Timestamp => write!(f, "timestamp({text:?})"),
            ValueType::IpAddress => write!(f, "ip({text:?})"),
            ValueType::DnsName => write!(f, "dnsName({text:?})"),
            ValueType::EmailAddress => write!(f, "email({text:?})"),
            ValueType::Uri => write!(f, "uri({text:?})"),
            ValueType::Int64 | ValueType::Double | ValueType::Bool | ValueType::StringMap => {
                f.write_str(&text)
            }
        }
    }
}
