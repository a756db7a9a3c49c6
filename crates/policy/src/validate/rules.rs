//! Reading rules: selectors, aspects, and rules nested in rules.

use std::sync::Arc;

use super::aspects::{self, Context, Read};
use super::descriptors::list_of;
use super::expressions::{check_selector, selector};
use super::reach::{Definitions, Guards};
use super::{Vocabulary, headers, ignore_header};
use crate::diagnostic::Findings;
use crate::document::{Content, Fields, Node, RulesDocument};
use crate::limits::RULE_DEPTH_MAX;
use crate::snapshot::{Guarded, Policies, Rule};
use crate::{Aspect, AspectParams, HeaderRules, Phase};

/// Something for each phase.
#[derive(Debug, Default)]
struct PerPhase<T> {
    preprocess: T,
    check: T,
    quota: T,
    report: T,
}

/// The rules of one file, per phase, without rules that have nothing to do in it.
#[derive(Debug, Default)]
pub(super) struct Blocks(PerPhase<Vec<Rule>>);

/// Reads a file of rules.
pub(super) fn read(
    rules: &RulesDocument,
    vocabulary: &Vocabulary<'_>,
    findings: &mut Findings<'_>,
) -> Blocks {
    let root = &rules.document.root;
    let Some(mut fields) = Fields::of(root, "a rules file", findings) else { return Blocks::default() };
    ignore_header(&mut fields, findings);
    let section = fields.take("rules", findings);
    fields.finish(findings);
    let prefix = format!("{}/{} ", rules.scope, rules.subject);
    let guards = Guards::new(&rules.subject, vocabulary.identity);
    Reader { vocabulary, quotas: Definitions::default(), findings }.rules(section, &guards, &prefix, 1)
}

struct Reader<'a, 'f> {
    vocabulary: &'a Vocabulary<'a>,
    /// The quotas that were defined so far.
    quotas: Definitions,
    findings: &'a mut Findings<'f>,
}

impl Reader<'_, '_> {
    fn rules(&mut self, section: Option<&Node>, guards: &Guards<'_>, prefix: &str, depth: usize) -> Blocks {
        let mut blocks = Blocks::default();
        let nodes = list_of(section, self.findings);
        if let (Some(first), true) = (nodes.first(), depth > RULE_DEPTH_MAX) {
            self.findings.error(first.at, format!("rules nest deeper than {RULE_DEPTH_MAX}"));
            return blocks;
        }
        for (index, node) in nodes.iter().enumerate() {
            self.check_split(node, nodes.get(index + 1));
            self.rule(node, guards, &format!("{prefix}rules[{index}]"), depth, &mut blocks);
        }
        blocks
    }

    fn rule(&mut self, node: &Node, around: &Guards<'_>, location: &str, depth: usize, blocks: &mut Blocks) {
        let Some(mut fields) = Fields::of(node, "a rule", self.findings) else { return };
        let selector_node = fields.take("selector", self.findings);
        let aspects = fields.take("aspects", self.findings);
        let mut headers = headers::take(&mut fields, self.vocabulary, self.findings);
        let nested = fields.take("rules", self.findings);
        fields.finish_with(self.findings, |field| {
            matches!(field, "kind" | "adapter" | "params")
                .then(|| "this is a field of an aspect: aspects are listed under `aspects:`".to_owned())
        });
        let selector = selector(selector_node, &self.vocabulary.descriptors.manifest, self.findings);
        if let Some(selector) = &selector {
            around.check(selector, self.findings);
        }
        let guards = around.with(selector.as_ref());
        let mut aspects = self.aspects(aspects, &guards, location);
        let Blocks(mut nested) = self.rules(nested, &guards, &format!("{location}."), depth + 1);
        let mut decides = |phase| !aspects.of(phase).is_empty() || !nested.of(phase).is_empty();
        if !headers.is_empty() || decides(Phase::Preprocess) || decides(Phase::Check) {
            check_selector(selector.as_ref(), self.findings);
        }
        let selector = selector.map(|selector| selector.program);
        for phase in Phase::ALL {
            let (aspects, nested) = (std::mem::take(aspects.of(phase)), std::mem::take(nested.of(phase)));
            let headers = match phase {
                Phase::Check => std::mem::take(&mut headers),
                Phase::Preprocess | Phase::Quota | Phase::Report => HeaderRules::default(),
            };
            let rule = Rule {
                location: location.to_owned(),
                selector: selector.clone(),
                aspects,
                headers,
                rules: nested,
            };
            blocks.0.of(phase).extend(Some(rule).filter(|rule| !rule.is_empty()));
        }
    }

