//! Observations: questions with what came out.

use std::fmt::{self, Display as _};
use std::sync::Arc;

use attributes::{AttributeSource, Value, ValueRef};

use crate::number::Exact;
use crate::{Question, Target, Test};

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

/// One question with its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Observation {
    /// What was asked of what.
    pub question: Arc<Question>,
    /// What came out.
    pub outcome: Outcome,
}

/// The ordered observations that led to a verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Trace(Vec<Observation>);

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

impl From<bool> for OutcomeRef<'_> {
    fn from(truth: bool) -> Self {
        if truth { Self::Yes } else { Self::No }
    }
}

// === impl Observation ===

impl Observation {
    /// A test on a target with its outcome.
    pub fn new(target: Target, test: Test, outcome: Outcome) -> Self {
        Self { question: Arc::new(Question { target, test }), outcome }
    }

    /// What was looked at.
    pub fn target(&self) -> &Target {
        &self.question.target
    }

    /// What was asked of it.
    pub fn test(&self) -> &Test {
        &self.question.test
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
        self.0.iter().all(|seen| seen.question.ask(source) == seen.outcome.as_ref())
    }
}

impl From<Vec<Observation>> for Trace {
    fn from(observations: Vec<Observation>) -> Self {
        Self(observations)
    }
}

impl From<Trace> for Vec<Observation> {
    fn from(trace: Trace) -> Self {
        trace.0
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
        let Question { target, test } = &*self.question;
        let how = match test {
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
        write!(f, "{target} {how} ")?;
        if let Some(constant) = test.constant() {
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

/// Text in quotes, since there could be anything in it; numbers so that they stand for the same number and no other (see
/// [`number`](crate::number)); everything else as it is.
fn write_value(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::String(text) => write!(f, "{text:?}"),
        Value::Int64(_)
        | Value::Double(_)
        | Value::Bool(_)
        | Value::Timestamp(_)
        | Value::Duration(_)
        | Value::Bytes(_)
        | Value::StringMap(_) => value.as_ref().write(f, |f, number| Exact(number).fmt(f)),
    }
}
