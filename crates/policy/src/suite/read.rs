//! Reading suites.

use std::collections::BTreeMap;

use attributes::{Bag, StringMap, Value, ValueType};
use checkcache::Code;

use super::{Case, Expected, ExpectedLog, ExpectedMetric, ExpectedQuota};
use crate::SourceFile;
use crate::diagnostic::{At, Findings};
use crate::document::{Content, Fields, Node};
use crate::suggest::{did_you_mean, listed};

type Manifest = BTreeMap<String, ValueType>;

/// What a quota is called that nothing limits.
const UNLIMITED: &str = "unlimited";

pub(super) fn cases(files: &[SourceFile], manifest: &Manifest, findings: &mut Findings<'_>) -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let Some(root) = Node::parse(index, &file.text, findings) else { continue };
        let Some(mut fields) = Fields::of(&root, "a suite", findings) else { continue };
        let section = fields.take("tests", findings);
        fields.finish(findings);
        let nodes = section.map_or(&[][..], |node| node.list("`tests`", findings));
        if nodes.is_empty() {
            findings.error(At::file(index), "the suite has no `tests`");
        }
        cases.extend(nodes.iter().filter_map(|node| case(node, manifest, findings)));
    }
    cases
}

/// A case, unless something is wrong with it.
fn case(node: &Node, manifest: &Manifest, findings: &mut Findings<'_>) -> Option<Case> {
    let errors = findings.error_count();
    let mut fields = Fields::of(node, "a test", findings)?;
    let name = fields.take("name", findings);
    let attributes = fields.take("attributes", findings);
    let expect = fields.take("expect", findings);
    fields.finish(findings);
    let name = match name {
        Some(name) => name.coerced_text("`name`", findings)?.value,
        None => {
            findings.error(node.at, "the test has no `name`");
            return None;
        }
    };
    let request = request(attributes, manifest, findings);
    let Some(expect) = expect else {
        findings
            .error(node.at, format!("test `{name}` has no `expect`, so it cannot fail"))
            .help("say what should become of the request, such as `expect: { check: OK }`");
        return None;
    };
    let expected = expected(expect, manifest, findings)?;
    let quotas = expected.quotas.iter().map(|(_, quota, _)| quota.clone()).collect();
    (findings.error_count() == errors).then_some(Case { name, request, quotas, expected })
}

fn request(node: Option<&Node>, manifest: &Manifest, findings: &mut Findings<'_>) -> Bag {
    values(node, "`attributes`", manifest, findings)
        .into_iter()
        .map(|(_, name, value)| (name, value))
        .collect()
}

/// Attributes with values of their types.
fn values(
    node: Option<&Node>,
    what: &str,
    manifest: &Manifest,
    findings: &mut Findings<'_>,
) -> Vec<(At, String, Value)> {
    let mut values = Vec::new();
    for entry in node.map_or(&[][..], |node| node.map(what, findings)) {
        let Some(value_type) = manifest.get(&entry.key) else {
            findings
                .error(entry.key_at, format!("no manifest declares the attribute `{}`", entry.key))
                .maybe_help(did_you_mean(&entry.key, manifest.keys().map(String::as_str)));
            continue;
        };
        if let Some(value) = value(&entry.value, &entry.key, *value_type, findings) {
            values.push((entry.value.at, entry.key.clone(), value));
        }
    }
    values
}

fn value(node: &Node, name: &str, value_type: ValueType, findings: &mut Findings<'_>) -> Option<Value> {
    let what = format!("`{name}`");
    if value_type == ValueType::StringMap && matches!(node.content, Content::Map(_) | Content::Null) {
        let mut entries = Vec::new();
        for entry in node.map(&what, findings) {
            entries.push((entry.key.clone(), entry.value.coerced_text(&what, findings)?.value));
        }
        return Some(Value::from(entries.into_iter().collect::<StringMap>()));
    }
    let text = node.coerced_text(&what, findings)?;
    match Value::parse(value_type, &text.value) {
        Ok(value) => Some(value),
        Err(error) => {
            findings.error(text.at, format!("{what} is {value_type}: {error}"));
            None
        }
    }
}

