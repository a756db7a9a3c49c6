//! `prometheus`: measured values as metrics for Prometheus to fetch from the admin address.
//!
//! All blocks of this adapter feed one registry, which outlives configurations: a metric whose descriptor did not
//! change goes on counting. One whose descriptor changed begins anew, and values that still come for the old one are
//! dropped. Names and label names become what Prometheus allows, in the way that Mixer did it.
//!
//! A series costs memory here and in Prometheus, and labels have what requests bring: a metric has so many series at most,
//! and a block can have series forgotten that nothing was measured for in a while.
//!
//! | parameter | default | |
//! |---|---|---|
//! | `metricsExpiry` | never | how long a series may lie idle |

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use attributes::Value;
use policy::{
    AdapterInfo, AspectKind, HandlerConfig, MetricDescriptor, MetricKind, MetricSamples, ParamProblem,
};

use super::params::Params;
use super::{Handler, HandlerError, InvalidHandler, Surroundings, number};
use crate::exposition::{Definition, Family, Format, Kind, Series, Touch};
use crate::telemetry::Telemetry;
use crate::{limits, telemetry, text};

pub(super) const INFO: AdapterInfo = AdapterInfo {
    name: "prometheus",
    kinds: &[AspectKind::Metrics],
    description: "serves metrics under /metrics on the admin address",
    validate,
    outputs: policy::no_outputs,
};

/// Names that begin so are the server's own.
const RESERVED_PREFIX: &str = "mixer_";

struct Prometheus {
    handler: String,
    /// How long a series may lie idle before it is forgotten.
    idle_max: Option<Duration>,
    registry: Arc<MetricRegistry>,
    telemetry: Arc<Telemetry>,
}

/// The metrics of all `prometheus` blocks, by descriptor.
#[derive(Debug)]
pub struct MetricRegistry {
    metrics: RwLock<BTreeMap<Arc<str>, Metric>>,
    /// What idleness is counted from.
    start: Instant,
}

#[derive(Debug, Clone)]
struct Metric {
    descriptor: Arc<MetricDescriptor>,
    family: Arc<Family>,
}

/// Why a value was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dropped {
    /// The metric is not defined, or otherwise.
    Definition,
    /// The value is not a number, or a negative one for a counter.
    Value,
    /// It would be one series too many.
    Series,
}

fn validate(params: &serde_json::Value) -> Result<(), Vec<ParamProblem>> {
    parse(params).map(drop)
}

pub(super) fn build(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    let idle_max = super::parsed(config, parse(&config.params))?;
    Ok(Arc::new(Prometheus {
        handler: config.name.clone(),
        idle_max,
        registry: Arc::clone(&surroundings.metrics),
        telemetry: Arc::clone(&surroundings.telemetry),
    }))
}

/// How long a series may lie idle; `None` is for ever.
fn parse(params: &serde_json::Value) -> Result<Option<Duration>, Vec<ParamProblem>> {
    let mut params = Params::new(params);
    let idle_max = params.duration("metricsExpiry");
    if idle_max.is_some_and(|idle| idle.is_zero()) {
        params.problem("metricsExpiry", "must be longer than 0s");
    }
    params.finish(idle_max)
}

#[async_trait]
impl Handler for Prometheus {
    async fn measure(&self, samples: Vec<MetricSamples>) -> Result<(), HandlerError> {
        let touch = Touch { now: self.registry.now(), idle_max: self.idle_max };
        let dropped = |why: Dropped, count: usize| {
            self.telemetry.dropped(&self.handler, why.as_str(), count as u64);
        };
        self.registry.record_all(&samples, touch, dropped);
        Ok(())
    }
}

impl Dropped {
    fn as_str(self) -> &'static str {
        match self {
            Self::Definition => "not defined",
            Self::Value => "not a value",
            Self::Series => "too many series",
        }
    }
}

// === impl MetricRegistry ===

impl Default for MetricRegistry {
    fn default() -> Self {
        Self { metrics: RwLock::default(), start: Instant::now() }
    }
}

