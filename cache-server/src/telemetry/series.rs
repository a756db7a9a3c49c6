//! Families of series, and the counters and gauges of those that are always there.

use std::sync::Arc;

use crate::exposition::{Definition, Family, Kind, Series};
use crate::limits;

/// A counter of a family that is always there.
#[derive(Debug, Clone)]
pub struct Counter(Arc<Series>);

/// A number that goes up and down, of a family that is always there.
#[derive(Debug, Clone)]
pub struct Gauge(Arc<Series>);

/// The families that are always there, in the order in which they are written.
#[derive(Default)]
pub(super) struct Families(pub(super) Vec<Arc<Family>>);

// === impl Counter ===

impl Counter {
    /// Counts one.
    pub fn increment(&self) {
        self.add(1.0);
    }

    /// Counts several.
    pub fn add(&self, count: f64) {
        self.0.add(count);
    }
}

// === impl Families ===

impl Families {
    pub(super) fn family(&mut self, name: &str, help: &str, kind: Kind, labels: &[&str]) -> Arc<Family> {
        let family = Arc::new(define(name, help, kind, labels));
        self.0.push(Arc::clone(&family));
        family
    }

    pub(super) fn counters(&mut self, name: &str, help: &str, labels: &[&str]) -> Arc<Family> {
        self.family(name, help, Kind::Counter, labels)
    }

    pub(super) fn counter(&mut self, name: &str, help: &str) -> Counter {
        counter(&self.family(name, help, Kind::Counter, &[]), &[])
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str) -> Gauge {
        Gauge(counter(&self.family(name, help, Kind::Gauge, &[]), &[]).0)
    }
}

// === impl Gauge ===

impl Gauge {
    /// Says what it is now.
    pub fn set(&self, value: f64) {
        self.0.set(value);
    }
}

fn define(name: &str, help: &str, kind: Kind, labels: &[&str]) -> Family {
    let labels = labels.iter().map(|&label| label.to_owned()).collect();
    let definition = Definition { name: name.to_owned(), help: help.to_owned(), kind, labels };
    Family::new(definition, limits::METRIC_SERIES)
}

/// A series of a family that is always there, by the values of its labels.
pub(super) fn counter(family: &Arc<Family>, values: &[&str]) -> Counter {
    let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
    Counter(family.series(&values).expect("a family starts with room for its fixed series"))
}

/// Counts so many in a series, if the family has room for it.
pub(super) fn count(family: &Family, values: &[&str], number: u64) {
    let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
    if let Some(series) = family.series(&values) {
        series.add(number as f64);
    }
}
