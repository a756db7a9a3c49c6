//! Reading descriptors.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::manifests::{self, Manifest, value_type};
use super::{buckets, ignore_header};
use crate::diagnostic::{At, Findings};
use crate::document::{Content, DESCRIPTOR_SECTIONS, Document, Fields, Node, Text};
use crate::suggest::listed;
use crate::template::{InvalidTemplate, Template};
use crate::{
    Labels, LogDescriptor, MetricDescriptor, MetricKind, MonitoredResourceDescriptor, PayloadFormat,
    PrincipalDescriptor, QuotaDescriptor,
};

/// Everything that is declared.
#[derive(Debug, Default)]
pub(super) struct Descriptors {
    pub(super) manifest: Manifest,
    pub(super) metrics: Section<Arc<MetricDescriptor>>,
    pub(super) logs: Section<LogShape>,
    pub(super) quotas: Section<Arc<QuotaDescriptor>>,
}

/// The descriptors of one section.
#[derive(Debug)]
pub(super) struct Section<D> {
    pub(super) in_order: Vec<D>,
    /// Every name, also those of descriptors that were refused.
    by_name: BTreeMap<String, Declared>,
}

/// A name that a descriptor has.
#[derive(Debug)]
struct Declared {
    at: At,
    /// The descriptor's position; `None` if it was refused.
    index: Option<usize>,
    is_used: Cell<bool>,
}

/// A log descriptor with its compiled template.
#[derive(Debug)]
pub(super) struct LogShape {
    pub(super) descriptor: Arc<LogDescriptor>,
    pub(super) template: Result<Arc<Template>, InvalidTemplate>,
    text: Text,
}

/// What looking for a descriptor found.
pub(super) enum Found<'d, D> {
    Descriptor(&'d D),
    /// It is there, but something is wrong with it, and that was reported.
    Refused,
    Nothing,
}

impl Descriptors {
    pub(super) fn read(document: Option<&Document>, findings: &mut Findings<'_>) -> Self {
        let mut descriptors = Self::default();
        let Some(document) = document else { return descriptors };
        let Some(mut fields) = Fields::of(&document.root, "a descriptors file", findings) else {
            return descriptors;
        };
        ignore_header(&mut fields, findings);
        fields.ignore("adapters", "it belongs into `adapters.yml`", findings);
        let [manifests, metrics, logs, quotas, resources, principals] =
            DESCRIPTOR_SECTIONS.map(|section| fields.take(section, findings));
        fields.finish(findings);
        descriptors.manifest = manifests::read(manifests, findings);
        descriptors.metrics = Section::read(metrics, "metric", metric, findings);
        descriptors.logs = Section::read(logs, "log", log, findings);
        descriptors.quotas = Section::read(quotas, "quota", quota, findings);
        // Nothing refers to these two; they are read so that mistakes in them are found.
        let resource = |common, fields: &mut Fields<'_>, _: &Node, findings: &mut Findings<'_>| {
            Some(monitored_resource(common, fields, findings))
        };
        Section::read(resources, "monitored resource", resource, findings);
        let principal = |common, _: &mut Fields<'_>, _: &Node, _: &mut Findings<'_>| Some(principal(common));
        Section::read(principals, "principal", principal, findings);
        descriptors
    }

    /// Warns of descriptors that no aspect names. Resources and principals are named by none.
    pub(super) fn report_unused(&self, findings: &mut Findings<'_>) {
        self.metrics.report_unused("metric", findings);
        self.logs.report_unused("log", findings);
        self.quotas.report_unused("quota", findings);
    }

    /// Reports templates that are wrong. One that no aspect uses is in nobody's way.
    pub(super) fn report_templates(&self, findings: &mut Findings<'_>) {
        for log in &self.logs.in_order {
            let Err(error) = &log.template else { continue };
            let at = log.text.locate(&error.span, findings);
            let message = format!("the template of log `{}`: {error}", log.descriptor.name);
            if self.logs.is_used(&log.descriptor.name) {
                findings.error(at, message);
            } else {
                findings.warning(at, message).help("no aspect uses the log; one that did would be refused");
            }
        }
    }
}

impl<D> Default for Section<D> {
    fn default() -> Self {
        Self { in_order: Vec::new(), by_name: BTreeMap::new() }
    }
}

