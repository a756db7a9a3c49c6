//! Lists of texts, of networks and of patterns, inline, from files and from providers.

use std::sync::{Arc, Mutex};

use attributes::{Bag, Value};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use checkcache::Code;

use crate::harness::{PATIENCE, TestServer, bag, tree, write};

const ADAPTERS: &str = r#"
adapters:
  - { name: blocked, kind: lists, impl: ipListChecker, params: { entries: [127.0.0.2, 203.0.113.0/24, "2001:db8::/32", "::ffff:198.51.100.0/120"] } }
  - { name: users, kind: lists, impl: genericListChecker, params: { entries: [ann], file: users.txt, refreshInterval: 1s } }
"#;

const RULES: &str = r#"
rules:
  - aspects:
      - { kind: lists, adapter: blocked, params: { blacklist: true, checkExpression: source.ip } }
  - selector: request.path == "/users"
    aspects:
      - { kind: lists, adapter: users, params: { checkExpression: 'source.user | "nobody"' } }
"#;

fn from(address: &str) -> Bag {
    let mut bag = bag([("request.path", "/")]);
    bag.insert("source.ip", Value::from_ip(address.parse().unwrap()));
    bag
}

/// Waits until a request is answered so.
async fn until(server: &TestServer, bag: &Bag, code: i32) {
    let wait = async {
        while server.verdict(bag).await.0 != code {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the list never says so");
}

/// What a provider answers, and who it is; it ends with the test.
struct Provider {
    url: String,
    answer: Arc<Mutex<(StatusCode, &'static str)>>,
}

impl Provider {
    async fn start(status: StatusCode, body: &'static str) -> Self {
        let answer = Arc::new(Mutex::new((status, body)));
        let said = Arc::clone(&answer);
        let pages = Router::new().route("/list", get(async move || *said.lock().unwrap()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/list", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, pages).await });
        Self { url, answer }
    }

    fn say(&self, status: StatusCode, body: &'static str) {
        *self.answer.lock().unwrap() = (status, body);
    }

    /// A tree whose rule is that users are not on the provider's list, as the block says.
    fn tree(&self, params: &str) -> tempfile::TempDir {
        let adapters = format!(
            "adapters: [{{ name: users, impl: listChecker, params: {{ providerUrl: '{}', blacklist: true, {params} }} }}]",
            self.url
        );
        tree(
            &adapters,
            "rules: [{ aspects: [{ kind: lists, adapter: users, params: { checkExpression: source.user } }] }]",
        )
    }
}

#[tokio::test]
async fn networks_contain_addresses_however_they_are_written() {
    let folder = tree(ADAPTERS, RULES);
    write(folder.path(), "users.txt", "");
    let server = TestServer::start(folder, 100).await;
    for (address, code) in [
        ("127.0.0.1", 0),
        ("127.0.0.2", 7),
        ("::ffff:127.0.0.2", 7),
        ("203.0.113.255", 7),
        ("203.0.114.0", 0),
        ("198.51.100.7", 7),
        ("2001:db8::1", 7),
        ("2001:db9::1", 0),
        ("::1", 0),
    ] {
        assert_eq!(server.verdict(&from(address)).await.0, code, "{address}");
    }
    assert_eq!(server.verdict(&from("127.0.0.2")).await.1, "127.0.0.2 is blacklisted");
}

#[tokio::test]
async fn bytes_that_are_no_address_are_the_clients_mistake() {
    let folder = tree(ADAPTERS, RULES);
    write(folder.path(), "users.txt", "");
    let server = TestServer::start(folder, 100).await;
    let mut bag = from("127.0.0.1");
    bag.insert("source.ip", Value::Bytes([1, 2, 3].as_slice().into()));
    let verdict = server.precondition(&bag).await;
    assert_eq!(verdict.status.unwrap().code, Code::InvalidArgument.number());
    assert_eq!(verdict.valid_use_count, 0);
}

#[tokio::test]
async fn a_file_is_read_again_and_bounds_what_is_kept() {
    let folder = tree(ADAPTERS, RULES);
    write(folder.path(), "users.txt", "# who may\nbob\n\n");
    let server = TestServer::start(folder, 0).await;
    let user = |name: &str| {
        let mut bag = from("127.0.0.1");
        bag.insert("request.path", "/users");
        bag.insert("source.user", name);
        bag
    };
    let allowed = server.precondition(&user("bob")).await;
    assert_eq!(allowed.status.unwrap().code, 0);
    assert!(allowed.valid_duration.unwrap().seconds <= 1);
    assert_eq!(server.verdict(&user("ann")).await.0, 0);
    assert_eq!(server.verdict(&user("eve")).await, (7, "eve is not whitelisted".to_owned()));

    write(server.folder.path(), "users.txt", "eve\n");
    until(&server, &user("eve"), 0).await;
    assert_eq!(server.verdict(&user("bob")).await.0, 7);
}

#[tokio::test]
async fn a_list_that_cannot_be_had_refuses() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 100).await;
    assert_eq!(server.get("/readyz").await.0, 200);
    let mut bag = from("127.0.0.1");
    bag.insert("request.path", "/users");
    let (code, message) = server.verdict(&bag).await;
    assert_eq!(code, Code::Internal.number());
    assert!(message.contains("users.txt"), "{message}");
}

#[tokio::test]
async fn a_file_that_changes_is_honoured_before_its_time() {
    let adapters = r"
adapters:
  - { name: users, impl: genericListChecker, params: { file: users.txt, refreshInterval: 1h, cachingInterval: 1h } }
";
    let rules =
        "rules: [{ aspects: [{ kind: lists, adapter: users, params: { checkExpression: source.user } }] }]";
    let folder = tree(adapters, rules);
    write(folder.path(), "users.txt", "ann\n");
    let server = TestServer::start(folder, 100).await;
    let (ann, eve) = (bag([("source.user", "ann")]), bag([("source.user", "eve")]));
    assert_eq!((server.verdict(&ann).await.0, server.verdict(&eve).await.0), (0, 7));
    write(server.folder.path(), "users.txt", "eve\n");
    until(&server, &ann, 7).await;
    assert_eq!(server.verdict(&eve).await.0, 0);
}

#[tokio::test]
async fn a_list_that_changes_ends_the_verdicts_from_before_it() {
    let provider = Provider::start(StatusCode::OK, "eve\n").await;
    let server = TestServer::start(provider.tree("refreshInterval: 1s, cachingInterval: 1h"), 100).await;
    let (ann, eve) = (bag([("source.user", "ann")]), bag([("source.user", "eve")]));
    until(&server, &eve, 7).await;
    assert_eq!(server.verdict(&eve).await.1, "eve is blacklisted");
    assert_eq!(server.verdict(&ann).await.0, 0);
    let mut updates = server.watch().await;
    let before = updates.next().await.unwrap();

    provider.say(StatusCode::OK, "ann\n");
    updates.until(|update| update.drops > before.drops).await;
    assert_eq!(server.verdict(&ann).await.0, 7);
    assert_eq!(server.verdict(&eve).await.0, 0);

    // What comes next is no list, so that nothing changes.
    provider.say(StatusCode::BAD_GATEWAY, "");
    let failed = "mixer_list_refreshes_total{handler=\"users\",result=\"failed\"}";
    let wait = async {
        while server.metric(failed).await == "0" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the provider is asked again");
    assert_eq!(server.verdict(&ann).await.0, 7);
    assert_eq!(server.metric("mixer_list_refreshes_total{handler=\"users\",result=\"changed\"}").await, "2");
}

#[tokio::test]
async fn a_blacklist_that_cannot_be_had_lets_nobody_in() {
    let provider = Provider::start(StatusCode::INTERNAL_SERVER_ERROR, "eve").await;
    let server = TestServer::start(provider.tree("ttl: 60s"), 100).await;
    assert_eq!(server.get("/readyz").await.0, 200);
    let verdict = server.precondition(&bag([("source.user", "ann")])).await;
    let status = verdict.status.unwrap();
    assert_eq!(status.code, Code::Internal.number());
    assert!(status.message.contains(&provider.url), "{}", status.message);
    assert_eq!(verdict.valid_use_count, 0);
    provider.say(StatusCode::OK, "eve");
    until(&server, &bag([("source.user", "ann")]), 0).await;
    assert_eq!(server.verdict(&bag([("source.user", "eve")])).await.0, 7);
}

#[tokio::test]
async fn patterns_are_found_anywhere() {
    let adapters = r#"
adapters:
  - { name: paths, impl: listChecker, params: { entryType: REGEX, overrides: ["^/public/", "[.]css$"] } }
"#;
    let rules =
        "rules: [{ aspects: [{ kind: lists, adapter: paths, params: { checkExpression: request.path } }] }]";
    let server = TestServer::start(tree(adapters, rules), 100).await;
    for (path, code) in [("/public/a", 0), ("/x/main.css", 0), ("/admin", 7), ("/a/public/", 7)] {
        assert_eq!(server.verdict(&bag([("request.path", path)])).await.0, code, "{path}");
    }
}
