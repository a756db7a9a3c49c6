//! Observations: one test on one attribute with its outcome.

use std::fmt;
use std::sync::Arc;

use attributes::{AttributeSource, MapEntry, Name, Value, ValueRef};

use crate::Matcher;

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// An attribute, whole.
    Attribute(Name),
    /// One key of a string-map attribute.
    Key(Name, Arc<str>),
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
    Prefix(Arc<str>),
    /// Whether the text ends with a constant.
    Suffix(Arc<str>),
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

/// How a test came out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The attribute, or the key of a map that is there, is absent.
    Absent,
    /// A key was looked at, and the whole map is absent.
    NoMap,
    /// The value is not of the kind that was asked for: a key of no map, a comparison of unlike kinds.
    WrongKind,
    /// The test holds.
    Yes,
    /// The test does not hold.
    No,
    /// The value.
    Value(Value),
}

/// A borrowed [`Outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutcomeRef<'a> {
    /// See [`Outcome::Absent`].
    Absent,
    /// See [`Outcome::NoMap`].
    NoMap,
    /// See [`Outcome::WrongKind`].
    WrongKind,
    /// See [`Outcome::Yes`].
    Yes,
    /// See [`Outcome::No`].
    No,
    /// See [`Outcome::Value`].
    Value(ValueRef<'a>),
}

/// One test on one target with its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Observation {
    /// What was looked at.
    pub target: Target,
    /// What was asked.
    pub test: Test,
    /// What came out.
    pub outcome: Outcome,
}

/// The ordered observations that led to a verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Trace(Vec<Observation>);

// === impl Target ===

impl Target {
    /// The attribute that is looked at, whole or by key.
    pub fn attribute(&self) -> &Name {
        match self {
            Self::Attribute(name) | Self::Key(name, _) => name,
        }
    }

    /// The key that is looked at, if it is one.
    pub fn key(&self) -> Option<&Arc<str>> {
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
        let found = match target {
            Target::Attribute(name) => match source.get(name.as_str()) {
                None => return self.absent(OutcomeRef::Absent),
                Some(value) => value,
            },
            Target::Key(name, key) => match source.entry(name.as_str(), key) {
                MapEntry::NoMap => return self.absent(OutcomeRef::NoMap),
                MapEntry::NoKey => return self.absent(OutcomeRef::Absent),
                MapEntry::NotAMap => return OutcomeRef::WrongKind,
                MapEntry::Found(value) => ValueRef::String(value),
            },
        };
        self.on(found)
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

    #[inline]
    fn on<'a>(&self, value: ValueRef<'a>) -> OutcomeRef<'a> {
        match self {
            Self::Value => OutcomeRef::Value(value),
            Self::Present => OutcomeRef::Yes,
            Self::Equals(constant) if constant.kind() == value.kind() => (constant.as_ref() == value).into(),
            Self::Equals(_) => OutcomeRef::WrongKind,
            Self::Prefix(constant) => text(value, |text| Some(text.starts_with(&**constant))),
            Self::Suffix(constant) => text(value, |text| Some(text.ends_with(&**constant))),
            Self::Matches(matcher) => text(value, |text| matcher.is_match(text)),
            Self::Less(constant) => order(value, constant, std::cmp::Ordering::is_lt),
            Self::LessOrEqual(constant) => order(value, constant, std::cmp::Ordering::is_le),
            Self::Greater(constant) => order(value, constant, std::cmp::Ordering::is_gt),
            Self::GreaterOrEqual(constant) => order(value, constant, std::cmp::Ordering::is_ge),
        }
    }

    /// The constant that the test compares with, of a regular expression its pattern.
    pub fn constant(&self) -> Option<Value> {
        match self {
            Self::Value | Self::Present => None,
            Self::Prefix(text) | Self::Suffix(text) => Some(Value::String(Arc::clone(text))),
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

impl From<bool> for OutcomeRef<'_> {
    fn from(truth: bool) -> Self {
        if truth { Self::Yes } else { Self::No }
    }
}

/// A text for which a test has no answer is, to that test, of the wrong kind.
fn text<'a>(value: ValueRef<'_>, test: impl Fn(&str) -> Option<bool>) -> OutcomeRef<'a> {
    match value {
        ValueRef::String(text) => test(text).map_or(OutcomeRef::WrongKind, OutcomeRef::from),
        _ => OutcomeRef::WrongKind,
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

// === impl Outcome ===

impl Outcome {
    /// The outcome, borrowed.
    pub fn as_ref(&self) -> OutcomeRef<'_> {
        match self {
            Self::Absent => OutcomeRef::Absent,
            Self::NoMap => OutcomeRef::NoMap,
            Self::WrongKind => OutcomeRef::WrongKind,
            Self::Yes => OutcomeRef::Yes,
            Self::No => OutcomeRef::No,
            Self::Value(value) => OutcomeRef::Value(value.as_ref()),
        }
    }

    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Value(value) => value.weight(),
            Self::Absent | Self::NoMap | Self::WrongKind | Self::Yes | Self::No => 0,
        }
    }
}

