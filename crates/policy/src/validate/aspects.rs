//! Reading aspects: kind, adapter, and the parameters of each kind.

mod attributes;
mod lists;
mod logs;
mod metrics;
mod quotas;

use std::collections::BTreeMap;

use checkcache::Validity;

use super::Vocabulary;
use super::descriptors::{Found, Section};
use super::expressions::{check_selector, selector};
use super::manifests::Manifest;
use super::reach::Guards;
use crate::diagnostic::{At, Findings};
use crate::document::{Fields, Node, Text};
use crate::snapshot::Guarded;
use crate::suggest::{did_you_mean, listed};
use crate::{Aspect, AspectKind, AspectParams, Phase};

/// What reading an aspect needs beside the aspect.
pub(super) struct Context<'a> {
    pub(super) vocabulary: &'a Vocabulary<'a>,
    /// What stands before the aspect.
    pub(super) guards: Guards<'a>,
    pub(super) location: String,
}

/// An aspect that was read.
pub(super) struct Read {
    /// Where its name stands; the aspect if it has none.
    pub(super) at: At,
    pub(super) guarded: Guarded,
    /// The selector that guards it alone.
    pub(super) own: Option<String>,
}

/// The name of the adapter block that aspects use if they name none.
const DEFAULT_ADAPTER: &str = "default";

/// Fields of aspects' parameters, for those who forget the level above them.
const PARAM_FIELDS: [&str; 13] = [
    "attribute_bindings",
    "attributeBindings",
    "blacklist",
    "check_expression",
    "checkExpression",
    "input_expressions",
    "inputExpressions",
    "log",
    "log_name",
    "logName",
    "logs",
    "metrics",
    "quotas",
];

/// Reads an aspect and its selector. Nothing if it cannot be compiled, which was then reported; several if it limits
/// several quotas.
pub(super) fn read(node: &Node, context: &Context<'_>, findings: &mut Findings<'_>) -> Vec<Read> {
    read_all(node, context, findings).unwrap_or_default()
}

fn read_all(node: &Node, context: &Context<'_>, findings: &mut Findings<'_>) -> Option<Vec<Read>> {
    let manifest = &context.vocabulary.descriptors.manifest;
    let mut fields = Fields::of(node, "an aspect", findings)?;
    let kind = fields.take("kind", findings);
    let adapter = fields.take("adapter", findings);
    let selector_node = fields.take("selector", findings);
    let params = fields.take("params", findings);
    let ttl = fields.take("valid_duration", findings);
    let uses = fields.take("valid_use_count", findings);
    let errors = findings.error_count();
    fields.finish_with(findings, |field| {
        PARAM_FIELDS.contains(&field).then(|| format!("`{field}` belongs under `params:`, one level deeper"))
    });
    let is_misplaced = params.is_none() && findings.error_count() > errors;
    let selector = selector(selector_node, manifest, findings);
    if let Some(selector) = &selector {
        context.guards.check(selector, findings);
    }
    let kind = read_kind(kind, node.at, findings)?;
    if matches!(kind.phase(), Phase::Preprocess | Phase::Check) {
        check_selector(selector.as_ref(), findings);
    }
    let handler = read_adapter(adapter, kind, node.at, context, findings);
    let validity = read_validity(ttl, uses, kind, findings);
    if is_misplaced {
        // Parameters that stand elsewhere are not missing.
        return None;
    }
    let at = params.map_or(node.at, |params| params.at);
    let nothing = Node::null(at);
    let reader = ParamsReader { context, at, handler };
    let all = reader.read(kind, params.unwrap_or(&nothing), findings);
    let (handler, validity) = (handler?, validity?);
    let read = |Params { at, suffix, compiled }: Params| Read {
        at,
        guarded: Guarded {
            selector: selector.as_ref().map(|selector| selector.program.clone()),
            aspect: Aspect {
                location: format!("{}{suffix}", context.location),
                kind,
                handler,
                validity,
                params: compiled,
            },
        },
        own: selector.as_ref().map(|selector| selector.text.value.clone()),
    };
    Some(all.into_iter().map(read).collect())
}

/// The kind, if it is one.
fn read_kind(node: Option<&Node>, aspect: At, findings: &mut Findings<'_>) -> Option<AspectKind> {
    let Some(node) = node else {
        let names = listed(AspectKind::ALL.iter().map(|kind| kind.as_str()));
        findings.error(aspect, "the aspect has no `kind`").help(format!("the kinds are {names}"));
        return None;
    };
    let text = node.coerced_text(&node.name(), findings)?;
    let kind = text.value.parse().ok();
    if kind.is_none() {
        report_kind(&text, findings);
    }
    kind
}

/// Reports what is no kind.
pub(super) fn report_kind(text: &Text, findings: &mut Findings<'_>) {
    let names = || AspectKind::ALL.iter().map(|kind| kind.as_str());
    let help =
        did_you_mean(&text.value, names()).unwrap_or_else(|| format!("the kinds are {}", listed(names())));
    findings.error(text.at, format!("unknown aspect kind `{}`", text.value)).help(help);
}

