//! Tests with a statsd server that says what it got.

use std::collections::BTreeSet;

use attributes::{Duration as Span, ValueType};
use policy::MetricDescriptor;
use serde_json::json;

use super::*;
use crate::adapters;
use crate::adapters::fixture::{block, dropped, surroundings};

fn measured(name: &str, kind: MetricKind, value: Value, labels: &[(&str, &str)]) -> MetricSamples {
    let descriptor = MetricDescriptor {
        name: name.into(),
        display_name: String::new(),
        description: String::new(),
        kind,
        value: ValueType::Int64,
        labels: labels.iter().map(|(label, _)| ((*label).into(), ValueType::String)).collect(),
        buckets: None,
    };
    let labels = labels.iter().map(|(label, value)| ((*label).into(), Value::from(*value))).collect();
    MetricSamples { descriptor: Arc::new(descriptor), labels, values: vec![value] }
}

/// A handler and the server that it sends to.
async fn statsd(mut params: serde_json::Value) -> (Arc<dyn Handler>, UdpSocket, Surroundings) {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    params["address"] = server.local_addr().unwrap().to_string().into();
    let surroundings = surroundings();
    let handler = adapters::build(&block("statsd", params), &surroundings).unwrap();
    handler.in_force();
    (handler, server, surroundings)
}

async fn received(server: &UdpSocket) -> BTreeSet<String> {
    let mut buffer = vec![0; 65_536];
    let size =
        tokio::time::timeout(Duration::from_secs(20), server.recv(&mut buffer)).await.unwrap().unwrap();
    str::from_utf8(&buffer[..size]).unwrap().lines().map(str::to_owned).collect()
}

fn set<const N: usize>(lines: [&str; N]) -> BTreeSet<String> {
    lines.map(str::to_owned).into()
}

#[tokio::test]
async fn values_arrive_added_up() {
    let templates = json!({ "requests": "requests.{{.method}}-{{.code}}", "gone": "{{.missing}}" });
    let (handler, server, surroundings) =
        statsd(json!({ "prefix": "mixer", "metric_name_template_strings": templates })).await;
    let span = Value::Duration(Span::from_nanos(1_500_000));
    let labels = [("code", "200"), ("method", "GET|x")];
    let values = vec![
        measured("requests", MetricKind::Counter, Value::Int64(1), &labels),
        measured("requests", MetricKind::Counter, Value::Int64(2), &labels),
        measured("latency", MetricKind::Distribution, span, &[]),
        measured("size", MetricKind::Distribution, Value::Int64(10), &[]),
        measured("load", MetricKind::Gauge, Value::Double(0.5), &[]),
        measured("gone", MetricKind::Counter, Value::Int64(1), &[("there", "x")]),
        measured("flag", MetricKind::Counter, Value::Bool(true), &[]),
        measured("requests", MetricKind::Counter, Value::Int64(-1), &labels),
    ];
    handler.measure(values).await.unwrap();
    let expected = set([
        "mixer.requests.GET_x-200:3|c",
        "mixer.latency:1.5|ms",
        "mixer.size:10|c",
        "mixer.load:0.5|g",
        "mixer.gone:1|c",
    ]);
    assert_eq!(received(&server).await, expected);
    assert_eq!(dropped(&surroundings, "not a value"), 2);
}

#[tokio::test]
async fn distributions_of_numbers_can_be_histograms_and_are_sampled() {
    let (handler, server, _) =
        statsd(json!({ "numericDistributions": "HISTOGRAM", "samplingRate": 0.5, "flushDuration": "1h" }))
            .await;
    let size = measured("size", MetricKind::Distribution, Value::Int64(7), &[]);
    let count = measured("count", MetricKind::Counter, Value::Int64(1), &[]);
    handler.measure(vec![size; 100]).await.unwrap();
    handler.measure(vec![count; 100]).await.unwrap();
    handler.flush().await;
    // Sums are exact whatever is sampled.
    assert_eq!(received(&server).await, set(["count:100|c", "size:7|h|@0.5"]));
}

#[tokio::test]
async fn a_name_that_cannot_be_looked_up_holds_up_nobody() {
    let surroundings = surroundings();
    let params = json!({ "address": "no-such-host.invalid:8125", "flushDuration": "0s" });
    let handler = adapters::build(&block("statsd", params), &surroundings).unwrap();
    handler.in_force();
    let value = measured("count", MetricKind::Counter, Value::Int64(1), &[]);
    handler.measure(vec![value; limits::OUTBOX_RECORDS + 5]).await.unwrap();
    assert_eq!(dropped(&surroundings, "queue full"), 5);
}

#[test]
fn parameters_are_checked() {
    let problems = |params: serde_json::Value| -> Vec<(String, String)> {
        let problems = validate(&params).err().unwrap_or_default();
        problems.into_iter().map(|problem| (problem.path, problem.message)).collect()
    };
    assert_eq!(problems(json!({ "flushBytes": 0, "flush_duration": "0s", "sampling_rate": 0 })), []);
    let found = problems(json!({ "metricNameTemplateStrings": { "m": "{{if 1}}" } }));
    assert_eq!(found[0].0, "metricNameTemplateStrings");
    assert!(found[0].1.starts_with("failed to parse template '{{if 1}}' for metric 'm': "), "{found:?}");
    let wrong = json!({
        "address": "localhost", "flushBytes": 70_000, "samplingRate": -1, "flushDuration": "-1s",
        "metricNameTemplateStrings": { "m": 1 }, "numericDistributions": "SUM",
    });
    let paths: Vec<_> = problems(wrong).into_iter().map(|(path, _)| path).collect();
    assert_eq!(
        paths,
        [
            "address",
            "flushDuration",
            "flushBytes",
            "samplingRate",
            "metricNameTemplateStrings.m",
            "numericDistributions"
        ]
    );
}
