//! Verdicts, and what the cache makes of them.

use attributes::{Bag, Value};
use checkcache::Code;
use prost::Message as _;
use proto::google::rpc;
use proto::v1::check_request::QuotaParams;
use proto::v1::check_response::PreconditionResult;
use proto::v1::referenced_attributes::Condition;
use proto::v1::{CheckRequest, DictionaryMismatch};

use crate::harness::{TestServer, bag, check_request, compress, tree};

const ADAPTERS: &str = r"
adapters:
  - { name: closed, kind: denials, impl: denyChecker, params: { error: { code: 7, message: the admin pages are closed } } }
  - { name: plain, kind: denials, impl: denyChecker }
  - { name: sparing, kind: denials, impl: denyChecker, params: { error: { code: UNAUTHENTICATED }, validDuration: 7s, validUseCount: 3 } }
  - { name: agents, kind: lists, impl: genericListChecker, params: { listEntries: [BadBot] } }
";

const RULES: &str = r#"
rules:
  - selector: request.path.startsWith("/admin")
    aspects: [{ kind: denials, adapter: closed }]
  - selector: request.path == "/plain"
    aspects: [{ kind: denials, adapter: plain }]
  - selector: request.path == "/sparing"
    aspects: [{ kind: denials, adapter: sparing }]
  - selector: request.path == "/listed"
    aspects:
      - { kind: lists, adapter: agents, params: { blacklist: true, checkExpression: 'request.headers["user-agent"]' } }
      - { kind: denials, adapter: closed }
  - aspects:
      - { kind: lists, adapter: agents, params: { blacklist: true, checkExpression: 'request.headers["user-agent"] | "-"' } }
  - selector: request.path == "/short"
    aspects: [{ kind: denials, adapter: closed, validDuration: 5s }]
  - selector: request.path == "/shorter"
    aspects: [{ kind: denials, adapter: sparing, validDuration: 10s, validUseCount: 1 }]
"#;

async fn start(l2_entries: usize) -> TestServer {
    TestServer::start(tree(ADAPTERS, RULES), l2_entries).await
}

#[tokio::test]
async fn what_no_aspect_is_about_is_allowed_and_may_be_kept() {
    let server = start(100).await;
    let reply = server.check(&bag([("request.path", "/")])).await;
    let verdict = reply.precondition.unwrap();
    assert_eq!(verdict.status.unwrap().code, Code::Ok.number());
    assert_eq!(verdict.valid_duration.unwrap().seconds, 60);
    assert!(verdict.valid_use_count < 0);
    assert_eq!(verdict.refused_by, "");
    assert!(!verdict.trace.unwrap().observations.is_empty());
    assert_eq!(verdict.referenced_attributes, None);
    assert_ne!(reply.revision, 0);
    assert_eq!(reply.hash_seed.len(), 16);
}

#[tokio::test]
async fn a_denial_says_why_and_who() {
    let server = start(100).await;
    let verdict = server.precondition(&bag([("request.path", "/admin/users")])).await;
    let status = verdict.status.unwrap();
    assert_eq!((status.code, status.message.as_str()), (7, "the admin pages are closed"));
    assert!(verdict.refused_by.contains("rules[0].aspects[0]"), "{}", verdict.refused_by);
    // FAILED_PRECONDITION, unless the block says otherwise.
    assert_eq!(server.verdict(&bag([("request.path", "/plain")])).await, (9, String::new()));
}

#[tokio::test]
async fn the_first_refusal_of_the_plan_counts() {
    let server = start(0).await;
    let mut listed = bag([("request.path", "/listed")]);
    let agent =
        |name: &str| Value::from([("user-agent", name)].into_iter().collect::<attributes::StringMap>());
    listed.insert("request.headers", agent("BadBot"));
    assert_eq!(server.verdict(&listed).await, (7, "BadBot is blacklisted".to_owned()));
    listed.insert("request.headers", agent("curl"));
    assert_eq!(server.verdict(&listed).await, (7, "the admin pages are closed".to_owned()));
}

