//! Reports: what is measured, and what happens to what cannot be.

use attributes::wire::{ReportEncoder, ReportEncoding};
use attributes::{Bag, Duration, Value};
use proto::v1::report_request::RepeatedAttributesSemantics::{DeltaEncoding, IndependentEncoding};
use proto::v1::{CompressedAttributes, CompressedValue, ReportRequest};

use crate::harness::{TestServer, bag, compress, tree};

const ADAPTERS: &str = "
adapters:
  - { name: prom, kind: metrics, impl: prometheus }
  - { name: log, kind: access-logs, impl: stdioLogger }
";

const RULES: &str = r#"
rules:
  - aspects:
      - kind: metrics
        adapter: prom
        params:
          metrics:
            - { descriptorName: request_count, value: "1", labels: { path: request.path, code: response.code | 0 } }
  - selector: request.path == "/slow"
    aspects:
      - kind: metrics
        adapter: prom
        params:
          metrics:
            - { descriptorName: request_duration, value: response.duration }
  - selector: request.path.startsWith("/long")
    aspects:
      - kind: access-logs
        adapter: log
        params:
          log:
            descriptorName: plain
            templateExpressions: { method: request.method, path: request.path }
            labels: { path: request.path, code: response.code }
"#;

fn ended(path: &str, code: i64) -> Bag {
    let mut bag = bag([("request.path", path)]);
    bag.insert("response.code", Value::Int64(code));
    bag
}

/// A message whose words are not there.
fn unreadable() -> CompressedAttributes {
    CompressedAttributes {
        values: vec![(-9, CompressedValue::String(-9))],
        ..CompressedAttributes::default()
    }
}

fn counted(path: &str, code: i64) -> String {
    // Labels in the order of their names.
    format!("request_count{{code=\"{code}\",path=\"{path}\"}}")
}

#[tokio::test]
async fn deltas_build_on_each_other() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 0).await;
    let messages = vec![
        compress(&server.dictionary, &ended("/a", 200)),
        compress(&server.dictionary, &bag([("request.path", "/b")])),
        CompressedAttributes::default(),
    ];
    server.report(DeltaEncoding, messages).await.unwrap();
    assert_eq!(server.metric(&counted("/a", 200)).await, "1");
    assert_eq!(server.metric(&counted("/b", 200)).await, "2");
    assert_eq!(server.metric("mixer_reports_total").await, "1");
    assert_eq!(server.metric("mixer_report_messages_total").await, "3");
    // One call for the many messages.
    assert_eq!(
        server.metric("mixer_adapter_calls_total{handler=\"prom\",impl=\"prometheus\",result=\"ok\"}").await,
        "1"
    );
}

#[tokio::test]
async fn independent_messages_stand_alone() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 0).await;
    let messages = vec![
        compress(&server.dictionary, &ended("/a", 200)),
        compress(&server.dictionary, &bag([("request.path", "/b")])),
    ];
    server.report(IndependentEncoding, messages).await.unwrap();
    assert_eq!(server.metric(&counted("/a", 200)).await, "1");
    assert_eq!(server.metric(&counted("/b", 0)).await, "1");
}

#[tokio::test]
async fn what_is_gone_is_not_told_of_the_next() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 0).await;
    // A request that never came to a response stands between two that did.
    let requests = [
        ended("/a", 200),
        ended("/a", 404),
        bag([("request.path", "/b")]),
        ended("/a", 200),
        ended("/a", 200),
    ];
    let mut encoder =
        ReportEncoder::new(&server.dictionary, server.dictionary.len(), ReportEncoding::Changes);
    for request in &requests {
        encoder.add(request);
    }
    let report = encoder.finish();
    assert_eq!(report.changes.len(), requests.len());
    let answer = server.client.clone().report(report).await.unwrap().into_inner();
    assert!(answer.accepts_changes);
    assert_eq!(server.metric(&counted("/a", 200)).await, "3");
    assert_eq!(server.metric(&counted("/a", 404)).await, "1");
    assert_eq!(server.metric(&counted("/b", 0)).await, "1");
    assert_eq!(server.metric("mixer_report_messages_total").await, "5");

    // What is removed without having been there makes the message invalid, and those that build on it.
    let wrong = CompressedAttributes { removed: vec![0], ..CompressedAttributes::default() };
    let whole = compress(&server.dictionary, &ended("/c", 200));
    let report = ReportRequest {
        changes: vec![whole.clone(), wrong, whole],
        global_word_count: u32::try_from(server.dictionary.len()).unwrap(),
        ..ReportRequest::default()
    };
    let status = server.client.clone().report(report).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(
        status.message().contains("2 of 3 messages")
            && status.message().contains("is removed and was not there"),
        "{status}"
    );
    assert_eq!(server.metric(&counted("/c", 200)).await, "1");
    assert_eq!(server.metric("mixer_report_messages_undecodable_total").await, "2");
}

