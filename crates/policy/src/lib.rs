//! policy: configuration documents, their validation, the snapshot they become, and the plan of a request.
//!
//! Between the files that operators change and the evaluation of a request: YAML text comes in, a [`Snapshot`] comes
//! out, and a request is resolved under it to a [`Plan`] of aspects, whose programs then turn its attributes into
//! what adapters take. No files, no clock, no adapters' behaviour: the server, its `validate` command and the browser
//! run the same code.
//!
//! # Stages
//!
//! Text becomes `Documents` (well-formed, in their places, positions kept), those become `Validated` (every field,
//! reference and type checked, programs compiled), and only that becomes a [`Snapshot`]. Each stage reports all that
//! is wrong with its input, and what is not affected goes on to the next, so one run finds everything.
//!
//! Invariant: a request is looked at through the recorder alone, the identity attribute included, so that a plan and
//! all that follows from it is a function of the snapshot and of the trace.

mod adapter;
mod aspect;
mod descriptor;
mod diagnostic;
mod document;
#[cfg(test)]
mod fixture;
mod header;
mod kind;
pub mod limits;
mod load;
mod plan;
mod revision;
mod snapshot;
mod subject;
mod suggest;
mod suite;
mod template;
mod tuning;
mod validate;
mod walk;

pub use adapter::{AdapterInfo, HandlerConfig, Outputs, ParamPart, ParamProblem, no_outputs};
pub use aspect::{
    AccessLogsParams, ApplicationLogParams, Aspect, AspectError, AspectParams, AttributesParams, Binding,
    Instance, ListsParams, LogEntry, LogParams, LogPayload, LogSeverity, LogsInstance, Measurements,
    MetricSamples, MetricValue, MetricsInstance, MetricsParams, QuotaInstance, QuotaLimit, QuotaOverride,
    QuotaParams,
};
pub use descriptor::{
    Buckets, Labels, LogDescriptor, MetricDescriptor, MetricKind, MonitoredResourceDescriptor, PayloadFormat,
    PrincipalDescriptor, QuotaDescriptor,
};
pub use diagnostic::{Diagnostic, Severity};
pub use document::read_yaml;
pub use header::{HeaderChange, HeaderRule, HeaderRules};
pub use kind::{AspectKind, Phase, UnknownAspectKind};
pub use load::{Layout, Loaded, Options, SourceFile, load, to_json};
pub use plan::{Plan, SelectedHeaders, SelectorError};
pub use snapshot::{Demand, Snapshot};
pub use suggest::{did_you_mean, listed};
pub use suite::{Case, Outcome, Suite, is_suite};
pub use template::{InvalidTemplate, NameTemplate, RenderError};
pub use walk::Walk;
