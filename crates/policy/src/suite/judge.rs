//! Judging: what of a case's expectations an outcome does not meet.

use std::fmt::Display;
use std::sync::Arc;

use attributes::{Value, ValueType};

use super::{Case, Expected, ExpectedLog, ExpectedMetric, ExpectedQuota, Outcome};
use crate::diagnostic::{At, Findings};
use crate::{Labels, LogEntry, LogPayload, MetricValue, QuotaInstance};

/// A case while it is judged.
struct Judge<'a, 'f> {
    case: &'a str,
    findings: &'a mut Findings<'f>,
}

pub(super) fn judge(case: &Case, outcome: &Outcome, findings: &mut Findings<'_>) {
    let mut judge = Judge { case: &case.name, findings };
    let Expected { quotas, metrics, logs, .. } = &case.expected;
    judge.check(&case.expected, outcome);
    for ((at, name, expected), found) in quotas.iter().zip(&outcome.quotas) {
        judge.quota(*at, name, expected, found);
    }
    for (at, name, expected) in &case.expected.derived {
        match outcome.derived.value(name) {
            Some(found) if found == expected => {}
            Some(found) => judge.unequal(*at, &format!("`{name}`"), expected, found),
            None => judge.fail(*at, format!("`{name}` is not derived"), None),
        }
    }
    if let Some((at, expected)) = metrics {
        let found: Vec<_> = outcome.metrics.iter().map(describe_metric).collect();
        if judge.counts(*at, "metrics", expected.len(), &found, &outcome.errors) {
            for (expected, found) in expected.iter().zip(&outcome.metrics) {
                judge.metric(expected, found);
            }
        }
    }
    if let Some((at, expected)) = logs {
        let found: Vec<_> = outcome.logs.iter().map(said).collect();
        if judge.counts(*at, "log entries", expected.len(), &found, &outcome.errors) {
            for (expected, found) in expected.iter().zip(&outcome.logs) {
                judge.log(expected, found);
            }
        }
    }
}

impl Judge<'_, '_> {
    fn fail(&mut self, at: At, message: impl Display, help: Option<String>) {
        self.findings.error(at, format!("{}: {message}", self.case)).maybe_help(help);
    }

    fn unequal(&mut self, at: At, what: &str, expected: impl Display, found: impl Display) {
        self.fail(at, format!("expected {what} to be `{expected}`, found `{found}`"), None);
    }

    fn text(&mut self, what: &str, expected: Option<&(At, String)>, found: &str) {
        if let Some((at, expected)) = expected
            && expected != found
        {
            self.unequal(*at, what, expected, found);
        }
    }

    fn check(&mut self, expected: &Expected, outcome: &Outcome) {
        let Outcome { status, refused_by, directive, .. } = outcome;
        if let Some((at, code)) = expected.code
            && code != status.code
        {
            let help = refused_by.as_ref().map(|by| format!("{by} refused: {status}"));
            self.fail(at, format!("expected {}, found {}", code.name(), status.code.name()), help);
        }
        self.text("the message", expected.message.as_ref(), &status.message);
        let by = refused_by.as_deref().unwrap_or("nobody");
        if let Some((at, expected)) = &expected.refused_by
            && !by.contains(expected.as_str())
        {
            self.fail(*at, format!("expected a refusal by `{expected}`, found one by `{by}`"), None);
        }
        if let Some((at, expected)) = expected.http_status {
            let direct = directive.as_ref().and_then(|directive| directive.direct_response_code);
            let found = i64::from(direct.unwrap_or_else(|| status.code.http()));
            if expected != found {
                self.unequal(at, "the HTTP status", expected, found);
            }
        }
    }

