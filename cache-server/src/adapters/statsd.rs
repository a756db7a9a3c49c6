//! `statsd`: measured values as datagrams to a statsd server.
//!
//! Values wait in an outbox; what has come together in `flushDuration` goes out as few lines in few datagrams. Counts
//! of one name are added up here and gauges are sent once, so both are exact; of distributed values a share can be
//! sent, marked with its rate so that the backend counts right on average.
//!
//! The labels of a metric are lost, except for those that a template puts into its name.
//!
//! | parameter | default | |
//! |---|---|---|
//! | `address` | `localhost:8125` | looked up again every minute |
//! | `prefix` | none | stands before every name, with a dot |
//! | `flushDuration` | `300ms` | how long values wait for each other |
//! | `flushBytes` | `512` | the size of a datagram; 0 is the default |
//! | `samplingRate` | `1.0` | the share of distributed values that is sent |
//! | `metricNameTemplateStrings` | none | by metric, a template of its name |
//! | `numericDistributions` | `COUNT` | what distributions of numbers are sent as; or `HISTOGRAM` |

mod lines;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use attributes::Value;
use policy::{AdapterInfo, AspectKind, HandlerConfig, MetricKind, MetricSamples, NameTemplate, ParamProblem};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use self::lines::{Kind, Measurement, Sampler};
use super::outbox::{Bounds, Outbox, Sink, Unsent};
use super::params::Params;
use super::{Handler, HandlerError, InvalidHandler, Surroundings, number};
use crate::{limits, telemetry};

pub(super) const INFO: AdapterInfo = AdapterInfo {
    name: "statsd",
    kinds: &[AspectKind::Metrics],
    description: "sends metrics to a statsd server over UDP",
    validate,
    outputs: policy::no_outputs,
};

const DATAGRAM_BYTES: u32 = 512;

const COUNT: i64 = 0;
const HISTOGRAM: i64 = 1;

struct Statsd {
    handler: String,
    prefix: String,
    names: BTreeMap<String, Name>,
    sampler: Sampler,
    /// What a distribution of numbers is sent as.
    numbers: Kind,
    outbox: Outbox<Measurement>,
}

/// A template, and whether anybody was told that it does not fit.
struct Name {
    template: NameTemplate,
    is_told: AtomicBool,
}

struct StatsdParams {
    address: String,
    prefix: String,
    flush_interval: Duration,
    flush_bytes: usize,
    sampling_rate: f64,
    names: BTreeMap<String, NameTemplate>,
    numbers: Kind,
}

fn validate(params: &serde_json::Value) -> Result<(), Vec<ParamProblem>> {
    StatsdParams::parse(params).map(drop)
}

pub(super) fn build(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    let params = super::parsed(config, StatsdParams::parse(&config.params))?;
    let seed = getrandom::u64().map_err(|error| super::invalid(config, error))?;
    let sink = Datagrams {
        address: params.address,
        rate: params.sampling_rate,
        bytes_max: params.flush_bytes,
        socket: None,
        unsent: VecDeque::new(),
    };
    let bounds = Bounds {
        records: limits::OUTBOX_RECORDS,
        bytes: limits::OUTBOX_BYTES,
        batch_records: limits::OUTBOX_BATCH_RECORDS,
        batch_bytes: limits::OUTBOX_BATCH_BYTES,
        interval: params.flush_interval,
    };
    let telemetry = Arc::clone(&surroundings.telemetry);
    let name = |template| Name { template, is_told: AtomicBool::new(false) };
    Ok(Arc::new(Statsd {
        handler: config.name.clone(),
        prefix: params.prefix,
        names: params.names.into_iter().map(|(metric, template)| (metric, name(template))).collect(),
        sampler: Sampler::new(params.sampling_rate, seed),
        numbers: params.numbers,
        outbox: Outbox::new(&config.name, bounds, limits::STATSD_SEND, Box::new(sink), telemetry),
    }))
}

// === impl StatsdParams ===

impl StatsdParams {
    fn parse(params: &serde_json::Value) -> Result<Self, Vec<ParamProblem>> {
        let mut params = Params::new(params);
        let address = params.address("address").unwrap_or("localhost:8125").to_owned();
        let prefix = params.text("prefix").unwrap_or_default().to_owned();
        let flush_interval = params.duration("flushDuration").unwrap_or(Duration::from_millis(300));
        let flush_bytes = params.count("flushBytes").filter(|bytes| *bytes > 0).unwrap_or(DATAGRAM_BYTES);
        if flush_bytes > limits::DATAGRAM_BYTES {
            params.problem("flushBytes", format!("must be at most {}", limits::DATAGRAM_BYTES));
        }
        let sampling_rate = params.decimal("samplingRate").unwrap_or(1.0);
        let mut names = BTreeMap::new();
        for (metric, text) in params.text_map("metricNameTemplateStrings") {
            match NameTemplate::compile(text) {
                Ok(template) => drop(names.insert(metric.to_owned(), template)),
                Err(error) => params.problem(
                    "metricNameTemplateStrings",
                    format!("failed to parse template '{text}' for metric '{metric}': {error}"),
                ),
            }
        }
        let choices = [("COUNT", COUNT), ("HISTOGRAM", HISTOGRAM)];
        let numbers = match params.choice("numericDistributions", &choices) {
            Some(HISTOGRAM) => Kind::Histogram,
            _ => Kind::Count,
        };
        let flush_bytes = flush_bytes as usize;
        params.finish(Self { address, prefix, flush_interval, flush_bytes, sampling_rate, names, numbers })
    }
}

