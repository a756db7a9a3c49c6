//! adapters: what acts on a plan.
//!
//! At the end of the way through the server: resolution and expressions have made *instances* of a request, and
//! handlers – adapter blocks of the configuration that came alive – answer them or act on them. An adapter is data
//! and two functions: its [`policy::AdapterInfo`] with a pure `validate`, and `build`, which makes a handler of
//! parameters that were validated. All of them are listed here by hand.
//!
//! Invariants: an answer to a check is a function of the instance and the handler's state, and a validity says for how
//! long that state will stand. A handler spawns nothing before it is told that its configuration is in force.

mod deny;
mod file_logger;
#[cfg(test)]
mod fixture;
mod fluentd;
mod inventory;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod line_writer;
mod list;
mod log_line;
mod mem_quota;
mod no_op;
mod otlp;
mod outbox;
mod params;
mod prometheus;
mod quota_params;
mod redis_quota;
mod shared_ledger;
mod statsd;
mod stdio;
mod workloads;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use attributes::Value;
use checkcache::{RouteDirective, Status, Validity};
use policy::{AdapterInfo, HandlerConfig, LogEntry, LogPayload, MetricSamples, QuotaInstance};
use thiserror::Error;
use tokio::sync::Notify;

pub use self::prometheus::MetricRegistry;
use crate::telemetry::Telemetry;

/// An adapter: what configuration needs to know of it, and how a handler is made.
pub struct Adapter {
    /// Its name, its kinds and how its parameters are checked.
    pub info: AdapterInfo,
    build: Build,
}

/// Makes a handler of a validated block.
type Build = fn(&HandlerConfig, &Surroundings) -> Result<Arc<dyn Handler>, InvalidHandler>;

/// What handlers share with the rest of the server.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The root of the configuration; files that parameters name are below it.
    pub root: PathBuf,
    /// Where drops are counted.
    pub telemetry: Arc<Telemetry>,
    /// What all `prometheus` blocks measure.
    pub metrics: Arc<MetricRegistry>,
    /// The folder that logs are written below; without it, none are written to files.
    pub log_root: Option<PathBuf>,
    /// Where handlers say that answers do not stand any more.
    pub recall: Recall,
}

/// What handlers say when answers that they gave do not stand any more, though their validity is not over: something
/// changed that no request shows. The server then forgets all verdicts, and so do the proxies that listen to it.
#[derive(Debug, Clone, Default)]
pub struct Recall(Arc<Notify>);

/// A block cannot come alive, though its parameters are well-formed.
#[derive(Debug, Error)]
#[error("adapter `{name}` ({implementation}): {reason}")]
pub struct InvalidHandler {
    /// The block's name.
    pub name: String,
    /// The adapter.
    pub implementation: String,
    /// What is wrong.
    pub reason: String,
}

/// A call of a handler that gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HandlerError {
    /// What the request brought cannot be handled.
    #[error("{0}")]
    InvalidArgument(String),
    /// The handler cannot do its work.
    #[error("{0}")]
    Failed(String),
    /// What the handler works with is away; later it may be back.
    #[error("{0}")]
    Unavailable(String),
    /// The handler does not serve this kind of aspect. Validation does not let this happen.
    #[error("the adapter does not serve `{0}` aspects")]
    WrongKind(&'static str),
}

/// The answer of a handler that refuses, or not, on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether the operation may go ahead.
    pub status: Status,
    /// How the proxy answers if it may not; as it does for the status if `None`.
    pub directive: Option<RouteDirective>,
    /// How long the handler would answer the same.
    pub validity: Validity,
}

/// Whether a value is on a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// It is.
    pub found: bool,
    /// How long the handler would answer the same.
    pub validity: Validity,
}

/// How much of a quota is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaRequest {
    /// Which counter, and its limit.
    pub quota: QuotaInstance,
    /// How much; what is negative is given back.
    pub amount: i64,
    /// Whether less will do.
    pub best_effort: bool,
    /// What tells the request from others: asked twice with the same one, a handler answers the same and counts once.
    pub deduplication_id: Option<Arc<str>>,
}

/// How much of a quota is granted, or was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// How much; 0 is a refusal. What was given back is positive too, as it was in Mixer.
    pub amount: i64,
    /// How long it may be used; as long as its owner wants to if zero.
    pub valid_for: Duration,
}

/// What is derived from a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// The outputs that there are for it, of the types that the adapter declares.
    pub outputs: BTreeMap<String, Value>,
    /// How long the handler would derive the same.
    pub validity: Validity,
}

/// How a block counts rates, if it counts quotas.
pub fn rate_algorithm(block: &HandlerConfig) -> Option<quota::Algorithm> {
    match block.impl_name {
        name if name == mem_quota::INFO.name => mem_quota::algorithm(&block.params),
        name if name == redis_quota::INFO.name => redis_quota::algorithm(&block.params),
        _ => None,
    }
}

impl Recall {
    /// Says so. What is said several times before it is heard is heard once.
    pub(crate) fn answers(&self) {
        self.0.notify_one();
    }

    /// Waits until a handler says so.
    pub(crate) async fn is_due(&self) {
        self.0.notified().await;
    }
}