    fn quota(
        &mut self,
        at: At,
        name: &str,
        expected: &ExpectedQuota,
        found: &Result<Option<QuotaInstance>, String>,
    ) {
        let found = match found {
            Ok(found) => found.as_ref(),
            Err(reason) => return self.fail(at, format!("quota `{name}`: {reason}"), None),
        };
        let (max_amount, expiration, labels, found) = match (expected, found) {
            (ExpectedQuota::Unlimited, None) => return,
            (ExpectedQuota::Unlimited, Some(_)) => {
                return self.fail(at, format!("something limits quota `{name}`"), None);
            }
            (ExpectedQuota::Limited { .. }, None) => {
                return self.fail(at, format!("nothing limits quota `{name}`"), None);
            }
            (ExpectedQuota::Limited { max_amount, expiration, labels }, Some(found)) => {
                (*max_amount, *expiration, labels, found)
            }
        };
        if let Some((at, amount)) = max_amount
            && amount != found.limit.max_amount
        {
            self.unequal(at, "`maxAmount`", amount, found.limit.max_amount);
        }
        let window = found.limit.window.unwrap_or_default();
        if let Some((at, expiration)) = expiration
            && expiration != window
        {
            self.fail(at, format!("expected `expiration` to be {expiration:?}, found {window:?}"), None);
        }
        self.labels(labels, &found.labels, None);
    }

    fn metric(&mut self, expected: &ExpectedMetric, found: &MetricValue) {
        let descriptor = &found.descriptor;
        if expected.name.1 != *descriptor.name {
            let (at, name) = &expected.name;
            return self.unequal(*at, "the metric", name, describe_metric(found));
        }
        if let Some((at, text)) = &expected.value
            && !is_equal(text, descriptor.value, &found.value)
        {
            self.unequal(*at, &format!("`{}`", descriptor.name), text, &found.value);
        }
        self.labels(&expected.labels, &found.labels, Some(&descriptor.labels));
    }

    fn log(&mut self, expected: &ExpectedLog, found: &LogEntry) {
        self.text("the log", expected.log_name.as_ref(), &found.log_name);
        self.text("the severity", expected.severity.as_ref(), found.severity.as_str());
        self.labels(&expected.labels, &found.labels, None);
        match (&expected.text, &expected.json, &found.payload) {
            (Some((at, expected)), _, LogPayload::Text(text)) if expected != text => {
                self.unequal(*at, "the entry", expected, text);
            }
            (Some((at, _)), _, LogPayload::Json(_))
            | (None, Some(crate::document::Node { at, .. }), LogPayload::Text(_)) => {
                self.fail(*at, format!("the entry says `{}`", said(found)), None);
            }
            (None, Some(node), LogPayload::Json(object)) => {
                let object = serde_json::Value::from(object.clone());
                if node.to_json() != object {
                    self.unequal(node.at, "the entry", node.to_json(), object);
                }
            }
            (Some(_), _, LogPayload::Text(_)) | (None, None, _) => {}
        }
    }

    /// Compares the labels that are expected. Their types are those of a descriptor, or of what was found.
    fn labels(
        &mut self,
        expected: &[(At, String, String)],
        found: &[(Arc<str>, Value)],
        types: Option<&Labels>,
    ) {
        for (at, name, text) in expected {
            let Some((_, value)) = found.iter().find(|(label, _)| **label == **name) else {
                self.fail(*at, format!("there is no label `{name}`"), None);
                continue;
            };
            let is_equal = match types.and_then(|types| types.get(name.as_str())) {
                Some(value_type) => is_equal(text, *value_type, value),
                None => *text == value.to_string(),
            };
            if !is_equal {
                self.unequal(*at, &format!("label `{name}`"), text, value);
            }
        }
    }

    /// Whether there are as many as expected.
    fn counts(&mut self, at: At, what: &str, expected: usize, found: &[String], errors: &[String]) -> bool {
        if expected == found.len() {
            return true;
        }
        let list = if found.is_empty() { "none".to_owned() } else { found.join("; ") };
        let help = (!errors.is_empty()).then(|| format!("not evaluated: {}", errors.join("; ")));
        self.fail(at, format!("{what}: expected {expected}, found {}: {list}", found.len()), help);
        false
    }
}

fn is_equal(text: &str, value_type: ValueType, value: &Value) -> bool {
    Value::parse(value_type, text).is_ok_and(|expected| expected == *value)
}

fn describe_metric(metric: &MetricValue) -> String {
    let labels: Vec<_> = metric.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{}{{{}}} {}", metric.descriptor.name, labels.join(","), metric.value)
}

fn said(entry: &LogEntry) -> String {
    match &entry.payload {
        LogPayload::Text(text) => text.clone(),
        LogPayload::Json(object) => serde_json::Value::from(object.clone()).to_string(),
    }
}
