//! Questions: what is asked of a request, one test on one target.

use std::fmt;

use attributes::{AttributeSource, MapEntry, Name, Value, ValueRef, Word};

use crate::{Matcher, OutcomeRef};

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// An attribute, whole.
    Attribute(Name),
    /// One key of a string-map attribute.
    Key(Name, Word),
}

/// What is asked of it. Tests with a constant have an outcome only for values of the constant's kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Test {
    /// The value itself.
    Value,
    /// Whether there is one.
    Present,
    /// Whether the value equals a constant, kind and all.
    Equals(Value),
    /// Whether the text starts with a constant.
    Prefix(Word),
    /// Whether the text ends with a constant.
    Suffix(Word),
    /// Whether a regular expression is found in the text.
    Matches(Matcher),
    /// Whether the value comes before a constant.
    Less(Value),
    /// Whether the value comes before a constant or is equal to it.
    LessOrEqual(Value),
    /// Whether the value comes after a constant.
    Greater(Value),
    /// Whether the value comes after a constant or is equal to it.
    GreaterOrEqual(Value),
}

/// One test on one target.
///
/// Those of a policy are made once and shared by all who ask them: by the traces of the requests that were asked, and by
/// the nodes of the cache.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// What is looked at.
    pub target: Target,
    /// What is asked of it.
    pub test: Test,
}

// === impl Target ===

impl Target {
    /// The attribute that is looked at, whole or by key.
    pub fn attribute(&self) -> &Name {
        match self {
            Self::Attribute(name) | Self::Key(name, _) => name,
        }
    }

    /// The key that is looked at, if it is one.
    pub fn key(&self) -> Option<&Word> {
        match self {
            Self::Attribute(_) => None,
            Self::Key(_, key) => Some(key),
        }
    }

    pub(crate) fn weight(&self) -> usize {
        self.attribute().as_str().len() + self.key().map_or(0, |key| key.len())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(name) => name.fmt(f),
            Self::Key(name, key) => write!(f, "{name}[{key:?}]"),
        }
    }
}

// === impl Test ===