/// An adapter block that is alive. An adapter implements the methods of the kinds that it serves.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Answers a `denials` aspect.
    async fn deny(&self) -> Result<Answer, HandlerError> {
        Err(HandlerError::WrongKind("denials"))
    }

    /// Answers a `lists` aspect.
    async fn contains(&self, _value: &Value) -> Result<Membership, HandlerError> {
        Err(HandlerError::WrongKind("lists"))
    }

    /// Answers a `quotas` aspect.
    async fn allocate(&self, _request: QuotaRequest) -> Result<Grant, HandlerError> {
        Err(HandlerError::WrongKind("quotas"))
    }

    /// Answers an `attributes` aspect: derives outputs from its inputs, of which those that the request does not have
    /// are left out.
    async fn derive(&self, _inputs: &BTreeMap<Arc<str>, Value>) -> Result<Derived, HandlerError> {
        Err(HandlerError::WrongKind("attributes"))
    }

    /// Takes the entries of `access-logs` and `application-logs` aspects.
    async fn log(&self, _entries: Vec<LogEntry>) -> Result<(), HandlerError> {
        Err(HandlerError::WrongKind("access-logs"))
    }

    /// Takes what `metrics` aspects measured. The same metric under the same labels may come more than once.
    async fn measure(&self, _samples: Vec<MetricSamples>) -> Result<(), HandlerError> {
        Err(HandlerError::WrongKind("metrics"))
    }

    /// The configuration that the handler belongs to is in force. Told again for each configuration that the handler
    /// lives on in.
    fn in_force(&self) {}

    /// What keeps the handler from its work already, though its block is well-formed: a file that is not there, say. A
    /// server goes on without, `mixer validate` warns of it.
    fn impediment(&self) -> Option<String> {
        None
    }

    /// Writes out what the handler holds. Called before the server ends, and when a configuration that the handler is not
    /// part of came into force and its last request is over; nothing comes after that.
    async fn flush(&self) {}
}

/// Every adapter that this server has.
pub static ALL: &[Adapter] = &[
    Adapter { info: deny::INFO, build: deny::build },
    Adapter { info: list::GENERIC_INFO, build: list::build_generic },
    Adapter { info: list::IP_INFO, build: list::build_ip },
    Adapter { info: stdio::INFO, build: stdio::build },
    Adapter { info: prometheus::INFO, build: prometheus::build },
    Adapter { info: statsd::INFO, build: statsd::build },
    Adapter { info: fluentd::INFO, build: fluentd::build },
    Adapter { info: no_op::INFO, build: no_op::build },
    Adapter { info: file_logger::INFO, build: file_logger::build },
    Adapter { info: list::INFO, build: list::build },
    Adapter { info: otlp::INFO, build: otlp::build },
    Adapter { info: mem_quota::INFO, build: mem_quota::build },
    Adapter { info: redis_quota::INFO, build: redis_quota::build },
    Adapter { info: inventory::INFO, build: inventory::build },
    #[cfg(feature = "kubernetes")]
    Adapter { info: kubernetes::INFO, build: kubernetes::build },
];

/// What configuration needs to know of them.
pub fn infos() -> Vec<&'static AdapterInfo> {
    ALL.iter().map(|adapter| &adapter.info).collect()
}

/// Makes a handler of a block.
pub fn build(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    match ALL.iter().find(|adapter| adapter.info.name == config.impl_name) {
        Some(adapter) => (adapter.build)(config, surroundings),
        None => Err(invalid(config, "there is no such adapter")),
    }
}

/// About how many bytes an entry has to say.
pub(crate) fn weight(entry: &LogEntry) -> usize {
    let labels: usize = entry.labels.iter().map(|(name, value)| name.len() + value.weight()).sum();
    labels
        + match &entry.payload {
            LogPayload::Text(text) => text.len(),
            LogPayload::Json(object) => {
                object.iter().map(|(key, value)| key.len() + json_weight(value)).sum()
            }
        }
}

fn json_weight(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => 8,
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(items) => items.iter().map(json_weight).sum(),
        serde_json::Value::Object(fields) => {
            fields.iter().map(|(key, value)| key.len() + json_weight(value)).sum()
        }
    }
}

/// What a measured value counts: text counts if it is a number, and a span of time in seconds. What is no number, or
/// not a finite one, counts nothing.
fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Int64(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        Value::Duration(span) => Some(span.as_secs_f64()),
        Value::String(text) => text.parse().ok(),
        Value::Bool(_) | Value::Timestamp(_) | Value::Bytes(_) | Value::StringMap(_) => None,
    };
    number.filter(|number| number.is_finite())
}

fn invalid(config: &HandlerConfig, reason: impl std::fmt::Display) -> InvalidHandler {
    InvalidHandler {
        name: config.name.clone(),
        implementation: config.impl_name.to_owned(),
        reason: reason.to_string(),
    }
}

/// Parameters were validated before; that they are wrong all the same is said, not assumed away.
fn parsed<T>(
    config: &HandlerConfig,
    parsed: Result<T, Vec<policy::ParamProblem>>,
) -> Result<T, InvalidHandler> {
    parsed.map_err(|problems| {
        let all: Vec<_> = problems.iter().map(|p| format!("{}: {}", p.path, p.message)).collect();
        invalid(config, all.join("; "))
    })
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod quota_suite;
#[cfg(test)]
mod tests;