impl<D> Section<D> {
    fn read(
        section: Option<&Node>,
        what: &str,
        read: impl Fn(Common, &mut Fields<'_>, &Node, &mut Findings<'_>) -> Option<D>,
        findings: &mut Findings<'_>,
    ) -> Self {
        let mut descriptors = Self::default();
        for node in list_of(section, findings) {
            let Some(mut fields) = Fields::of(node, format!("a {what} descriptor"), findings) else {
                continue;
            };
            let errors = findings.error_count();
            let name = name(&mut fields, node, what, findings);
            let common = Common::read(name.as_ref(), &mut fields, findings);
            let descriptor = read(common, &mut fields, node, findings);
            fields.finish(findings);
            let Some(name) = name else { continue };
            if let Some(first) = descriptors.by_name.get(&name.value) {
                let place = findings.place(first.at);
                findings.error(name.at, format!("there is another {what} `{}` at {place}", name.value));
                continue;
            }
            let index = descriptor.filter(|_| findings.error_count() == errors).map(|descriptor| {
                descriptors.in_order.push(descriptor);
                descriptors.in_order.len() - 1
            });
            let declared = Declared { at: name.at, index, is_used: Cell::new(false) };
            descriptors.by_name.insert(name.value, declared);
        }
        descriptors
    }

    /// The descriptor of a name, for an aspect.
    pub(super) fn find(&self, name: &str) -> Found<'_, D> {
        let Some(declared) = self.by_name.get(name) else { return Found::Nothing };
        declared.is_used.set(true);
        declared.index.and_then(|index| self.in_order.get(index)).map_or(Found::Refused, Found::Descriptor)
    }

    fn is_used(&self, name: &str) -> bool {
        self.by_name.get(name).is_some_and(|declared| declared.is_used.get())
    }

    fn report_unused(&self, what: &str, findings: &mut Findings<'_>) {
        for (name, Declared { at, is_used, .. }) in &self.by_name {
            if !is_used.get() {
                findings.warning(*at, format!("no aspect uses the {what} `{name}`"));
            }
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.by_name.keys().map(String::as_str)
    }
}

/// The items of a section that may not be there.
pub(super) fn list_of<'n>(section: Option<&'n Node>, findings: &mut Findings<'_>) -> &'n [Node] {
    section.map_or(&[], |section| section.list(&section.name(), findings))
}

/// Whether a list is not there, or has no items. What is no list was reported.
pub(super) fn is_empty(section: Option<&Node>) -> bool {
    section.is_none_or(|section| section.content == Content::List(Vec::new()))
}

/// What descriptors have in common.
struct Common {
    name: Arc<str>,
    labels: Labels,
}

impl Common {
    fn read(name: Option<&Text>, fields: &mut Fields<'_>, findings: &mut Findings<'_>) -> Self {
        let mut labels = Labels::new();
        let node = fields.take("labels", findings);
        for entry in node.map_or(&[][..], |node| node.map(&node.name(), findings)) {
            if let Some(value_type) = value_type(&entry.value, &format!("label `{}`", entry.key), findings) {
                labels.insert(entry.key.as_str().into(), value_type);
            }
        }
        Self { name: name.map_or("", |name| name.value.as_str()).into(), labels }
    }
}

fn name(fields: &mut Fields<'_>, node: &Node, what: &str, findings: &mut Findings<'_>) -> Option<Text> {
    let name = match fields.take("name", findings) {
        Some(name) => name.text(&name.name(), findings)?,
        None => Text { at: node.at, value: String::new() },
    };
    if name.value.is_empty() {
        findings.error(name.at, format!("the {what} descriptor has no name"));
        return None;
    }
    Some(name)
}

fn prose(fields: &mut Fields<'_>, name: &'static str, findings: &mut Findings<'_>) -> String {
    let node = fields.take(name, findings);
    node.and_then(|node| node.text(&node.name(), findings)).map_or(String::new(), |text| text.value)
}

const METRIC_KINDS: [(&str, i64, Option<MetricKind>); 4] = [
    ("METRIC_KIND_UNSPECIFIED", 0, None),
    ("GAUGE", 1, Some(MetricKind::Gauge)),
    ("COUNTER", 2, Some(MetricKind::Counter)),
    ("DISTRIBUTION", 3, Some(MetricKind::Distribution)),
];

