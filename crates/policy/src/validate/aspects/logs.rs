//! Parameters of `access-logs` and `application-logs` aspects.

use std::collections::BTreeSet;
use std::sync::Arc;

use attributes::ValueType;
use expr::Program;

use super::super::descriptors::{LogShape, is_empty, list_of};
use super::super::expressions::{compile, compile_as, labels};
use super::{ParamsReader, descriptor_name, find};
use crate::aspect::CompiledLog;
use crate::diagnostic::{At, Findings};
use crate::document::{Content, Fields, Node, Text};
use crate::suggest::{did_you_mean, listed};
use crate::template::{Layout, Template};
use crate::{AccessLogsParams, ApplicationLogParams, LogParams};

/// The fields of an entry that both kinds have.
struct Shape<'n> {
    name: Text,
    labels: Option<&'n Node>,
    expressions: Option<&'n Node>,
    /// What the field of the expressions is called.
    expressions_name: String,
    log_name: Arc<str>,
}

impl ParamsReader<'_> {
    pub(super) fn access_logs(
        &self,
        mut fields: Fields<'_>,
        findings: &mut Findings<'_>,
    ) -> Option<AccessLogsParams> {
        let log_name = self.log_name(&mut fields, "access_log", findings)?;
        let log = fields.take("log", findings);
        fields.finish(findings);
        let nothing = Node::null(self.at);
        let log = log.unwrap_or(&nothing);
        let mut fields = Fields::of(log, "`log`", findings)?;
        let shape = Shape::take(&mut fields, log.at, Some("common"), log_name, findings);
        fields.finish(findings);
        let log = self.log(&shape?, findings)?;
        Some(AccessLogsParams { log })
    }

    pub(super) fn application_logs(
        &self,
        mut fields: Fields<'_>,
        findings: &mut Findings<'_>,
    ) -> Vec<ApplicationLogParams> {
        let log_name = self.log_name(&mut fields, "istio_log", findings);
        let section = fields.take("logs", findings);
        fields.finish(findings);
        let nodes = list_of(section, findings);
        if is_empty(section) {
            findings.warning(self.at, "the aspect has no `logs`, so it does nothing");
        }
        let log_name = log_name.unwrap_or_default();
        nodes.iter().filter_map(|node| self.application_log(node, &log_name, findings)).collect()
    }

    fn application_log(
        &self,
        node: &Node,
        log_name: &Arc<str>,
        findings: &mut Findings<'_>,
    ) -> Option<ApplicationLogParams> {
        let mut fields = Fields::of(node, "a log", findings)?;
        let shape = Shape::take(&mut fields, node.at, None, Arc::clone(log_name), findings);
        let severity = fields.take("severity", findings);
        let timestamp = fields.take("timestamp", findings);
        let time_format = fields.take("time_format", findings);
        fields.finish(findings);
        let log = shape.and_then(|shape| self.log(&shape, findings));
        let severity = self.required(severity, node.at, "severity", ValueType::String, findings);
        let timestamp = self.required(timestamp, node.at, "timestamp", ValueType::Timestamp, findings);
        let time_format = match time_format {
            Some(node) => {
                let text = node.text(&node.name(), findings)?;
                (!text.value.is_empty()).then(|| Layout::parse(&text.value))
            }
            None => None,
        };
        Some(ApplicationLogParams { log: log?, severity: severity?, timestamp: timestamp?, time_format })
    }

    fn log_name(
        &self,
        fields: &mut Fields<'_>,
        default: &str,
        findings: &mut Findings<'_>,
    ) -> Option<Arc<str>> {
        let node = fields.take("log_name", findings);
        let name = node.map_or_else(|| fields.spelled("log_name"), Node::name);
        let log_name = match node {
            Some(node) => node.text(&node.name(), findings)?,
            None => Text { at: self.at, value: default.to_owned() },
        };
        if log_name.value.is_empty() {
            findings.error(log_name.at, format!("{name} is empty"));
        }
        Some(log_name.value.into())
    }

    fn log(&self, shape: &Shape<'_>, findings: &mut Findings<'_>) -> Option<LogParams> {
        let Shape { name, labels: label_nodes, expressions, log_name, .. } = shape;
        let log: &LogShape = find(&self.context.vocabulary.descriptors.logs, name, "log", findings)?;
        let descriptor = Arc::clone(&log.descriptor);
        let at = label_nodes.map_or(name.at, |labels| labels.at);
        let labels =
            labels(*label_nodes, at, &descriptor.labels, &descriptor.name, self.manifest(), findings);
        let variables = self.variables(*expressions, findings);
        let template = Arc::clone(log.template.as_ref().ok()?);
        check_variables(&template, &variables, shape, &descriptor.name, findings);
        let log_name = Arc::clone(log_name);
        Some(CompiledLog { log_name, descriptor, labels, variables, template }.into())
    }

    /// Compiles the expressions of a template's variables, of any type. Sorted by name.
    fn variables(&self, node: Option<&Node>, findings: &mut Findings<'_>) -> Vec<(Arc<str>, Program)> {
        let entries = node.map_or(&[][..], |node| node.map(&node.name(), findings));
        let mut programs = Vec::with_capacity(entries.len());
        for entry in entries {
            let what = format!("template variable `{}`", entry.key);
            let Some(text) = entry.value.text(&what, findings) else { continue };
            if let Some(program) = compile(&text, &what, self.manifest(), findings) {
                programs.push((Arc::from(entry.key.as_str()), program));
            }
        }
        programs.sort_by(|(a, _): &(Arc<str>, _), (b, _)| a.cmp(b));
        programs
    }

    /// Compiles an expression that has to be there.
    fn required(
        &self,
        node: Option<&Node>,
        at: At,
        what: &str,
        value_type: ValueType,
        findings: &mut Findings<'_>,
    ) -> Option<Program> {
        let what = format!("`{what}`");
        let Some(node) = node else {
            findings
                .error(at, format!("the log has no {what}"))
                .help(format!("give an expression of type {value_type}"));
            return None;
        };
        let text = node.text(&what, findings)?;
        compile_as(value_type, &text, &what, self.manifest(), findings)
    }
}