#[tokio::test]
async fn distributions_have_buckets() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 0).await;
    let mut slow = ended("/slow", 200);
    slow.insert("response.duration", Value::Duration(Duration::from_nanos(500_000_000)));
    server.report(IndependentEncoding, vec![compress(&server.dictionary, &slow)]).await.unwrap();
    assert_eq!(server.metric("request_duration_bucket{le=\"0.1\"}").await, "0");
    assert_eq!(server.metric("request_duration_bucket{le=\"1\"}").await, "1");
    assert_eq!(server.metric("request_duration_sum").await, "0.5");
    assert_eq!(server.metric("request_duration_count").await, "1");
}

#[tokio::test]
async fn what_cannot_be_read_does_not_keep_the_rest() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 0).await;
    let messages = vec![
        compress(&server.dictionary, &ended("/a", 200)),
        unreadable(),
        compress(&server.dictionary, &ended("/b", 200)),
    ];
    let status = server.report(IndependentEncoding, messages).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(
        status.message().contains("1 of 3 messages") && status.message().contains("message 1"),
        "{status}"
    );
    assert_eq!(server.metric(&counted("/a", 200)).await, "1");
    assert_eq!(server.metric(&counted("/b", 200)).await, "1");
    assert_eq!(server.metric("mixer_report_messages_undecodable_total").await, "1");
}

#[tokio::test]
async fn messages_that_build_on_one_that_cannot_be_read_are_counted_with_it() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 0).await;
    let told = compress(&server.dictionary, &ended("/a", 200));
    let messages = vec![told.clone(), unreadable(), told.clone(), told];
    let status = server.report(DeltaEncoding, messages).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(
        status.message().contains("3 of 4 messages") && status.message().contains("message 1"),
        "{status}"
    );
    assert_eq!(server.metric(&counted("/a", 200)).await, "1");
    assert_eq!(server.metric("mixer_report_messages_total").await, "4");
    assert_eq!(server.metric("mixer_report_messages_undecodable_total").await, "3");
}

#[tokio::test]
async fn what_cannot_be_evaluated_does_not_keep_the_rest() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 0).await;
    // There is no duration.
    let messages = vec![
        compress(&server.dictionary, &ended("/slow", 200)),
        compress(&server.dictionary, &ended("/b", 200)),
    ];
    let status = server.report(IndependentEncoding, messages).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Internal);
    assert_eq!(server.metric(&counted("/slow", 200)).await, "1");
    assert_eq!(server.metric(&counted("/b", 200)).await, "1");
    assert_eq!(server.metric("mixer_evaluation_errors_total{phase=\"report\"}").await, "1");
}

#[tokio::test]
async fn nothing_to_tell_is_fine() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 0).await;
    server.report(DeltaEncoding, Vec::new()).await.unwrap();
}

#[tokio::test]
async fn too_many_messages_are_refused() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 0).await;
    let messages = vec![CompressedAttributes::default(); attributes::limits::REPORT_MESSAGES + 1];
    let status = server.report(DeltaEncoding, messages).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn a_small_report_cannot_make_much_of_its_words() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 0).await;
    let first = compress(&server.dictionary, &ended(&format!("/long{}", "x".repeat(900_000)), 200));
    // Every message has the first one's attributes, for two bytes each.
    let messages = [vec![first], vec![CompressedAttributes::default(); 5_000]].concat();
    let status = server.report(DeltaEncoding, messages).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Internal);
    assert!(status.message().contains("stand for too much"), "{status}");
    // Of those that were taken up not one came out: each is larger than a line may be.
    let dropped = server.metric("mixer_adapter_dropped_total{handler=\"log\",reason=\"too large\"}").await;
    assert!((1..400).contains(&dropped.parse::<u32>().unwrap()), "{dropped}");
}
