//! Reading the buckets of distributions.

use crate::Buckets;
use crate::diagnostic::{At, Findings};
use crate::document::{Fields, Node};
use crate::limits::BUCKETS_MAX;

/// Reads buckets of exactly one shape.
pub(super) fn read(node: &Node, at: At, findings: &mut Findings<'_>) -> Option<Buckets> {
    let mut fields = Fields::of(node, "`buckets`", findings)?;
    let linear = fields.take("linear_buckets", findings);
    let exponential = fields.take("exponential_buckets", findings);
    let explicit = fields.take("explicit_buckets", findings);
    let [one, two, three] =
        ["linear_buckets", "exponential_buckets", "explicit_buckets"].map(|name| fields.spelled(name));
    fields.finish(findings);
    match (linear, exponential, explicit) {
        (Some(node), None, None) => read_linear(node, findings),
        (None, Some(node), None) => read_exponential(node, findings),
        (None, None, Some(node)) => read_explicit(node, findings),
        _ => {
            findings
                .error(at, "`buckets` has to have exactly one shape")
                .help(format!("give {one}, {two} or {three}"));
            None
        }
    }
}

fn read_linear(node: &Node, findings: &mut Findings<'_>) -> Option<Buckets> {
    let mut fields = Fields::of(node, node.name(), findings)?;
    let count = count(&mut fields, node, findings);
    let width = number_above(0.0, &mut fields, "width", node, findings);
    let offset = match fields.take("offset", findings) {
        Some(offset) => offset.number(&offset.name(), findings),
        None => Some(0.0),
    };
    fields.finish(findings);
    Some(Buckets::Linear { count: count?, width: width?, offset: offset? })
}

fn read_exponential(node: &Node, findings: &mut Findings<'_>) -> Option<Buckets> {
    let mut fields = Fields::of(node, node.name(), findings)?;
    let count = count(&mut fields, node, findings);
    let growth_factor = number_above(1.0, &mut fields, "growth_factor", node, findings);
    let scale = number_above(0.0, &mut fields, "scale", node, findings);
    fields.finish(findings);
    Some(Buckets::Exponential { count: count?, growth_factor: growth_factor?, scale: scale? })
}

fn read_explicit(node: &Node, findings: &mut Findings<'_>) -> Option<Buckets> {
    let mut fields = Fields::of(node, node.name(), findings)?;
    let list = fields.take("bounds", findings);
    fields.finish(findings);
    let nodes = list.map_or(&[][..], |list| list.list(&list.name(), findings));
    if nodes.len() > BUCKETS_MAX {
        findings.error(node.at, format!("there are more than {BUCKETS_MAX} bounds"));
        return None;
    }
    let mut bounds: Vec<f64> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let bound = node.number("a bound", findings)?;
        if bounds.last().is_some_and(|before| bound <= just_above(*before)) {
            findings.error(
                node.at,
                format!("bounds have to increase, and {bound} is not above the one before it"),
            );
            return None;
        }
        bounds.push(bound);
    }
    Some(Buckets::Explicit(bounds))
}

/// The largest number that counts as equal: bounds that are computed differ in their last digits.
fn just_above(number: f64) -> f64 {
    (0..5).fold(number, |number, _| number.next_up())
}

fn count(fields: &mut Fields<'_>, node: &Node, findings: &mut Findings<'_>) -> Option<usize> {
    let found = fields.take("num_finite_buckets", findings);
    let name = found.map_or_else(|| fields.spelled("num_finite_buckets"), Node::name);
    let number = match found {
        Some(found) => found.integer(&found.name(), findings)?,
        None => 0,
    };
    let count = usize::try_from(number).ok().filter(|count| (1..=BUCKETS_MAX).contains(count));
    if count.is_none() {
        let at = found.map_or(node.at, |found| found.at);
        findings.error(at, format!("{name} has to be from 1 to {BUCKETS_MAX}"));
    }
    count
}

fn number_above(
    least: f64,
    fields: &mut Fields<'_>,
    field: &'static str,
    node: &Node,
    findings: &mut Findings<'_>,
) -> Option<f64> {
    let found = fields.take(field, findings);
    let name = found.map_or_else(|| fields.spelled(field), Node::name);
    let number = match found {
        Some(found) => found.number(&name, findings)?,
        None => 0.0,
    };
    if number > least {
        return Some(number);
    }
    findings.error(found.map_or(node.at, |found| found.at), format!("{name} has to be above {least}"));
    None
}
