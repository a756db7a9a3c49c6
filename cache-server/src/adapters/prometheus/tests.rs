//! Tests of the registry.

use attributes::{Value, ValueType};
use policy::Buckets;

use super::*;

fn descriptor(name: &str, kind: MetricKind, labels: &[&str]) -> Arc<MetricDescriptor> {
    Arc::new(MetricDescriptor {
        name: name.into(),
        display_name: String::new(),
        description: "what it is".to_owned(),
        kind,
        value: ValueType::Int64,
        labels: labels.iter().map(|&label| (label.into(), ValueType::String)).collect(),
        buckets: (kind == MetricKind::Distribution).then(|| Buckets::Explicit(vec![1.0])),
    })
}

fn record_one(registry: &MetricRegistry, measured: &MetricSamples, touch: Touch) -> Result<(), Dropped> {
    let mut outcome = Ok(());
    registry.record_all(std::slice::from_ref(measured), touch, |why, _| outcome = Err(why));
    outcome
}

fn record(
    registry: &MetricRegistry,
    descriptor: &Arc<MetricDescriptor>,
    value: Value,
    labels: &[&str],
) -> Result<(), Dropped> {
    let names = descriptor.labels.keys().map(Arc::clone);
    let labels = names.zip(labels.iter().map(|&label| Value::from(label))).collect();
    let touch = Touch { now: Duration::ZERO, idle_max: None };
    let values = vec![value];
    record_one(registry, &MetricSamples { descriptor: Arc::clone(descriptor), labels, values }, touch)
}