#[tokio::test]
async fn l2_answers_whatever_the_trace_holds_for() {
    let server = start(100).await;
    let first = server.check(&bag([("request.path", "/admin/users"), ("source.user", "a")])).await;
    // The user was not looked at.
    let second = server.check(&bag([("request.path", "/admin/users"), ("source.user", "b")])).await;
    let (first, second) = (first.precondition.unwrap(), second.precondition.unwrap());
    assert_eq!(first.status, second.status);
    assert_eq!(first.trace, second.trace);
    assert_eq!(first.refused_by, second.refused_by);
    let seconds = |verdict: &PreconditionResult| verdict.valid_duration.unwrap().seconds;
    assert!(seconds(&second) <= seconds(&first));
    assert_eq!(server.metric("mixer_checks_total{result=\"denied\",cache=\"miss\"}").await, "1");
    assert_eq!(server.metric("mixer_checks_total{result=\"denied\",cache=\"hit\"}").await, "1");
    assert_eq!(server.metric("mixer_l2_hits_total").await, "1");
    assert_eq!(server.metric("mixer_l2_misses_total").await, "1");
    assert_eq!(server.metric("mixer_l2_entries").await, "1");
    assert_eq!(
        server
            .metric("mixer_adapter_calls_total{handler=\"closed\",impl=\"denyChecker\",result=\"ok\"}")
            .await,
        "1"
    );
}

#[tokio::test]
async fn a_refusal_rests_on_nothing_behind_it() {
    let server = start(100).await;
    let agent =
        |name: &str| Value::from([("user-agent", name)].into_iter().collect::<attributes::StringMap>());
    let request = |path: &str, name: &str| {
        let mut bag = bag([("request.path", path)]);
        bag.insert("request.headers", agent(name));
        bag
    };
    // The list is looked at first and does not refuse: it counts. Behind the first refusal nothing does.
    for (path, looks) in [("/listed", true), ("/admin", false)] {
        let verdict = server.precondition(&request(path, "curl")).await;
        let trace = verdict.trace.unwrap();
        let is_header_seen = trace.observations.iter().any(|seen| seen.key.is_some());
        assert_eq!(is_header_seen, looks, "{trace:?}");
    }
}

#[tokio::test]
async fn without_l2_every_check_is_evaluated() {
    let server = start(0).await;
    for _ in 0..2 {
        assert_eq!(server.verdict(&bag([("request.path", "/admin")])).await.0, 7);
    }
    assert_eq!(server.metric("mixer_checks_total{result=\"denied\",cache=\"off\"}").await, "2");
    assert_eq!(
        server
            .metric("mixer_adapter_calls_total{handler=\"closed\",impl=\"denyChecker\",result=\"ok\"}")
            .await,
        "2"
    );
}

