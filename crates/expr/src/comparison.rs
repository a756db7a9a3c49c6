//! Comparisons of a value with something that is known beforehand.
//!
//! They are what policies mostly consist of, and the reason why a cached verdict can hold for more requests than the
//! one that it was made for: of an attribute that is compared with a constant only the outcome counts. So a comparison
//! has, beside its answer for a value, the test that has the same answer and does not look at the value.
//!
//! Invariant: where a value is of the type that the comparison is about, the answer and the outcome of the test agree.

use attributes::{Value, ValueRef, ValueType, Word};
use checkcache::{Matcher, OutcomeRef, Target, Test};
use regex::Regex;

use crate::node::{Relation, TextTest};
use crate::{EvalError, Tuning, compare, pattern};

/// A comparison with a constant.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    against: Against,
    /// The test with the same answer; `None` where no test has it.
    test: Option<Test>,
    /// Whether the test's "no" is the answer "yes".
    is_negated: bool,
    tuning: Tuning,
}

/// What a value is compared with, and how.
#[derive(Debug, Clone)]
pub(crate) enum Against {
    Value(Relation, ValueType, Value),
    Text(TextTest, Word),
    Pattern(Regex),
}

impl Comparison {
    /// Whether a value of a type is in a relation to a constant.
    pub(crate) fn relation(relation: Relation, value_type: ValueType, constant: Value) -> Self {
        let c = constant.clone();
        let test = match relation {
            // Of these, values are equal if they are the same.
            Relation::Equal | Relation::NotEqual => match value_type {
                ValueType::String | ValueType::Int64 | ValueType::Bool | ValueType::Timestamp => {
                    Some(Test::Equals(c))
                }
                // Addresses and names have several notations, numbers may be none, and maps and spans have no equality.
                ValueType::Double
                | ValueType::IpAddress
                | ValueType::EmailAddress
                | ValueType::Uri
                | ValueType::DnsName
                | ValueType::Duration
                | ValueType::StringMap => None,
            },
            Relation::Less => is_ordered(value_type).then_some(Test::Less(c)),
            Relation::LessOrEqual => is_ordered(value_type).then_some(Test::LessOrEqual(c)),
            Relation::Greater => is_ordered(value_type).then_some(Test::Greater(c)),
            Relation::GreaterOrEqual => is_ordered(value_type).then_some(Test::GreaterOrEqual(c)),
        };
        let is_negated = relation == Relation::NotEqual;
        Self { is_negated, ..Self::new(Against::Value(relation, value_type, constant), test) }
    }

    /// Whether a text passes a test with a constant.
    pub(crate) fn text(how: TextTest, constant: Word) -> Self {
        let c = constant.clone();
        let test = match how {
            TextTest::StartsWith => Some(Test::Prefix(c)),
            TextTest::EndsWith => Some(Test::Suffix(c)),
            TextTest::Wildcard => Some(match pattern::Wildcard::of(&c) {
                pattern::Wildcard::Prefix(prefix) => Test::Prefix(prefix.into()),
                pattern::Wildcard::Suffix(suffix) => Test::Suffix(suffix.into()),
                pattern::Wildcard::Exact(_) => Test::Equals(Value::String(c)),
            }),
            // The constant is the text and the value would be the pattern.
            TextTest::Matches => None,
        };
        Self::new(Against::Text(how, constant), test)
    }

    /// Whether a regular expression is found in a text. Without a matcher, which a large one has not got, the text is
    /// looked at.
    pub(crate) fn pattern(regex: Regex, matcher: Option<Matcher>) -> Self {
        Self::new(Against::Pattern(regex), matcher.map(Test::Matches))
    }

    fn new(against: Against, test: Option<Test>) -> Self {
        Self { against, test, is_negated: false, tuning: Tuning::default() }
    }

    /// The answer for a value.
    pub(crate) fn answer(&self, value: ValueRef<'_>) -> Result<bool, EvalError> {
        self.against.answer(value)
    }

    /// What values are compared with.
    pub(crate) fn against(&self) -> &Against {
        &self.against
    }

    /// The test to perform on a target instead of looking at its value.
    pub(crate) fn test(&self, target: &Target) -> Option<&Test> {
        self.test.as_ref().filter(|_| !self.tuning.reads_value(target))
    }

    /// The answer that an outcome of the test stands for, if the value was there and of the kind that is compared.
    pub(crate) fn answer_of(&self, tested: OutcomeRef<'_>) -> Option<bool> {
        match tested {
            OutcomeRef::Yes => Some(!self.is_negated),
            OutcomeRef::No => Some(self.is_negated),
            OutcomeRef::Absent | OutcomeRef::NoMap | OutcomeRef::WrongKind | OutcomeRef::Value(_) => None,
        }
    }

    /// Sets which targets are read by value.
    pub(crate) fn tune(&mut self, tuning: Tuning) {
        self.tuning = tuning;
    }
}

impl Against {
    /// The answer for a value.
    pub(crate) fn answer(&self, value: ValueRef<'_>) -> Result<bool, EvalError> {
        match self {
            Self::Value(relation, value_type, constant) => {
                compare::holds(*relation, *value_type, value, constant.as_ref())
            }
            Self::Text(how, constant) => pattern::test(*how, text(value)?, constant),
            Self::Pattern(regex) => Ok(regex.is_match(text(value)?)),
        }
    }
}

/// Whether the values of a type have a total order in the language. Floating point numbers have not.
pub(crate) fn is_ordered(value_type: ValueType) -> bool {
    match value_type {
        ValueType::String | ValueType::Int64 | ValueType::Timestamp => true,
        ValueType::Double
        | ValueType::Bool
        | ValueType::IpAddress
        | ValueType::EmailAddress
        | ValueType::Uri
        | ValueType::DnsName
        | ValueType::Duration
        | ValueType::StringMap => false,
    }
}

fn text(value: ValueRef<'_>) -> Result<&str, EvalError> {
    match value {
        ValueRef::String(text) => Ok(text),
        value => Err(EvalError::wrong_kind(ValueType::String, value)),
    }
}