fn expected(node: &Node, manifest: &Manifest, findings: &mut Findings<'_>) -> Option<Expected> {
    let mut fields = Fields::of(node, "`expect`", findings)?;
    let check = fields.take("check", findings);
    let quotas = fields.take("quotas", findings);
    let derived = fields.take("derived", findings);
    let metrics = fields.take_entry("metrics", findings);
    let logs = fields.take_entry("logs", findings);
    fields.finish(findings);
    if check.or(quotas).or(derived).is_none() && metrics.is_none() && logs.is_none() {
        findings
            .error(node.at, "nothing is expected, so the test cannot fail")
            .help("there are `check`, `quotas`, `derived`, `metrics` and `logs`");
    }
    let mut expected = Expected::default();
    if let Some(check) = check {
        read_check(check, &mut expected, findings);
    }
    for entry in quotas.map_or(&[][..], |node| node.map("`quotas`", findings)) {
        let quota = read_quota(&entry.value, findings)?;
        expected.quotas.push((entry.key_at, entry.key.clone(), quota));
    }
    expected.derived = values(derived, "`derived`", manifest, findings);
    expected.metrics = metrics.map(|entry| {
        let nodes = entry.value.list("`metrics`", findings);
        (entry.key_at, nodes.iter().filter_map(|node| read_metric(node, findings)).collect())
    });
    expected.logs = logs.map(|entry| {
        let nodes = entry.value.list("`logs`", findings);
        (entry.key_at, nodes.iter().filter_map(|node| read_log(node, findings)).collect())
    });
    Some(expected)
}

/// The code alone, or with what goes with it.
fn read_check(node: &Node, expected: &mut Expected, findings: &mut Findings<'_>) {
    if !matches!(node.content, Content::Map(_)) {
        expected.code = read_code(node, findings);
        return;
    }
    let Some(mut fields) = Fields::of(node, "`check`", findings) else { return };
    expected.code = fields.take("code", findings).and_then(|node| read_code(node, findings));
    expected.message = text(&mut fields, "message", findings);
    expected.refused_by = text(&mut fields, "refused_by", findings);
    expected.http_status = integer(&mut fields, "http_status", findings);
    fields.finish(findings);
}

fn read_code(node: &Node, findings: &mut Findings<'_>) -> Option<(At, Code)> {
    // By name alone: a number that nobody knows by heart would make a poor expectation.
    let words: Vec<_> = Code::ALL.iter().map(|code| (code.name(), -1, *code)).collect();
    node.enumeration("a verdict", &words, findings).map(|code| (node.at, code))
}

fn read_quota(node: &Node, findings: &mut Findings<'_>) -> Option<ExpectedQuota> {
    if matches!(&node.content, Content::Text(text) if text == UNLIMITED) {
        return Some(ExpectedQuota::Unlimited);
    }
    let mut fields = Fields::of(node, format!("the limit of a quota (or `{UNLIMITED}`)"), findings)?;
    let max_amount = integer(&mut fields, "max_amount", findings);
    let expiration = match fields.take("expiration", findings) {
        Some(node) => Some((node.at, node.duration("`expiration`", findings)?)),
        None => None,
    };
    let labels = labels(&mut fields, findings);
    fields.finish(findings);
    Some(ExpectedQuota::Limited { max_amount, expiration, labels })
}

fn read_metric(node: &Node, findings: &mut Findings<'_>) -> Option<ExpectedMetric> {
    let mut fields = Fields::of(node, "a metric", findings)?;
    let name = text(&mut fields, "name", findings);
    let value = text(&mut fields, "value", findings);
    let labels = labels(&mut fields, findings);
    fields.finish(findings);
    if name.is_none() {
        findings.error(node.at, "the metric has no `name`");
    }
    Some(ExpectedMetric { name: name?, value, labels })
}

fn read_log(node: &Node, findings: &mut Findings<'_>) -> Option<ExpectedLog> {
    let mut fields = Fields::of(node, "a log entry", findings)?;
    let log_name = text(&mut fields, "log_name", findings);
    let said = text(&mut fields, "text", findings);
    let json = fields.take("json", findings).cloned();
    let severity = text(&mut fields, "severity", findings);
    let labels = labels(&mut fields, findings);
    fields.finish(findings);
    if let (Some((at, _)), Some(_)) = (&said, &json) {
        let names = listed(["text", "json"]);
        findings.error(*at, format!("an entry says one thing: {names} exclude each other"));
    }
    Some(ExpectedLog { log_name, text: said, json, severity, labels })
}

fn labels(fields: &mut Fields<'_>, findings: &mut Findings<'_>) -> Vec<(At, String, String)> {
    let node = fields.take("labels", findings);
    let entries = node.map_or(&[][..], |node| node.map("`labels`", findings));
    let label = |entry: &crate::document::Entry| {
        let text = entry.value.coerced_text(&format!("label `{}`", entry.key), findings)?;
        Some((text.at, entry.key.clone(), text.value))
    };
    entries.iter().filter_map(label).collect()
}

fn text(fields: &mut Fields<'_>, field: &'static str, findings: &mut Findings<'_>) -> Option<(At, String)> {
    let node = fields.take(field, findings)?;
    let text = node.coerced_text(&format!("`{field}`"), findings)?;
    Some((text.at, text.value))
}

fn integer(fields: &mut Fields<'_>, field: &'static str, findings: &mut Findings<'_>) -> Option<(At, i64)> {
    let node = fields.take(field, findings)?;
    Some((node.at, node.integer(&format!("`{field}`"), findings)?))
}
