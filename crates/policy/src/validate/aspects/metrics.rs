//! Parameters of `metrics` aspects.

use std::sync::Arc;

use super::super::descriptors::list_of;
use super::super::expressions::{compile_as, labels};
use super::{ParamsReader, descriptor_name, find};
use crate::MetricParams;
use crate::diagnostic::Findings;
use crate::document::{Fields, Node};

impl ParamsReader<'_> {
    pub(super) fn metrics(&self, mut fields: Fields<'_>, findings: &mut Findings<'_>) -> Vec<MetricParams> {
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
        let name = descriptor_name(name, node.at, "", findings)?;
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
}
