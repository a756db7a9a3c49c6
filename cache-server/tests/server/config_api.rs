//! Changing the configuration over HTTP.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{DESCRIPTORS, PATIENCE, RULES, TestServer, bag, tree, write};
use crate::redis::RedisServer;

const ADAPTERS: &str = "
adapters: # as they were written
  - { name: closed, kind: denials, impl: denyChecker, params: { error: { code: 7 } } }
";
const DENY_ALL: &str = "# none\nrules: [{ aspects: [{ kind: denials, adapter: closed }] }]\n";
const ALLOW_ALL: &str = "rules: []";
const BROKEN: &str = "rules: [{ aspects: [{ kind: denials, adapter: nobody }] }]";

const RULES_PATH: &str = "/scopes/global/subjects/global/rules";
const YAML: &str = "content-type: application/yaml";

struct Answered {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}", self.body))
    }

    fn message(&self) -> String {
        self.json()["status"]["message"].as_str().unwrap().to_owned()
    }
}

/// Calls with a method, a path below the base, lines of headers and a body.
async fn call(server: &TestServer, call: &str, headers: &[&str], body: &str) -> Answered {
    let (method, path) = call.split_once(' ').unwrap();
    let address = server.server.config_api().unwrap();
    call_at(address, &format!("{method} /api/v1{path}"), headers, body).await
}