/// How long, and how often, what the aspect says may be used again; as long as the snapshot if it does not say.
fn read_validity(
    ttl: Option<&Node>,
    uses: Option<&Node>,
    kind: AspectKind,
    findings: &mut Findings<'_>,
) -> Option<Validity> {
    let is_part = match kind.phase() {
        Phase::Preprocess | Phase::Check => true,
        Phase::Quota | Phase::Report => false,
    };
    if let Some(stray) = ttl.or(uses).filter(|_| !is_part) {
        findings.error(stray.at, format!("`{kind}` aspects have no part in a verdict")).help(
            "`validDuration` and `validUseCount` are for aspects that decide, or that derive attributes",
        );
        return None;
    }
    let ttl = match ttl {
        Some(node) => Some(node.span(&node.name(), findings)?),
        None => None,
    };
    let uses = match uses {
        Some(node) => {
            let count = node.integer(&node.name(), findings)?;
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
        Some(node) => Some(node.coerced_text(&node.name(), findings)?),
        None => None,
    };
    let named = text.filter(|text| !text.value.is_empty());
    let (name, at) = named.as_ref().map_or((DEFAULT_ADAPTER, aspect), |text| (text.value.as_str(), text.at));
    let found = handlers.find(kind, name);
    if found.is_none() && !handlers.is_refused(name) {
        let hint = if named.is_none() { " (an aspect that names no adapter uses that one)" } else { "" };
        findings
            .error(at, format!("no adapter block named `{name}` serves `{kind}`{hint}"))
            .help(handlers.help(kind, name, named.is_some()));
    }
    found
}

/// Parameters that were read.
struct Params {
    at: At,
    /// What the aspect's location has at its end.
    suffix: String,
    compiled: AspectParams,
}

/// Reads the parameters of an aspect.
struct ParamsReader<'a> {
    context: &'a Context<'a>,
    /// Where the parameters stand, or the aspect if it has none.
    at: At,
    /// The adapter block that will act on them, if there is one.
    handler: Option<usize>,
}

impl ParamsReader<'_> {
    /// The parameters of each aspect that this one stands for.
    fn read(&self, kind: AspectKind, params: &Node, findings: &mut Findings<'_>) -> Vec<Params> {
        let Some(fields) = Fields::of(params, format!("the params of a `{kind}` aspect"), findings) else {
            return Vec::new();
        };
        let params = match kind {
            AspectKind::Denials => {
                fields.finish(findings);
                Some(AspectParams::Denials)
            }
            AspectKind::Lists => self.lists(fields, findings).map(AspectParams::Lists),
            AspectKind::AccessLogs => self.access_logs(fields, findings).map(AspectParams::AccessLogs),
            AspectKind::ApplicationLogs => {
                Some(AspectParams::ApplicationLogs(self.application_logs(fields, findings)))
            }
            AspectKind::Metrics => Some(AspectParams::Metrics(self.metrics(fields, findings))),
            AspectKind::Attributes => Some(AspectParams::Attributes(self.attributes(fields, findings))),
            AspectKind::Quotas => return self.quotas(fields, findings),
        };
        params
            .map(|params| Params { at: self.at, suffix: String::new(), compiled: params })
            .into_iter()
            .collect()
    }

    fn manifest(&self) -> &Manifest {
        &self.context.vocabulary.descriptors.manifest
    }
}

/// The name of a descriptor, or a default. That there is neither is reported.
fn descriptor_name(
    fields: &mut Fields<'_>,
    at: At,
    default: Option<&str>,
    what: &str,
    findings: &mut Findings<'_>,
) -> Option<Text> {
    if let Some(name) = fields.take("descriptor_name", findings) {
        return name.text(&name.name(), findings);
    }
    if default.is_none() {
        let name = fields.spelled("descriptor_name");
        findings.error(at, format!("the {what} has no {name}"));
    }
    default.map(|default| Text { at, value: default.to_owned() })
}

/// Reports what of a list names a descriptor that an earlier one names.
fn report_twice<'t>(names: impl IntoIterator<Item = &'t Text>, what: &str, findings: &mut Findings<'_>) {
    let mut seen = BTreeMap::new();
    for name in names {
        if let Some(first) = seen.get(name.value.as_str()) {
            let place = findings.place(*first);
            findings.error(name.at, format!("{what} `{}` is given twice; first at {place}", name.value));
        } else {
            seen.insert(name.value.as_str(), name.at);
        }
    }
}

/// The descriptor of a name.
fn find<'d, D>(
    section: &'d Section<D>,
    name: &Text,
    what: &str,
    findings: &mut Findings<'_>,
) -> Option<&'d D> {
    match section.find(&name.value) {
        Found::Descriptor(descriptor) => Some(descriptor),
        Found::Refused => None,
        Found::Nothing => {
            let help = did_you_mean(&name.value, section.names())
                .unwrap_or_else(|| format!("the declared {what}s are {}", listed(section.names())));
            findings.error(name.at, format!("there is no {what} descriptor `{}`", name.value)).help(help);
            None
        }
    }
}