impl<'n> Shape<'n> {
    fn take(
        fields: &mut Fields<'n>,
        at: At,
        default: Option<&str>,
        log_name: Arc<str>,
        findings: &mut Findings<'_>,
    ) -> Option<Self> {
        let name = descriptor_name(fields, at, default, "log", findings);
        let expressions = fields.take("template_expressions", findings);
        let labels = fields.take("labels", findings);
        let expressions_name = expressions.map_or_else(|| fields.spelled("template_expressions"), Node::name);
        Some(Self { name: name?, labels, expressions, expressions_name, log_name })
    }
}

/// Compares what a template uses with what an aspect gives it.
fn check_variables(
    template: &Template,
    variables: &[(Arc<str>, Program)],
    shape: &Shape<'_>,
    log: &str,
    findings: &mut Findings<'_>,
) {
    let entries = match shape.expressions.map(|node| &node.content) {
        Some(Content::Map(entries)) => entries.as_slice(),
        _ => &[],
    };
    let entry = |name: &str| entries.iter().find(|entry| entry.key == name);
    let at = shape.expressions.map_or(shape.name.at, |node| node.at);
    let mut missing = BTreeSet::new();
    for used in template.uses() {
        match variables.iter().find(|(name, _)| *name == used.name) {
            None => drop(missing.insert(&*used.name)),
            Some((name, program)) if used.is_time && program.result_type() != ValueType::Timestamp => {
                let found = program.result_type();
                let at = entry(name).map_or(at, |entry| entry.value.at);
                findings.error(
                    at,
                    format!("the template of log `{log}` formats `{name}` as a time, but the expression is {found}"),
                );
            }
            Some(_) => {}
        }
    }
    // A variable whose expression was refused is not missing.
    let missing: Vec<_> = missing.into_iter().filter(|name| entry(name).is_none()).collect();
    if !missing.is_empty() {
        let (names, field) = (listed(missing), &shape.expressions_name);
        findings
            .warning(at, format!("the template of log `{log}` uses {names}, which {field} does not give"))
            .help("such a variable prints `<no value>`, or what `or` has in its place");
    }
    let used: BTreeSet<&str> = template.uses().iter().map(|used| &*used.name).collect();
    for unused in entries.iter().filter(|entry| !used.contains(entry.key.as_str())) {
        findings
            .warning(unused.key_at, format!("the template of log `{log}` does not use `{}`", unused.key))
            .maybe_help(did_you_mean(&unused.key, used.iter().copied().filter(|name| entry(name).is_none())));
    }
}
