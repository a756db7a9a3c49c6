//! Tests with a collector that says what it got.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use ::attributes::{Duration as Span, Value, ValueType};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, number_data_point};
use policy::{Buckets, LogPayload, LogSeverity, MetricDescriptor};
use serde_json::json;
use tonic::{Request, Response, Status};

use super::*;
use crate::adapters;
use crate::adapters::fixture::{block, dropped, entry, surroundings};

/// A collector that answers as the test says, in order, and then takes everything.
#[derive(Clone, Default)]
struct TestCollector {
    metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
    logs: Arc<Mutex<Vec<ExportLogsServiceRequest>>>,
    tokens: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<VecDeque<Result<i64, Status>>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl MetricsService for TestCollector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let token = request.metadata().get("x-token").map(|token| token.to_str().unwrap().to_owned());
        locked(&self.tokens).extend(token);
        locked(&self.metrics).push(request.into_inner());
        let answer = locked(&self.answers).pop_front();
        answer.unwrap_or(Ok(0)).map(|_| Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[async_trait]
impl LogsService for TestCollector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        locked(&self.logs).push(request.into_inner());
        let answer = locked(&self.answers).pop_front();
        answer.unwrap_or(Ok(0)).map(|rejected_log_records| {
            let error_message = "no".to_owned();
            let partial_success = Some(ExportLogsPartialSuccess { rejected_log_records, error_message });
            Response::new(ExportLogsServiceResponse { partial_success })
        })
    }
}

impl TestCollector {
    async fn serve(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let server = tonic::transport::Server::builder()
            .add_service(MetricsServiceServer::new(self.clone()))
            .add_service(LogsServiceServer::new(self.clone()));
        // Ends with the test's runtime.
        tokio::spawn(server.serve_with_incoming(incoming));
        address
    }

    /// The metrics of a request.
    fn metrics(&self, request: usize) -> Vec<Metric> {
        let request = locked(&self.metrics)[request].clone();
        request
            .resource_metrics
            .into_iter()
            .flat_map(|all| all.scope_metrics)
            .flat_map(|all| all.metrics)
            .collect()
    }
}

async fn otlp(collector: &TestCollector, mut params: serde_json::Value) -> (Arc<dyn Handler>, Surroundings) {
    params["endpoint"] = format!("http://{}", collector.serve().await).into();
    params["pushInterval"] = "1h".into();
    let surroundings = surroundings();
    let handler = adapters::build(&block("otlp", params), &surroundings).unwrap();
    handler.in_force();
    (handler, surroundings)
}

fn descriptor(name: &str, kind: MetricKind, value: ValueType) -> Arc<MetricDescriptor> {
    Arc::new(MetricDescriptor {
        name: name.into(),
        display_name: String::new(),
        description: "what it is".to_owned(),
        kind,
        value,
        labels: std::iter::once(("a".into(), ValueType::String)).collect(),
        buckets: (kind == MetricKind::Distribution).then(|| Buckets::Explicit(vec![0.1, 1.0])),
    })
}

fn measured(descriptor: &Arc<MetricDescriptor>, value: Value, label: &str) -> MetricSamples {
    let labels = vec![("a".into(), Value::from(label))];
    MetricSamples { descriptor: Arc::clone(descriptor), labels, values: vec![value] }
}

fn shown(attributes: &[KeyValue]) -> Vec<(String, Any)> {
    let value = |attribute: &KeyValue| attribute.value.clone().unwrap().value.unwrap();
    attributes.iter().map(|attribute| (attribute.key.clone(), value(attribute))).collect()
}

