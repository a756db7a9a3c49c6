//! `metrics` aspects: measured values with labels.

mod samples;

use std::collections::BTreeMap;
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
    pub value: Arc<Program>,
    /// The labels, sorted by name. Those that say the same as others of the aspect are one program with them.
    pub labels: Vec<(Arc<str>, Arc<Program>)>,
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

/// What programs came to for one request, each by itself. What more than one metric reads is evaluated once.
#[derive(Debug)]
struct Seen<'e>(Vec<(&'e Program, Operand<'e>)>);

pub(super) fn evaluate(metrics: &[MetricParams], recorder: &mut Recorder<'_>) -> MetricsInstance {
    let mut instance = MetricsInstance::default();
    let mut seen = Seen::of_all(metrics);
    for metric in metrics {
        match metric.evaluate(&mut seen, recorder) {
            Ok(value) => instance.values.push(value),
            Err(error) => instance.errors.push(error),
        }
    }
    instance
}

impl MetricParams {
    pub(super) fn programs(&self) -> impl Iterator<Item = &Program> {
        std::iter::once(&self.value).chain(self.labels.iter().map(|(_, program)| program)).map(Arc::as_ref)
    }

    /// Makes one of the programs that say the same.
    pub(crate) fn share_programs(metrics: &mut [Self]) {
        let mut known: BTreeMap<String, Arc<Program>> = BTreeMap::new();
        for Self { descriptor: _, value, labels } in metrics {
            for program in std::iter::once(value).chain(labels.iter_mut().map(|(_, program)| program)) {
                match known.get(program.text()) {
                    Some(same) => *program = Arc::clone(same),
                    None => drop(known.insert(program.text().to_owned(), Arc::clone(program))),
                }
            }
        }
    }

    fn evaluate<'e, 'r: 'e>(
        &'e self,
        seen: &mut Seen<'e>,
        recorder: &mut Recorder<'r>,
    ) -> Result<MetricValue, AspectError> {
        let value = self.look(seen, recorder)?;
        Ok(MetricValue { descriptor: Arc::clone(&self.descriptor), value, labels: self.labels(seen) })
    }

    /// The value; of the labels it is seen to that they are known.
    fn look<'e, 'r: 'e>(
        &'e self,
        seen: &mut Seen<'e>,
        recorder: &mut Recorder<'r>,
    ) -> Result<Value, AspectError> {
        let metric = &self.descriptor.name;
        let value = seen.evaluate(&self.value, || format!("the value of metric `{metric}`"), recorder)?;
        let value = value.clone().into_value();
        for (name, program) in &self.labels {
            seen.evaluate(program, || format!("label `{name}` of metric `{metric}`"), recorder)?;
        }
        Ok(value)
    }

    /// The labels, once they are known.
    fn labels(&self, seen: &Seen<'_>) -> Vec<(Arc<str>, Value)> {
        let known = |(name, program): &(Arc<str>, Arc<Program>)| {
            Some((Arc::clone(name), seen.of(program)?.clone().into_value()))
        };
        self.labels.iter().filter_map(known).collect()
    }
}

impl<'e> Seen<'e> {
    /// Nothing yet, with room for what all metrics read.
    fn of_all(metrics: &[MetricParams]) -> Self {
        Self(Vec::with_capacity(metrics.iter().map(|metric| 1 + metric.labels.len()).sum()))
    }

    /// What a program came to.
    fn of(&self, program: &Program) -> Option<&Operand<'e>> {
        self.0.iter().find(|(known, _)| std::ptr::eq(*known, program)).map(|(_, result)| result)
    }

    /// What a program comes to, or an error that says what it was for.
    fn evaluate<'r: 'e>(
        &mut self,
        program: &'e Program,
        what: impl FnOnce() -> String,
        recorder: &mut Recorder<'r>,
    ) -> Result<&Operand<'e>, AspectError> {
        let at = match self.0.iter().position(|(known, _)| std::ptr::eq(*known, program)) {
            Some(at) => at,
            None => {
                self.0.push((program, operand(program, what, recorder)?));
                self.0.len() - 1
            }
        };
        Ok(&self.0[at].1)
    }
}
