//! Aspects: what configuration wants done, compiled, and the instances that a request makes of them.

mod attributes;
mod lists;
mod logs;
mod metrics;
mod programs;
mod quotas;

use std::collections::BTreeMap;
use std::sync::Arc;

use ::attributes::{Kind, Name, Timestamp, Value, ValueType};
use checkcache::{Recorder, Target, Validity};
use expr::{EvalError, Look, Operand, Program, Tuning};
use thiserror::Error;

pub use self::attributes::{AttributesParams, Binding};
pub use self::lists::ListsParams;
pub(crate) use self::logs::CompiledLog;
pub use self::logs::{
    AccessLogsParams, ApplicationLogParams, LogEntry, LogParams, LogPayload, LogSeverity, LogsInstance,
};
pub(crate) use self::metrics::CompiledMetric;
pub use self::metrics::{Measurements, MetricSamples, MetricValue, MetricsInstance, MetricsParams};
pub use self::quotas::{QuotaInstance, QuotaLimit, QuotaOverride, QuotaParams};
use crate::AspectKind;
use crate::template::RenderError;

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

/// The compiled parameters of an aspect, by its kind.
#[derive(Debug)]
pub enum AspectParams {
    /// `denials`: nothing.
    Denials,
    /// `lists`
    Lists(ListsParams),
    /// One quota of a `quotas` aspect: each is an aspect of its own, found by the quota's name.
    Quota(QuotaParams),
    /// `access-logs`
    AccessLogs(AccessLogsParams),
    /// `application-logs`
    ApplicationLogs(Vec<ApplicationLogParams>),
    /// `metrics`
    Metrics(MetricsParams),
    /// `attributes`
    Attributes(AttributesParams),
}

/// What an aspect makes of a request, for its adapter.
#[derive(Debug, Clone, PartialEq)]
pub enum Instance {
    /// The adapter refuses without looking.
    Denial,
    /// The adapter looks for the value on its list.
    ListEntry(Value),
    /// The adapter counts what is taken.
    Quota(QuotaInstance),
    /// The adapter writes the entries.
    Logs(LogsInstance),
    /// The adapter takes the values.
    Metrics(MetricsInstance),
    /// The adapter derives attributes from the inputs.
    Inputs(BTreeMap<Arc<str>, Value>),
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
    /// The value of a header has bytes that no header has, such as a line break.
    #[error("the value of header `{name}` has control characters")]
    Header {
        /// The header.
        name: Arc<str>,
    },
    /// An adapter derived a value that the attribute it is bound to cannot have.
    #[error("output `{output}` is {found}, but attribute `{attribute}` is {expected}")]
    Output {
        /// The adapter's name for the value.
        output: Arc<str>,
        /// The attribute.
        attribute: Name,
        /// The attribute's type.
        expected: ValueType,
        /// What the value is.
        found: Kind,
    },
}

impl Aspect {
    /// Makes of a request what the adapter takes. `now` stands in for a time that a log entry needs and the request
    /// does not have.
    pub fn evaluate(&self, recorder: &mut Recorder<'_>, now: Timestamp) -> Result<Instance, AspectError> {
        match &self.params {
            AspectParams::Denials => Ok(Instance::Denial),
            AspectParams::Lists(lists) => lists.evaluate(recorder).map(Instance::ListEntry),
            AspectParams::Quota(quota) => quota.evaluate(recorder).map(Instance::Quota),
            AspectParams::AccessLogs(log) => log.evaluate(recorder, now).map(Instance::Logs),
            AspectParams::ApplicationLogs(logs) => Ok(Instance::Logs(logs::evaluate(logs, recorder, now))),
            AspectParams::Metrics(metrics) => Ok(Instance::Metrics(metrics.evaluate(recorder))),
            AspectParams::Attributes(derived) => derived.evaluate(recorder).map(Instance::Inputs),
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

    /// Sets what is read by value. Only of aspects whose results are cached is there something to gain; and what is
    /// handed to an adapter as it is, a label or an input, is a value anyhow.
    pub(crate) fn tune(&mut self, tuning: &Tuning) {
        match &mut self.params {
            AspectParams::Lists(lists) => lists.check_expression.tune(tuning),
            AspectParams::Quota(quota) => quota.labels.iter_mut().for_each(|(_, label)| label.tune(tuning)),
            AspectParams::Attributes(derived) => {
                derived.inputs.iter_mut().for_each(|(_, input)| input.tune(tuning));
            }
            AspectParams::Denials
            | AspectParams::AccessLogs(_)
            | AspectParams::ApplicationLogs(_)
            | AspectParams::Metrics(_) => {}
        }
    }

    fn programs(&self) -> Vec<&Program> {
        match &self.params {
            AspectParams::Denials => Vec::new(),
            AspectParams::Lists(lists) => vec![&lists.check_expression],
            AspectParams::Quota(quota) => quota.labels.iter().map(|(_, program)| program).collect(),
            AspectParams::AccessLogs(log) => log.programs().iter().collect(),
            AspectParams::ApplicationLogs(logs) => {
                logs.iter().flat_map(ApplicationLogParams::programs).collect()
            }
            AspectParams::Metrics(metrics) => metrics.programs().iter().collect(),
            AspectParams::Attributes(derived) => derived.inputs.iter().map(|(_, program)| program).collect(),
        }
    }
}

/// The result of a program, or an error that says what it was for.
fn evaluated(
    program: &Program,
    what: impl FnOnce() -> String,
    recorder: &mut Recorder<'_>,
) -> Result<Value, AspectError> {
    operand(program, what, recorder).map(Operand::into_value)
}

/// The same, where it lies.
fn operand<'e, 'r: 'e>(
    program: &'e Program,
    what: impl FnOnce() -> String,
    recorder: &mut Recorder<'r>,
) -> Result<Operand<'e>, AspectError> {
    program.operand(recorder).map_err(|source| AspectError::Evaluate { what: what(), source })
}
