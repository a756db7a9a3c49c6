//! What one observation says about a test that was not made yet.
//!
//! A test whose outcome is settled is not written down: for every request that got so far along the trace it would come
//! out the same. Only single observations are drawn upon, never two together, so the rules stay few and each can be
//! tried against every small request there is.

use std::cmp::Ordering;

use attributes::Value;

use crate::{Observation, Outcome, Target, Test};

/// Whether an earlier observation leaves only one outcome to a test on a target.
#[inline]
pub(crate) fn implies(seen: &Observation, target: &Target, test: &Test) -> bool {
    // Mostly it is about something else.
    seen.target().attribute() == target.attribute() && implies_of_attribute(seen, target, test)
}

/// The same for a target of the attribute that was observed.
fn implies_of_attribute(seen: &Observation, target: &Target, test: &Test) -> bool {
    if seen.target() == target {
        return settles(seen, test);
    }
    match (seen.target(), target) {
        // A map that is known, or known to be absent, answers for its keys.
        (Target::Attribute(_), Target::Key(_, _)) => is_known(seen),
        // Without a map all keys are alike, and a key that was looked for tells whether there is a map.
        (Target::Key(_, _), Target::Key(_, _)) => is_without_map(seen),
        (Target::Key(_, _), Target::Attribute(_)) => {
            seen.outcome == Outcome::NoMap
                || (*test == Test::Present && (seen.test(), &seen.outcome) != (&Test::Present, &Outcome::No))
        }
        (Target::Attribute(_), Target::Attribute(_)) => false,
    }
}

/// The same for a test on the very target that was observed.
fn settles(seen: &Observation, test: &Test) -> bool {
    if seen.test() == test || is_known(seen) || is_without_map(seen) {
        return true;
    }
    if *test == Test::Present {
        // Whatever else was asked of it: had it been absent, it would be known. That a key is of the wrong kind may
        // mean that it is one of no map.
        return seen.target().key().is_none() || seen.outcome != Outcome::WrongKind;
    }
    match (seen.test(), &seen.outcome) {
        (Test::Prefix(known), Outcome::Yes) => match test {
            Test::Prefix(asked) | Test::Equals(Value::String(asked)) => !asked.starts_with(&**known),
            _ => false,
        },
        (Test::Prefix(known), Outcome::No) => match test {
            Test::Prefix(asked) | Test::Equals(Value::String(asked)) => asked.starts_with(&**known),
            _ => false,
        },
        (Test::Suffix(known), Outcome::Yes) => match test {
            Test::Suffix(asked) | Test::Equals(Value::String(asked)) => !asked.ends_with(&**known),
            _ => false,
        },
        (Test::Suffix(known), Outcome::No) => match test {
            Test::Suffix(asked) | Test::Equals(Value::String(asked)) => asked.ends_with(&**known),
            _ => false,
        },
        (order, Outcome::Yes) => Ray::of(order).is_some_and(|ray| ray.settles(test)),
        (order, Outcome::No) => Ray::of(order).is_some_and(|ray| ray.rest().settles(test)),
        (_, Outcome::Absent | Outcome::NoMap | Outcome::WrongKind | Outcome::Value(_)) => false,
    }
}

/// Whether an observation tells the value itself, or that there is none, and of a key also why.
fn is_known(seen: &Observation) -> bool {
    match (seen.test(), &seen.outcome) {
        // Of two truth values the one that it is not leaves the other.
        (Test::Value, _)
        | (_, Outcome::Absent | Outcome::NoMap)
        | (Test::Equals(_), Outcome::Yes)
        | (Test::Equals(Value::Bool(_)), Outcome::No) => true,
        (Test::Present, Outcome::No) => matches!(seen.target(), Target::Attribute(_)),
        (_, Outcome::Yes | Outcome::No | Outcome::WrongKind | Outcome::Value(_)) => false,
    }
}

/// Whether a key was looked for where there is no map. All tests on all keys then come out the same.
fn is_without_map(seen: &Observation) -> bool {
    match (seen.target(), &seen.outcome) {
        (Target::Key(_, _), Outcome::NoMap) => true,
        (Target::Key(_, _), Outcome::WrongKind) => fits_text(seen.test()),
        (Target::Attribute(_) | Target::Key(_, _), _) => false,
    }
}

/// Whether a text, which entries of maps are, is of the kind that a test wants.
fn fits_text(test: &Test) -> bool {
    match test {
        Test::Value | Test::Present | Test::Prefix(_) | Test::Suffix(_) => true,
        Test::Equals(constant)
        | Test::Less(constant)
        | Test::LessOrEqual(constant)
        | Test::Greater(constant)
        | Test::GreaterOrEqual(constant) => matches!(constant, Value::String(_)),
        // Its table may have no answer to a text.
        Test::Matches(_) => false,
    }
}

/// All values before or after a bound.
#[derive(Clone, Copy)]
struct Ray<'t> {
    is_below: bool,
    bound: &'t Value,
    with_bound: bool,
}

impl<'t> Ray<'t> {
    /// The values for which an order comparison holds.
    fn of(test: &'t Test) -> Option<Self> {
        let (is_below, bound, with_bound) = match test {
            Test::Less(bound) => (true, bound, false),
            Test::LessOrEqual(bound) => (true, bound, true),
            Test::Greater(bound) => (false, bound, false),
            Test::GreaterOrEqual(bound) => (false, bound, true),
            Test::Value
            | Test::Present
            | Test::Equals(_)
            | Test::Prefix(_)
            | Test::Suffix(_)
            | Test::Matches(_) => return None,
        };
        Some(Self { is_below, bound, with_bound })
    }

    /// The values that are not on the ray.
    fn rest(self) -> Self {
        Self { is_below: !self.is_below, with_bound: !self.with_bound, ..self }
    }

    /// Whether a test has one outcome for all values on the ray.
    fn settles(self, test: &Test) -> bool {
        if let Test::Equals(value) = test {
            return matches!(self.place(value), Some(Ordering::Greater))
                || (self.place(value) == Some(Ordering::Equal) && !self.with_bound);
        }
        Ray::of(test).is_some_and(|asked| self.is_within(asked) || self.is_within(asked.rest()))
    }

    fn is_within(self, other: Ray<'_>) -> bool {
        self.is_below == other.is_below
            && match self.place(other.bound) {
                Some(Ordering::Greater) => true,
                Some(Ordering::Equal) => other.with_bound || !self.with_bound,
                Some(Ordering::Less) | None => false,
            }
    }

    /// Where a value is, seen along the ray from its inside: `Greater` is beyond the bound. `None` for values that
    /// have no total order with the bound, floating point numbers among them.
    fn place(self, value: &Value) -> Option<Ordering> {
        let order = match (value, self.bound) {
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Int64(a), Value::Int64(b)) => a.cmp(b),
            (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
            (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
            _ => return None,
        };
        Some(if self.is_below { order } else { order.reverse() })
    }
}

#[cfg(test)]
mod tests;
