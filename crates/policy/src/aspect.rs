//! Aspects: what configuration wants done, compiled, and the instances that a request makes of them.

use std::sync::Arc;

use attributes::{Timestamp, Value};
use checkcache::{Recorder, Target, Validity};
use expr::{EvalError, Look, Program, Tuning};
use thiserror::Error;

use crate::template::{RenderError, Template};
use crate::{AspectKind, LogDescriptor, MetricDescriptor};

/// One thing to do with one adapter block.
#[derive(Debug)]
pub struct Aspect {
    /// Where it stands, such as `global/global rules[0].aspects[1]` (scope, subject, path).
    pub location: String,
    /// What it is about.
    pub kind: AspectKind,
    /// The position of its adapter block in [`Snapshot::handlers`](crate::Snapshot::handlers).
    pub handler: usize,
    /// How long what it contributes to a verdict may be used again, at the longest. What its adapter says may be
    /// tighter.
    pub validity: Validity,
    /// What its kind needs to know.
    pub params: AspectParams,
}

/// The compiled parameters of an aspect, by its kind. Every kind that is served has a variant.
#[derive(Debug)]
pub enum AspectParams {
    /// `denials`: nothing.
    Denials,
    /// `lists`
    Lists(ListsParams),
    /// `access-logs`
    AccessLogs(AccessLogsParams),
    /// `metrics`
    Metrics(Vec<MetricParams>),
}

/// Parameters of a `lists` aspect.
#[derive(Debug)]
pub struct ListsParams {
    /// Whether what is on the list is refused, instead of what is not.
    pub blacklist: bool,
    /// Gives the value to look for: text or an address.
    pub check_expression: Program,
}

/// Parameters of an `access-logs` aspect.
#[derive(Debug)]
pub struct AccessLogsParams {
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

/// One metric of a `metrics` aspect.
#[derive(Debug)]
pub struct MetricParams {
    /// The shape of the metric.
    pub descriptor: Arc<MetricDescriptor>,
    /// Gives the value.
    pub value: Program,
    /// The labels, sorted by name.
    pub labels: Vec<(Arc<str>, Program)>,
}

/// What an aspect makes of a request, for its adapter.
#[derive(Debug, Clone, PartialEq)]
pub enum Instance {
    /// The adapter refuses without looking.
    Denial,
    /// The adapter looks for the value on its list.
    ListEntry(Value),
    /// The adapter writes the entry.
    Log(LogEntry),
    /// The adapter takes the values.
    Metrics(MetricsInstance),
}

/// A log entry.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// The log to write to.
    pub log_name: Arc<str>,
    /// Labels, sorted by name. One that could not be evaluated is left out.
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

/// What of a quota is asked for: which counter, and how much there is of it.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaInstance {
    /// The quota's name.
    pub name: Arc<str>,
    /// The descriptor's labels, sorted by name. Each set of values is counted by itself.
    pub labels: Vec<(Arc<str>, Value)>,
    /// How much there is.
    pub limit: QuotaLimit,
}

/// How much there is of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuotaLimit {
    /// The most that may be taken, from 0.
    pub max_amount: i64,
    /// The span of time that it may be taken in, longer than 0. `None` for an allocation quota, whose amounts are in
    /// use until they are released.
    pub window: Option<std::time::Duration>,
}

/// The measured values of one aspect. One value that fails does not take the others with it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetricsInstance {
    /// The values, in document order.
    pub values: Vec<MetricValue>,
    /// Why others are missing.
    pub errors: Vec<AspectError>,
}

/// One measured value.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricValue {
    /// The shape of the metric.
    pub descriptor: Arc<MetricDescriptor>,
    /// The value, of the descriptor's type.
    pub value: Value,
    /// The descriptor's labels, sorted by name.
    pub labels: Vec<(Arc<str>, Value)>,
}

/// Why an aspect made no instance, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AspectError {
    /// An expression has no result.
    #[error("cannot evaluate {what}")]
    Evaluate {
        /// Which expression: `checkExpression`, or a metric's value or label.
        what: String,
        /// Why.
        source: EvalError,
    },
    /// A log template cannot be rendered.
    #[error("cannot render the template of log `{descriptor}`")]
    Render {
        /// The log descriptor.
        descriptor: Arc<str>,
        /// Why.
        source: RenderError,
    },
    /// A log template that should render an object does not.
    #[error("the template of log `{descriptor}` does not render a JSON object: {reason}")]
    NotAnObject {
        /// The log descriptor.
        descriptor: Arc<str>,
        /// What the parser says.
        reason: String,
    },
}

