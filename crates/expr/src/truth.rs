//! What is known of a program's truth without a request: whether it can be true, and what has to hold if it is.
//!
//! For those who check configuration. The search goes through `&&`, `||`, comparisons with truth values and
//! `conditional`, and looks whether the comparisons with constants that it meets can hold together. It is conservative:
//! what it says never holds does not hold for any request; of what it does not understand it says nothing.

use attributes::{Value, ValueType};

use crate::comparison::{Against, Comparison};
use crate::limits::TRUTH_STEPS;
use crate::node::{Node, Relation};
use crate::{Program, Requirement};

impl Program {
    /// The result if it is the same for every request: true, and never an error; or never true, though perhaps an
    /// error. `None` if it depends, or cannot be told.
    pub fn foregone(&self) -> Option<bool> {
        if is_always(self.node(), true) {
            Some(true)
        } else if can_all_hold([self]) {
            None
        } else {
            Some(false)
        }
    }

    /// What has to hold of every request for which the program is true.
    pub fn requirements(&self) -> Vec<Requirement> {
        let mut found = Vec::new();
        let mut goals = vec![(self.node(), true)];
        while let Some((node, expected)) = goals.pop() {
            match Step::of(node, expected) {
                Step::Settled(_) => {}
                Step::All(more) => goals.extend(more.into_iter().rev()),
                Step::Any(alternatives) => {
                    if let [only] = alternatives.as_slice() {
                        goals.extend(only.iter().rev());
                    }
                }
                Step::Requires(requirement) => found.push(*requirement),
            }
        }
        found
    }
}

/// Whether there may be a request for which all of some programs are true. They have to be compiled against the same
/// manifest.
pub fn can_all_hold<'p>(programs: impl IntoIterator<Item = &'p Program>) -> bool {
    let goals = programs.into_iter().map(|program| (program.node(), true)).collect();
    let mut steps = TRUTH_STEPS;
    can_hold(goals, Vec::new(), Vec::new(), &mut steps)
}

/// A part of a program, and what it has to come to.
type Goal<'p> = (&'p Node, bool);

/// What a goal comes down to.
enum Step<'p> {
    /// It is reached, or may be; or never is.
    Settled(bool),
    All(Vec<Goal<'p>>),
    /// One of these, all of its parts.
    Any(Vec<Vec<Goal<'p>>>),
    Requires(Box<Requirement>),
}

/// Whether all goals may be reached, and one alternative of each choice, beside some requirements.
fn can_hold<'p>(
    mut goals: Vec<Goal<'p>>,
    mut choices: Vec<Vec<Vec<Goal<'p>>>>,
    mut held: Vec<Requirement>,
    steps: &mut usize,
) -> bool {
    while let Some((node, expected)) = goals.pop() {
        let Some(left) = steps.checked_sub(1 + held.len()) else { return true };
        *steps = left;
        match Step::of(node, expected) {
            Step::Settled(true) => {}
            Step::Settled(false) => return false,
            Step::All(more) => goals.extend(more),
            Step::Any(alternatives) => choices.push(alternatives),
            Step::Requires(requirement) => {
                if held.iter().any(|other| other.contradicts(&requirement)) {
                    return false;
                }
                held.push(*requirement);
            }
        }
    }
    // What leaves no choice comes first, so that most alternatives are refuted at once.
    let Some(alternatives) = choices.pop() else { return true };
    alternatives.into_iter().any(|goals| can_hold(goals, choices.clone(), held.clone(), steps))
}

impl<'p> Step<'p> {
    fn of(node: &'p Node, expected: bool) -> Self {
        let each = |nodes: &'p [Node]| nodes.iter().map(|node| (node, expected)).collect::<Vec<_>>();
        match node {
            Node::Constant(Value::Bool(truth)) => Self::Settled(*truth == expected),
            Node::Fail(_) => Self::Settled(false),
            Node::All(operands) if expected => Self::All(each(operands)),
            Node::Any(operands) if !expected => Self::All(each(operands)),
            Node::All(operands) | Node::Any(operands) => {
                Self::Any(each(operands).into_iter().map(|goal| vec![goal]).collect())
            }
            Node::Conditional(operands) => {
                let [condition, yes, no] = operands.as_ref();
                Self::Any(vec![
                    vec![(condition, true), (yes, expected)],
                    vec![(condition, false), (no, expected)],
                ])
            }
            Node::Ask(comparison, subject) => Self::of_comparison(comparison, subject, expected),
            Node::Attribute(_, ValueType::Bool, _) => {
                let is_true = Comparison::relation(Relation::Equal, ValueType::Bool, Value::Bool(true));
                Self::requirement(&is_true, node, expected)
            }
            Node::Constant(_)
            | Node::Attribute(_, _, _)
            | Node::Index(_, _)
            | Node::Or(_)
            | Node::Add(_)
            | Node::Convert(_, _) => Self::Settled(true),
            // Both operands are evaluated.
            Node::Compare(_, _, operands) | Node::Test(_, operands) => {
                Self::Settled(!operands.iter().any(|operand| matches!(operand, Node::Fail(_))))
            }
        }
    }

    fn of_comparison(comparison: &Comparison, subject: &'p Node, expected: bool) -> Self {
        let is_of_truth = matches!(comparison.against(), Against::Value(_, ValueType::Bool, _));
        let is_place = matches!(subject, Node::Attribute(_, _, _) | Node::Index(_, _) | Node::Or(_));
        if !is_of_truth || is_place {
            return Self::requirement(comparison, subject, expected);
        }
        let leads = |truth: &bool| comparison.answer(Value::Bool(*truth).as_ref()) == Ok(expected);
        Self::Any([true, false].into_iter().filter(leads).map(|truth| vec![(subject, truth)]).collect())
    }

    fn requirement(comparison: &Comparison, subject: &Node, expected: bool) -> Self {
        Requirement::of(comparison, subject, expected)
            .map_or(Self::Settled(true), |requirement| Self::Requires(Box::new(requirement)))
    }
}

/// Whether a node comes to a truth value for every request, and never to an error.
fn is_always(node: &Node, expected: bool) -> bool {
    // What one operand of these decides, if those before it do not.
    let decided = |operands: &[Node], decides: bool| {
        for operand in operands {
            if is_always(operand, decides) {
                return decides == expected;
            }
            if !is_always(operand, !decides) {
                return false;
            }
        }
        decides != expected
    };
    match node {
        Node::Constant(Value::Bool(truth)) => *truth == expected,
        Node::All(operands) => decided(operands, false),
        Node::Any(operands) => decided(operands, true),
        Node::Conditional(operands) => {
            let [condition, yes, no] = operands.as_ref();
            (is_always(condition, true) && is_always(yes, expected))
                || (is_always(condition, false) && is_always(no, expected))
        }
        Node::Constant(_)
        | Node::Fail(_)
        | Node::Attribute(_, _, _)
        | Node::Index(_, _)
        | Node::Or(_)
        | Node::Compare(_, _, _)
        | Node::Add(_)
        | Node::Convert(_, _)
        | Node::Test(_, _)
        | Node::Ask(_, _) => false,
    }
}

#[cfg(test)]
mod tests;