fn metric(
    common: Common,
    fields: &mut Fields<'_>,
    node: &Node,
    findings: &mut Findings<'_>,
) -> Option<Arc<MetricDescriptor>> {
    let display_name = prose(fields, "display_name", findings);
    let description = prose(fields, "description", findings);
    let kind = one_of(fields, "kind", &METRIC_KINDS, node, findings);
    let value = match fields.take("value", findings) {
        Some(value) => value_type(value, &value.name(), findings),
        None => {
            findings
                .error(node.at, "the metric has no `value`")
                .help("give the type of its values, such as INT64");
            None
        }
    };
    let buckets = fields.take_entry("buckets", findings);
    let buckets = match (kind, buckets) {
        (Some(MetricKind::Distribution), Some(entry)) => buckets::read(&entry.value, entry.key_at, findings),
        (Some(MetricKind::Distribution), None) => {
            let [linear, exponential, explicit] =
                ["linear_buckets", "exponential_buckets", "explicit_buckets"]
                    .map(|name| fields.spelled(name));
            findings
                .error(node.at, "a distribution has to have `buckets`")
                .help(format!("give it {linear}, {exponential} or {explicit}"));
            None
        }
        (Some(MetricKind::Gauge | MetricKind::Counter), Some(entry)) => {
            findings.warning(entry.key_at, "only distributions have buckets");
            None
        }
        (Some(MetricKind::Gauge | MetricKind::Counter) | None, _) => None,
    };
    let Common { name, labels } = common;
    Some(Arc::new(MetricDescriptor {
        name,
        display_name,
        description,
        kind: kind?,
        value: value?,
        labels,
        buckets,
    }))
}

const PAYLOAD_FORMATS: [(&str, i64, Option<PayloadFormat>); 3] = [
    ("PAYLOAD_FORMAT_UNSPECIFIED", 0, None),
    ("TEXT", 1, Some(PayloadFormat::Text)),
    ("JSON", 2, Some(PayloadFormat::Json)),
];

fn log(
    common: Common,
    fields: &mut Fields<'_>,
    node: &Node,
    findings: &mut Findings<'_>,
) -> Option<LogShape> {
    let display_name = prose(fields, "display_name", findings);
    let description = prose(fields, "description", findings);
    let payload_format = one_of(fields, "payload_format", &PAYLOAD_FORMATS, node, findings);
    let template = fields.take("log_template", findings);
    let text = match template {
        Some(template) => template.text(&template.name(), findings)?,
        None => Text { at: node.at, value: String::new() },
    };
    if text.value.is_empty() {
        let name = template.map_or_else(|| fields.spelled("log_template"), Node::name);
        findings.error(text.at, format!("the log has no {name}"));
        return None;
    }
    let Common { name, labels } = common;
    let template = Template::compile(&text.value).map(Arc::new);
    let log_template = text.value.clone();
    let payload_format = payload_format?;
    let descriptor =
        Arc::new(LogDescriptor { name, display_name, description, payload_format, log_template, labels });
    Some(LogShape { descriptor, template, text })
}

fn quota(
    common: Common,
    fields: &mut Fields<'_>,
    _: &Node,
    findings: &mut Findings<'_>,
) -> Option<Arc<QuotaDescriptor>> {
    let display_name = prose(fields, "display_name", findings);
    let description = prose(fields, "description", findings);
    let rate_limit = match fields.take("rate_limit", findings) {
        Some(node) => node.boolean(&node.name(), findings)?,
        None => false,
    };
    let Common { name, labels } = common;
    Some(Arc::new(QuotaDescriptor { name, display_name, description, labels, rate_limit }))
}

fn monitored_resource(
    common: Common,
    fields: &mut Fields<'_>,
    findings: &mut Findings<'_>,
) -> MonitoredResourceDescriptor {
    let description = prose(fields, "description", findings);
    let Common { name, labels } = common;
    MonitoredResourceDescriptor { name, description, labels }
}

fn principal(common: Common) -> PrincipalDescriptor {
    let Common { name, labels } = common;
    PrincipalDescriptor { name, labels }
}

/// A field that has to be one of several words, the first of which stands for none.
fn one_of<T: Copy>(
    fields: &mut Fields<'_>,
    field: &'static str,
    words: &[(&str, i64, Option<T>)],
    node: &Node,
    findings: &mut Findings<'_>,
) -> Option<T> {
    let found = fields.take(field, findings);
    let at = found.map_or(node.at, |found| found.at);
    let value = match found {
        Some(found) => found.enumeration(&found.name(), words, findings)?,
        None => None,
    };
    if value.is_none() {
        let name = found.map_or_else(|| fields.spelled(field), Node::name);
        let words = listed(words.iter().skip(1).map(|(word, _, _)| *word));
        findings.error(at, format!("no {name} is given")).help(format!("the values are {words}"));
    }
    value
}
