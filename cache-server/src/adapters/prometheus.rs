//! `prometheus`: measured values as metrics for Prometheus to fetch from the admin address.
//!
//! All blocks of this adapter feed one registry, which outlives configurations: a metric whose descriptor did not
//! change goes on counting. One whose descriptor changed begins anew, and values that still come for the old one are
//! dropped. Names and label names become what Prometheus allows, in the way that Mixer did it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use policy::{
    AdapterInfo, AspectKind, HandlerConfig, MetricDescriptor, MetricKind, MetricValue, ParamProblem,
};

use super::params::Params;
use super::{Handler, HandlerError, InvalidHandler, Surroundings, number};
use crate::exposition::{Definition, Family, Kind};
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
    registry: Arc<MetricRegistry>,
    telemetry: Arc<Telemetry>,
}

/// The metrics of all `prometheus` blocks, by descriptor.
#[derive(Debug, Default)]
pub struct MetricRegistry {
    metrics: RwLock<BTreeMap<Arc<str>, Metric>>,
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
    Params::new(params).finish(())
}

pub(super) fn build(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    super::parsed(config, validate(&config.params))?;
    Ok(Arc::new(Prometheus {
        handler: config.name.clone(),
        registry: Arc::clone(&surroundings.metrics),
        telemetry: Arc::clone(&surroundings.telemetry),
    }))
}

#[async_trait]
impl Handler for Prometheus {
    async fn measure(&self, values: Vec<MetricValue>) -> Result<(), HandlerError> {
        for value in &values {
            if let Err(why) = self.registry.record(value) {
                self.telemetry.dropped(&self.handler, why.as_str(), 1);
            }
        }
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

    /// Writes all metrics in the text format.
    pub fn write(&self, out: &mut String) {
        let metrics = self.metrics.read().unwrap_or_else(PoisonError::into_inner).clone();
        for metric in metrics.values() {
            metric.family.write(out);
        }
    }

    fn record(&self, measured: &MetricValue) -> Result<(), Dropped> {
        let MetricValue { descriptor, value, labels } = measured;
        let metric = {
            let metrics = self.metrics.read().unwrap_or_else(PoisonError::into_inner);
            metrics.get(&descriptor.name).cloned().ok_or(Dropped::Definition)?
        };
        if !Arc::ptr_eq(&metric.descriptor, descriptor) && metric.descriptor != *descriptor {
            return Err(Dropped::Definition);
        }
        if !labels.iter().map(|(name, _)| name).eq(metric.descriptor.labels.keys()) {
            return Err(Dropped::Definition);
        }
        let number = number(value).ok_or(Dropped::Value)?;
        if descriptor.kind == MetricKind::Counter && number < 0.0 {
            return Err(Dropped::Value);
        }
        let labels: Vec<String> = labels
            .iter()
            .map(|(_, value)| text::cut(&value.to_string(), limits::METRIC_LABEL_BYTES).into_owned())
            .collect();
        let series = metric.family.series(&labels).ok_or(Dropped::Series)?;
        match descriptor.kind {
            MetricKind::Gauge => series.set(number),
            MetricKind::Counter | MetricKind::Distribution => series.add(number),
        }
        Ok(())
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
    let labels: Vec<String> = descriptor.labels.keys().map(|label| sanitised(label).into_owned()).collect();
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

/// One leading slash goes, dashes go, and whatever else Prometheus does not know becomes an underscore.
fn sanitised(name: &str) -> Cow<'_, str> {
    let name = name.strip_prefix('/').unwrap_or(name);
    let is_plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    if name.chars().all(is_plain) && !name.starts_with(|first: char| first.is_ascii_digit()) {
        return Cow::Borrowed(name);
    }
    let mut sanitised: String = name
        .chars()
        .filter(|character| *character != '-')
        .map(|character| if is_plain(character) { character } else { '_' })
        .collect();
    if sanitised.starts_with(|first: char| first.is_ascii_digit()) {
        sanitised.insert(0, '_');
    }
    Cow::Owned(sanitised)
}

#[cfg(test)]
mod tests;