#[tokio::test]
async fn an_aspect_may_allow_less_time_than_its_adapter() {
    let server = start(0).await;
    for (path, seconds, uses) in [("/admin", 60, -1), ("/short", 5, -1), ("/shorter", 7, 1)] {
        let verdict = server.precondition(&bag([("request.path", path)])).await;
        assert_eq!(
            (verdict.valid_duration.unwrap().seconds, verdict.valid_use_count),
            (seconds, uses),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_limited_number_of_uses_is_handed_out_once() {
    let server = start(100).await;
    for _ in 0..2 {
        let verdict = server.precondition(&bag([("request.path", "/sparing")])).await;
        assert_eq!(verdict.status.unwrap().code, 16);
        assert_eq!(verdict.valid_use_count, 3);
        assert_eq!(verdict.valid_duration.unwrap().seconds, 7);
    }
    assert_eq!(server.metric("mixer_l2_entries").await, "0");
}

#[tokio::test]
async fn what_cannot_be_evaluated_is_refused_and_never_kept() {
    let server = start(100).await;
    for _ in 0..2 {
        // The list aspect wants a header that is not there.
        let verdict = server.precondition(&bag([("request.path", "/listed")])).await;
        let status = verdict.status.unwrap();
        assert_eq!(status.code, Code::Internal.number());
        assert!(status.message.contains("rules[3].aspects[0]"), "{}", status.message);
        assert_eq!((verdict.valid_duration.unwrap().seconds, verdict.valid_use_count), (0, 0));
    }
    assert_eq!(server.metric("mixer_checks_total{result=\"error\",cache=\"miss\"}").await, "2");
    assert_eq!(server.metric("mixer_evaluation_errors_total{phase=\"check\"}").await, "2");
    // So is a selector: without a path the first rule cannot say whether it applies.
    assert_eq!(server.verdict(&Bag::new()).await.0, Code::Internal.number());
}

#[tokio::test]
async fn a_foreign_client_gets_referenced_attributes() {
    let server = start(100).await;
    let mut request = check_request(&server.dictionary, &bag([("request.path", "/admin")]));
    request.accepts_trace = false;
    // From the evaluation and from L2.
    for _ in 0..2 {
        let reply = server.send(request.clone()).await.unwrap();
        assert_eq!(reply.revision, 0);
        assert!(reply.hash_seed.is_empty());
        let verdict = reply.precondition.unwrap();
        assert_eq!(verdict.trace, None);
        assert_eq!(verdict.refused_by, "");
        assert!(verdict.valid_duration.unwrap().seconds > 0);
        let references = verdict.referenced_attributes.unwrap();
        let path = i32::try_from(server.dictionary.index("request.path").unwrap()).unwrap();
        let found = references.attribute_matches.iter().find(|reference| reference.name == path).unwrap();
        assert_eq!(found.condition(), Condition::Exact);
    }
}

#[tokio::test]
async fn more_words_than_the_server_knows_is_a_clear_error() {
    let server = start(100).await;
    let own = u32::try_from(server.dictionary.len()).unwrap();
    let mut request = check_request(&server.dictionary, &bag([("request.path", "/")]));
    request.global_word_count = own + 5;
    let status = server.send(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    let said = attributes::wire::DictionaryMismatch::parse(status.message()).expect("what a filter can read");
    assert_eq!((said.server_word_count, said.client_word_count), (own, own + 5));
    let detail = &rpc::Status::decode(status.details()).unwrap().details[0];
    assert_eq!(detail.type_url, proto::DICTIONARY_MISMATCH_TYPE_URL);
    let mismatch = DictionaryMismatch::decode(detail.value.as_slice()).unwrap();
    assert_eq!(mismatch, DictionaryMismatch { server_word_count: own, client_word_count: own + 5 });
    assert_eq!(
        server.metric("mixer_requests_refused_total{method=\"Check\",code=\"FailedPrecondition\"}").await,
        "1"
    );
}

#[tokio::test]
async fn words_that_may_be_others_are_refused_not_misread() {
    let server = start(100).await;
    let mut request = check_request(&server.dictionary, &bag([("request.path", "/admin")]));
    // With a digest it is the words themselves that count, whoever chose the list.
    request.dictionary_digest = server.dictionary.digest(request.global_word_count as usize).unwrap();
    let reply = server.send(request.clone()).await.unwrap();
    assert_eq!(reply.precondition.unwrap().status.unwrap().code, 7);
    assert_eq!(reply.global_word_count as usize, server.dictionary.len());
    assert_eq!(Some(reply.dictionary_digest), server.dictionary.digest(server.dictionary.len()));
    request.dictionary_digest ^= 1;
    let status = server.send(request).await.unwrap_err();
    let said = attributes::wire::DictionaryMismatch::parse(status.message()).expect("what a filter can read");
    assert_eq!((status.code(), said.server_word_count), (tonic::Code::FailedPrecondition, 0));
}

#[tokio::test]
async fn a_client_with_a_shorter_dictionary_is_understood() {
    let server = start(100).await;
    let attributes = compress(&attributes::Dictionary::default(), &bag([("request.path", "/admin")]));
    let request =
        CheckRequest { attributes: Some(attributes), accepts_trace: true, ..CheckRequest::default() };
    let reply = server.send(request).await.unwrap();
    let verdict = reply.precondition.unwrap();
    assert_eq!(verdict.status.unwrap().code, 7);
    // And answered in words that it knows.
    let trace = verdict.trace.unwrap();
    assert!(trace.observations.iter().all(|seen| seen.name < 0), "{trace:?}");
}

#[tokio::test]
async fn quotas_are_granted_unless_the_check_is_refused() {
    let server = start(100).await;
    let quotas = [(
        "RequestCount".to_owned(),
        QuotaParams { amount: 5, best_effort: false, ..QuotaParams::default() },
    )];
    for (path, granted) in [("/", Some(5)), ("/", Some(5)), ("/admin", None)] {
        let mut request = check_request(&server.dictionary, &bag([("request.path", path)]));
        request.quotas = quotas.clone().into();
        let reply = server.send(request).await.unwrap();
        assert_eq!(reply.quotas.get("RequestCount").map(|quota| quota.granted_amount), granted, "{path}");
    }
    assert_eq!(server.metric("mixer_l2_hits_total").await, "1");
}
