//! `metrics` aspects: measured values with labels.

mod samples;

use std::sync::Arc;

use attributes::Value;
use checkcache::Recorder;
use expr::{Operand, Program};

pub use self::samples::{Measurements, MetricSamples};
use super::{AspectError, operand};
use crate::MetricDescriptor;

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

pub(super) fn evaluate(metrics: &[MetricParams], recorder: &mut Recorder<'_>) -> MetricsInstance {
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
    pub(super) fn programs(&self) -> impl Iterator<Item = &Program> {
        std::iter::once(&self.value).chain(self.labels.iter().map(|(_, program)| program))
    }

    fn evaluate(&self, recorder: &mut Recorder<'_>) -> Result<MetricValue, AspectError> {
        let (value, labels) = self.look(recorder)?;
        let names = self.labels.iter().map(|(name, _)| Arc::clone(name));
        Ok(MetricValue {
            descriptor: Arc::clone(&self.descriptor),
            value: value.into_value(),
            labels: names.zip(labels.into_iter().map(Operand::into_value)).collect(),
        })
    }

    /// The value and the labels, where they are.
    fn look<'e, 'r: 'e>(
        &'e self,
        recorder: &mut Recorder<'r>,
    ) -> Result<(Operand<'e>, Vec<Operand<'e>>), AspectError> {
        let metric = &self.descriptor.name;
        let value = operand(&self.value, || format!("the value of metric `{metric}`"), recorder)?;
        let mut labels = Vec::with_capacity(self.labels.len());
        for (name, program) in &self.labels {
            labels.push(operand(program, || format!("label `{name}` of metric `{metric}`"), recorder)?);
        }
        Ok((value, labels))
    }
}
