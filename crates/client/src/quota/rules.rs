//! Which requests are charged what.

use std::sync::Arc;

use attributes::{AttributeSource, MapEntry, Name, ValueRef};

/// Tokens of a quota that a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Charge {
    pub(crate) quota: Arc<str>,
    pub(crate) amount: u64,
}

/// What is charged to requests: every rule that applies adds its charges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rules(pub(crate) Vec<Rule>);

/// One of the matches must hold, if there are any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) any_of: Vec<Match>,
    pub(crate) charges: Vec<Charge>,
}

/// All clauses must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Match(pub(crate) Vec<Clause>);

/// What is asked of an attribute that is text, or of one key of a map; there being none fails the clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    pub(crate) attribute: Name,
    pub(crate) key: Option<Box<str>>,
    pub(crate) test: TextTest,
}

/// What is asked of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TextTest {
    Exact(String),
    Prefix(String),
    Suffix(String),
}

impl Rules {
    /// What a request is charged, each quota once.
    pub(crate) fn charges(&self, source: &impl AttributeSource) -> Vec<Charge> {
        let applying = self.0.iter().filter(|rule| rule.applies(source));
        sum(applying.flat_map(|rule| rule.charges.iter().cloned()))
    }
}

/// Charges of the same quota are one.
fn sum(charges: impl IntoIterator<Item = Charge>) -> Vec<Charge> {
    let mut sums: Vec<Charge> = Vec::new();
    for charge in charges {
        match sums.iter_mut().find(|other| other.quota == charge.quota) {
            Some(other) => other.amount = other.amount.saturating_add(charge.amount),
            None => sums.push(charge),
        }
    }
    sums
}

impl Rule {
    fn applies(&self, source: &impl AttributeSource) -> bool {
        self.any_of.is_empty()
            || self.any_of.iter().any(|Match(clauses)| clauses.iter().all(|clause| clause.holds(source)))
    }
}

impl Clause {
    fn holds(&self, source: &impl AttributeSource) -> bool {
        let text = match &self.key {
            None => match source.get(self.attribute.as_str()) {
                Some(ValueRef::String(text)) => text,
                Some(_) | None => return false,
            },
            Some(key) => match source.entry(self.attribute.as_str(), key) {
                MapEntry::Found(text) => text,
                MapEntry::NoMap | MapEntry::NoKey | MapEntry::NotAMap => return false,
            },
        };
        match &self.test {
            TextTest::Exact(exact) => text == exact,
            TextTest::Prefix(prefix) => text.starts_with(prefix),
            TextTest::Suffix(suffix) => text.ends_with(suffix),
        }
    }
}
