//! Quotas through a check: what is counted, and that a changed limit holds with what was counted before.

use proto::v1::check_request::QuotaParams;

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
    let mut request = check_request(&server.dictionary, &bag([("source.user", user)]));
    request.deduplication_id = id.to_owned();
    let params = QuotaParams { amount, best_effort: false };
    request.quotas = [("requestCount".to_owned(), params)].into();
    let mut reply = server.send(request).await.unwrap();
    let quota = reply.quotas.remove("requestCount").unwrap();
    (quota.granted_amount, quota.status.map_or(OK, |status| status.code))
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
async fn a_redis_that_is_away_is_not_taken_for_a_limit() {
    let server = start("away", 10).await;
    for _ in 0..5 {
        assert_eq!(granted(&server, "ada", 1, "").await, (0, UNAVAILABLE));
    }
    let name = "mixer_quota_exceptions_total{handler=\"away\",reason=\"redis unavailable, failed\"}";
    assert_eq!(server.metric(name).await, "5");
}
