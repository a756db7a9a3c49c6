//! Parameters of `metrics` aspects.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::descriptors::{is_empty, list_of};
use super::super::expressions::{compile_as, labels};
use super::{ParamsReader, descriptor_name, find};
use crate::MetricsParams;
use crate::aspect::CompiledMetric;
use crate::diagnostic::Findings;
use crate::document::{Fields, Node, Text};

impl ParamsReader<'_> {
    pub(super) fn metrics(&self, mut fields: Fields<'_>, findings: &mut Findings<'_>) -> MetricsParams {
        let section = fields.take("metrics", findings);
        fields.finish(findings);
        let nodes = list_of(section, findings);
        if is_empty(section) {
            findings.warning(self.at, "the aspect has no `metrics`, so it does nothing");
        }
        let mut seen = BTreeMap::new();
        let mut metrics = Vec::with_capacity(nodes.len());
        for node in nodes {
            let Some((name, metric)) = self.metric(node, findings) else { continue };
            if let Some(first) = seen.get(&name.value) {
                let place = findings.place(*first);
                findings
                    .warning(name.at, format!("metric `{}` is given twice; first at {place}", name.value))
                    .help("each request is measured twice; give one of them another descriptor");
            } else {
                seen.insert(name.value, name.at);
            }
            metrics.extend(metric);
        }
        MetricsParams::new(metrics)
    }

    /// The name that is given, and the metric if nothing is wrong with it.
    fn metric(&self, node: &Node, findings: &mut Findings<'_>) -> Option<(Text, Option<CompiledMetric>)> {
        let mut fields = Fields::of(node, "a metric", findings)?;
        let name = descriptor_name(&mut fields, node.at, None, "metric", findings);
        let value = fields.take("value", findings);
        let label_nodes = fields.take("labels", findings);
        fields.finish(findings);
        let name = name?;
        let descriptor = find(&self.context.vocabulary.descriptors.metrics, &name, "metric", findings)?;
        let value = match value {
            Some(value) => {
                let text = value.text(&value.name(), findings);
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
        let descriptor = Arc::clone(descriptor);
        Some((name, value.map(|value| CompiledMetric { descriptor, value, labels })))
    }
}
