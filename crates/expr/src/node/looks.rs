//! Where an evaluation may look at a request, found without one.

use std::collections::HashSet;
use std::ops::Range;

use attributes::Value;
use checkcache::{Target, Test};

use super::Node;
use crate::comparison::Comparison;
use crate::{Look, Tuning};

/// Every place where an evaluation may look, in about the order in which it does.
///
/// That a map is there is not a place of its own where one of its entries is looked at.
pub(crate) fn looks(node: &Node) -> Vec<Look> {
    let mut places = Places { found: Vec::new() };
    places.node(node, None);
    places.found
}

/// Everything that an evaluation may look at, without repetition.
pub(crate) fn reads(node: &Node) -> Vec<Target> {
    let mut seen = HashSet::new();
    let targets = looks(node).into_iter().map(|look| look.target);
    targets.filter(|target| seen.insert(target.clone())).collect()
}

/// Tells each comparison in a program what it reads by value.
pub(crate) fn tune(node: &mut Node, tuning: &Tuning) {
    if let Node::Ask(comparison, subject) = node {
        let reads = reads(subject);
        comparison.tune(tuning.of(reads.iter()));
        subject.compare(comparison);
    }
    for operand in node.operands_mut() {
        tune(operand, tuning);
    }
}

struct Places {
    found: Vec<Look>,
}

impl Places {
    fn add(&mut self, target: Target, comparison: Option<&Comparison>, span: &Range<usize>) {
        let test = comparison.and_then(|comparison| comparison.test(&target)).cloned().unwrap_or(Test::Value);
        self.found.push(Look { target, test, span: span.clone() });
    }

    /// A node whose value is wanted, perhaps only for a comparison.
    fn node(&mut self, node: &Node, comparison: Option<&Comparison>) {
        match node {
            Node::Attribute(place, _, span) => self.add(place.target().clone(), comparison, span),
            Node::Index(index, span) => {
                let [map, key] = &index.operands;
                self.entry(map, key, comparison, span);
                self.node(key, None);
            }
            Node::Or(operands) => operands.iter().for_each(|operand| self.node(operand, comparison)),
            Node::Conditional(operands) => {
                let [condition, yes, no] = operands.as_ref();
                self.node(condition, None);
                self.node(yes, comparison);
                self.node(no, comparison);
            }
            Node::Ask(comparison, subject) => self.node(subject, Some(comparison)),
            Node::Constant(_)
            | Node::Fail(_)
            | Node::All(_)
            | Node::Any(_)
            | Node::Compare(_, _, _)
            | Node::Add(_)
            | Node::Convert(_, _)
            | Node::Test(_, _) => node.operands().iter().for_each(|operand| self.node(operand, None)),
        }
    }

    /// A map of which only the entry of one key is asked for.
    fn entry(&mut self, map: &Node, key: &Node, comparison: Option<&Comparison>, span: &Range<usize>) {
        match (map, key) {
            (Node::Attribute(map, _, _), Node::Constant(Value::String(key))) => {
                self.add(Target::Key(map.target().attribute().clone(), key.clone()), comparison, span);
            }
            (Node::Attribute(map, _, span), _) => {
                let target = map.target().clone();
                self.found.push(Look { target, test: Test::Present, span: span.clone() });
            }
            (Node::Or(maps), _) => maps.iter().for_each(|map| self.entry(map, key, comparison, span)),
            (Node::Conditional(operands), _) => {
                let [condition, yes, no] = operands.as_ref();
                self.node(condition, None);
                self.entry(yes, key, comparison, span);
                self.entry(no, key, comparison, span);
            }
            _ => self.node(map, None),
        }
    }
}