/// Label and value of each point, sorted.
fn points(points: &[NumberDataPoint]) -> Vec<(String, number_data_point::Value)> {
    let label = |point: &NumberDataPoint| match &shown(&point.attributes)[0].1 {
        Any::StringValue(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    let mut points: Vec<_> = points.iter().map(|point| (label(point), point.value.unwrap())).collect();
    points.sort_by(|(a, _), (b, _)| a.cmp(b));
    points
}

#[tokio::test]
async fn values_arrive_added_up() {
    use number_data_point::Value::{AsDouble, AsInt};

    let collector = TestCollector::default();
    let (handler, surroundings) = otlp(&collector, json!({ "headers": { "x-token": "secret" } })).await;
    let count = descriptor("count", MetricKind::Counter, ValueType::Int64);
    let load = descriptor("load", MetricKind::Gauge, ValueType::Double);
    let latency = descriptor("latency", MetricKind::Distribution, ValueType::Duration);
    let millis = |millis: i128| Value::Duration(Span::from_nanos(millis * 1_000_000));
    let values = vec![
        measured(&count, Value::Int64(1), "x"),
        measured(&count, Value::Int64(2), "y"),
        measured(&count, Value::Int64(3), "x"),
        measured(&count, Value::Int64(-1), "x"),
        measured(&load, Value::Double(0.5), "x"),
        measured(&load, Value::Double(0.25), "x"),
        measured(&latency, millis(100), "x"),
        measured(&latency, millis(500), "x"),
        measured(&latency, millis(2000), "x"),
    ];
    let before = unix_nanos(now());
    handler.measure(values).await.unwrap();
    handler.flush().await;
    assert_eq!(*locked(&collector.tokens), ["secret"]);
    assert_eq!(dropped(&surroundings, "not a value"), 1);

    let metrics = collector.metrics(0);
    let names: Vec<_> = metrics.iter().map(|metric| (metric.name.as_str(), metric.unit.as_str())).collect();
    assert_eq!(names, [("count", ""), ("load", ""), ("latency", "s")]);
    let [Some(Data::Sum(sum)), Some(Data::Gauge(gauge)), Some(Data::Histogram(histogram))] =
        [0, 1, 2].map(|at| metrics[at].data.clone())
    else {
        panic!("{metrics:?}");
    };
    assert!(sum.is_monotonic && sum.aggregation_temporality == 1 && histogram.aggregation_temporality == 1);
    assert_eq!(points(&sum.data_points), [("x".to_owned(), AsInt(4)), ("y".to_owned(), AsInt(2))]);
    assert_eq!(points(&gauge.data_points), [("x".to_owned(), AsDouble(0.25))]);
    let point = &histogram.data_points[0];
    assert_eq!((point.count, &point.bucket_counts[..]), (3, &[1, 1, 1][..]));
    assert_eq!((point.sum, point.min, point.max), (Some(2.6), Some(0.1), Some(2.0)));
    assert!(point.start_time_unix_nano <= before && point.time_unix_nano >= before);

    // The next batch goes on where this one ended.
    handler.measure(vec![measured(&count, Value::Int64(5), "x")]).await.unwrap();
    handler.flush().await;
    let Some(Data::Sum(next)) = collector.metrics(1)[0].data.clone() else { panic!("no sum") };
    assert_eq!(points(&next.data_points), [("x".to_owned(), AsInt(5))]);
    assert_eq!(next.data_points[0].start_time_unix_nano, sum.data_points[0].time_unix_nano);
}

#[tokio::test]
async fn entries_arrive_with_their_severity_and_time() {
    let collector = TestCollector::default();
    let (handler, _) = otlp(&collector, json!({ "resourceAttributes": { "zone": "a" } })).await;
    let object = json!({ "n": 1 }).as_object().unwrap().clone();
    let graded = LogEntry {
        labels: vec![("ip".into(), Value::Bytes([10, 0, 0, 1].as_slice().into()))],
        severity: LogSeverity::Notice,
        timestamp: Some("2017-04-29T02:11:54.5Z".to_owned()),
        payload: LogPayload::Json(object),
        ..entry("")
    };
    let odd = LogEntry { timestamp: Some("04:05".to_owned()), ..entry("hello") };
    handler.log(vec![graded, odd]).await.unwrap();
    handler.flush().await;
    let request = locked(&collector.logs)[0].clone();
    let resource = request.resource_logs[0].resource.clone().unwrap();
    let text = |text: &str| Any::StringValue(text.to_owned());
    let expected = [("service.name".to_owned(), text("mixer")), ("zone".to_owned(), text("a"))];
    assert_eq!(shown(&resource.attributes), expected);
    let scope = &request.resource_logs[0].scope_logs[0];
    assert_eq!(scope.scope.clone().unwrap().name, "log");
    let [graded, odd] = &scope.log_records[..] else { panic!("{scope:?}") };
    assert_eq!(graded.time_unix_nano, 1_493_431_914_500_000_000);
    assert_eq!((graded.severity_number, graded.severity_text.as_str()), (10, "NOTICE"));
    assert_eq!(shown(&graded.attributes), [("ip".to_owned(), text("10.0.0.1"))]);
    let Some(Any::KvlistValue(body)) = graded.body.clone().unwrap().value else { panic!("{graded:?}") };
    assert_eq!(shown(&body.values), [("n".to_owned(), Any::IntValue(1))]);
    assert_eq!((odd.severity_number, odd.body.clone().unwrap().value), (0, Some(text("hello"))));
    assert_eq!(shown(&odd.attributes), [("timestamp".to_owned(), text("04:05"))]);
}

#[tokio::test]
async fn what_may_go_away_is_tried_again_and_the_rest_is_counted() {
    let collector = TestCollector::default();
    let (handler, surroundings) = otlp(&collector, json!({})).await;
    locked(&collector.answers).extend([
        Err(Status::unavailable("restarting")),
        Ok(1),
        Err(Status::invalid_argument("never")),
    ]);
    handler.log(vec![entry("one"), entry("two")]).await.unwrap();
    handler.flush().await;
    {
        let seen = locked(&collector.logs);
        assert!(seen.len() == 2 && seen[0] == seen[1], "the same again");
    }
    assert_eq!(dropped(&surroundings, "refused"), 1);
    handler.log(vec![entry("three")]).await.unwrap();
    handler.flush().await;
    assert_eq!((locked(&collector.logs).len(), dropped(&surroundings, "refused")), (3, 2));
}

#[tokio::test]
async fn a_collector_that_is_not_there_holds_up_nobody() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let params = json!({ "endpoint": format!("http://{}", listener.local_addr().unwrap()) });
    drop(listener);
    let surroundings = surroundings();
    let handler = adapters::build(&block("otlp", params), &surroundings).unwrap();
    handler.in_force();
    handler.log(vec![entry(""); limits::OUTBOX_RECORDS + 7]).await.unwrap();
    assert_eq!(dropped(&surroundings, "queue full"), 7);
}

#[test]
fn parameters_are_checked() {
    let paths = |params: serde_json::Value| -> Vec<String> {
        validate(&params).err().unwrap_or_default().into_iter().map(|problem| problem.path).collect()
    };
    let all = json!({
        "endpoint": "http://collector:4317", "service_name": "m", "headers": { "authorization": "x" },
        "resource_attributes": { "zone": "a" }, "push_interval": "1s", "push_timeout": "1s",
    });
    assert_eq!(paths(all), Vec::<String>::new());
    for endpoint in ["collector:4317", "https://collector:4317", "http://", "?"] {
        assert_eq!(paths(json!({ "endpoint": endpoint })), ["endpoint"], "{endpoint}");
    }
    let wrong = json!({ "headers": { "a b": "x", "c": "\n" }, "pushTimeout": "0s" });
    assert_eq!(paths(wrong), ["headers", "headers", "pushTimeout"]);
}