impl OutcomeRef<'_> {
    /// An owned copy.
    pub fn to_outcome(self) -> Outcome {
        match self {
            Self::Absent => Outcome::Absent,
            Self::NoMap => Outcome::NoMap,
            Self::WrongKind => Outcome::WrongKind,
            Self::Yes => Outcome::Yes,
            Self::No => Outcome::No,
            Self::Value(value) => Outcome::Value(value.to_value()),
        }
    }
}

// === impl Trace ===

impl Trace {
    /// The observations, in order.
    pub fn observations(&self) -> &[Observation] {
        &self.0
    }

    /// Leaves out what was looked at after the first `looks` observations, if the verdict was certain by then.
    pub fn truncate(&mut self, looks: usize) {
        self.0.truncate(looks);
    }

    /// Whether nothing was looked at: the verdict holds for every request.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every observation comes out the same for another request.
    pub fn holds_for(&self, source: &(impl AttributeSource + ?Sized)) -> bool {
        self.0.iter().all(|seen| seen.test.perform(&seen.target, source) == seen.outcome.as_ref())
    }

    pub(crate) fn push(&mut self, observation: Observation) {
        self.0.push(observation);
    }
}

impl IntoIterator for Trace {
    type Item = Observation;
    type IntoIter = std::vec::IntoIter<Observation>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<Observation> for Trace {
    fn from_iter<I: IntoIterator<Item = Observation>>(observations: I) -> Self {
        Self(observations.into_iter().collect())
    }
}

/// One observation a line, as `target test outcome`.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|seen| writeln!(f, "{seen}"))
    }
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let test = match &self.test {
            Test::Value => "is",
            Test::Present => "present?",
            Test::Equals(_) => "==",
            Test::Prefix(_) => "starts with",
            Test::Suffix(_) => "ends with",
            Test::Matches(_) => "matches",
            Test::Less(_) => "<",
            Test::LessOrEqual(_) => "<=",
            Test::Greater(_) => ">",
            Test::GreaterOrEqual(_) => ">=",
        };
        write!(f, "{} {test} ", self.target)?;
        if let Some(constant) = self.test.constant() {
            write_value(f, &constant)?;
            f.write_str("? ")?;
        }
        match &self.outcome {
            Outcome::Absent => f.write_str("absent"),
            Outcome::NoMap => f.write_str("absent, as its whole map is"),
            Outcome::WrongKind => f.write_str("of another kind"),
            Outcome::Yes => f.write_str("yes"),
            Outcome::No => f.write_str("no"),
            Outcome::Value(value) => write_value(f, value),
        }
    }
}

/// Text in quotes, since there could be anything in it; everything else as it is.
fn write_value(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::String(text) => write!(f, "{text:?}"),
        Value::Int64(_)
        | Value::Double(_)
        | Value::Bool(_)
        | Value::Timestamp(_)
        | Value::Duration(_)
        | Value::Bytes(_)
        | Value::StringMap(_) => write!(f, "{value}"),
    }
}
