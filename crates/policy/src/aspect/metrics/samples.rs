//! Samples: what a metric measures of many requests, values under the same labels together.
//!
//! Between the aspects of a report and their adapter. Most requests of a batch have the labels of one that came shortly
//! before, and what is the same is compared where it lies and not copied.
//!
//! Invariant: no value is lost, and values under the same labels keep their order.

use std::sync::Arc;

use attributes::Value;
use checkcache::Recorder;
use expr::Operand;

use super::super::AspectError;
use super::{MetricParams, Seen};
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
    metrics: Vec<Vec<MetricSamples>>,
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
        self.metrics.into_iter().flatten().collect()
    }

    /// Measures a request. What fails takes nothing else with it.
    pub fn add(&mut self, metrics: &[MetricParams], recorder: &mut Recorder<'_>) -> Vec<AspectError> {
        let mut seen = Seen::of_all(metrics);
        metrics.iter().filter_map(|metric| self.add_one(metric, &mut seen, recorder).err()).collect()
    }

    fn add_one<'e, 'r: 'e>(
        &mut self,
        metric: &'e MetricParams,
        seen: &mut Seen<'e>,
        recorder: &mut Recorder<'r>,
    ) -> Result<(), AspectError> {
        let value = metric.look(seen, recorder)?;
        self.count += 1;
        let is_its = |all: &&mut Vec<MetricSamples>| {
            all.first().is_some_and(|samples| Arc::ptr_eq(&samples.descriptor, &metric.descriptor))
        };
        let Some(all) = self.metrics.iter_mut().find(is_its) else {
            self.metrics.push(vec![MetricSamples::new(metric, seen, value)]);
            return Ok(());
        };
        let mut latest = all.iter_mut().rev().take(limits::RECENT_LABELS);
        match latest.find(|samples| samples.are_of(metric, seen)) {
            Some(samples) => samples.values.push(value),
            None => all.push(MetricSamples::new(metric, seen, value)),
        }
        Ok(())
    }
}

// === impl MetricSamples ===

impl MetricSamples {
    fn new(metric: &MetricParams, seen: &Seen<'_>, value: Value) -> Self {
        let descriptor = Arc::clone(&metric.descriptor);
        Self { descriptor, labels: metric.labels(seen), values: vec![value] }
    }

    fn are_of(&self, metric: &MetricParams, seen: &Seen<'_>) -> bool {
        let labels = metric.labels.iter().map(|(_, program)| seen.of(program).map(Operand::as_ref));
        self.labels.iter().map(|(_, label)| Some(label.as_ref())).eq(labels)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use attributes::{Bag, ValueType};
    use expr::compile;
    use proptest::prelude::*;

    use super::*;
    use crate::MetricKind;

    fn metric(name: &str, labels: &[(&str, &str)]) -> MetricParams {
        let manifest: BTreeMap<_, _> = ["a", "b", "n"]
            .into_iter()
            .map(|name| (name.into(), if name == "n" { ValueType::Int64 } else { ValueType::String }))
            .collect();
        let program = |text: &str| Arc::new(compile(text, &manifest).unwrap());
        let descriptor = MetricDescriptor {
            name: name.into(),
            display_name: String::new(),
            description: String::new(),
            kind: MetricKind::Counter,
            value: ValueType::Int64,
            labels: labels.iter().map(|(name, _)| ((*name).into(), ValueType::String)).collect(),
            buckets: None,
        };
        MetricParams {
            descriptor: Arc::new(descriptor),
            value: program("n"),
            labels: labels.iter().map(|(name, text)| ((*name).into(), program(text))).collect(),
        }
    }

    #[test]
    fn values_under_the_same_labels_are_together() {
        let mut metrics = [metric("counted", &[("a", "a"), ("b", "b | \"-\"")]), metric("plain", &[])];
        MetricParams::share_programs(&mut metrics);
        assert!(Arc::ptr_eq(&metrics[0].value, &metrics[1].value));
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
        let metrics = [metric("labelled", &[("a", "a")]), metric("plain", &[])];
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
            let metrics = [metric("counted", &[("a", "a")])];
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
