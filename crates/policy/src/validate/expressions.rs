//! Compiling the expressions of a configuration.

use std::sync::Arc;

use attributes::ValueType;
use expr::Program;

use super::cacheability;
use super::manifests::Manifest;
use crate::Labels;
use crate::diagnostic::{At, Findings};
use crate::document::{Node, Text};
use crate::suggest::did_you_mean;

/// A compiled selector.
#[derive(Debug)]
pub(super) struct Selector {
    pub(super) program: Program,
    pub(super) text: Text,
}

/// Compiles a text. What is wrong with it is reported inside of it.
pub(super) fn compile(
    text: &Text,
    what: &str,
    manifest: &Manifest,
    findings: &mut Findings<'_>,
) -> Option<Program> {
    if text.value.trim().is_empty() {
        findings.error(text.at, format!("no expression for {what}"));
        return None;
    }
    match expr::compile(&text.value, &manifest.types) {
        Ok(program) => {
            for warning in program.warnings() {
                findings.warning(text.locate(&warning.span, findings), warning.message.clone());
            }
            Some(program)
        }
        // The span is that of an attribute if it is one that is not known.
        Err(error) if text.value.get(error.span.clone()).is_some_and(|name| manifest.is_refused(name)) => {
            None
        }
        Err(error) => {
            findings
                .error(text.locate(&error.span, findings), format!("{what}: {}", quoting(&error.message)))
                .maybe_help(error.suggestion);
            None
        }
    }
}

/// A message about a name, with the name as all other messages have it.
fn quoting(message: &str) -> String {
    for unknown in ["unknown attribute", "unknown function"] {
        let name = message.strip_prefix(unknown).map(|rest| rest.trim_start_matches([':', ' ']));
        if let Some(name) = name {
            return format!("{unknown} `{name}`");
        }
    }
    message.to_owned()
}

/// Compiles a text that has to be of one type.
pub(super) fn compile_as(
    expected: ValueType,
    text: &Text,
    what: &str,
    manifest: &Manifest,
    findings: &mut Findings<'_>,
) -> Option<Program> {
    let program = compile(text, what, manifest, findings)?;
    let found = program.result_type();
    if found != expected {
        findings.error(text.at, format!("{what} has to be {expected}, but the expression is {found}"));
        return None;
    }
    Some(program)
}

/// Compiles a selector; one without a text selects always.
pub(super) fn selector(
    node: Option<&Node>,
    manifest: &Manifest,
    findings: &mut Findings<'_>,
) -> Option<Selector> {
    let node = node?;
    let text = node.coerced_text(&node.name(), findings)?;
    if text.value.is_empty() {
        return None;
    }
    let program = compile_as(ValueType::Bool, &text, "a selector", manifest, findings)?;
    Some(Selector { program, text })
}

/// Warns of what a selector of checks should rather not look at.
pub(super) fn check_selector(selector: Option<&Selector>, findings: &mut Findings<'_>) {
    if let Some(Selector { program, text }) = selector {
        cacheability::check(program, text, "this selector", findings);
    }
}

/// Compiles the labels of a metric, log or quota: exactly those of its descriptor, each of its type. Sorted by name.
pub(super) fn labels(
    node: Option<&Node>,
    at: At,
    expected: &Labels,
    descriptor: &str,
    manifest: &Manifest,
    findings: &mut Findings<'_>,
) -> Vec<(Arc<str>, Program)> {
    let entries = node.map_or(&[][..], |node| node.map(&node.name(), findings));
    let missing: Vec<_> = expected
        .keys()
        .filter(|name| !entries.iter().any(|entry| entry.key == ***name))
        .map(|name| &**name)
        .collect();
    if !missing.is_empty() {
        let names = crate::suggest::listed(missing);
        findings
            .error(at, format!("no expressions for labels {names} of `{descriptor}`"))
            .help("an aspect gives every label that the descriptor declares");
    }
    let mut programs = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some((name, value_type)) = expected.get_key_value(entry.key.as_str()) else {
            findings
                .error(entry.key_at, format!("`{descriptor}` declares no label `{}`", entry.key))
                .maybe_help(did_you_mean(&entry.key, expected.keys().map(|name| &**name)));
            continue;
        };
        let what = format!("label `{name}`");
        let Some(text) = entry.value.text(&what, findings) else { continue };
        if let Some(program) = compile_as(*value_type, &text, &what, manifest, findings) {
            programs.push((Arc::clone(name), program));
        }
    }
    programs.sort_by(|(a, _), (b, _)| a.cmp(b));
    programs
}
