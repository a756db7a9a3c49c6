//! Reading aspects: their kind, their adapter, and the parameters of each kind.

use std::collections::BTreeSet;
use std::sync::Arc;

use attributes::{Kind, ValueType};
use checkcache::Validity;
use expr::Program;

use super::descriptors::{Found, LogShape, Section, list_of};
use super::expressions::{check_selector, compile, compile_as, labels, selector};
use super::{Vocabulary, cacheability};
use crate::diagnostic::{At, Findings};
use crate::document::{Fields, Node, Text};
use crate::suggest::{did_you_mean, listed};
use crate::template::Template;
use crate::{AccessLogsParams, Aspect, AspectKind, AspectParams, ListsParams, MetricParams, Phase};

/// What reading an aspect needs beside the aspect.
pub(super) struct Context<'a> {
    pub(super) vocabulary: &'a Vocabulary<'a>,
    pub(super) location: String,
}

/// The name of the adapter block that aspects use if they name none.
const DEFAULT_ADAPTER: &str = "default";

/// Fields of aspects' parameters, for those who forget the level above them.
const PARAM_FIELDS: [&str; 8] =
    ["blacklist", "check_expression", "checkExpression", "log_name", "logName", "log", "metrics", "quotas"];

/// Reads an aspect and its selector. `None` if it cannot be compiled, which was then reported.
pub(super) fn read(
    node: &Node,
    context: Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<(Option<Program>, Aspect)> {
    let manifest = &context.vocabulary.descriptors.manifest;
    let mut fields = Fields::of(node, "an aspect", findings)?;
    let kind = fields.take("kind", findings);
    let adapter = fields.take("adapter", findings);
    let selector_node = fields.take("selector", findings);
    let params = fields.take("params", findings);
    let ttl = fields.take("valid_duration", findings);
    let uses = fields.take("valid_use_count", findings);
    fields.finish_with(findings, |field| {
        PARAM_FIELDS.contains(&field).then(|| format!("`{field}` belongs under `params:`, one level deeper"))
    });
    let selector = selector(selector_node, manifest, findings);
    let kind = read_kind(kind, node.at, findings)?;
    if kind.phase() == Some(Phase::Check) {
        check_selector(selector_node, selector.as_ref(), findings);
    }
    let handler = read_adapter(adapter, kind, node.at, &context, findings);
    let validity = read_validity(ttl, uses, kind, findings);
    let at = params.map_or(node.at, |params| params.at);
    let nothing = Node { at, content: crate::document::Content::Null };
    let reader = ParamsReader { context: &context, at };
    let params = reader.read(kind, params.unwrap_or(&nothing), findings)?;
    Some((
        selector,
        Aspect { location: context.location, kind, handler: handler?, validity: validity?, params },
    ))
}

/// The kind, if it is one that is served.
fn read_kind(node: Option<&Node>, aspect: At, findings: &mut Findings<'_>) -> Option<AspectKind> {
    let Some(node) = node else {
        let names = listed(AspectKind::ALL.iter().map(|kind| kind.as_str()));
        findings.error(aspect, "the aspect has no `kind`").help(format!("the kinds are {names}"));
        return None;
    };
    let text = node.coerced_text("`kind`", findings)?;
    let Ok(kind) = text.value.parse::<AspectKind>() else {
        let names = || AspectKind::ALL.iter().map(|kind| kind.as_str());
        let help = did_you_mean(&text.value, names())
            .unwrap_or_else(|| format!("the kinds are {}", listed(names())));
        findings.error(text.at, format!("unknown aspect kind `{}`", text.value)).help(help);
        return None;
    };
    if kind.phase().is_none() {
        findings.error(text.at, format!("aspect kind `{kind}` is not served yet"));
        return None;
    }
    Some(kind)
}

/// How long, and how often, what the aspect says may be used again; as long as the snapshot if it does not say.
fn read_validity(
    ttl: Option<&Node>,
    uses: Option<&Node>,
    kind: AspectKind,
    findings: &mut Findings<'_>,
) -> Option<Validity> {
    if let Some(stray) = ttl.or(uses).filter(|_| kind.phase() != Some(Phase::Check)) {
        findings
            .error(stray.at, format!("`{kind}` aspects have no part in a verdict"))
            .help("`validDuration` and `validUseCount` are for aspects that decide".to_owned());
        return None;
    }
    let ttl = match ttl {
        Some(node) => Some(node.span("`valid_duration`", findings)?),
        None => None,
    };
    let uses = match uses {
        Some(node) => {
            let count = node.integer("`valid_use_count`", findings)?;
            let Ok(count) = u32::try_from(count) else {
                findings.error(node.at, format!("expected a count of uses from 0, found {count}"));
                return None;
            };
            Some(count)
        }
        None => None,
    };
    Some(match (ttl, uses) {
        (None, None) => Validity::Revision,
        (ttl, uses) => Validity::For { ttl: ttl.unwrap_or(checkcache::limits::TTL_MAX), uses },
    })
}

fn read_adapter(
    node: Option<&Node>,
    kind: AspectKind,
    aspect: At,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<usize> {
    let handlers = context.vocabulary.handlers;
    let text = match node {
        Some(node) => Some(node.coerced_text("`adapter`", findings)?),
        None => None,
    };
    let named = text.filter(|text| !text.value.is_empty());
    let (name, at) = named.as_ref().map_or((DEFAULT_ADAPTER, aspect), |text| (text.value.as_str(), text.at));
    let found = handlers.find(kind, name);
    if found.is_none() && !handlers.is_refused(name) {
        let hint = if named.is_none() { " (an aspect that names no adapter uses that one)" } else { "" };
        findings
            .error(at, format!("no adapter block named `{name}` serves `{kind}`{hint}"))
            .help(handlers.help(kind, name));
    }
    found
}

struct ParamsReader<'a> {
    context: &'a Context<'a>,
    /// Where the parameters stand, or the aspect if it has none.
    at: At,
}

impl ParamsReader<'_> {
    fn read(&self, kind: AspectKind, params: &Node, findings: &mut Findings<'_>) -> Option<AspectParams> {
        let fields = Fields::of(params, format!("the params of a `{kind}` aspect"), findings)?;
        match kind {
            AspectKind::Denials => {
                fields.finish(findings);
                Some(AspectParams::Denials)
            }
            AspectKind::Lists => self.lists(fields, findings).map(AspectParams::Lists),
            AspectKind::AccessLogs => self.access_logs(fields, findings).map(AspectParams::AccessLogs),
            AspectKind::Metrics => Some(AspectParams::Metrics(self.metrics(fields, findings))),
            // Not served: refused before its parameters are read.
            AspectKind::ApplicationLogs | AspectKind::Attributes | AspectKind::Quotas => None,
        }
    }

    fn lists(&self, mut fields: Fields<'_>, findings: &mut Findings<'_>) -> Option<ListsParams> {
        let blacklist = fields.take("blacklist", findings);
        let expression = fields.take("check_expression", findings);
        fields.finish(findings);
        let blacklist = match blacklist {
            Some(node) => node.boolean("`blacklist`", findings)?,
            None => false,
        };
        let text = match expression {
            Some(node) => node.text("`check_expression`", findings)?,
            None => Text { at: self.at, value: "source.ip".to_owned() },
        };
        let check_expression = compile(&text, "`check_expression`", self.manifest(), findings)?;
        cacheability::check(&check_expression, &text, "this aspect", findings);
        let found = check_expression.result_type();
        if found.carrier() != Kind::String && found != ValueType::IpAddress {
            findings.error(
                text.at,
                format!("`check_expression` has to be STRING or IP_ADDRESS, but the expression is {found}"),
            );
            return None;
        }
        Some(ListsParams { blacklist, check_expression })
    }

    fn metrics(&self, mut fields: Fields<'_>, findings: &mut Findings<'_>) -> Vec<MetricParams> {
        let section = fields.take("metrics", findings);
        fields.finish(findings);
        let nodes = list_of(section, "`metrics`", findings);
        if nodes.is_empty() {
            findings.warning(self.at, "the aspect has no `metrics`, so it does nothing");
        }
        nodes.iter().filter_map(|node| self.metric(node, findings)).collect()
    }

    fn metric(&self, node: &Node, findings: &mut Findings<'_>) -> Option<MetricParams> {
        let mut fields = Fields::of(node, "a metric", findings)?;
        let name = fields.take("descriptor_name", findings);
        let value = fields.take("value", findings);
        let label_nodes = fields.take("labels", findings);
        fields.finish(findings);
        let name = match name {
            Some(name) => name.text("`descriptor_name`", findings)?,
            None => Text { at: node.at, value: String::new() },
        };
        let descriptor = find(&self.context.vocabulary.descriptors.metrics, &name, "metric", findings)?;
        let value = match value {
            Some(value) => {
                let text = value.text("`value`", findings);
                text.and_then(|text| {
                    compile_as(descriptor.value, &text, "`value`", self.manifest(), findings)
                })
            }
            None => {
                findings
                    .error(node.at, "the metric has no `value`")
                    .help("to count requests, write `value: \"1\"`");
                None
            }
        };
        let at = label_nodes.map_or(name.at, |labels| labels.at);
        let labels = labels(label_nodes, at, &descriptor.labels, &descriptor.name, self.manifest(), findings);
        Some(MetricParams { descriptor: Arc::clone(descriptor), value: value?, labels })
    }

    fn access_logs(&self, mut fields: Fields<'_>, findings: &mut Findings<'_>) -> Option<AccessLogsParams> {
        let log_name = fields.take("log_name", findings);
        let log = fields.take("log", findings);
        fields.finish(findings);
        let log_name = match log_name {
            Some(node) => node.text("`log_name`", findings)?,
            None => Text { at: self.at, value: "access_log".to_owned() },
        };
        if log_name.value.is_empty() {
            findings.error(log_name.at, "`log_name` is empty");
        }
        let nothing = Node { at: self.at, content: crate::document::Content::Null };
        let log = log.unwrap_or(&nothing);
        let mut fields = Fields::of(log, "`log`", findings)?;
        let name = fields.take("descriptor_name", findings);
        let expressions = fields.take("template_expressions", findings);
        let label_nodes = fields.take("labels", findings);
        fields.finish(findings);
        let name = match name {
            Some(name) => name.text("`descriptor_name`", findings)?,
            None => Text { at: log.at, value: "common".to_owned() },
        };
        let shape: &LogShape = find(&self.context.vocabulary.descriptors.logs, &name, "log", findings)?;
        let descriptor = Arc::clone(&shape.descriptor);
        let at = label_nodes.map_or(name.at, |labels| labels.at);
        let labels = labels(label_nodes, at, &descriptor.labels, &descriptor.name, self.manifest(), findings);
        let variables = self.variables(expressions, findings);
        let template = Arc::clone(shape.template()?);
        let at = expressions.map_or(name.at, |expressions| expressions.at);
        check_variables(&template, &variables, expressions, at, &descriptor.name, findings);
        Some(AccessLogsParams { log_name: log_name.value.into(), descriptor, labels, variables, template })
    }

    /// Compiles the expressions of a template's variables, of any type. Sorted by name.
    fn variables(&self, node: Option<&Node>, findings: &mut Findings<'_>) -> Vec<(Arc<str>, Program)> {
        let entries = node.map_or(&[][..], |node| node.map("`template_expressions`", findings));
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

    fn manifest(&self) -> &std::collections::BTreeMap<String, ValueType> {
        &self.context.vocabulary.descriptors.manifest
    }
}

fn find<'d, D>(
    section: &'d Section<D>,
    name: &Text,
    what: &str,
    findings: &mut Findings<'_>,
) -> Option<&'d D> {
    match section.find(&name.value) {
        Found::Descriptor(descriptor) => Some(descriptor),
        Found::Refused => None,
        Found::Nothing if name.value.is_empty() => {
            findings.error(name.at, format!("the {what} has no `descriptor_name`"));
            None
        }
        Found::Nothing => {
            let help = did_you_mean(&name.value, section.names())
                .unwrap_or_else(|| format!("the declared {what}s are {}", listed(section.names())));
            findings.error(name.at, format!("there is no {what} descriptor `{}`", name.value)).help(help);
            None
        }
    }
}