impl MetricRegistry {
    /// Makes the descriptors of a configuration the ones that count. A metric that stays the same keeps its series.
    pub fn define(&self, descriptors: &[Arc<MetricDescriptor>]) {
        let mut metrics = self.metrics.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *metrics);
        let mut names = HashSet::new();
        for descriptor in descriptors {
            let definition = match definition(descriptor) {
                Ok(definition) if names.insert(definition.name.clone()) => definition,
                Ok(definition) => {
                    let reason = format!("`{}` is the name of another metric already", definition.name);
                    telemetry::metric_refused(&descriptor.name, &reason);
                    continue;
                }
                Err(reason) => {
                    telemetry::metric_refused(&descriptor.name, &reason);
                    continue;
                }
            };
            let family = match before.remove(&descriptor.name) {
                Some(kept) if *kept.family.definition() == definition => kept.family,
                _ => Arc::new(Family::new(definition, limits::METRIC_SERIES)),
            };
            metrics
                .insert(Arc::clone(&descriptor.name), Metric { descriptor: Arc::clone(descriptor), family });
        }
    }

    /// Writes all metrics, and forgets the series that lay idle for too long.
    pub fn write(&self, format: Format, out: &mut String) {
        self.write_at(format, self.now(), out);
    }

    fn write_at(&self, format: Format, now: Duration, out: &mut String) {
        let metrics = self.metrics.read().unwrap_or_else(PoisonError::into_inner).clone();
        let names: HashSet<&str> =
            metrics.values().map(|metric| metric.family.definition().name.as_str()).collect();
        for metric in metrics.values() {
            metric.family.expire(now);
            metric.family.write_among(format, |name| names.contains(name), out);
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Takes all values under one look at the definitions, and says of how many it cannot take which, and why.
    fn record_all(&self, samples: &[MetricSamples], touch: Touch, mut dropped: impl FnMut(Dropped, usize)) {
        let metrics = self.metrics.read().unwrap_or_else(PoisonError::into_inner);
        // The texts of the labels: one place for all of them, since most series are there already.
        let mut labels = Vec::new();
        for samples in samples {
            let recorded = match metrics.get(&samples.descriptor.name) {
                Some(metric) => metric.record(samples, touch, &mut labels),
                None => Err(Dropped::Definition),
            };
            match recorded {
                Ok(0) => {}
                Ok(no_values) => dropped(Dropped::Value, no_values),
                Err(why) => dropped(why, samples.values.len()),
            }
        }
    }
}

impl Metric {
    /// Takes values, and says how many are none that the metric can have.
    fn record(
        &self,
        samples: &MetricSamples,
        touch: Touch,
        texts: &mut Vec<String>,
    ) -> Result<usize, Dropped> {
        let MetricSamples { descriptor, labels, values } = samples;
        if !Arc::ptr_eq(&self.descriptor, descriptor) && self.descriptor != *descriptor {
            return Err(Dropped::Definition);
        }
        if !labels.iter().map(|(name, _)| name).eq(self.descriptor.labels.keys()) {
            return Err(Dropped::Definition);
        }
        let is_counter = descriptor.kind == MetricKind::Counter;
        let numbers = || values.iter().filter_map(number).filter(|number| !is_counter || *number >= 0.0);
        let count = numbers().count();
        if count == 0 {
            return Ok(values.len());
        }
        texts.resize_with(labels.len(), String::new);
        for (text, (_, value)) in texts.iter_mut().zip(labels) {
            write_label(value, text);
        }
        let add = |series: &Arc<Series>| {
            numbers().for_each(|number| match descriptor.kind {
                MetricKind::Gauge => series.set(number),
                MetricKind::Counter | MetricKind::Distribution => series.add(number),
            });
        };
        self.family.with(texts, touch, add).ok_or(Dropped::Series)?;
        Ok(values.len() - count)
    }
}

/// The text of a label, in place of what was there.
fn write_label(value: &Value, label: &mut String) {
    label.clear();
    match value {
        Value::String(value) => label.push_str(&text::cut(value, limits::METRIC_LABEL_BYTES)),
        Value::Int64(_)
        | Value::Double(_)
        | Value::Bool(_)
        | Value::Timestamp(_)
        | Value::Duration(_)
        | Value::Bytes(_)
        | Value::StringMap(_) => {
            // Writing to a string does not fail.
            let _ = write!(label, "{value}");
            if label.len() > limits::METRIC_LABEL_BYTES {
                *label = text::cut(label, limits::METRIC_LABEL_BYTES).into_owned();
            }
        }
    }
}

/// The metric that a descriptor becomes, or why it cannot be one.
fn definition(descriptor: &MetricDescriptor) -> Result<Definition, String> {
    let name = sanitised(&descriptor.name).into_owned();
    if name.starts_with(RESERVED_PREFIX) {
        return Err(format!("names that begin with `{RESERVED_PREFIX}` are the server's own"));
    }
    let kind = match (descriptor.kind, &descriptor.buckets) {
        (MetricKind::Gauge, _) => Kind::Gauge,
        (MetricKind::Counter, _) => Kind::Counter,
        (MetricKind::Distribution, Some(buckets)) => Kind::Histogram(buckets.bounds()),
        (MetricKind::Distribution, None) => return Err("a distribution needs buckets".to_owned()),
    };
    let labels: Vec<String> = descriptor.labels.keys().map(|label| sanitised_label(label)).collect();
    let mut seen = HashSet::new();
    if let Some(twice) = labels.iter().find(|label| !seen.insert(label.as_str())) {
        return Err(format!("two labels would both be called `{twice}`"));
    }
    if matches!(kind, Kind::Histogram(_)) && seen.contains("le") {
        return Err(
            "a distribution cannot have a label `le`: that is what its buckets are told apart by".to_owned()
        );
    }
    let help = if descriptor.description.is_empty() {
        descriptor.name.to_string()
    } else {
        descriptor.description.clone()
    };
    Ok(Definition { name, help, kind, labels })
}

/// As [`sanitised`]; names that begin with two underscores are Prometheus' own, so that one has to do.
fn sanitised_label(name: &str) -> String {
    let name = sanitised(name);
    match name.trim_start_matches('_') {
        rest if name.starts_with("__") => format!("_{rest}"),
        _ => name.into_owned(),
    }
}

/// One leading slash goes, dashes go, and whatever else Prometheus does not know becomes an underscore.
fn sanitised(name: &str) -> Cow<'_, str> {
    let name = name.strip_prefix('/').unwrap_or(name);
    let is_plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    if !name.is_empty()
        && name.chars().all(is_plain)
        && !name.starts_with(|first: char| first.is_ascii_digit())
    {
        return Cow::Borrowed(name);
    }
    let mut sanitised: String = name
        .chars()
        .filter(|character| *character != '-')
        .map(|character| if is_plain(character) { character } else { '_' })
        .collect();
    if sanitised.is_empty() || sanitised.starts_with(|first: char| first.is_ascii_digit()) {
        sanitised.insert(0, '_');
    }
    Cow::Owned(sanitised)
}

#[cfg(test)]
mod tests;