impl Aspect {
    /// Makes of a request what the adapter takes. `now` stands in for a time that a log entry needs and the request
    /// does not have.
    pub fn evaluate(&self, recorder: &mut Recorder<'_>, now: Timestamp) -> Result<Instance, AspectError> {
        match &self.params {
            AspectParams::Denials => Ok(Instance::Denial),
            AspectParams::Lists(lists) => lists.evaluate(recorder).map(Instance::ListEntry),
            AspectParams::AccessLogs(log) => log.evaluate(recorder, now).map(Instance::Log),
            AspectParams::Metrics(metrics) => Ok(Instance::Metrics(evaluate_metrics(metrics, recorder))),
        }
    }

    /// Everything that an evaluation may look at.
    pub fn reads(&self) -> Vec<Target> {
        self.programs().into_iter().flat_map(Program::reads).collect()
    }

    /// Every place where an evaluation may look at a request, and what it asks there.
    pub(crate) fn looks(&self) -> Vec<Look> {
        self.programs().into_iter().flat_map(Program::looks).collect()
    }

    /// Sets what is read by value. Only aspects that decide have something to gain by it: no other is cached.
    pub(crate) fn tune(&mut self, tuning: &Tuning) {
        match &mut self.params {
            AspectParams::Lists(lists) => lists.check_expression.tune(tuning),
            AspectParams::Denials | AspectParams::AccessLogs(_) | AspectParams::Metrics(_) => {}
        }
    }

    fn programs(&self) -> Vec<&Program> {
        match &self.params {
            AspectParams::Denials => Vec::new(),
            AspectParams::Lists(lists) => vec![&lists.check_expression],
            AspectParams::AccessLogs(log) => {
                log.labels.iter().chain(&log.variables).map(|(_, program)| program).collect()
            }
            AspectParams::Metrics(metrics) => metrics
                .iter()
                .flat_map(|metric| std::iter::once(&metric.value).chain(metric.labels.iter().map(|(_, p)| p)))
                .collect(),
        }
    }
}

impl ListsParams {
    fn evaluate(&self, recorder: &mut Recorder<'_>) -> Result<Value, AspectError> {
        self.check_expression
            .evaluate(recorder)
            .map_err(|source| AspectError::Evaluate { what: "`checkExpression`".to_owned(), source })
    }
}

impl AccessLogsParams {
    /// An access log tells what it can: a label or variable without a value is left out, and one that is called
    /// `timestamp` is the time of the report.
    fn evaluate(&self, recorder: &mut Recorder<'_>, now: Timestamp) -> Result<LogEntry, AspectError> {
        let mut all = |programs: &[(Arc<str>, Program)]| -> Vec<(Arc<str>, Value)> {
            let value = |(name, program): &(Arc<str>, Program)| match program.evaluate(recorder) {
                Ok(value) => Some((Arc::clone(name), value)),
                Err(_) if &**name == TIMESTAMP => Some((Arc::clone(name), Value::Timestamp(now))),
                Err(_) => None,
            };
            programs.iter().filter_map(value).collect()
        };
        let labels = all(&self.labels);
        let variables = all(&self.variables);
        let payload = self.template.payload(&self.descriptor, &variables)?;
        Ok(LogEntry {
            log_name: Arc::clone(&self.log_name),
            labels,
            severity: LogSeverity::Default,
            timestamp: None,
            payload,
        })
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

/// The label and template variable that never goes without a value.
const TIMESTAMP: &str = "timestamp";

fn evaluate_metrics(metrics: &[MetricParams], recorder: &mut Recorder<'_>) -> MetricsInstance {
    let mut instance = MetricsInstance::default();
    for metric in metrics {
        match metric.evaluate(recorder) {
            Ok(value) => instance.values.push(value),
            Err(error) => instance.errors.push(error),
        }
    }
    instance
}

impl MetricParams {
    fn evaluate(&self, recorder: &mut Recorder<'_>) -> Result<MetricValue, AspectError> {
        let mut evaluate = |program: &Program, what: &dyn Fn() -> String| {
            program.evaluate(recorder).map_err(|source| AspectError::Evaluate { what: what(), source })
        };
        let metric = &self.descriptor.name;
        let value = evaluate(&self.value, &|| format!("the value of metric `{metric}`"))?;
        let labels = self
            .labels
            .iter()
            .map(|(name, program)| {
                let value = evaluate(program, &|| format!("label `{name}` of metric `{metric}`"))?;
                Ok((Arc::clone(name), value))
            })
            .collect::<Result<_, AspectError>>()?;
        Ok(MetricValue { descriptor: Arc::clone(&self.descriptor), value, labels })
    }
}
