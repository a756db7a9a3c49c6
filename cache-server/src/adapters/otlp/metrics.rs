//! Measured values as `OpenTelemetry` has them. Pure: values in, a request out.
//!
//! The values of a batch are added up, one point for each series, and a point tells what came since the batch before
//! (*delta temporality*). So nothing has to be remembered for a series that may never come again; who wants running
//! totals has a collector make them.

use std::collections::HashMap;
use std::sync::Arc;

use ::attributes::{Timestamp, Value, ValueType};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use policy::{MetricDescriptor, MetricKind};

use super::{attributes, unix_nanos};

/// One measured value that is a number.
#[derive(Debug, Clone)]
pub(super) struct Measurement {
    pub(super) descriptor: Arc<MetricDescriptor>,
    pub(super) labels: Vec<(Arc<str>, Value)>,
    /// Spans of time are in seconds.
    pub(super) value: f64,
}

/// The span of time that points are about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// What the values of one series come to.
#[derive(Debug, Default)]
struct Point {
    count: u64,
    sum: f64,
    last: f64,
    min: f64,
    max: f64,
    /// One for each bound and one for what is above; of distributions alone.
    buckets: Vec<u64>,
}

/// The series of a metric by their labels.
type Series<'a> = HashMap<&'a [(Arc<str>, Value)], Point>;

/// A request with what these values come to.
pub(super) fn request(
    measurements: &[Measurement],
    window: Window,
    resource: Resource,
) -> ExportMetricsServiceRequest {
    // A descriptor may have changed within the batch; then there are two metrics of a name.
    let mut all: Vec<(&Arc<MetricDescriptor>, Vec<f64>, Series<'_>)> = Vec::new();
    for Measurement { descriptor, labels, value } in measurements {
        let is_it = |known: &Arc<MetricDescriptor>| Arc::ptr_eq(known, descriptor) || known == descriptor;
        let at = all.iter().position(|(known, ..)| is_it(known)).unwrap_or_else(|| {
            let bounds = descriptor.buckets.as_ref().map(policy::Buckets::bounds).unwrap_or_default();
            all.push((descriptor, bounds, Series::new()));
            all.len() - 1
        });
        let (_, bounds, series) = &mut all[at];
        series.entry(labels.as_slice()).or_default().add(*value, bounds);
    }
    let metrics = all
        .into_iter()
        .map(|(descriptor, bounds, series)| metric(descriptor, &bounds, series, window))
        .collect();
    let scope = InstrumentationScope { name: "mixer".to_owned(), ..InstrumentationScope::default() };
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }];
    let resource = Some(resource);
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }],
    }
}

fn metric(descriptor: &MetricDescriptor, bounds: &[f64], series: Series<'_>, window: Window) -> Metric {
    let aggregation_temporality = AggregationTemporality::Delta.into();
    let is_integer = descriptor.value == ValueType::Int64;
    let numbers = |series: Series<'_>, value: fn(&Point) -> f64| -> Vec<NumberDataPoint> {
        let point = |(labels, point): (&[(Arc<str>, Value)], Point)| {
            number(labels, value(&point), is_integer, window)
        };
        series.into_iter().map(point).collect()
    };
    let data = match descriptor.kind {
        MetricKind::Gauge => Data::Gauge(Gauge { data_points: numbers(series, |point| point.last) }),
        MetricKind::Counter => Data::Sum(Sum {
            data_points: numbers(series, |point| point.sum),
            aggregation_temporality,
            is_monotonic: true,
        }),
        MetricKind::Distribution => {
            let point = |(labels, point)| histogram(labels, point, bounds, window);
            Data::Histogram(Histogram {
                data_points: series.into_iter().map(point).collect(),
                aggregation_temporality,
            })
        }
    };
    Metric {
        name: descriptor.name.to_string(),
        description: descriptor.description.clone(),
        unit: if descriptor.value == ValueType::Duration { "s" } else { "" }.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn number(labels: &[(Arc<str>, Value)], value: f64, is_integer: bool, window: Window) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes::of_metric(labels),
        start_time_unix_nano: unix_nanos(window.from),
        time_unix_nano: unix_nanos(window.to),
        value: Some(if is_integer {
            number_data_point::Value::AsInt(value as i64)
        } else {
            number_data_point::Value::AsDouble(value)
        }),
        ..NumberDataPoint::default()
    }
}

fn histogram(
    labels: &[(Arc<str>, Value)],
    point: Point,
    bounds: &[f64],
    window: Window,
) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes::of_metric(labels),
        start_time_unix_nano: unix_nanos(window.from),
        time_unix_nano: unix_nanos(window.to),
        count: point.count,
        sum: Some(point.sum),
        min: Some(point.min),
        max: Some(point.max),
        bucket_counts: point.buckets,
        explicit_bounds: bounds.to_owned(),
        ..HistogramDataPoint::default()
    }
}

impl Point {
    fn add(&mut self, value: f64, bounds: &[f64]) {
        if self.count == 0 {
            (self.min, self.max) = (value, value);
            self.buckets = vec![0; bounds.len() + 1];
        }
        self.count += 1;
        self.sum += value;
        self.last = value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        // A bound belongs to the bucket below it.
        self.buckets[bounds.partition_point(|bound| *bound < value)] += 1;
    }
}
