//! Which attributes the checks of a subject read by value, where they could test them.
//!
//! # Design
//!
//! A test divides requests into those that pass and those that do not, a value into as many kinds as there are values.
//! So tests never make a cache hit less often; what they cost is the way through the tree, a step for each constant that
//! a request is compared with, and the nodes along it. `cargo bench -p expr --bench fan_out` measures both:
//!
//! | constants | by test | by value | of 100,000 values hit, by test | by value |
//! |---|---|---|---|---|
//! | 1 | 0.1 µs | 0.1 µs | 100 % | 10 % |
//! | 16 | 0.4 – 0.8 µs | 0.1 µs | 100 % | 10 % |
//! | 128 | 3 – 4.5 µs | 0.1 µs | 100 % | 10 % |
//! | 250 | 6 – 9 µs | 0.1 µs | 100 % | 10 % |
//!
//! A step is about 35 ns, a miss a round trip of some hundred microseconds, and the 10 % are what fits into a cache of
//! 10,000 verdicts. So even 250 tests are worth a few hits in a hundred, and a value that should have been a test costs
//! far more than a test that should have been a value. What speaks for the value is an attribute of which it is known
//! that it has few: then one step answers as often as many, and a tree that asks for it below other attributes has one
//! node where it would have a node for each constant.
//!
//! - An attribute that by its name is an *enumeration* (a service, a namespace, a method: [`ENUMERATIONS`]) and that is
//!   compared by equality alone has about as many values as there are constants. Above [`EQUALITIES_MAX`] it is read by
//!   value.
//! - Any other – a path, a user, a header, whatever a deployment declares itself – may have more values than anyone lists.
//!   It is tested up to [`COMPARISONS_MAX`], half of what a trace can hold.
//! - If all comparisons together are more than a trace can hold, no verdict would be stored at all; then the attributes
//!   with the most comparisons are read by value, until the rest fits.
//!
//! What counts is what one request can meet: the block `global`, those of the subjects above its own, and its own. A
//! block is tuned for the chain that ends with it, so that a service with very many rules does not make the checks of
//! all others read values.

use std::collections::{BTreeMap, HashMap, HashSet};

use checkcache::limits::TRACE_OBSERVATIONS;
use checkcache::{Target, Test};
use expr::{Look, Program, Tuning};

use crate::limits::{COMPARISONS_MAX, EQUALITIES_MAX};
use crate::snapshot::{Block, PhasePolicy, Rule};
use crate::subject;

/// The last elements of the names of attributes that have few values, such as `target.service` and `request.method`.
const ENUMERATIONS: [&str; 7] =
    ["method", "namespace", "operation", "protocol", "scheme", "service", "version"];

/// The different tests that some programs may make of each target.
#[derive(Debug, Clone, Default)]
struct Comparisons {
    tests: BTreeMap<Target, HashSet<Test>>,
}

/// Settles for each block what it reads by value.
pub(crate) fn tune(policy: &mut PhasePolicy, reads_values: bool) {
    let tunings = if reads_values { None } else { Some(Tunings::of(policy)) };
    let tuning =
        |subject: Option<&str>| tunings.as_ref().map_or_else(Tuning::by_value, |t| t.tuning(subject));
    if let Some(block) = &mut policy.global {
        tune_rules(&mut block.rules, &tuning(None));
    }
    for (subject, block) in &mut policy.subjects {
        tune_rules(&mut block.rules, &tuning(Some(subject)));
    }
}

fn tune_rules(rules: &mut [Rule], tuning: &Tuning) {
    for rule in rules {
        rule.selector.iter_mut().for_each(|selector| selector.tune(tuning));
        for guarded in &mut rule.aspects {
            guarded.selector.iter_mut().for_each(|selector| selector.tune(tuning));
            guarded.aspect.tune(tuning);
        }
        rule.headers.programs_mut().for_each(|value| value.tune(tuning));
        tune_rules(&mut rule.rules, tuning);
    }
}

/// The comparisons of each block.
struct Tunings {
    global: Comparisons,
    subjects: HashMap<String, Comparisons>,
}

impl Tunings {
    fn of(policy: &PhasePolicy) -> Self {
        Self {
            global: policy.global.as_ref().map(Comparisons::of).unwrap_or_default(),
            subjects: policy
                .subjects
                .iter()
                .map(|(subject, block)| (subject.clone(), Comparisons::of(block)))
                .collect(),
        }
    }

    /// What the block of a subject, or the global one, reads by value.
    fn tuning(&self, subject: Option<&str>) -> Tuning {
        let mut chain = self.global.clone();
        for above in subject.into_iter().flat_map(subject::ancestors) {
            self.subjects.get(above).into_iter().for_each(|comparisons| chain.add(comparisons));
        }
        chain.too_many()
    }
}

impl Comparisons {
    fn of(block: &Block) -> Self {
        let mut comparisons = Self::default();
        comparisons.add_rules(&block.rules);
        comparisons
    }

    fn add_rules(&mut self, rules: &[Rule]) {
        for rule in rules {
            self.add_looks(rule.selector.iter().flat_map(Program::looks));
            for guarded in &rule.aspects {
                self.add_looks(guarded.selector.iter().flat_map(Program::looks));
                self.add_looks(guarded.aspect.looks());
            }
            self.add_looks(rule.headers.programs().flat_map(Program::looks));
            self.add_rules(&rule.rules);
        }
    }

    fn add_looks(&mut self, looks: impl IntoIterator<Item = Look>) {
        for Look { target, test, span: _ } in looks {
            if !matches!(test, Test::Value | Test::Present) {
                self.tests.entry(target).or_default().insert(test);
            }
        }
    }

    fn add(&mut self, other: &Self) {
        for (target, tests) in &other.tests {
            self.tests.entry(target.clone()).or_default().extend(tests.iter().cloned());
        }
    }

    /// Reads by value what is compared with too many constants.
    fn too_many(mut self) -> Tuning {
        let mut values = Vec::new();
        self.tests.retain(|target, tests| {
            let is_enumeration =
                is_enumeration(target) && tests.iter().all(|test| matches!(test, Test::Equals(_)));
            let max = if is_enumeration { EQUALITIES_MAX } else { COMPARISONS_MAX };
            let is_few = tests.len() <= max;
            if !is_few {
                values.push(target.clone());
            }
            is_few
        });
        let mut rest: Vec<_> = self.tests.into_iter().map(|(target, tests)| (tests.len(), target)).collect();
        rest.sort();
        let mut total = rest.iter().map(|(count, _)| count).sum::<usize>();
        while total + values.len() > TRACE_OBSERVATIONS
            && let Some((count, target)) = rest.pop()
        {
            total -= count;
            values.push(target);
        }
        values.into_iter().collect()
    }
}

fn is_enumeration(target: &Target) -> bool {
    match target {
        Target::Attribute(name) => {
            let (_, last) = name.as_str().rsplit_once('.').unwrap_or(("", name.as_str()));
            ENUMERATIONS.contains(&last)
        }
        Target::Key(_, _) => false,
    }
}

#[cfg(test)]
mod tests;
