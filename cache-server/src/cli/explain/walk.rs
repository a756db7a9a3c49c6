//! The way that a resolution took, in words: made by listening to the very resolution that plans are made by.

use std::fmt;

use attributes::{AttributeSource as _, Bag, MapEntry, Name, Value};
use checkcache::Target;
use expr::{EvalError, Program};
use policy::Walk;
use serde::Serialize;

use crate::text;

/// Where rules were looked for, and which of them apply.
#[derive(Debug, Default, Serialize)]
pub(super) struct Way {
    /// What the identity attribute says; `None` if it was not looked at, as no subject but `global` has rules.
    identity: Option<String>,
    /// The subjects that were looked up, in order.
    pub(super) subjects: Vec<Lookup>,
    /// The rules and aspects with selectors, in order.
    pub(super) selectors: Vec<Considered>,
}

/// A subject that was looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Lookup {
    subject: String,
    /// The file whose rules are in force for it.
    file: Option<String>,
}

/// A selector that was evaluated.
#[derive(Debug, Serialize)]
pub(super) struct Considered {
    location: String,
    selector: String,
    /// `None` if it could not be evaluated.
    selected: Option<bool>,
    error: Option<String>,
    /// What it reads, and the values that it found.
    operands: Vec<String>,
}

/// Follows a resolution for a request.
pub(super) struct Follower<'b> {
    bag: &'b Bag,
    derived: &'b Bag,
    way: Way,
}

impl<'b> Follower<'b> {
    pub(super) fn new(bag: &'b Bag, derived: &'b Bag) -> Self {
        Self { bag, derived, way: Way::default() }
    }

    pub(super) fn into_way(self) -> Way {
        self.way
    }

    /// What a request has at a place.
    fn operand(&self, target: &Target) -> String {
        let name = target.attribute().as_str();
        let bag = if self.derived.value(name).is_some() { self.derived } else { self.bag };
        let found = match target {
            Target::Attribute(_) => bag.value(name).cloned(),
            Target::Key(_, key) => match bag.entry(name, key) {
                MapEntry::Found(value) => Some(Value::from(value)),
                MapEntry::NoMap | MapEntry::NotAMap | MapEntry::NoKey => None,
            },
        };
        match found {
            Some(Value::String(text)) => format!("{target} is {:?}", text::quoted(&text)),
            Some(value) => format!("{target} is {}", text::quoted(&value.to_string())),
            None => format!("{target} is absent"),
        }
    }
}

impl<'s> Walk<'s> for Follower<'_> {
    fn identity(&mut self, attribute: &'s Name, value: Option<&str>, is_in_domain: bool) {
        self.way.identity = Some(match value {
            None => format!("{attribute} is absent, so the global rules alone count"),
            Some(value) if is_in_domain => format!("{attribute} is {value:?}"),
            Some(value) => {
                format!("{attribute} is {value:?}, outside of the domain, so the global rules alone count")
            }
        });
    }

    fn subject(&mut self, subject: &str, block: Option<&'s str>) {
        let file = block
            .and_then(|place| place.split_once('/'))
            .map(|(scope, subject)| format!("scopes/{scope}/subjects/{subject}/rules.yml"));
        self.way.subjects.push(Lookup { subject: subject.to_owned(), file });
    }

    fn considered(
        &mut self,
        location: &'s str,
        selector: Option<&'s Program>,
        outcome: Result<bool, &EvalError>,
    ) {
        let Some(selector) = selector else { return };
        let operands = selector.reads().iter().map(|target| self.operand(target)).collect();
        self.way.selectors.push(Considered {
            location: location.to_owned(),
            selector: selector.text().to_owned(),
            selected: outcome.ok(),
            error: outcome.err().map(|error| text::chain(error)),
            operands,
        });
    }
}

// === impl Way ===

impl Way {
    /// Takes up what another phase found: a subject may have rules for one and none for the other.
    pub(super) fn join(&mut self, other: Self) {
        self.identity = self.identity.take().or(other.identity);
        for lookup in other.subjects {
            match self.subjects.iter_mut().find(|known| known.subject == lookup.subject) {
                Some(known) => known.file = known.file.take().or(lookup.file),
                // Before `global`, which is looked up last.
                None => self.subjects.insert(self.subjects.len().saturating_sub(1), lookup),
            }
        }
        let is_new = |considered: &Considered| {
            self.selectors.iter().all(|known| known.location != considered.location)
        };
        let new: Vec<_> = other.selectors.into_iter().filter(is_new).collect();
        self.selectors.extend(new);
    }

    /// The lines about where rules were looked for.
    pub(super) fn lookups(&self) -> Vec<String> {
        self.identity.iter().cloned().chain(self.subjects.iter().map(ToString::to_string)).collect()
    }
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}: {file}", self.subject),
            None => write!(f, "{}: no rules", self.subject),
        }
    }
}

impl fmt::Display for Considered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { location, selector, selected, error, operands } = self;
        let outcome = match selected {
            Some(true) => "applies",
            Some(false) => "does not apply",
            None => "cannot be evaluated",
        };
        write!(f, "{location} {outcome}\n      {}", selector.trim())?;
        if let Some(error) = error {
            write!(f, "\n      {error}")?;
        }
        operands.iter().try_for_each(|operand| write!(f, "\n      {operand}"))
    }
}