fn samples(registry: &MetricRegistry) -> Vec<String> {
    let mut page = String::new();
    registry.write(Format::Text, &mut page);
    page.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn kinds_add_up_as_they_should() {
    let registry = MetricRegistry::default();
    let counter = descriptor("count", MetricKind::Counter, &[]);
    let gauge = descriptor("gauge", MetricKind::Gauge, &[]);
    let distribution = descriptor("spread", MetricKind::Distribution, &[]);
    registry.define(&[Arc::clone(&counter), Arc::clone(&gauge), Arc::clone(&distribution)]);
    for value in [2, 3] {
        for descriptor in [&counter, &gauge, &distribution] {
            record(&registry, descriptor, Value::Int64(value), &[]).unwrap();
        }
    }
    let half = Value::Duration(attributes::Duration::from_nanos(500_000_000));
    record(&registry, &counter, half, &[]).unwrap();
    record(&registry, &counter, Value::from("1.5"), &[]).unwrap();
    assert_eq!(
        samples(&registry),
        [
            "count 7",
            "gauge 3",
            "spread_bucket{le=\"1\"} 0",
            "spread_bucket{le=\"+Inf\"} 2",
            "spread_sum 5",
            "spread_count 2"
        ]
    );
}

#[test]
fn what_is_no_value_is_dropped() {
    let registry = MetricRegistry::default();
    let counter = descriptor("count", MetricKind::Counter, &[]);
    registry.define(&[Arc::clone(&counter)]);
    for value in [Value::from("many"), Value::Bool(true), Value::Int64(-1), Value::Double(f64::NAN)] {
        assert_eq!(record(&registry, &counter, value, &[]), Err(Dropped::Value));
    }
    assert_eq!(samples(&registry), Vec::<String>::new());
}

#[test]
fn names_become_what_prometheus_allows() {
    for (name, expected) in [
        ("request_count", "request_count"),
        ("/a/b.c d", "a_b_c_d"),
        ("a-b", "ab"),
        ("5xx", "_5xx"),
        ("größe", "gr__e"),
        ("-", "_"),
    ] {
        assert_eq!(sanitised(name), expected);
    }
    for (name, expected) in [("a.b", "a_b"), ("__name__", "_name__"), ("_a", "_a"), ("..", "_")] {
        assert_eq!(sanitised_label(name), expected);
    }
}

#[test]
fn what_cannot_be_exposed_is_left_out() {
    let registry = MetricRegistry::default();
    let refused = [
        descriptor("mixer_checks_total", MetricKind::Counter, &[]),
        descriptor("twice", MetricKind::Counter, &["a.b", "a_b"]),
        descriptor("spread", MetricKind::Distribution, &["le"]),
    ];
    let same = [descriptor("a.b", MetricKind::Counter, &[]), descriptor("a_b", MetricKind::Counter, &[])];
    registry.define(&[refused.as_slice(), same.as_slice()].concat());
    for descriptor in &refused {
        assert_eq!(record(&registry, descriptor, Value::Int64(1), &["x", "y"]), Err(Dropped::Definition));
    }
    assert_eq!(record(&registry, &same[0], Value::Int64(1), &[]), Ok(()));
    assert_eq!(record(&registry, &same[1], Value::Int64(1), &[]), Err(Dropped::Definition));
}

#[test]
fn what_stays_the_same_goes_on_counting() {
    let registry = MetricRegistry::default();
    let old =
        [descriptor("kept", MetricKind::Counter, &["a"]), descriptor("changed", MetricKind::Counter, &["a"])];
    registry.define(&old);
    for descriptor in &old {
        record(&registry, descriptor, Value::Int64(1), &["x"]).unwrap();
    }
    let new =
        [descriptor("kept", MetricKind::Counter, &["a"]), descriptor("changed", MetricKind::Counter, &["b"])];
    registry.define(&new);
    // A report that began before the change.
    assert_eq!(record(&registry, &old[0], Value::Int64(1), &["x"]), Ok(()));
    assert_eq!(record(&registry, &old[1], Value::Int64(1), &["x"]), Err(Dropped::Definition));
    assert_eq!(record(&registry, &new[1], Value::Int64(1), &["x"]), Ok(()));
    assert_eq!(samples(&registry), ["changed{b=\"x\"} 1", "kept{a=\"x\"} 2"]);
    registry.define(&[]);
    assert_eq!(samples(&registry), Vec::<String>::new());
}

#[test]
fn series_are_bounded() {
    let registry = MetricRegistry::default();
    let counter = descriptor("count", MetricKind::Counter, &["a"]);
    registry.define(&[Arc::clone(&counter)]);
    for number in 0..limits::METRIC_SERIES {
        record(&registry, &counter, Value::Int64(1), &[&number.to_string()]).unwrap();
    }
    assert_eq!(record(&registry, &counter, Value::Int64(1), &["one more"]), Err(Dropped::Series));
    assert_eq!(record(&registry, &counter, Value::Int64(1), &["0"]), Ok(()));
}

#[test]
fn of_many_values_those_that_are_none_are_left_out() {
    let registry = MetricRegistry::default();
    let counter = descriptor("count", MetricKind::Counter, &[]);
    let undefined = descriptor("undefined", MetricKind::Counter, &[]);
    registry.define(&[Arc::clone(&counter)]);
    let samples_of = |descriptor: &Arc<MetricDescriptor>, values: &[i64]| MetricSamples {
        descriptor: Arc::clone(descriptor),
        labels: Vec::new(),
        values: values.iter().map(|value| Value::Int64(*value)).collect(),
    };
    let all = [
        samples_of(&counter, &[1, -1, 2, -2]),
        samples_of(&undefined, &[1, 2, 3]),
        samples_of(&counter, &[4]),
    ];
    let mut dropped = Vec::new();
    let touch = Touch { now: Duration::ZERO, idle_max: None };
    registry.record_all(&all, touch, |why, count| dropped.push((why, count)));
    assert_eq!(dropped, [(Dropped::Value, 2), (Dropped::Definition, 3)]);
    assert_eq!(samples(&registry), ["count 7"]);
}

#[test]
fn idle_series_are_forgotten_where_the_block_wants_it() {
    let registry = MetricRegistry::default();
    let counter = descriptor("count_total", MetricKind::Counter, &["a"]);
    registry.define(&[Arc::clone(&counter)]);
    let page = |now| {
        let mut page = String::new();
        registry.write_at(Format::OpenMetrics, Duration::from_secs(now), &mut page);
        page.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    let count = |label: &str, idle_max: Option<u64>| {
        let labels = vec![("a".into(), Value::from(label))];
        let (descriptor, values) = (Arc::clone(&counter), vec![Value::Int64(1)]);
        let measured = MetricSamples { descriptor, labels, values };
        let touch = Touch { now: Duration::ZERO, idle_max: idle_max.map(Duration::from_secs) };
        record_one(&registry, &measured, touch).unwrap();
    };
    count("x", Some(60));
    count("y", None);
    assert_eq!(page(59), ["count_total{a=\"x\"} 1", "count_total{a=\"y\"} 1"]);
    assert_eq!(page(60), ["count_total{a=\"y\"} 1"]);
}

#[test]
fn parameters_are_checked() {
    let minutes = |text: &str| parse(&serde_json::json!({ "metricsExpiry": text }));
    assert_eq!(minutes("10m").unwrap(), Some(Duration::from_secs(600)));
    assert_eq!(minutes("0s").unwrap_err()[0].path, "metricsExpiry");
}
