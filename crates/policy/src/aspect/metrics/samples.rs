//! Samples: what a metric measures of many requests, values under the same labels together.
//!
//! Between the aspects of a report and their adapter. Most requests of a batch have the labels of one that came shortly
//! before, and what is the same is compared where it lies and not copied.
//!
//! Invariant: no value is lost, and values under the same labels keep their order.

use std::sync::Arc;

use attributes::Value;
use checkcache::Recorder;

use super::super::AspectError;
use super::super::programs::Results;
use super::{Metric, MetricsParams};
use crate::{MetricDescriptor, limits};

/// Values of one metric under the same labels.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSamples {
    /// The shape of the metric.
    pub descriptor: Arc<MetricDescriptor>,
    /// The descriptor's labels, sorted by name.
    pub labels: Vec<(Arc<str>, Value)>,
    /// The values, of the descriptor's type, in the order in which they were measured. At least one.
    pub values: Vec<Value>,
}

/// Gathers samples.
#[derive(Debug, Default)]
pub struct Measurements {
    /// Of each metric, those whose labels were new last come last. What is far back may begin again.
    metrics: Vec<(Arc<MetricDescriptor>, Vec<MetricSamples>)>,
    /// The place after that of the metric that was measured last.
    next: usize,
    count: usize,
}

// === impl Measurements ===

impl Measurements {
    /// How many values there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Everything that was measured.
    pub fn into_samples(self) -> Vec<MetricSamples> {
        self.metrics.into_iter().flat_map(|(_, samples)| samples).collect()
    }

    /// Measures a request. What fails takes nothing else with it.
    pub fn add(&mut self, params: &MetricsParams, recorder: &mut Recorder<'_>) -> Vec<AspectError> {
        let mut results = Results::new(&params.programs);
        params
            .metrics
            .iter()
            .filter_map(|metric| self.add_one(metric, &mut results, recorder).err())
            .collect()
    }

    fn add_one<'r: 'e, 'e>(
        &mut self,
        metric: &Metric,
        results: &mut Results<'e>,
        recorder: &mut Recorder<'r>,
    ) -> Result<(), AspectError> {
        let value = metric.look(results, recorder)?;
        self.count += 1;
        let all = self.of(metric);
        let mut latest = all.iter_mut().rev().take(limits::RECENT_LABELS);
        match latest.find(|samples| samples.are_under(metric, results)) {
            Some(samples) => samples.values.push(value),
            None => all.push(MetricSamples {
                descriptor: Arc::clone(&metric.descriptor),
                labels: metric.labels(results),
                values: vec![value],
            }),
        }
        Ok(())
    }

    /// What is gathered of a metric. Requests have the same metrics in the same order, so the one after the last is looked
    /// at first.
    fn of(&mut self, metric: &Metric) -> &mut Vec<MetricSamples> {
        let is_its = |at: &usize| Arc::ptr_eq(&self.metrics[*at].0, &metric.descriptor);
        let count = self.metrics.len();
        let found = (self.next..count).chain(0..self.next).find(is_its);
        let at = found.unwrap_or_else(|| {
            self.metrics.push((Arc::clone(&metric.descriptor), Vec::new()));
            count
        });
        self.next = at + 1;
        &mut self.metrics[at].1
    }
}

// === impl MetricSamples ===

impl MetricSamples {
    fn are_under(&self, metric: &Metric, results: &Results<'_>) -> bool {
        let labels = metric.labels.iter().map(|(_, label)| results.seen(*label));
        self.labels.iter().map(|(_, label)| Some(label.as_ref())).eq(labels)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use attributes::{Bag, ValueType};
    use expr::compile;
    use proptest::prelude::*;

    use super::super::CompiledMetric;
    use super::*;
    use crate::MetricKind;

    fn metric(name: &str, labels: &[(&str, &str)]) -> CompiledMetric {
        let manifest: BTreeMap<_, _> = ["a", "b", "n"]
            .into_iter()
            .map(|name| (name.into(), if name == "n" { ValueType::Int64 } else { ValueType::String }))
            .collect();
        let program = |text: &str| compile(text, &manifest).unwrap();
        let descriptor = MetricDescriptor {
            name: name.into(),
            display_name: String::new(),
            description: String::new(),
            kind: MetricKind::Counter,
            value: ValueType::Int64,
            labels: labels.iter().map(|(name, _)| ((*name).into(), ValueType::String)).collect(),
            buckets: None,
        };
        CompiledMetric {
            descriptor: Arc::new(descriptor),
            value: program("n"),
            labels: labels.iter().map(|(name, text)| ((*name).into(), program(text))).collect(),
        }
    }

    #[test]
    fn values_under_the_same_labels_are_together() {
        let metrics = vec![metric("counted", &[("a", "a"), ("b", "b | \"-\"")]), metric("plain", &[])];
        let metrics = MetricsParams::new(metrics);
        assert_eq!(metrics.programs().len(), 3, "the value is that of both");
        let mut measurements = Measurements::default();
        for (number, (a, b)) in
            [("x", None), ("y", Some("1")), ("x", None), ("x", Some("-"))].into_iter().enumerate()
        {
            let mut bag: Bag = [("a", a)].into_iter().chain(b.map(|b| ("b", b))).collect();
            bag.insert("n", number as i64);
            assert_eq!(measurements.add(&metrics, &mut Recorder::untraced(&bag)), []);
        }
        assert_eq!(measurements.len(), 8);
        let samples = measurements.into_samples();
        let told = |samples: &MetricSamples| {
            let labels: Vec<_> =
                samples.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let values: Vec<_> = samples.values.iter().map(ToString::to_string).collect();
            format!("{}{{{}}} {}", samples.descriptor.name, labels.join(","), values.join(" "))
        };
        assert_eq!(
            samples.iter().map(told).collect::<Vec<_>>(),
            ["counted{a=x,b=-} 0 2 3", "counted{a=y,b=1} 1", "plain{} 0 1 2 3"]
        );
    }

    #[test]
    fn what_fails_takes_nothing_else_with_it() {
        let metrics = MetricsParams::new(vec![metric("labelled", &[("a", "a")]), metric("plain", &[])]);
        let mut bag = Bag::new();
        bag.insert("n", 1);
        let mut measurements = Measurements::default();
        let errors = measurements.add(&metrics, &mut Recorder::untraced(&bag));
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].to_string().contains("label `a` of metric `labelled`"), "{errors:?}");
        assert_eq!(measurements.into_samples().len(), 1);
    }

    proptest! {
        /// Whatever labels come in whatever order, more of them than are looked back for too.
        #[test]
        fn nothing_is_lost(labels in prop::collection::vec(0..limits::RECENT_LABELS * 3, 0..300)) {
            let metrics = MetricsParams::new(vec![metric("counted", &[("a", "a")])]);
            let mut measurements = Measurements::default();
            let mut expected: BTreeMap<String, Vec<Value>> = BTreeMap::new();
            for (number, label) in labels.iter().enumerate() {
                let label = label.to_string();
                let mut bag: Bag = [("a", label.as_str())].into_iter().collect();
                bag.insert("n", number as i64);
                prop_assert!(measurements.add(&metrics, &mut Recorder::untraced(&bag)).is_empty());
                expected.entry(label).or_default().push(Value::Int64(number as i64));
            }
            prop_assert_eq!(measurements.len(), labels.len());
            let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
            for samples in measurements.into_samples() {
                let [(_, label)] = samples.labels.as_slice() else { panic!("one label") };
                found.entry(label.to_string()).or_default().extend(samples.values);
            }
            prop_assert_eq!(found, expected);
        }
    }
}