/// Compares what a template uses with what an aspect gives it.
fn check_variables(
    template: &Template,
    variables: &[(Arc<str>, Program)],
    node: Option<&Node>,
    at: At,
    log: &str,
    findings: &mut Findings<'_>,
) {
    let mut missing = BTreeSet::new();
    for used in template.uses() {
        match variables.iter().find(|(name, _)| *name == used.name) {
            None => drop(missing.insert(&*used.name)),
            Some((name, program)) if used.is_time && program.result_type() != ValueType::Timestamp => {
                let found = program.result_type();
                let at = node.map_or(at, |node| node.find(name));
                findings.error(
                    at,
                    format!("the template of log `{log}` formats `{name}` as a time, but the expression is {found}"),
                );
            }
            Some(_) => {}
        }
    }
    // A variable whose expression was refused is not missing.
    let given = |name: &&&str| node.is_some_and(|node| node.find(name) != node.at);
    let missing: Vec<_> = missing.iter().filter(|name| !given(name)).copied().collect();
    if !missing.is_empty() {
        let names = listed(missing);
        findings
            .warning(
                at,
                format!(
                    "the template of log `{log}` uses {names}, which `template_expressions` does not give"
                ),
            )
            .help("such a variable prints `<no value>`, or what `or` has in its place");
    }
}