impl Test {
    /// Performs the test. Recording and looking up both go through here, so they cannot come to differ.
    pub fn perform<'a>(
        &self,
        target: &Target,
        source: &'a (impl AttributeSource + ?Sized),
    ) -> OutcomeRef<'a> {
        match target {
            Target::Attribute(name) => match source.get(name.as_str()) {
                None => self.absent(OutcomeRef::Absent),
                Some(ValueRef::String(text)) => self.on_text(text),
                Some(value) => self.on_other(value),
            },
            Target::Key(name, key) => match source.entry(name.as_str(), key) {
                MapEntry::NoMap => self.absent(OutcomeRef::NoMap),
                MapEntry::NoKey => self.absent(OutcomeRef::Absent),
                MapEntry::NotAMap => OutcomeRef::WrongKind,
                MapEntry::Found(text) => self.on_text(text),
            },
        }
    }

    /// `present` has two outcomes only; to all other tests it matters what is absent.
    fn absent<'a>(&self, how: OutcomeRef<'a>) -> OutcomeRef<'a> {
        match self {
            Self::Present => OutcomeRef::No,
            Self::Value
            | Self::Equals(_)
            | Self::Prefix(_)
            | Self::Suffix(_)
            | Self::Matches(_)
            | Self::Less(_)
            | Self::LessOrEqual(_)
            | Self::Greater(_)
            | Self::GreaterOrEqual(_) => how,
        }
    }

    /// Most values are text. It comes as it is, not within a value, which would be copied from one place to the next.
    fn on_text<'a>(&self, text: &'a str) -> OutcomeRef<'a> {
        match self {
            Self::Value => OutcomeRef::Value(ValueRef::String(text)),
            Self::Present => OutcomeRef::Yes,
            Self::Equals(Value::String(constant)) => (**constant == *text).into(),
            Self::Equals(_) => OutcomeRef::WrongKind,
            Self::Prefix(constant) => text.starts_with(&**constant).into(),
            Self::Suffix(constant) => text.ends_with(&**constant).into(),
            // A text for which a test has no answer is, to that test, of the wrong kind.
            Self::Matches(matcher) => matcher.is_match(text).map_or(OutcomeRef::WrongKind, OutcomeRef::from),
            Self::Less(_) | Self::LessOrEqual(_) | Self::Greater(_) | Self::GreaterOrEqual(_) => {
                self.order(ValueRef::String(text))
            }
        }
    }

    /// What is no text.
    fn on_other<'a>(&self, value: ValueRef<'a>) -> OutcomeRef<'a> {
        match self {
            Self::Value => OutcomeRef::Value(value),
            Self::Present => OutcomeRef::Yes,
            Self::Equals(constant) => {
                constant.as_ref().same(value).map_or(OutcomeRef::WrongKind, OutcomeRef::from)
            }
            Self::Prefix(_) | Self::Suffix(_) | Self::Matches(_) => OutcomeRef::WrongKind,
            Self::Less(_) | Self::LessOrEqual(_) | Self::Greater(_) | Self::GreaterOrEqual(_) => {
                self.order(value)
            }
        }
    }

    fn order<'a>(&self, value: ValueRef<'_>) -> OutcomeRef<'a> {
        match self {
            Self::Less(constant) => order(value, constant, std::cmp::Ordering::is_lt),
            Self::LessOrEqual(constant) => order(value, constant, std::cmp::Ordering::is_le),
            Self::Greater(constant) => order(value, constant, std::cmp::Ordering::is_gt),
            Self::GreaterOrEqual(constant) => order(value, constant, std::cmp::Ordering::is_ge),
            Self::Value
            | Self::Present
            | Self::Equals(_)
            | Self::Prefix(_)
            | Self::Suffix(_)
            | Self::Matches(_) => OutcomeRef::WrongKind,
        }
    }

    /// The constant that the test compares with, of a regular expression its pattern.
    pub fn constant(&self) -> Option<Value> {
        match self {
            Self::Value | Self::Present => None,
            Self::Prefix(text) | Self::Suffix(text) => Some(Value::String(text.clone())),
            Self::Matches(matcher) => Some(matcher.pattern().into()),
            Self::Equals(constant)
            | Self::Less(constant)
            | Self::LessOrEqual(constant)
            | Self::Greater(constant)
            | Self::GreaterOrEqual(constant) => Some(constant.clone()),
        }
    }

    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Value | Self::Present => 0,
            Self::Prefix(text) | Self::Suffix(text) => text.len(),
            Self::Matches(matcher) => matcher.weight(),
            Self::Equals(constant)
            | Self::Less(constant)
            | Self::LessOrEqual(constant)
            | Self::Greater(constant)
            | Self::GreaterOrEqual(constant) => constant.weight(),
        }
    }
}

/// Numbers, text and times have an order; a number that is not one compares as false.
fn order<'a>(
    value: ValueRef<'_>,
    constant: &Value,
    test: impl Fn(std::cmp::Ordering) -> bool,
) -> OutcomeRef<'a> {
    match (value, constant) {
        (ValueRef::String(a), Value::String(b)) => test(a.cmp(b)).into(),
        (ValueRef::Int64(a), Value::Int64(b)) => test(a.cmp(b)).into(),
        (ValueRef::Double(a), Value::Double(b)) => a.partial_cmp(b).is_some_and(test).into(),
        (ValueRef::Timestamp(a), Value::Timestamp(b)) => test(a.cmp(b)).into(),
        (ValueRef::Duration(a), Value::Duration(b)) => test(a.cmp(b)).into(),
        _ => OutcomeRef::WrongKind,
    }
}

// === impl Question ===

impl Question {
    /// Asks a request.
    #[inline]
    pub fn ask<'a>(&self, source: &'a (impl AttributeSource + ?Sized)) -> OutcomeRef<'a> {
        self.test.perform(&self.target, source)
    }

    /// About how many bytes a question holds that has owners.
    pub(crate) fn weight(&self) -> usize {
        // Beside the question: two counts of its owners, its place in the table of questions.
        size_of::<Self>() + size_of::<[usize; 4]>() + self.target.weight() + self.test.weight()
    }
}