    fn aspects(
        &mut self,
        section: Option<&Node>,
        guards: &Guards<'_>,
        location: &str,
    ) -> PerPhase<Vec<Guarded>> {
        let mut aspects = PerPhase::<Vec<Guarded>>::default();
        for (index, node) in list_of(section, self.findings).iter().enumerate() {
            let context = Context {
                vocabulary: self.vocabulary,
                guards: guards.with(None),
                location: format!("{location}.aspects[{index}]"),
            };
            for Read { at, guarded, own } in aspects::read(node, &context, self.findings) {
                if let Some(name) = quota_name(&guarded.aspect) {
                    self.quotas.add(&name, at, guards, own, self.findings);
                }
                aspects.of(guarded.aspect.kind.phase()).push(guarded);
            }
        }
        aspects
    }

    /// A selector as one item of the list and its aspects as the next are two rules, and the second one, which
    /// was meant to be guarded, applies always.
    fn check_split(&mut self, node: &Node, next: Option<&Node>) {
        let has = |node: &Node, field: &str| match &node.content {
            Content::Map(entries) => entries.iter().any(|entry| entry.key == field && !entry.value.is_null()),
            _ => false,
        };
        let acts = [
            "aspects",
            "rules",
            "requestHeaderOperations",
            "request_header_operations",
            "responseHeaderOperations",
            "response_header_operations",
        ];
        if !has(node, "selector") || acts.into_iter().any(|field| has(node, field)) {
            return;
        }
        if next.is_some_and(|next| !has(next, "selector") && has(next, "aspects")) {
            self.findings
                .error(node.at, "this rule has a selector and no aspects, the next has aspects and no selector")
                .help("remove the dash before `aspects:`, so that the two are one rule; as they are, the aspects apply always");
        } else {
            self.findings.warning(node.at, "this rule does nothing: it has neither `aspects` nor `rules`");
        }
    }
}

// === impl PerPhase ===

impl<T> PerPhase<T> {
    fn of(&mut self, phase: Phase) -> &mut T {
        match phase {
            Phase::Preprocess => &mut self.preprocess,
            Phase::Check => &mut self.check,
            Phase::Quota => &mut self.quota,
            Phase::Report => &mut self.report,
        }
    }
}

// === impl Blocks ===

impl Blocks {
    /// Makes the rules those of a subject.
    pub(super) fn add_to(self, policy: &mut Policies, subject: &str) {
        let PerPhase { preprocess, check, mut quota, report } = self.0;
        policy.preprocess.add(subject, preprocess);
        policy.check.add(subject, check);
        policy.report.add(subject, report);
        while let Some(name) = first_quota(&quota) {
            let rules = take_quota(&mut quota, &name);
            policy.quotas.entry(name).or_default().add(subject, rules);
        }
    }
}

/// The name of any quota of some rules.
fn first_quota(rules: &[Rule]) -> Option<Arc<str>> {
    rules.iter().find_map(|rule| {
        rule.aspects
            .iter()
            .find_map(|guarded| quota_name(&guarded.aspect))
            .or_else(|| first_quota(&rule.rules))
    })
}

/// Takes the definitions of one quota out of some rules, with what guards them.
fn take_quota(rules: &mut [Rule], name: &Arc<str>) -> Vec<Rule> {
    rules
        .iter_mut()
        .filter_map(|from| {
            let is_meant = |guarded: &mut Guarded| quota_name(&guarded.aspect).as_ref() == Some(name);
            let aspects = from.aspects.extract_if(.., is_meant).collect();
            let nested = take_quota(&mut from.rules, name);
            let (location, selector) = (from.location.clone(), from.selector.clone());
            let rule = Rule { location, selector, aspects, headers: HeaderRules::default(), rules: nested };
            Some(rule).filter(|rule| !rule.is_empty())
        })
        .collect()
}

fn quota_name(aspect: &Aspect) -> Option<Arc<str>> {
    match &aspect.params {
        AspectParams::Quota(quota) => Some(Arc::clone(&quota.descriptor.name)),
        AspectParams::Denials
        | AspectParams::Lists(_)
        | AspectParams::AccessLogs(_)
        | AspectParams::ApplicationLogs(_)
        | AspectParams::Metrics(_)
        | AspectParams::Attributes(_) => None,
    }
}
