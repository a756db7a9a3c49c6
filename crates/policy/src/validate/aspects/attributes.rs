//! Parameters of `attributes` aspects.

use std::sync::Arc;

use attributes::{Name, ValueType};
use expr::Program;

use super::super::cacheability;
use super::super::expressions::compile;
use super::ParamsReader;
use crate::diagnostic::Findings;
use crate::document::{Entry, Fields, Node};
use crate::suggest::{did_you_mean, listed, nearest};
use crate::{AttributesParams, Binding};

impl ParamsReader<'_> {
    pub(super) fn attributes(&self, mut fields: Fields<'_>, findings: &mut Findings<'_>) -> AttributesParams {
        let inputs = fields.take("input_expressions", findings);
        let bindings = fields.take("attribute_bindings", findings);
        let name = bindings.map_or_else(|| fields.spelled("attribute_bindings"), Node::name);
        fields.finish(findings);
        let inputs = self.inputs(inputs, findings);
        let entries = bindings.map_or(&[][..], |node| node.map(&node.name(), findings));
        if entries.is_empty() {
            findings.warning(self.at, format!("the aspect has no {name}, so it does nothing"));
        }
        let mut bindings: Vec<_> = entries.iter().filter_map(|entry| self.binding(entry, findings)).collect();
        bindings.sort_by(|a, b| a.attribute.cmp(&b.attribute));
        AttributesParams { inputs, bindings }
    }

    /// Compiles what is derived from, of any type. Sorted by name.
    fn inputs(&self, node: Option<&Node>, findings: &mut Findings<'_>) -> Vec<(Arc<str>, Program)> {
        let mut inputs = Vec::new();
        for entry in node.map_or(&[][..], |node| node.map(&node.name(), findings)) {
            let what = format!("input `{}`", entry.key);
            let Some(text) = entry.value.text(&what, findings) else { continue };
            if let Some(program) = compile(&text, &what, self.manifest(), findings) {
                cacheability::check(&program, &text, "this aspect", findings);
                inputs.push((Arc::from(entry.key.as_str()), program));
            }
        }
        inputs.sort_by(|(a, _): &(Arc<str>, _), (b, _)| a.cmp(b));
        inputs
    }

    /// Attribute on the left, the adapter's name for its value on the right.
    fn binding(&self, entry: &Entry, findings: &mut Findings<'_>) -> Option<Binding> {
        let name = &entry.key;
        let value_type = self.manifest().type_of(name);
        if value_type.is_none() && !self.manifest().is_refused(name) {
            findings
                .error(entry.key_at, format!("no manifest declares the attribute `{name}`"))
                .maybe_help(did_you_mean(name, self.manifest().names()));
        }
        let output = entry.value.coerced_text(&format!("the output for `{name}`"), findings)?;
        let value_type = value_type?;
        if let Some(handler) = self.handler.and_then(|index| self.context.vocabulary.handlers.config(index)) {
            let outputs = &handler.outputs;
            match outputs.get(&output.value) {
                Some(found) if !is_bindable(*found, value_type) => {
                    findings.error(
                        output.at,
                        format!(
                            "output `{}` is {found}, but attribute `{name}` is {value_type}",
                            output.value
                        ),
                    );
                }
                Some(_) => {}
                // The files that Mixer shipped bind outputs that its adapter did not have.
                None => {
                    let near = nearest(&output.value, outputs.keys().map(String::as_str));
                    let near_type = near.and_then(|near| outputs.get(near));
                    let fitting = outputs.iter().filter(|(_, found)| is_bindable(**found, value_type));
                    let help = match (near, near_type) {
                        (Some(near), Some(found)) if is_bindable(*found, value_type) => {
                            format!("did you mean `{near}`?")
                        }
                        (Some(near), Some(found)) => {
                            format!("there is `{near}`, but it is {found}, and `{name}` is {value_type}")
                        }
                        (_, _) => format!(
                            "its outputs for {value_type} are {}",
                            listed(fitting.map(|(name, _)| name.as_str()))
                        ),
                    };
                    findings
                        .warning(
                            output.at,
                            format!(
                                "`{}` has no output `{}`, so `{name}` is never derived",
                                handler.impl_name, output.value
                            ),
                        )
                        .help(help);
                }
            }
        }
        Some(Binding { attribute: Name::from(name.as_str()), value_type, output: output.value.into() })
    }
}

/// Whether values of one type can stand for an attribute of another: texts are texts, whatever they mean.
fn is_bindable(output: ValueType, attribute: ValueType) -> bool {
    output.carrier() == attribute.carrier()
}
