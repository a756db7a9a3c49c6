//! `access-logs` and `application-logs` aspects: entries that are written.
//!
//! An access log tells what it can: what has no value is left out of its entry. An application log is strict: an entry
//! that lacks something is not written, and that is an error.

use std::sync::Arc;

use attributes::{Timestamp, Value};
use checkcache::Recorder;
use expr::Program;

use super::{AspectError, evaluated};
use crate::LogDescriptor;
use crate::template::{Layout, Template};

/// Parameters of an `access-logs` aspect.
#[derive(Debug)]
pub struct AccessLogsParams {
    /// The entry.
    pub log: LogParams,
}

/// One entry of an `application-logs` aspect.
#[derive(Debug)]
pub struct ApplicationLogParams {
    /// The entry.
    pub log: LogParams,
    /// Gives the name of the severity.
    pub severity: Program,
    /// Gives the time of the entry.
    pub timestamp: Program,
    /// How that time is written; `None` if it is not.
    pub(crate) time_format: Option<Layout>,
}

/// What both kinds of entries are made of.
#[derive(Debug)]
pub struct LogParams {
    /// The log to write to.
    pub log_name: Arc<str>,
    /// The shape of the entry.
    pub descriptor: Arc<LogDescriptor>,
    /// The labels, sorted by name.
    pub labels: Vec<(Arc<str>, Program)>,
    /// The template's variables, sorted by name.
    pub variables: Vec<(Arc<str>, Program)>,
    /// The compiled template.
    pub(crate) template: Arc<Template>,
}

/// The entries of one aspect. One that fails does not take the others with it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LogsInstance {
    /// The entries, in document order.
    pub entries: Vec<LogEntry>,
    /// Why others, or parts of them, are missing.
    pub errors: Vec<AspectError>,
}

/// A log entry.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// The log to write to.
    pub log_name: Arc<str>,
    /// Labels, sorted by name. One of an access log that could not be evaluated is left out.
    pub labels: Vec<(Arc<str>, Value)>,
    /// How much it matters.
    pub severity: LogSeverity,
    /// When it happened, written as the aspect wants it; `None` if it does not say.
    pub timestamp: Option<String>,
    /// What it says.
    pub payload: LogPayload,
}

/// What a log entry says.
#[derive(Debug, Clone, PartialEq)]
pub enum LogPayload {
    /// A line of text.
    Text(String),
    /// An object.
    Json(serde_json::Map<String, serde_json::Value>),
}

/// How much a log entry matters, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum LogSeverity {
    #[default]
    Default,
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

/// The label and template variable that never goes without a value.
const TIMESTAMP: &str = "timestamp";

// === impl AccessLogsParams ===

impl AccessLogsParams {
    pub(super) fn programs(&self) -> impl Iterator<Item = &Program> {
        self.log.programs()
    }

    /// A label or variable without a value is left out, and one that is called `timestamp` is the time of the report.
    pub(super) fn evaluate(
        &self,
        recorder: &mut Recorder<'_>,
        now: Timestamp,
    ) -> Result<LogsInstance, AspectError> {
        let mut all = |programs: &[(Arc<str>, Program)]| -> Vec<(Arc<str>, Value)> {
            let value = |(name, program): &(Arc<str>, Program)| match program.evaluate(recorder) {
                Ok(value) => Some((Arc::clone(name), value)),
                Err(_) if &**name == TIMESTAMP => Some((Arc::clone(name), Value::Timestamp(now))),
                Err(_) => None,
            };
            programs.iter().filter_map(value).collect()
        };
        let LogParams { log_name, descriptor, labels, variables, template } = &self.log;
        let labels = all(labels);
        let payload = template.payload(descriptor, &all(variables))?;
        let log_name = Arc::clone(log_name);
        let entry = LogEntry { log_name, labels, severity: LogSeverity::Default, timestamp: None, payload };
        Ok(LogsInstance { entries: vec![entry], errors: Vec::new() })
    }
}

// === impl ApplicationLogParams ===

pub(super) fn evaluate(
    logs: &[ApplicationLogParams],
    recorder: &mut Recorder<'_>,
    now: Timestamp,
) -> LogsInstance {
    let mut instance = LogsInstance::default();
    for log in logs {
        match log.evaluate(recorder, now, &mut instance.errors) {
            Ok(entry) => instance.entries.push(entry),
            Err(error) => instance.errors.push(error),
        }
    }
    instance
}

impl ApplicationLogParams {
    pub(super) fn programs(&self) -> impl Iterator<Item = &Program> {
        self.log.programs().chain([&self.severity, &self.timestamp])
    }

    /// The entry. Without its severity or its time it is written all the same, and that is among the errors.
    fn evaluate(
        &self,
        recorder: &mut Recorder<'_>,
        now: Timestamp,
        errors: &mut Vec<AspectError>,
    ) -> Result<LogEntry, AspectError> {
        let Self { log, severity, timestamp, time_format } = self;
        let name = &log.descriptor.name;
        let mut all = |programs: &[(Arc<str>, Program)], what: &str| {
            let value = |(key, program): &(Arc<str>, Program)| {
                let value = evaluated(program, || format!("{what} `{key}` of log `{name}`"), recorder)?;
                Ok((Arc::clone(key), value))
            };
            programs.iter().map(value).collect::<Result<Vec<_>, AspectError>>()
        };
        let labels = all(&log.labels, "label")?;
        let variables = all(&log.variables, "variable")?;
        let payload = log.template.payload(&log.descriptor, &variables)?;
        let severity = match evaluated(severity, || format!("the severity of log `{name}`"), recorder) {
            Ok(Value::String(text)) => LogSeverity::parse(&text),
            Ok(_) => LogSeverity::Default,
            Err(error) => {
                errors.push(error);
                LogSeverity::Default
            }
        };
        let time = match evaluated(timestamp, || format!("the timestamp of log `{name}`"), recorder) {
            Ok(Value::Timestamp(time)) => time,
            Ok(_) => now,
            Err(error) => {
                errors.push(error);
                now
            }
        };
        let timestamp = time_format.as_ref().map(|layout| layout.format(time));
        Ok(LogEntry { log_name: Arc::clone(&log.log_name), labels, severity, timestamp, payload })
    }
}

// === impl LogParams ===

impl LogParams {
    fn programs(&self) -> impl Iterator<Item = &Program> {
        self.labels.iter().chain(&self.variables).map(|(_, program)| program)
    }
}

// === impl LogSeverity ===

impl LogSeverity {
    /// Every severity, the least first.
    pub const ALL: [Self; 9] = [
        Self::Default,
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// The severity's name, in capitals.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "DEFAULT",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Notice => "NOTICE",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
            Self::Alert => "ALERT",
            Self::Emergency => "EMERGENCY",
        }
    }

    /// The severity that a text names, in capitals or not; `Default` if it names none.
    pub fn parse(text: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|severity| severity.as_str().eq_ignore_ascii_case(text))
            .unwrap_or_default()
    }
}