// === impl Statsd ===

impl Statsd {
    fn name(&self, samples: &MetricSamples) -> Result<String, HandlerError> {
        let metric = &samples.descriptor.name;
        let Some(Name { template, is_told }) = self.names.get(&**metric) else {
            return Ok(lines::name(&self.prefix, metric));
        };
        if !template.labels().all(|label| samples.descriptor.labels.contains_key(label)) {
            if !is_told.swap(true, Ordering::Relaxed) {
                telemetry::metric_name_skipped(&self.handler, metric);
            }
            return Ok(lines::name(&self.prefix, metric));
        }
        let name =
            template.render(&samples.labels).map_err(|error| HandlerError::Failed(error.to_string()))?;
        Ok(lines::name(&self.prefix, &name))
    }

    /// What is sent of a value, if it is one and is not left out of the sample.
    fn measurement(&self, name: &str, kind: MetricKind, value: &Value) -> Option<Measurement> {
        let is_span = matches!(value, Value::Duration(_));
        let kind = match kind {
            MetricKind::Counter => Kind::Count,
            MetricKind::Gauge => Kind::Gauge,
            MetricKind::Distribution if is_span => Kind::Timing,
            MetricKind::Distribution => self.numbers,
        };
        let is_sampled = matches!(kind, Kind::Timing | Kind::Histogram);
        // Statsd counts time in milliseconds.
        let value = number(value).map(|value| if is_span { value * 1000.0 } else { value });
        let Some(value) = value.filter(|value| kind != Kind::Count || *value >= 0.0) else {
            self.outbox.drop_records("not a value", 1);
            return None;
        };
        if is_sampled && !self.sampler.keeps() {
            return None;
        }
        Some(Measurement { name: name.to_owned(), kind, value })
    }
}

#[async_trait]
impl Handler for Statsd {
    async fn measure(&self, samples: Vec<MetricSamples>) -> Result<(), HandlerError> {
        let mut result = Ok(());
        for samples in &samples {
            let name = match self.name(samples) {
                Ok(name) => name,
                Err(error) => {
                    result = Err(error);
                    continue;
                }
            };
            let kind = samples.descriptor.kind;
            for measurement in samples.values.iter().filter_map(|value| self.measurement(&name, kind, value))
            {
                let size = measurement.name.len() + size_of::<Measurement>();
                self.outbox.push(measurement, size);
            }
        }
        result
    }

    fn in_force(&self) {
        self.outbox.start();
    }

    async fn flush(&self) {
        self.outbox.flush().await;
    }
}

// === Sending ===

/// The backend.
struct Datagrams {
    address: String,
    rate: f64,
    bytes_max: usize,
    socket: Option<Socket>,
    /// What of the present batch is not sent yet: what is on its way cannot be called back, so that counts of a batch
    /// that got through in part must not be sent again as a whole.
    unsent: VecDeque<String>,
}

struct Socket {
    socket: UdpSocket,
    looked_up: Instant,
}

#[async_trait]
impl Sink<Measurement> for Datagrams {
    async fn send(&mut self, records: &[Measurement]) -> Result<(), Unsent> {
        if self.unsent.is_empty() {
            self.unsent = lines::datagrams(records, self.rate, self.bytes_max).into();
        }
        let is_old = |socket: &Socket| socket.looked_up.elapsed() >= limits::STATSD_LOOKUP;
        if self.socket.as_ref().is_none_or(is_old) {
            match connect(&self.address).await {
                Ok(socket) => self.socket = Some(Socket { socket, looked_up: Instant::now() }),
                // An old address is better than none.
                Err(error) if self.socket.is_none() => return Err(away(&self.address, &error)),
                Err(_) => {}
            }
        }
        let Some(Socket { socket, .. }) = &self.socket else { return Ok(()) };
        while let Some(datagram) = self.unsent.front() {
            if let Err(error) = socket.send(datagram.as_bytes()).await {
                self.socket = None;
                return Err(away(&self.address, &error));
            }
            self.unsent.pop_front();
        }
        Ok(())
    }
}

async fn connect(address: &str) -> std::io::Result<UdpSocket> {
    let mut failure = std::io::Error::from(std::io::ErrorKind::NotFound);
    for address in tokio::net::lookup_host(address).await? {
        let own = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(own).await?;
        match socket.connect(address).await {
            Ok(()) => return Ok(socket),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn away(address: &str, error: &std::io::Error) -> Unsent {
    Unsent::Away(format!("{address}: {error}"))
}

#[cfg(test)]
mod tests;
