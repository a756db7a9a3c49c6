//! `access-logs` and `application-logs` aspects: entries that are written.
//!
//! An access log tells what it can: what has no value is left out of its entry. An application log is strict: an entry
//! that lacks something is not written, and that is an error.

use std::sync::Arc;

use attributes::{Timestamp, Value, ValueRef};
use checkcache::Recorder;
use expr::Program;

use super::programs::{Programs, Results};
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
    log_name: Arc<str>,
    /// The shape of the entry.
    descriptor: Arc<LogDescriptor>,
    /// What is read.
    programs: Programs,
    /// The labels, sorted by name, each with the place of its program.
    labels: Vec<(Arc<str>, usize)>,
    /// The template's variables, likewise.
    variables: Vec<(Arc<str>, usize)>,
    /// The compiled template.
    template: Arc<Template>,
}

/// The same with programs of its own for each label and variable, as it is compiled.
#[derive(Debug)]
pub(crate) struct CompiledLog {
    pub(crate) log_name: Arc<str>,
    pub(crate) descriptor: Arc<LogDescriptor>,
    /// Sorted by name.
    pub(crate) labels: Vec<(Arc<str>, Program)>,
    /// Sorted by name.
    pub(crate) variables: Vec<(Arc<str>, Program)>,
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
    pub(super) fn programs(&self) -> &[Program] {
        self.log.programs()
    }

    /// A label or variable without a value is left out, and one that is called `timestamp` is the time of the report.
    pub(super) fn evaluate(
        &self,
        recorder: &mut Recorder<'_>,
        now: Timestamp,
    ) -> Result<LogsInstance, AspectError> {
        let log = &self.log;
        let mut results = Results::new(&log.programs);
        for (_, place) in log.labels.iter().chain(&log.variables) {
            // What has no value is left out.
            let _ = results.get(*place, String::new, recorder);
        }
        let entry = log.entry(&results, Some(now), LogSeverity::Default, None)?;
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
        self.log.programs().iter().chain([&self.severity, &self.timestamp])
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
        let mut results = Results::new(&log.programs);
        for (what, programs) in [("label", &log.labels), ("variable", &log.variables)] {
            for (key, place) in programs {
                results.get(*place, || format!("{what} `{key}` of log `{name}`"), recorder)?;
            }
        }
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
        log.entry(&results, None, severity, timestamp)
    }
}

// === impl LogParams ===

impl From<CompiledLog> for LogParams {
    fn from(compiled: CompiledLog) -> Self {
        let CompiledLog { log_name, descriptor, labels, variables, template } = compiled;
        let mut programs = Programs::default();
        let mut placed = |all: Vec<(Arc<str>, Program)>| -> Vec<(Arc<str>, usize)> {
            all.into_iter().map(|(name, program)| (name, programs.place_of(program))).collect()
        };
        let (labels, variables) = (placed(labels), placed(variables));
        Self { log_name, descriptor, programs, labels, variables, template }
    }
}

impl LogParams {
    fn programs(&self) -> &[Program] {
        self.programs.as_slice()
    }

    /// The entry of what programs came to. A label or variable that came to nothing is left out, unless it is called
    /// `timestamp` and there is a time to take its place.
    fn entry(
        &self,
        results: &Results<'_>,
        instead: Option<Timestamp>,
        severity: LogSeverity,
        timestamp: Option<String>,
    ) -> Result<LogEntry, AspectError> {
        let Self { log_name, descriptor, programs: _, labels, variables, template } = self;
        let instead = |name: &str| instead.filter(|_| name == TIMESTAMP);
        let label = |(name, place): &(Arc<str>, usize)| {
            let value = results.known(*place).map(|value| value.clone().into_value());
            Some((Arc::clone(name), value.or_else(|| instead(name).map(Value::Timestamp))?))
        };
        let labels = labels.iter().filter_map(label).collect();
        let mut named = Vec::with_capacity(variables.len());
        for (name, place) in variables {
            let value = results.seen(*place).or_else(|| instead(name).map(ValueRef::Timestamp));
            named.extend(value.map(|value| (&**name, value)));
        }
        let payload = template.payload(descriptor, &named)?;
        Ok(LogEntry { log_name: Arc::clone(log_name), labels, severity, timestamp, payload })
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
