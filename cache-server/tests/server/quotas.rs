//! Quotas through a check: what is counted, and that a changed limit holds with what was counted before.

use proto::v1::check_request::QuotaParams;
use proto::v1::check_response::QuotaResult;

use crate::harness::{DESCRIPTORS, RULES, TestServer, bag, check_request, tree, write};

const ADAPTERS: &str = r"
adapters:
  - { name: requests, kind: quotas, impl: memQuota, params: { minDeduplicationDuration: 600s } }
  - { name: away, kind: quotas, impl: redisQuota, params: { redisServerUrl: '127.0.0.1:1' } }
";

const QUOTAS: &str = r"
quotas:
  - { name: requestCount, rate_limit: true, labels: { user: STRING } }
";

const OK: i32 = 0;
const RESOURCE_EXHAUSTED: i32 = 8;
const UNAVAILABLE: i32 = 14;

fn rules(adapter: &str, max: u32) -> String {
    format!(
        r#"
rules:
  - aspects:
      - kind: quotas
        adapter: {adapter}
        params:
          quotas:
            - descriptorName: requestCount
              maxAmount: {max}
              expiration: 3600s
              labels: {{ user: source.user | "" }}
"#
    )
}

async fn start(adapter: &str, max: u32) -> TestServer {
    let folder = tree(ADAPTERS, &rules(adapter, max));
    write(folder.path(), "scopes/global/descriptors.yml", &format!("{DESCRIPTORS}{QUOTAS}"));
    TestServer::start(folder, 100).await
}

/// How much a user is granted, and with which code.
async fn granted(server: &TestServer, user: &str, amount: i64, id: &str) -> (i64, i32) {
    let params = QuotaParams { amount, ..QuotaParams::default() };
    let quota = allocated(server, user, params, id).await;
    (quota.granted_amount, quota.status.map_or(OK, |status| status.code))
}

/// What a user is told.
async fn allocated(server: &TestServer, user: &str, params: QuotaParams, id: &str) -> QuotaResult {
    let mut request = check_request(&server.dictionary, &bag([("source.user", user)]));
    request.deduplication_id = id.to_owned();
    request.quotas = [("requestCount".to_owned(), params)].into();
    let mut reply = server.send(request).await.unwrap();
    reply.quotas.remove("requestCount").unwrap()
}

#[tokio::test]
async fn each_user_has_a_limit_and_each_request_counts_once() {
    let server = start("requests", 10).await;
    for _ in 0..3 {
        assert_eq!(granted(&server, "ada", 6, "first").await, (6, OK));
    }
    assert_eq!(granted(&server, "ada", 6, "second").await, (0, RESOURCE_EXHAUSTED));
    assert_eq!(granted(&server, "ada", 4, "third").await, (4, OK));
    assert_eq!(granted(&server, "bob", 10, "first").await, (10, OK));
    for code in [OK, RESOURCE_EXHAUSTED] {
        assert_eq!(granted(&server, "eve", 10, "").await.1, code, "no id is none");
    }
}

#[tokio::test]
async fn a_changed_limit_holds_with_what_was_counted_before() {
    let server = start("requests", 10).await;
    let mut updates = server.watch().await;
    let mut revision = updates.next().await.unwrap().revision;
    assert_eq!(granted(&server, "ada", 6, "").await, (6, OK));
    for (max, amount, expected) in
        [(7, 2, (0, RESOURCE_EXHAUSTED)), (20, 14, (14, OK)), (5, 1, (0, RESOURCE_EXHAUSTED))]
    {
        write(server.folder.path(), RULES, &rules("requests", max));
        let before = revision;
        revision = updates.until(|update| update.revision != before).await.revision;
        assert_eq!(granted(&server, "ada", amount, "").await, expected, "at most {max}");
    }
}

#[tokio::test]
async fn nothing_is_given_back_to_another_counter() {
    let server = start("requests", 10).await;
    let asks = |amount, counter: &[u8]| QuotaParams { amount, best_effort: false, counter: counter.to_vec() };
    let ada = allocated(&server, "ada", asks(10, b""), "").await;
    let bob = allocated(&server, "bob", asks(10, b""), "").await;
    assert_eq!((ada.granted_amount, bob.granted_amount), (10, 10));
    assert_eq!(ada.counter.len(), 16);
    assert_ne!(ada.counter, bob.counter);

    // As after a change of the labels: what was taken for ada now leads to bob.
    let other = allocated(&server, "bob", asks(-4, &ada.counter), "").await;
    assert_eq!((other.granted_amount, &other.counter), (0, &bob.counter));
    assert_eq!(granted(&server, "bob", 1, "").await, (0, RESOURCE_EXHAUSTED));
    for counter in [bob.counter.as_slice(), b""] {
        assert_eq!(allocated(&server, "bob", asks(-4, counter), "").await.granted_amount, 4);
        assert_eq!(granted(&server, "bob", 4, "").await, (4, OK));
    }
    // A name says nothing to who takes.
    assert_eq!(allocated(&server, "eve", asks(10, &ada.counter), "").await.granted_amount, 10);
}

#[tokio::test]
async fn a_counter_keeps_its_name_over_a_change() {
    let server = start("requests", 10).await;
    let mut updates = server.watch().await;
    let revision = updates.next().await.unwrap().revision;
    let asks = || QuotaParams { amount: 1, ..QuotaParams::default() };
    let before = allocated(&server, "ada", asks(), "").await;
    write(server.folder.path(), RULES, &rules("requests", 20));
    updates.until(|update| update.revision != revision).await;
    assert_eq!(allocated(&server, "ada", asks(), "").await.counter, before.counter);
}

#[tokio::test]
async fn a_trace_holds_no_longer_than_what_was_derived() {
    let machines = "
  - name: machines
    kind: attributes
    impl: inventory
    params: { file: machines.yml, refreshInterval: 60s }
";
    let derive = r#"
      - kind: attributes
        adapter: machines
        params:
          inputExpressions: { sourceIP: source.ip | ip("10.0.0.1") }
          attributeBindings: { source.user: sourceService }
"#;
    for (adapters, rules, is_bounded) in [
        (ADAPTERS.to_owned(), rules("requests", 10), false),
        (format!("{ADAPTERS}{machines}"), rules("requests", 10) + derive, true),
    ] {
        let folder = tree(&adapters, &rules);
        write(folder.path(), "scopes/global/descriptors.yml", &format!("{DESCRIPTORS}{QUOTAS}"));
        write(folder.path(), "machines.yml", "- { uid: vm-1, ip: 10.0.0.1, labels: { app: shop } }\n");
        let server = TestServer::start(folder, 100).await;
        let asks = QuotaParams { amount: 1, ..QuotaParams::default() };
        let seconds = allocated(&server, "ada", asks, "").await.trace_valid_duration.map(|span| span.seconds);
        assert_eq!(seconds.is_some(), is_bounded);
        assert!(seconds.is_none_or(|seconds| seconds <= 60), "{seconds:?}");
    }
}

#[tokio::test]
async fn a_redis_that_is_away_is_not_taken_for_a_limit() {
    let server = start("away", 10).await;
    for _ in 0..5 {
        assert_eq!(granted(&server, "ada", 1, "").await, (0, UNAVAILABLE));
    }
    let name = "mixer_quota_exceptions_total{handler=\"away\",reason=\"redis unavailable, failed\"}";
    assert_eq!(server.metric(name).await, "5");
}
