//! The feed: what it says, when, and to whom; and the dropping of caches, which it carries.

use std::process::Command;
use std::time::Duration;

use proto::feed::demand::Attribute;
use proto::feed::{Demand, WatchRequest, feed_client::FeedClient};

use crate::harness::{PATIENCE, RULES, TestServer, bag, dictionary, request, sample, tree, write};

const ADAPTERS: &str = r"
adapters:
  - { name: closed, kind: denials, impl: denyChecker, params: { error: { code: 7 } } }
  - { name: prom, kind: metrics, impl: prometheus }
";

const DENY_ADMIN: &str = r#"
rules:
  - selector: request.path.startsWith("/admin") && (request.headers["x-b"] | request.headers["x-a"] | "") == ""
    aspects: [{ kind: denials, adapter: closed }]
  - aspects:
      - kind: metrics
        adapter: prom
        params: { metrics: [{ descriptorName: request_count, value: "1", labels: { path: request.path, code: response.code } }] }
"#;

const DENY_ALL: &str = "rules: [{ aspects: [{ kind: denials, adapter: closed }] }]";
const BROKEN: &str = "rules: [{ aspects: [{ kind: denials, adapter: nobody }] }]";

async fn start(rules: &str) -> TestServer {
    TestServer::start(tree(ADAPTERS, rules), 100).await
}

fn demand<const N: usize>(attributes: [(&str, &[&str]); N]) -> Demand {
    let attribute = |(name, keys): (&str, &[&str])| Attribute {
        name: name.to_owned(),
        keys: keys.iter().map(ToString::to_string).collect(),
    };
    Demand { attributes: attributes.map(attribute).into() }
}

#[tokio::test]
async fn says_at_once_what_is_in_force() {
    let server = start(DENY_ADMIN).await;
    let update = server.watch().await.next().await.unwrap();
    let reply = server.check(&bag([("request.path", "/")])).await;
    assert_eq!(update.revision, reply.revision);
    assert_eq!(update.hash_seed, reply.hash_seed);
    assert_eq!(update.drops, 0);
    assert_eq!(update.global_word_count as usize, dictionary().len());
    assert_eq!(update.check.unwrap(), demand([("request.headers", &["x-a", "x-b"]), ("request.path", &[])]));
    assert_eq!(update.report.unwrap(), demand([("request.path", &[]), ("response.code", &[])]));
}

#[tokio::test]
async fn says_every_change() {
    let server = start(DENY_ADMIN).await;
    let mut updates = server.watch().await;
    let first = updates.next().await.unwrap();
    server.load_rules(DENY_ALL).await;
    let second = updates.next().await.unwrap();
    assert_ne!(first.revision, second.revision);
    // Nothing is demanded, which is not the same as not saying what is.
    assert_eq!(second.check, Some(demand([])));
    // Whoever hears of a configuration is answered under it.
    assert_eq!(server.check(&bag([])).await.revision, second.revision);
    // Loaded again, it is no change; one that is refused is none either. The next update is the one after.
    let loads: f64 = server.metric("mixer_config_loads_total").await.parse().unwrap();
    server.reload_until("/metrics", |_, page| sample(page, "mixer_config_loads_total") > loads).await;
    write(server.folder.path(), RULES, BROKEN);
    server.reload_until("/metrics", |_, page| sample(page, "mixer_config_load_errors_total") > 0.0).await;
    server.load_rules(DENY_ADMIN).await;
    assert_eq!(updates.next().await.unwrap().revision, first.revision);
    assert_eq!(server.metric("mixer_feed_updates_total").await, "3");
}

#[tokio::test]
async fn without_a_configuration_it_says_so_and_then_what_comes() {
    let server = start(BROKEN).await;
    let mut updates = server.watch().await;
    let none = updates.next().await.unwrap();
    assert_eq!((none.revision, none.check, none.report), (0, None, None));
    assert_eq!(none.hash_seed.len(), 16);
    server.load_rules(DENY_ALL).await;
    assert_ne!(updates.next().await.unwrap().revision, 0);
}

