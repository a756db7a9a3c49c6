//! Requests that leave out what is not read: decided about only when nothing that counts is missing.

use attributes::{Bag, StringMap, Value};
use checkcache::Code;
use proto::v1::report_request::RepeatedAttributesSemantics;
use proto::v1::{CheckResponse, ReportRequest};

use crate::harness::{TestServer, bag, check_request, compress, tree};

const ADAPTERS: &str = r"
adapters:
  - { name: closed, kind: denials, impl: denyChecker, params: { error: { code: 7 } } }
  - { name: prom, kind: metrics, impl: prometheus }
";

/// Reads the path only.
const PATH: &str = r#"
rules:
  - selector: (request.path | "") == "/admin"
    aspects: [{ kind: denials, adapter: closed }]
"#;

/// Reads the user too, and refuses who has none.
const PATH_AND_USER: &str = r#"
rules:
  - selector: (request.path | "") == "/admin" || (source.user | "") == ""
    aspects: [{ kind: denials, adapter: closed }]
  - aspects:
      - kind: metrics
        adapter: prom
        params: { metrics: [{ descriptorName: request_count, value: "1", labels: { path: request.path, code: response.code } }] }
"#;

const KEY: &str = r#"
rules:
  - selector: (request.headers["a"] | "") == "x"
    aspects: [{ kind: denials, adapter: closed }]
"#;

const OTHER_KEY: &str = r#"
rules:
  - selector: (request.headers["b"] | "") == "x"
    aspects: [{ kind: denials, adapter: closed }]
"#;

const STALE: &str = "mixer_check_stale_demand_total";

async fn start(rules: &str) -> TestServer {
    TestServer::start(tree(ADAPTERS, rules), 100).await
}

async fn revision(server: &TestServer) -> u64 {
    server.watch().await.next().await.unwrap().revision
}

/// Checks what was chosen by what is read under a revision.
async fn check(server: &TestServer, bag: &Bag, demand_revision: u64) -> CheckResponse {
    let mut request = check_request(&server.dictionary, bag);
    request.demand_revision = demand_revision;
    server.send(request).await.unwrap()
}

fn code(reply: &CheckResponse) -> Option<i32> {
    reply.precondition.as_ref().map(|verdict| verdict.status.as_ref().unwrap().code)
}

#[tokio::test]
async fn too_little_is_asked_for_again_and_then_decided() {
    let server = start(PATH).await;
    let old = revision(&server).await;
    let path_only = bag([("request.path", "/")]);
    assert_eq!(code(&check(&server, &path_only, old).await), Some(Code::Ok.number()));

    server.load_rules(PATH_AND_USER).await;
    let new = revision(&server).await;
    let reply = check(&server, &path_only, old).await;
    assert_eq!(reply.precondition, None);
    assert!(reply.quotas.is_empty());
    assert_eq!(reply.revision, new);
    assert_eq!(reply.hash_seed.len(), 16);
    let names: Vec<_> =
        reply.demand.unwrap().attributes.into_iter().map(|attribute| attribute.name).collect();
    assert_eq!(names, ["request.path", "source.user"]);
    assert_eq!(server.metric(STALE).await, "1");
    // Nothing was decided, so nothing was stored beside the verdict from before.
    assert_eq!(server.metric("mixer_l2_insertions_total").await, "1");

    let both = bag([("request.path", "/"), ("source.user", "a")]);
    let reply = check(&server, &both, new).await;
    assert_eq!(code(&reply), Some(Code::Ok.number()));
    assert_eq!(reply.demand, None);
    assert_eq!(server.metric(STALE).await, "1");
}

#[tokio::test]
async fn a_cached_verdict_is_not_given_for_too_little() {
    let server = start(PATH).await;
    let old = revision(&server).await;
    server.load_rules(PATH_AND_USER).await;
    // Somebody without a user, who is refused; for a request that has one but left it out this is no answer.
    assert_eq!(code(&server.check(&bag([("request.path", "/")])).await), Some(7));
    assert_eq!(server.metric("mixer_l2_entries").await, "1");
    assert_eq!(check(&server, &bag([("request.path", "/")]), old).await.precondition, None);
    assert_eq!(server.metric("mixer_l2_hits_total").await, "0");
}

#[tokio::test]
async fn more_than_enough_is_enough() {
    let server = start(PATH_AND_USER).await;
    let more = revision(&server).await;
    server.load_rules(PATH).await;
    let reply = check(&server, &bag([("request.path", "/admin"), ("source.user", "a")]), more).await;
    assert_eq!(code(&reply), Some(7));
    assert_ne!(reply.revision, more);
    // Nor is it when the first one is back.
    let less = reply.revision;
    server.load_rules(PATH_AND_USER).await;
    assert_eq!(code(&check(&server, &bag([("request.path", "/")]), less).await), None);
    assert_eq!(code(&check(&server, &bag([("request.path", "/")]), more).await), Some(7));
}

#[tokio::test]
async fn one_key_is_not_another() {
    let server = start(KEY).await;
    let old = revision(&server).await;
    server.load_rules(OTHER_KEY).await;
    let headers: StringMap = [("a", "x")].into_iter().collect();
    let bag: Bag = [("request.headers", Value::from(headers))].into_iter().collect();
    assert_eq!(check(&server, &bag, old).await.precondition, None);
    assert_eq!(code(&check(&server, &bag, revision(&server).await).await), Some(Code::Ok.number()));
}

#[tokio::test]
async fn an_unknown_revision_covers_nothing() {
    let server = start(PATH).await;
    let reply = check(&server, &bag([("request.path", "/")]), 12345).await;
    assert_eq!(reply.precondition, None);
    assert_eq!(reply.demand.unwrap().attributes.len(), 1);
    // Even if the client does not say that it understands the answer: better none than a wrong one.
    let mut request = check_request(&server.dictionary, &bag([("request.path", "/")]));
    (request.demand_revision, request.accepts_trace) = (12345, false);
    assert_eq!(server.send(request).await.unwrap().precondition, None);
}

#[tokio::test]
async fn who_names_no_revision_sent_everything() {
    let server = start(PATH).await;
    for rules in [PATH_AND_USER, KEY, PATH] {
        server.load_rules(rules).await;
        for accepts_trace in [true, false] {
            let mut request = check_request(&server.dictionary, &bag([("request.path", "/admin")]));
            request.accepts_trace = accepts_trace;
            assert!(server.send(request).await.unwrap().precondition.is_some());
        }
    }
    assert_eq!(server.metric(STALE).await, "0");
}

#[tokio::test]
async fn reports_are_taken_and_counted() {
    let server = start(PATH).await;
    let old = revision(&server).await;
    server.load_rules(PATH_AND_USER).await;
    let new = revision(&server).await;
    let mut ended = bag([("request.path", "/")]);
    ended.insert("response.code", Value::Int64(200));
    let message = compress(&server.dictionary, &ended);
    for (demand_revision, stale) in [(0, "0"), (new, "0"), (old, "2"), (12345, "4")] {
        let request = ReportRequest {
            attributes: vec![message.clone(), message.clone()],
            global_word_count: u32::try_from(server.dictionary.len()).unwrap(),
            repeated_attributes_semantics: RepeatedAttributesSemantics::IndependentEncoding.into(),
            demand_revision,
            ..ReportRequest::default()
        };
        server.client.clone().report(request).await.unwrap();
        assert_eq!(server.metric("mixer_report_stale_demand_total").await, stale);
    }
    assert_eq!(server.metric("mixer_report_messages_total").await, "8");
    assert_eq!(server.metric("request_count{code=\"200\",path=\"/\"}").await, "8");
}