/// Calls an address with a method, a path, lines of headers and a body.
async fn call_at(address: SocketAddr, call: &str, headers: &[&str], body: &str) -> Answered {
    let (method, path) = call.split_once(' ').unwrap();
    let host =
        if headers.iter().any(|line| line.starts_with("host:")) { "" } else { "host: localhost:9094\r\n" };
    let headers: String = headers.iter().map(|line| (*line).to_owned() + "\r\n").collect();
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{host}connection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    let exchange = async {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        // A server that refuses a large body may have stopped reading.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await.expect("no answer");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Answered { status, headers, body: body.to_owned() }
}

async fn code(server: &TestServer) -> i32 {
    server.verdict(&bag([])).await.0
}

#[tokio::test]
async fn a_name_that_came_to_mean_this_machine_reads_nothing() {
    let server = TestServer::start(tree(ADAPTERS, ALLOW_ALL), 100).await;
    for (host, expected) in [
        ("host: evil.example:9094", 403),
        ("host: 127.0.0.1.evil.example", 403),
        ("host: [::1]:9094", 200),
        ("host: 127.0.0.1", 200),
        ("host: LOCALHOST:1", 200),
    ] {
        let answered = call(&server, &format!("GET {RULES_PATH}"), &[host], "").await;
        assert_eq!(answered.status, expected, "{host}: {}", answered.body);
        for page in ["/config", "/metrics", "/cache"] {
            let answered = call_at(server.server.admin(), &format!("GET {page}"), &[host], "").await;
            assert_eq!(answered.status, expected, "{page} of {host}: {}", answered.body);
        }
    }
}

#[tokio::test]
async fn a_change_is_in_force_when_it_is_answered() {
    let server = TestServer::start(tree(ADAPTERS, ALLOW_ALL), 100).await;
    let put = format!("PUT {RULES_PATH}");
    for (rules, expected) in [(DENY_ALL, 7), (ALLOW_ALL, 0), (DENY_ALL, 7)] {
        let answered = call(&server, &put, &[YAML], rules).await;
        assert_eq!(answered.status, 200, "{}", answered.body);
        assert_eq!(answered.message(), format!("Created {RULES_PATH}"));
        assert_eq!(code(&server).await, expected);
    }
    // As it was written, and as what it says.
    let stored = std::fs::read_to_string(server.folder.path().join(RULES)).unwrap();
    assert_eq!(stored, DENY_ALL);
    let get = format!("GET {RULES_PATH}");
    let answered = call(&server, &get, &["accept: application/yaml"], "").await;
    assert_eq!((answered.status, answered.body.as_str()), (200, DENY_ALL));
    let expected = json!({
        "data": { "rules": [{ "aspects": [{ "kind": "denials", "adapter": "closed" }] }] },
        "status": { "message": "ok" },
    });
    assert_eq!(call(&server, &get, &[], "").await.json(), expected);

    let subject = "/scopes/global/subjects/a.ns.svc.cluster.local/rules";
    assert_eq!(call(&server, &format!("GET {subject}"), &[], "").await.status, 404);
    let as_json = ["content-type: application/json"];
    let answered = call(&server, &format!("PUT {subject}"), &as_json, r#"{"rules":[]}"#).await;
    assert_eq!(answered.status, 200);
    let answered = call(&server, &format!("DELETE {RULES_PATH}"), &[], "").await;
    assert_eq!((answered.status, answered.message()), (200, format!("Deleted {RULES_PATH}")));
    assert_eq!(code(&server).await, 0);
    assert_eq!(call(&server, &format!("DELETE {RULES_PATH}"), &[], "").await.status, 200, "once more");
}

#[tokio::test]
async fn a_store_that_is_empty_is_filled() {
    let server = TestServer::start(tempfile::tempdir().unwrap(), 100).await;
    assert_eq!(server.get("/readyz").await.0, 503);
    for (path, text) in [
        ("/scopes/global/descriptors", DESCRIPTORS),
        ("/scopes/global/adapters", ADAPTERS),
        (RULES_PATH, DENY_ALL),
    ] {
        let answered = call(&server, &format!("PUT {path}"), &[YAML], text).await;
        assert_eq!(answered.status, 200, "{}", answered.body);
        let stored = call(&server, &format!("GET {path}"), &["accept: application/x-yaml"], "").await;
        assert_eq!(stored.body, text);
    }
    assert_eq!(code(&server).await, 7);
}

#[tokio::test]
async fn what_would_be_wrong_is_not_stored() {
    let server = TestServer::start(tree(ADAPTERS, DENY_ALL), 100).await;
    let answered = call(&server, &format!("PUT {RULES_PATH}"), &[YAML], BROKEN).await;
    assert_eq!(answered.status, 400, "{}", answered.body);
    let body = answered.json();
    assert_eq!(body["status"]["code"], 3);
    assert!(answered.message().contains("--> scopes/global/subjects/global/rules.yml:1:"), "{body}");
    assert_eq!(body["data"][0]["severity"], "error");
    // The rules need the block.
    for (call_, body) in
        [("PUT /scopes/global/adapters", "adapters: []"), ("PUT /scopes/global/adapters", "\t")]
    {
        assert_eq!(call(&server, call_, &[YAML], body).await.status, 400);
    }
    assert_eq!(std::fs::read_to_string(server.folder.path().join(RULES)).unwrap(), DENY_ALL);
    assert_eq!(server.metric("mixer_config_load_errors_total").await, "0");
    assert_eq!(code(&server).await, 7);

    // Rules elsewhere are wrong without these, so they cannot go either; nor can all that there is.
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), RULES, ALLOW_ALL);
    let server = TestServer::start(folder, 100).await;
    let answered = call(&server, &format!("DELETE {RULES_PATH}"), &[], "").await;
    assert_eq!(answered.status, 400, "{}", answered.body);
    assert!(server.folder.path().join(RULES).exists());
}

#[tokio::test]
async fn nobody_overwrites_what_they_have_not_seen() {
    let server = TestServer::start(tree(ADAPTERS, DENY_ALL), 100).await;
    let put = format!("PUT {RULES_PATH}");
    let seen = call(&server, &format!("GET {RULES_PATH}"), &[], "").await.headers["etag"].clone();
    let matching = format!("if-match: {seen}");
    let answered = call(&server, &put, &[YAML, &matching], ALLOW_ALL).await;
    assert_eq!(answered.status, 200);
    assert_ne!(answered.headers["etag"], seen);
    let answered = call(&server, &put, &[YAML, &matching], DENY_ALL).await;
    assert_eq!((answered.status, &answered.json()["status"]["code"]), (412, &json!(9)));
    let delete = format!("DELETE {RULES_PATH}");
    assert_eq!(call(&server, &delete, &[&matching], "").await.status, 412);
    assert_eq!(call(&server, &put, &[YAML, "if-none-match: *"], DENY_ALL).await.status, 412);
    assert_eq!(code(&server).await, 0);
}

