//! `metrics` aspects: measured values with labels.

mod samples;

use std::sync::Arc;

use attributes::Value;
use checkcache::Recorder;
use expr::Program;

pub use self::samples::{Measurements, MetricSamples};
use super::AspectError;
use super::programs::{Programs, Results};
use crate::MetricDescriptor;

/// The metrics of a `metrics` aspect.
#[derive(Debug)]
pub struct MetricsParams {
    /// What the metrics read.
    programs: Programs,
    metrics: Vec<Metric>,
}

/// One of them, its programs by their places.
#[derive(Debug)]
struct Metric {
    /// The shape of the metric.
    descriptor: Arc<MetricDescriptor>,
    value: usize,
    /// Sorted by name.
    labels: Vec<(Arc<str>, usize)>,
}

/// One metric with programs of its own, as it is compiled.
#[derive(Debug)]
pub(crate) struct CompiledMetric {
    /// The shape of the metric.
    pub(crate) descriptor: Arc<MetricDescriptor>,
    /// Gives the value.
    pub(crate) value: Program,
    /// The labels, sorted by name.
    pub(crate) labels: Vec<(Arc<str>, Program)>,
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

// === impl MetricsParams ===

impl MetricsParams {
    /// Metrics in document order, all compiled against one manifest.
    pub(crate) fn new(compiled: Vec<CompiledMetric>) -> Self {
        let mut programs = Programs::default();
        let mut metrics = Vec::with_capacity(compiled.len());
        for CompiledMetric { descriptor, value, labels } in compiled {
            let value = programs.place_of(value);
            let labels = labels.into_iter().map(|(name, program)| (name, programs.place_of(program)));
            let labels = labels.collect();
            metrics.push(Metric { descriptor, value, labels });
        }
        Self { programs, metrics }
    }

    pub(super) fn programs(&self) -> &[Program] {
        self.programs.as_slice()
    }

    pub(super) fn evaluate(&self, recorder: &mut Recorder<'_>) -> MetricsInstance {
        let mut instance = MetricsInstance::default();
        let mut results = Results::new(&self.programs);
        for metric in &self.metrics {
            match metric.evaluate(&mut results, recorder) {
                Ok(value) => instance.values.push(value),
                Err(error) => instance.errors.push(error),
            }
        }
        instance
    }
}

// === impl Metric ===

impl Metric {
    fn evaluate<'r: 'e, 'e>(
        &self,
        results: &mut Results<'e>,
        recorder: &mut Recorder<'r>,
    ) -> Result<MetricValue, AspectError> {
        let value = self.look(results, recorder)?;
        Ok(MetricValue { descriptor: Arc::clone(&self.descriptor), value, labels: self.labels(results) })
    }

    /// The value; of the labels it is seen to that they are known.
    fn look<'r: 'e, 'e>(
        &self,
        results: &mut Results<'e>,
        recorder: &mut Recorder<'r>,
    ) -> Result<Value, AspectError> {
        let metric = &self.descriptor.name;
        let value = results.get(self.value, || format!("the value of metric `{metric}`"), recorder)?;
        let value = value.clone().into_value();
        for (name, label) in &self.labels {
            results.get(*label, || format!("label `{name}` of metric `{metric}`"), recorder)?;
        }
        Ok(value)
    }

    /// The labels, once they are known.
    fn labels(&self, results: &Results<'_>) -> Vec<(Arc<str>, Value)> {
        let known = |(name, label): &(Arc<str>, usize)| {
            Some((Arc::clone(name), results.known(*label)?.clone().into_value()))
        };
        self.labels.iter().filter_map(known).collect()
    }
}
