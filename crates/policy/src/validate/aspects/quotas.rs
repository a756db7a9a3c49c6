//! Parameters of `quotas` aspects.

use std::sync::Arc;
use std::time::Duration;

use attributes::Value;

use super::super::descriptors::{is_empty, list_of};
use super::super::expressions::labels;
use super::{Params, ParamsReader, descriptor_name, find, report_twice};
use crate::diagnostic::{At, Findings};
use crate::document::{Fields, Node, Text};
use crate::suggest::did_you_mean;
use crate::{AspectParams, QuotaDescriptor, QuotaLimit, QuotaOverride, QuotaParams};

impl ParamsReader<'_> {
    /// Each quota of the aspect.
    pub(super) fn quotas(&self, mut fields: Fields<'_>, findings: &mut Findings<'_>) -> Vec<Params> {
        let section = fields.take("quotas", findings);
        fields.finish(findings);
        let nodes = list_of(section, findings);
        if is_empty(section) {
            findings.warning(self.at, "the aspect has no `quotas`, so it does nothing");
        }
        let mut names = Vec::new();
        let mut quotas = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            if let Some((name, quota)) = self.quota(node, findings) {
                quotas.extend(quota.map(|quota| Params {
                    at: name.at,
                    suffix: format!(".quotas[{index}]"),
                    compiled: AspectParams::Quota(quota),
                }));
                names.push(name);
            }
        }
        report_twice(&names, "quota", findings);
        quotas
    }

    /// The name that is given, and the quota if nothing is wrong with it.
    fn quota(&self, node: &Node, findings: &mut Findings<'_>) -> Option<(Text, Option<QuotaParams>)> {
        let mut fields = Fields::of(node, "a quota", findings)?;
        let name = descriptor_name(&mut fields, node.at, None, "quota", findings);
        let label_nodes = fields.take("labels", findings);
        let amount = fields.take("max_amount", findings);
        let expiration = fields.take("expiration", findings);
        let others = fields.take("overrides", findings);
        fields.finish(findings);
        let name = name?;
        let descriptor = find(&self.context.vocabulary.descriptors.quotas, &name, "quota", findings)?;
        let at = label_nodes.map_or(name.at, |labels| labels.at);
        let labels = labels(label_nodes, at, &descriptor.labels, &descriptor.name, self.manifest(), findings);
        let Some(limit) = limit(amount, expiration, node.at, descriptor, findings) else {
            return Some((name, None));
        };
        let overrides: Vec<_> = list_of(others, findings)
            .iter()
            .filter_map(|node| Some((node.at, read_override(node, descriptor, limit, findings)?)))
            .collect();
        report_unreachable(&overrides, findings);
        let overrides = overrides.into_iter().map(|(_, other)| other).collect();
        let descriptor = Arc::clone(descriptor);
        Some((name, Some(QuotaParams { descriptor, labels, limit, overrides })))
    }
}

/// Warns of overrides behind one that asks for no more than they do: the first that applies counts.
fn report_unreachable(overrides: &[(At, QuotaOverride)], findings: &mut Findings<'_>) {
    for (index, (at, later)) in overrides.iter().enumerate() {
        let covers = |(_, earlier): &&(At, QuotaOverride)| {
            earlier.labels.iter().all(|wanted| later.labels.contains(wanted))
        };
        if let Some((first, _)) = overrides.iter().take(index).find(covers) {
            let place = findings.place(*first);
            findings
                .warning(*at, format!("this override never applies: the one at {place} applies before it"))
                .help("the first override that applies counts; put the one with more labels first");
        }
    }
}

fn read_override(
    node: &Node,
    descriptor: &QuotaDescriptor,
    base: QuotaLimit,
    findings: &mut Findings<'_>,
) -> Option<QuotaOverride> {
    let mut fields = Fields::of(node, "an override", findings)?;
    let label_nodes = fields.take("labels", findings);
    let amount = fields.take("max_amount", findings);
    let expiration = fields.take("expiration", findings);
    fields.finish(findings);
    let entries = label_nodes.map_or(&[][..], |node| node.map(&node.name(), findings));
    if entries.is_empty() {
        findings
            .error(node.at, "the override has no `labels`, so it would apply always")
            .help("give the values of labels that it is for, such as `labels: { user: ops }`");
        return None;
    }
    let mut labels = Vec::new();
    for entry in entries {
        let Some((name, value_type)) = descriptor.labels.get_key_value(entry.key.as_str()) else {
            findings
                .error(entry.key_at, format!("`{}` declares no label `{}`", descriptor.name, entry.key))
                .maybe_help(did_you_mean(&entry.key, descriptor.labels.keys().map(|name| &**name)));
            continue;
        };
        let Some(text) = entry.value.coerced_text(&format!("label `{name}`"), findings) else { continue };
        match Value::parse(*value_type, &text.value) {
            Ok(value) => labels.push((Arc::clone(name), value)),
            Err(error) => {
                findings
                    .error(text.at, format!("label `{name}` is {value_type}: {error}"))
                    .help("an override compares with a value, not with an expression");
            }
        }
    }
    labels.sort_by(|(a, _), (b, _)| a.cmp(b));
    let limit = match expiration {
        Some(_) => limit(amount, expiration, node.at, descriptor, findings)?,
        None => QuotaLimit { max_amount: max_amount(amount, node.at, findings)?, ..base },
    };
    Some(QuotaOverride { labels, limit })
}

fn max_amount(node: Option<&Node>, quota: At, findings: &mut Findings<'_>) -> Option<i64> {
    let Some(node) = node else {
        findings
            .warning(quota, "the quota has no `maxAmount`, so nothing of it is ever granted")
            .help("say how much there is of it, such as `maxAmount: 100`");
        return Some(0);
    };
    let amount = node.integer(&node.name(), findings)?;
    if amount < 0 {
        findings.error(node.at, format!("{} has to be at least 0, found {amount}", node.name()));
        return None;
    }
    Some(amount)
}

/// How much there is in which window; of an allocation quota in none.
fn limit(
    amount: Option<&Node>,
    expiration: Option<&Node>,
    quota: At,
    descriptor: &QuotaDescriptor,
    findings: &mut Findings<'_>,
) -> Option<QuotaLimit> {
    let max_amount = max_amount(amount, quota, findings);
    let span = match expiration {
        Some(node) => node.duration(&node.name(), findings)?,
        None => Duration::ZERO,
    };
    let at = expiration.map_or(quota, |node| node.at);
    let name = &descriptor.name;
    let window = match (descriptor.rate_limit, span.is_zero()) {
        (true, false) => Some(span),
        (false, true) => None,
        (true, true) => {
            findings
                .error(
                    at,
                    format!("quota `{name}` limits a rate, so its `expiration` has to be longer than 0"),
                )
                .help("it is the span of time in which `maxAmount` may be taken, such as `expiration: 1s`");
            return None;
        }
        (false, false) => {
            findings
                .error(at, format!("quota `{name}` is an allocation quota, so its `expiration` has to be 0"))
                .help("for amounts that come back with time, declare the descriptor with `rateLimit: true`");
            return None;
        }
    };
    Some(QuotaLimit { max_amount: max_amount?, window })
}