#[tokio::test]
async fn what_means_nothing_is_refused_in_the_same_form() {
    let server = TestServer::start(tree(ADAPTERS, DENY_ALL), 100).await;
    let put = format!("PUT {RULES_PATH}");
    let large = " ".repeat(1024 * 1024 + 1);
    let cases: &[(&str, &[&str], &str, u16, u32)] = &[
        ("GET /nowhere", &[], "", 404, 5),
        ("POST /scopes/global/adapters", &[], "", 405, 2),
        ("GET /scopes", &[], "", 501, 2),
        ("POST /scopes/global/subjects/x", &[], "", 501, 2),
        ("DELETE /scopes/global/subjects/x/rules/1", &[], "", 501, 2),
        ("PUT /scopes/global/subjects/x/rules/1/aspects/2", &[], "", 501, 2),
        ("DELETE /scopes/global/adapters", &[], "", 501, 2),
        ("PUT /scopes/global/adapters/a/b", &[], "", 501, 2),
        ("GET /scopes/global/descriptors/metrics/a", &[], "", 501, 2),
        ("PUT /scopes/other/adapters", &[YAML], "", 400, 3),
        ("GET /scopes/other/descriptors", &[], "", 404, 5),
        ("GET /scopes/%2e%2e/subjects/x/rules", &[], "", 400, 3),
        ("PUT /scopes/global/subjects/%2e%2e%2f%2e%2e%2fx/rules", &[YAML], ALLOW_ALL, 400, 3),
        ("GET /scopes/global/adapters", &["accept: text/html"], "", 406, 2),
        (&put, &[], ALLOW_ALL, 415, 2),
        (&put, &["content-type: text/plain"], ALLOW_ALL, 415, 2),
        (&put, &[YAML, "origin: http://evil.example"], ALLOW_ALL, 403, 7),
        (&put, &[YAML], &large, 413, 2),
    ];
    for (called, headers, body, status, code) in cases {
        let answered = call(&server, called, headers, body).await;
        assert_eq!(answered.status, *status, "{called}: {}", answered.body);
        assert_eq!(answered.json()["status"]["code"], *code, "{called}: {}", answered.body);
    }
    assert_eq!(code(&server).await, 7);
}

#[tokio::test]
async fn redis_is_written_too() {
    let Some(redis) = RedisServer::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_from(redis.url().parse().unwrap(), folder, 100).await;
    for (path, text) in [("/scopes/global/adapters", ADAPTERS), (RULES_PATH, DENY_ALL)] {
        let answered = call(&server, &format!("PUT {path}"), &[YAML], text).await;
        assert_eq!(answered.status, 200, "{}", answered.body);
    }
    assert_eq!(code(&server).await, 7);
    let stored: String =
        redis::cmd("GET").arg(RULES_PATH).query_async(&mut redis.connect().await).await.unwrap();
    assert_eq!(stored, DENY_ALL);
    let answered = call(&server, &format!("PUT {RULES_PATH}"), &[YAML], BROKEN).await;
    assert_eq!(answered.status, 400);
    assert!(answered.message().contains(&format!("--> {RULES_PATH}:1:")), "{}", answered.body);
    assert_eq!(call(&server, &format!("DELETE {RULES_PATH}"), &[], "").await.status, 200);
    assert_eq!(code(&server).await, 0);
    redis.stop().await;
    assert_eq!(call(&server, &format!("GET {RULES_PATH}"), &[], "").await.status, 500);
}

#[tokio::test]
async fn two_files_are_read_and_not_written() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "f.yml", ADAPTERS);
    write(folder.path(), "g.yml", DENY_ALL);
    let (global, service) = (folder.path().join("f.yml"), folder.path().join("g.yml"));
    let pair = cache_server::runtime::Pair { global, service };
    let store = cache_server::runtime::StoreAddress::Files(pair);
    let server = TestServer::start_from(store, folder, 100).await;
    let answered = call(&server, &format!("GET {RULES_PATH}"), &["accept: application/yaml"], "").await;
    assert_eq!(answered.body, DENY_ALL);
    let answered = call(&server, &format!("PUT {RULES_PATH}"), &[YAML], ALLOW_ALL).await;
    assert_eq!(answered.status, 501, "{}", answered.body);
    assert_eq!(code(&server).await, 7);
}
