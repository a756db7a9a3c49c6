//! `otlp`: measured values and log entries to an `OpenTelemetry` collector, over gRPC.
//!
//! Both wait in outboxes of their own. The protocol's messages are those of `opentelemetry-proto`; the SDK of
//! `OpenTelemetry` is not used: it has queues, timers and a memory of series of its own, whose drops nobody counts and
//! whose bounds are not ours.
//!
//! | parameter | default | |
//! |---|---|---|
//! | `endpoint` | `http://localhost:4317` | without TLS |
//! | `serviceName` | `mixer` | the resource's `service.name` |
//! | `resourceAttributes` | none | further attributes of the resource |
//! | `headers` | none | sent along with each request |
//! | `pushInterval` | `5s` | how long what is told waits for more |
//! | `pushTimeout` | `10s` | how long sending a batch may take |

mod attributes;
mod export;
mod logs;
mod metrics;

use std::sync::Arc;
use std::time::Duration;

use ::attributes::Timestamp;
use async_trait::async_trait;
use opentelemetry_proto::tonic::resource::v1::Resource;
use policy::{AdapterInfo, AspectKind, HandlerConfig, LogEntry, MetricKind, MetricSamples, ParamProblem};
use prost::Message as _;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use tonic::transport::Endpoint;

use self::export::{Collector, LogsSink, MetricsSink};
use self::logs::Entry;
use self::metrics::Measurement;
use super::outbox::{Bounds, Outbox};
use super::params::Params;
use super::{Handler, HandlerError, InvalidHandler, Surroundings, number, weight};
use crate::limits;
use crate::runtime::now;

pub(super) const INFO: AdapterInfo = AdapterInfo {
    name: "otlp",
    kinds: &[AspectKind::AccessLogs, AspectKind::ApplicationLogs, AspectKind::Metrics],
    description: "sends metrics and log entries to an OpenTelemetry collector over gRPC",
    validate,
    outputs: policy::no_outputs,
};

const ENDPOINT: &str = "http://localhost:4317";
const PUSH_INTERVAL: Duration = Duration::from_secs(5);
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);

struct Otlp {
    metrics: Outbox<Measurement>,
    logs: Outbox<Entry>,
}

struct OtlpParams {
    collector: Collector,
    interval: Duration,
    timeout: Duration,
}

fn validate(params: &serde_json::Value) -> Result<(), Vec<ParamProblem>> {
    OtlpParams::parse(params).map(drop)
}

pub(super) fn build(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    let OtlpParams { collector, interval, timeout } =
        super::parsed(config, OtlpParams::parse(&config.params))?;
    let bounds = Bounds {
        records: limits::OUTBOX_RECORDS,
        bytes: limits::OUTBOX_BYTES,
        batch_records: limits::OUTBOX_BATCH_RECORDS,
        batch_bytes: limits::OTLP_BATCH_BYTES,
        interval,
    };
    let telemetry = || Arc::clone(&surroundings.telemetry);
    let metrics = Box::new(MetricsSink::new(collector.clone()));
    let logs = Box::new(LogsSink::new(collector));
    Ok(Arc::new(Otlp {
        metrics: Outbox::new(&config.name, bounds, timeout, metrics, telemetry()),
        logs: Outbox::new(&config.name, bounds, timeout, logs, telemetry()),
    }))
}

// === impl OtlpParams ===

impl OtlpParams {
    fn parse(params: &serde_json::Value) -> Result<Self, Vec<ParamProblem>> {
        let mut params = Params::new(params);
        let endpoint = endpoint(&mut params).unwrap_or_else(|| Endpoint::from_static(ENDPOINT));
        let name = params.text("serviceName").unwrap_or("mixer");
        let mut attributes = vec![attributes::text("service.name", name)];
        attributes.extend(
            params.text_map("resourceAttributes").iter().map(|(name, value)| attributes::text(name, value)),
        );
        let mut headers = MetadataMap::new();
        for (name, value) in params.text_map("headers") {
            let key = AsciiMetadataKey::from_bytes(name.as_bytes());
            match (key, AsciiMetadataValue::try_from(value)) {
                (Ok(key), Ok(value)) => drop(headers.insert(key, value)),
                (Err(_), _) => params.problem("headers", format!("`{name}` is no name of a header")),
                (_, Err(_)) => params.problem("headers", format!("`{name}` has no value of a header")),
            }
        }
        let interval = params.duration("pushInterval").unwrap_or(PUSH_INTERVAL);
        let timeout = params.duration("pushTimeout").unwrap_or(PUSH_TIMEOUT);
        if timeout.is_zero() {
            params.problem("pushTimeout", "must be longer than 0s");
        }
        let resource = Resource { attributes, ..Resource::default() };
        let collector = Collector { endpoint, headers, resource };
        params.finish(Self { collector, interval, timeout })
    }
}

fn endpoint(params: &mut Params<'_>) -> Option<Endpoint> {
    let text = params.text("endpoint")?;
    let endpoint = Endpoint::from_shared(text.to_owned());
    let is_plain = |endpoint: &Endpoint| {
        endpoint.uri().scheme_str() == Some("http") && endpoint.uri().authority().is_some()
    };
    match endpoint {
        Ok(endpoint) if is_plain(&endpoint) => Some(endpoint),
        Ok(_) | Err(_) => {
            params.problem("endpoint", format!("expected an address such as `{ENDPOINT}`, found `{text}`"));
            None
        }
    }
}

// === impl Otlp ===

#[async_trait]
impl Handler for Otlp {
    async fn measure(&self, samples: Vec<MetricSamples>) -> Result<(), HandlerError> {
        for MetricSamples { descriptor, labels, values } in samples {
            let is_counter = descriptor.kind == MetricKind::Counter;
            let labels_size: usize = labels.iter().map(|(name, value)| name.len() + value.weight()).sum();
            for value in values {
                let Some(value) = number(&value).filter(|value| !is_counter || *value >= 0.0) else {
                    self.metrics.drop_records("not a value", 1);
                    continue;
                };
                let (descriptor, labels) = (Arc::clone(&descriptor), labels.clone());
                let measurement = Measurement { descriptor, labels, value };
                self.metrics.push(measurement, size_of::<Measurement>() + labels_size);
            }
        }
        Ok(())
    }

    async fn log(&self, entries: Vec<LogEntry>) -> Result<(), HandlerError> {
        let now = now();
        for entry in entries {
            if weight(&entry) > limits::LOG_ENTRY_BYTES {
                self.logs.drop_records("too large", 1);
                continue;
            }
            let entry = Entry::new(entry, now);
            let size = entry.record.encoded_len() + size_of::<Entry>();
            self.logs.push(entry, size);
        }
        Ok(())
    }

    fn in_force(&self) {
        self.metrics.start();
        self.logs.start();
    }

    async fn flush(&self) {
        tokio::join!(self.metrics.flush(), self.logs.flush());
    }
}

/// The protocol's time; it begins in 1970.
fn unix_nanos(time: Timestamp) -> u64 {
    u64::try_from(time.unix_nanos().max(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