#[tokio::test]
async fn who_reads_slowly_gets_the_latest() {
    let server = start(DENY_ALL).await;
    // Updates too large to wait in buffers on the way.
    let rule =
        |test: &str| format!("{{ selector: '{test}', aspects: [{{ kind: denials, adapter: closed }}] }}");
    let many = (0..60).map(|key| rule(&format!(r#"(request.headers["{key:01000}"] | "") == "x""#)));
    let many = many.collect::<Vec<_>>().join(", ");
    let rules = |name: &str| format!("rules: [{many}, {}]", rule(&format!(r#"source.user == "{name}""#)));
    let channel = tonic::transport::Endpoint::new(format!("http://{}", server.server.listen())).unwrap();
    let channel = channel.initial_stream_window_size(65_535).connect().await.unwrap();
    let mut updates = FeedClient::new(channel).watch(WatchRequest::default()).await.unwrap().into_inner();
    let changes = 12;
    for change in 0..changes {
        server.load_rules(&rules(&format!("user{change}"))).await;
    }
    let latest = server.check(&bag([("source.user", "x")])).await.revision;
    let mut seen = 0;
    loop {
        let update = tokio::time::timeout(PATIENCE, updates.message()).await.unwrap().unwrap().unwrap();
        seen += 1;
        if update.revision == latest {
            break;
        }
    }
    assert!(seen < changes, "{seen} updates waited for a reader that did not read");
}

#[tokio::test]
async fn ends_with_the_server_and_lets_it_end() {
    let server = start(DENY_ALL).await;
    let mut updates = server.watch().await;
    updates.next().await.unwrap();
    let begin = std::time::Instant::now();
    tokio::time::timeout(PATIENCE, server.server.stop()).await.expect("it stops");
    assert!(begin.elapsed() < cache_server::limits::DRAIN, "the feed kept the server from ending");
    assert_eq!(updates.next().await, None);
}

#[tokio::test]
async fn listeners_are_counted_as_long_as_they_listen() {
    let server = start(DENY_ALL).await;
    let (mut one, mut other) = (server.watch().await, server.watch().await);
    one.next().await.unwrap();
    other.next().await.unwrap();
    assert_eq!(server.metric("mixer_feed_watchers").await, "2");
    drop(one);
    let wait = async {
        while server.metric("mixer_feed_watchers").await != "1" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("one is gone");
}

#[tokio::test]
async fn a_drop_empties_the_cache_and_tells_everybody() {
    let server = start(DENY_ADMIN).await;
    let mut updates = [server.watch().await, server.watch().await];
    for updates in &mut updates {
        updates.next().await.unwrap();
    }
    for path in ["/", "/admin"] {
        server.check(&bag([("request.path", path)])).await;
    }
    assert_eq!(server.metric("mixer_l2_entries").await, "2");
    let admin = server.server.admin();
    let (status, page) = request(admin, "POST", "/cache/drop", "content-length: 0\r\n").await;
    assert_eq!(status, 200, "{page}");
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page, serde_json::json!({ "verdicts_dropped": 2, "filters_told": 2, "drops": 1 }));
    assert_eq!(server.metric("mixer_l2_entries").await, "0");
    for updates in &mut updates {
        assert_eq!(updates.next().await.unwrap().drops, 1);
    }
    let (_, page) = server.get("/cache").await;
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!((&page["drops"], &page["watchers"]), (&1.into(), &2.into()));
    assert_eq!(page["l2"]["entries"], 0);
    assert!(page["revision"].is_string(), "{page}");
}

#[tokio::test]
async fn neither_a_link_nor_a_web_page_drops() {
    let server = start(DENY_ALL).await;
    assert_eq!(server.get("/cache/drop").await.0, 405);
    let headers = "content-length: 0\r\norigin: http://elsewhere.test\r\n";
    assert_eq!(request(server.server.admin(), "POST", "/cache/drop", headers).await.0, 403);
    assert_eq!(server.watch().await.next().await.unwrap().drops, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_drops_and_shows() {
    let server = TestServer::start(tree(ADAPTERS, DENY_ALL), 0).await;
    let mut updates = server.watch().await;
    updates.next().await.unwrap();
    let admin = server.server.admin().to_string();
    let mixer = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_mixer")).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, page) = mixer(&["cache", "drop", "--admin", &admin]);
    assert_eq!(code, Some(0), "{page}");
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page, serde_json::json!({ "verdicts_dropped": 0, "filters_told": 1, "drops": 1 }));
    assert_eq!(updates.next().await.unwrap().drops, 1);
    let (code, page) = mixer(&["cache", "show", "--admin", &admin]);
    assert_eq!(code, Some(0), "{page}");
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert!(page["l2"].is_null(), "{page}");
    // Where the server itself listens nobody speaks this.
    let (code, page) = mixer(&["cache", "drop", "--admin", "127.0.0.1:1"]);
    assert_eq!(code, Some(1), "{page}");
    assert!(page.contains("127.0.0.1:1"), "{page}");
}
