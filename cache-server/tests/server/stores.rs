//! Configuration from Redis and from two files.

use cache_server::runtime::{Pair, StoreAddress};
use redis::cmd;

use crate::harness::{DESCRIPTORS, TestServer, Updates, bag, sample, write};
use crate::process::run;
use crate::redis::{RedisServer, free_port};

const ADAPTERS: &str = "
adapters:
  - { name: closed, kind: denials, impl: denyChecker, params: { error: { code: 7 } } }
";
const DENY_ALL: &str = "rules: [{ aspects: [{ kind: denials, adapter: closed }] }]";
const ALLOW_ALL: &str = "rules: []";
const BROKEN: &str = "rules: [{ aspects: [{ kind: denial, adapter: closed }] }]";

const RULES_KEY: &str = "/scopes/global/subjects/global/rules";

fn keys(rules: &str) -> [(&'static str, &str); 3] {
    [("/scopes/global/descriptors", DESCRIPTORS), ("/scopes/global/adapters", ADAPTERS), (RULES_KEY, rules)]
}

async fn server(url: &str) -> TestServer {
    TestServer::start_from(url.parse().unwrap(), tempfile::tempdir().unwrap(), 100).await
}

/// The code of the verdict under the next configuration.
async fn next(server: &TestServer, updates: &mut Updates, revision: &mut u64) -> i32 {
    let before = *revision;
    *revision = updates.until(|update| update.revision != before).await.revision;
    server.verdict(&bag([])).await.0
}

#[tokio::test]
async fn redis_tells_of_changes_or_is_asked() {
    let Some(redis) = RedisServer::start().await else { return };
    redis.set(&keys(DENY_ALL)).await;
    redis.set(&[("/unrelated", "x"), ("/scopes/global/list", "no configuration")]).await;
    let server = server(&redis.url()).await;
    let mut updates = server.watch().await;
    let mut revision = updates.next().await.unwrap().revision;
    assert_eq!(server.verdict(&bag([])).await.0, 7);
    // Nobody tells of these.
    for (rules, code) in [(ALLOW_ALL, 0), (DENY_ALL, 7), (ALLOW_ALL, 0)] {
        redis.set(&[(RULES_KEY, rules)]).await;
        assert_eq!(next(&server, &mut updates, &mut revision).await, code);
    }
    let mut set = cmd("CONFIG");
    set.arg("SET").arg("notify-keyspace-events").arg("K$gx");
    set.exec_async(&mut redis.connect().await).await.unwrap();
    redis.set(&[(RULES_KEY, DENY_ALL)]).await;
    assert_eq!(next(&server, &mut updates, &mut revision).await, 7);
    cmd("DEL").arg(RULES_KEY).exec_async(&mut redis.connect().await).await.unwrap();
    assert_eq!(next(&server, &mut updates, &mut revision).await, 0);
}

#[tokio::test]
async fn a_redis_that_goes_takes_nothing_with_it() {
    let Some(redis) = RedisServer::start().await else { return };
    redis.set(&keys(DENY_ALL)).await;
    let (url, port) = (redis.url(), redis.port());
    let server = server(&url).await;
    assert_eq!(server.metric("mixer_config_store_up").await, "1");
    redis.stop().await;
    server.until("/metrics", |_, page| sample(page, "mixer_config_store_errors_total") > 0.0).await;
    assert_eq!(server.metric("mixer_config_store_up").await, "0");
    assert_eq!(server.get("/readyz").await.0, 200);
    assert_eq!(server.verdict(&bag([])).await.0, 7);
    // It comes back and has forgotten everything: that is no configuration either.
    let redis = RedisServer::start_at(port).await.unwrap().expect("the port is still free");
    let mut updates = server.watch().await;
    let mut revision = updates.next().await.unwrap().revision;
    assert_eq!(server.verdict(&bag([])).await.0, 7);
    redis.set(&keys(ALLOW_ALL)).await;
    assert_eq!(next(&server, &mut updates, &mut revision).await, 0);
    assert_eq!(server.metric("mixer_config_store_up").await, "1");
}

#[tokio::test]
async fn a_redis_that_comes_late_is_waited_for() {
    let port = free_port();
    let url = format!("redis://:secret@127.0.0.1:{port}/2");
    let server = server(&url).await;
    let (status, page) = server.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(page.contains(&format!("redis://127.0.0.1:{port}/2: ")), "{page}");
    assert!(!page.contains("secret"), "{page}");
    assert!(server.send(proto::v1::CheckRequest::default()).await.is_err());
    let Some(redis) = RedisServer::start_at(port).await else { return };
    let redis = redis.expect("the port is still free");
    redis.set(&keys(DENY_ALL)).await;
    // Until then Redis refuses our password: it asks for none.
    let mut require = cmd("CONFIG");
    require.arg("SET").arg("requirepass").arg("secret");
    require.exec_async(&mut redis.connect().await).await.unwrap();
    server.until("/readyz", |status, _| status == 200).await;
    assert_eq!(server.verdict(&bag([])).await.0, 7);
}

#[tokio::test]
async fn what_is_wrong_in_redis_is_named_by_its_key() {
    let Some(redis) = RedisServer::start().await else { return };
    let (code, page) = run(&["validate", &redis.url()]).await;
    assert_eq!(code, Some(1), "{page}");
    assert!(page.contains("no key /scopes/*"), "{page}");
    redis.set(&keys(BROKEN)).await;
    let (code, page) = run(&["validate", &redis.url()]).await;
    assert_eq!(code, Some(1), "{page}");
    assert!(page.contains(&format!("--> {RULES_KEY}:1:")), "{page}");
    redis.set(&keys(DENY_ALL)).await;
    let (code, page) = run(&["explain", "--config", &redis.url(), "-a", "request.path=/"]).await;
    assert_eq!(code, Some(0), "{page}");
    assert!(page.starts_with("verdict   PERMISSION_DENIED\n"), "{page}");
    cmd("LPUSH")
        .arg("/scopes/odd/subjects/x/rules")
        .arg("x")
        .exec_async(&mut redis.connect().await)
        .await
        .unwrap();
    let (code, page) = run(&["validate", &redis.url()]).await;
    assert_eq!(code, Some(1), "{page}");
    assert!(page.contains("key /scopes/odd/subjects/x/rules: "), "{page}");
}

#[tokio::test]
async fn two_files_are_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    write(&root, "global.yml", &format!("{DESCRIPTORS}{ADAPTERS}"));
    write(&root, "service.yml", DENY_ALL);
    let pair = Pair { global: root.join("global.yml"), service: root.join("service.yml") };
    let (global, service) = (pair.global.display().to_string(), pair.service.display().to_string());

    let given = ["validate", "--global-config-file", &global, "--service-config-file", &service];
    let (code, page) = run(&given).await;
    assert_eq!(code, Some(0), "{page}");
    assert!(page.contains("valid: 2 files"), "{page}");
    let given = ["explain", "--globalConfigFile", &global, "--serviceConfigFile", &service];
    let (code, page) = run(&given).await;
    assert_eq!(code, Some(0), "{page}");
    assert!(page.starts_with("verdict   PERMISSION_DENIED\n"), "{page}");
    for given in [
        &["validate", "--globalConfigFile", &global][..],
        &["serve", "--serviceConfigFile", &service],
        &["explain", "--config", "x", "--globalConfigFile", &global, "--serviceConfigFile", &service],
    ] {
        let (code, page) = run(given).await;
        assert_eq!(code, Some(2), "{page}");
    }

    let server = TestServer::start_from(StoreAddress::Files(pair), folder, 100).await;
    let mut updates = server.watch().await;
    let mut revision = updates.next().await.unwrap().revision;
    assert_eq!(server.verdict(&bag([])).await.0, 7);
    write(&root, "new", ALLOW_ALL);
    std::fs::rename(root.join("new"), root.join("service.yml")).unwrap();
    assert_eq!(next(&server, &mut updates, &mut revision).await, 0);
    write(&root, "service.yml", DENY_ALL);
    assert_eq!(next(&server, &mut updates, &mut revision).await, 7);
}
