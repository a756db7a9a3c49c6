//! Reading rules: selectors, aspects, and rules nested in rules.

use expr::Program;

use super::aspects::{self, Context};
use super::descriptors::list_of;
use super::expressions::{check_selector, selector};
use super::{Vocabulary, ignore_header};
use crate::Phase;
use crate::diagnostic::Findings;
use crate::document::{Content, Fields, Node, RulesDocument};
use crate::limits::RULE_DEPTH_MAX;
use crate::snapshot::{Guarded, Rule};

/// The rules of one file, per phase, without rules that have nothing to do in it.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub(super) check: Vec<Rule>,
    pub(super) report: Vec<Rule>,
}

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
    Reader { vocabulary, findings }.rules(section, &prefix, 1)
}

struct Reader<'a, 'f> {
    vocabulary: &'a Vocabulary<'a>,
    findings: &'a mut Findings<'f>,
}

/// The aspects of one rule, per phase.
#[derive(Default)]
struct Aspects {
    check: Vec<Guarded>,
    report: Vec<Guarded>,
}

impl Reader<'_, '_> {
    fn rules(&mut self, section: Option<&Node>, prefix: &str, depth: usize) -> Blocks {
        let mut blocks = Blocks::default();
        let nodes = list_of(section, "`rules`", self.findings);
        if let (Some(first), true) = (nodes.first(), depth > RULE_DEPTH_MAX) {
            self.findings.error(first.at, format!("rules nest deeper than {RULE_DEPTH_MAX}"));
            return blocks;
        }
        for (index, node) in nodes.iter().enumerate() {
            self.check_split(node, nodes.get(index + 1));
            self.rule(node, &format!("{prefix}rules[{index}]"), depth, &mut blocks);
        }
        blocks
    }

    fn rule(&mut self, node: &Node, location: &str, depth: usize, blocks: &mut Blocks) {
        let Some(mut fields) = Fields::of(node, "a rule", self.findings) else { return };
        let selector_node = fields.take("selector", self.findings);
        let aspects = fields.take("aspects", self.findings);
        let nested = fields.take("rules", self.findings);
        fields.finish_with(self.findings, |field| {
            matches!(field, "kind" | "adapter" | "params")
                .then(|| "this is a field of an aspect: aspects are listed under `aspects:`".to_owned())
        });
        let selector = selector(selector_node, &self.vocabulary.descriptors.manifest, self.findings);
        let aspects = self.aspects(aspects, location);
        let nested = self.rules(nested, &format!("{location}."), depth + 1);
        if !aspects.check.is_empty() || !nested.check.is_empty() {
            check_selector(selector_node, selector.as_ref(), self.findings);
        }
        blocks.check.extend(rule(location, selector.as_ref(), aspects.check, nested.check));
        blocks.report.extend(rule(location, selector.as_ref(), aspects.report, nested.report));
    }

    fn aspects(&mut self, section: Option<&Node>, location: &str) -> Aspects {
        let mut aspects = Aspects::default();
        for (index, node) in list_of(section, "`aspects`", self.findings).iter().enumerate() {
            let context =
                Context { vocabulary: self.vocabulary, location: format!("{location}.aspects[{index}]") };
            let Some((selector, aspect)) = aspects::read(node, context, self.findings) else { continue };
            let phase = aspect.kind.phase();
            let guarded = Guarded { selector, aspect };
            match phase {
                Some(Phase::Check) => aspects.check.push(guarded),
                Some(Phase::Report) => aspects.report.push(guarded),
                None => {}
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
        if !has(node, "selector") || has(node, "aspects") || has(node, "rules") {
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

/// A rule of one phase, if there is something to do for it.
fn rule(location: &str, selector: Option<&Program>, aspects: Vec<Guarded>, rules: Vec<Rule>) -> Option<Rule> {
    let is_empty = aspects.is_empty() && rules.is_empty();
    (!is_empty).then(|| Rule { location: location.to_owned(), selector: selector.cloned(), aspects, rules })
}
