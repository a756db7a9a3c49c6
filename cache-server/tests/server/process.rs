//! The binary: its command line, its logs, its end.

use std::path::Path;
use std::process::Stdio;

use attributes::{Bag, Value};
use proto::v1::ReportRequest;
use proto::v1::mixer_client::MixerClient;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::harness::{DESCRIPTORS, PATIENCE, bag, compress, dictionary, get, tree, write};

const ADAPTERS: &str = "
adapters:
  - { name: log, kind: access-logs, impl: stdioLogger, params: { logStream: STDOUT } }
";

const RULES: &str = r"
rules:
  - aspects:
      - kind: access-logs
        adapter: log
        params:
          logName: access_log
          log:
            descriptorName: plain
            templateExpressions: { method: request.method, path: request.path }
            labels: { path: request.path, code: response.code }
";

struct Mixer {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Mixer {
    fn spawn(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mixer"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, stdout, stderr }
    }

    /// The next log line with a message.
    async fn logged(&mut self, message: &str) -> serde_json::Value {
        let search = async {
            loop {
                let line = self.stderr.next_line().await.unwrap().expect("no more log lines");
                let line: serde_json::Value = serde_json::from_str(&line).expect(&line);
                if line["message"] == message {
                    return line;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("no log line says {message}"))
    }

    fn signal(&self, name: &str) {
        let process = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &process]).status().unwrap().success());
    }
}

fn ended(path: &str) -> Bag {
    let mut bag = bag([("request.method", "GET"), ("request.path", path)]);
    bag.insert("response.code", Value::Int64(200));
    bag
}

#[tokio::test]
async fn logs_what_was_reported_and_ends_in_order() {
    let folder = tree(ADAPTERS, RULES);
    let mut mixer = Mixer::spawn(folder.path());
    let serving = mixer.logged("serving").await;
    let address = |name: &str| -> std::net::SocketAddr { serving[name].as_str().unwrap().parse().unwrap() };
    assert_eq!(get(address("admin"), "/readyz").await.0, 200);

    let dictionary = dictionary();
    let mut client = MixerClient::connect(format!("http://{}", address("listen"))).await.unwrap();
    let report = ReportRequest {
        attributes: vec![compress(&dictionary, &ended("/<a>"))],
        global_word_count: u32::try_from(dictionary.len()).unwrap(),
        dictionary_digest: dictionary.digest(dictionary.len()).unwrap(),
        ..ReportRequest::default()
    };
    client.report(report).await.unwrap();
    let line = tokio::time::timeout(PATIENCE, mixer.stdout.next_line()).await.unwrap().unwrap().unwrap();
    assert_eq!(
        line,
        r#"{"logName":"access_log","labels":{"code":200,"path":"/\u003ca\u003e"},"textPayload":"GET /\u003ca\u003e"}"#
    );

    mixer.signal("HUP");
    mixer.logged("configuration in force").await;
    mixer.signal("TERM");
    mixer.logged("stopped").await;
    let status = tokio::time::timeout(PATIENCE, mixer.child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
}

pub(crate) async fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mixer")).args(arguments).output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn validate_warns_of_a_list_that_is_not_there() {
    let adapters = "adapters: [{ name: users, impl: genericListChecker, params: { file: users.txt } }]";
    let folder = tree(adapters, "rules: []");
    let root = folder.path().to_str().unwrap();
    let (code, page) = run(&["validate", root]).await;
    assert_eq!(code, Some(0), "{page}");
    let warning =
        "warning: adapter `users` (genericListChecker): the list of users.txt cannot be had: No such file";
    assert!(page.contains(warning), "{page}");
    write(folder.path(), "users.txt", "ann\n");
    let (_, page) = run(&["validate", root]).await;
    assert!(!page.contains("cannot be had"), "{page}");
}

#[tokio::test]
async fn validate_finds_everything() {
    let folder = tree(ADAPTERS, RULES);
    let root = folder.path().to_str().unwrap();
    let (code, page) = run(&["validate", root]).await;
    assert_eq!(code, Some(0), "{page}");
    assert!(page.contains("valid: 3 files"), "{page}");

    let broken =
        tree("adapters: [{ name: a, kind: denials, impl: denyChecker, params: { eror: {} } }]", "rules: 1");
    let root = broken.path().to_str().unwrap();
    let (code, page) = run(&["validate", root]).await;
    assert_eq!(code, Some(1), "{page}");
    assert!(page.contains("eror") && page.contains("rules.yml") && page.contains("invalid: "), "{page}");
    let (code, page) = run(&["validate", "--json", root]).await;
    assert_eq!(code, Some(1), "{page}");
    let findings: Vec<serde_json::Value> = serde_json::from_str(&page).unwrap();
    assert!(findings.iter().all(|finding| finding["severity"] == "error"), "{page}");

    let (code, page) = run(&["validate", "/nowhere"]).await;
    assert_eq!(code, Some(1), "{page}");
    assert!(page.contains("/nowhere"), "{page}");
}

#[tokio::test]
async fn explain_decides_as_the_server_does() {
    let adapters =
        "adapters: [{ name: closed, kind: denials, impl: denyChecker, params: { error: { code: 7 } } }]";
    let rules = r#"
rules:
  - selector: request.path.startsWith("/admin") && (request.headers["x-a"] | "") == "y"
    aspects: [{ kind: denials, adapter: closed }]
  - selector: request.path == "/other"
    aspects: [{ kind: denials, adapter: closed }]
"#;
    let folder = tree(adapters, rules);
    let root = folder.path().to_str().unwrap();
    let request = ["explain", "--config", root, "-a", "request.path=/admin", "-a", "request.headers[x-a]=y"];
    let (code, page) = run(&[&request[..], &["--json"]].concat()).await;
    assert_eq!(code, Some(0), "{page}");
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["verdict"]["code"], "PERMISSION_DENIED");
    assert_eq!(page["verdict"]["refused_by"], "global/global rules[0].aspects[0]");
    assert_eq!(page["trace"].as_array().unwrap().len(), 2, "{page}");
    assert_eq!(page["check"].as_array().unwrap().len(), 1, "{page}");
    assert!(page["left_out"][0].as_str().unwrap().contains("rules[1]"), "{page}");
    let (code, page) = run(&request).await;
    assert_eq!(code, Some(0), "{page}");
    assert!(page.starts_with("verdict   PERMISSION_DENIED\n"), "{page}");
    assert!(page.contains("denials by closed (denyChecker)  <- refused\n"), "{page}");

    for (given, reason) in [
        ("request.pth=x", "did you mean `request.path`?"),
        ("request.size=x", "64-bit"),
        ("request.path[a]=x", "no keys"),
        ("request.method=GET", "`request.method` is given twice"),
    ] {
        let arguments = ["explain", "--config", root, "-a", "request.method=GET", "-a", given];
        let (code, page) = run(&arguments).await;
        assert_eq!(code, Some(1), "{page}");
        assert!(page.contains(reason), "{page}");
    }
}

#[tokio::test]
async fn explain_shows_what_is_derived_and_what_limits() {
    let adapters = "
adapters:
  - { name: requests, kind: quotas, impl: memQuota }
  - { name: shared, kind: quotas, impl: redisQuota, params: { rateLimitAlgorithm: TOKEN_BUCKET } }
  - { name: machines, kind: attributes, impl: inventory, params: { workloads: [{ uid: vm-1, ip: 10.0.0.1, service: shop }] } }
";
    let rules = r#"
rules:
  - selector: request.path != "/plain"
    aspects:
      - kind: attributes
        adapter: machines
        params:
          inputExpressions: { sourceIP: ip("10.0.0.1") }
          attributeBindings: { source.user: sourceService }
  - aspects:
      - kind: quotas
        adapter: requests
        params:
          quotas: [{ descriptorName: perUser, maxAmount: 10, expiration: 1s, labels: { user: source.user | "" } }]
      - kind: quotas
        adapter: shared
        params:
          quotas: [{ descriptorName: seats, maxAmount: 5, labels: {} }]
"#;
    let folder = tree(adapters, rules);
    let quotas = "
quotas:
  - { name: perUser, rateLimit: true, labels: { user: STRING } }
  - { name: seats, labels: {} }
  - { name: unlimited, labels: {} }
";
    write(folder.path(), "scopes/global/descriptors.yml", &format!("{DESCRIPTORS}{quotas}"));
    let root = folder.path().to_str().unwrap();
    let (code, page) = run(&["explain", "--config", root, "-a", "request.path=/x"]).await;
    assert_eq!(code, Some(0), "{page}");
    for expected in [
        "global/global rules[0] applies\n      request.path != \"/plain\"\n      request.path is \"/x\"",
        "attributes by machines (inventory)\n      sourceIP=",
        "quotas by requests (memQuota, ROLLING_WINDOW)\n      perUser{user=shop.default.svc.cluster.local} at most 10 in 1s",
        "quotas by shared (redisQuota, TOKEN_BUCKET)\n      seats{} at most 5 until released",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    assert!(!page.contains("unlimited"), "{page}");
}

#[tokio::test]
async fn explain_shows_the_way() {
    let adapters = "adapters: [{ name: closed, kind: denials, impl: denyChecker }]";
    let rules = "rules: [{ selector: request.size > 5, aspects: [{ kind: denials, adapter: closed }] }]";
    let folder = tree(adapters, rules);
    let block = |scope: &str| format!("scopes/{scope}/subjects/ns.svc.cluster.local/rules.yml");
    write(folder.path(), &block("ns.svc.cluster.local"), rules);
    write(folder.path(), &block("cluster.local"), rules);
    let root = folder.path().to_str().unwrap();
    let service = "target.service=reviews.ns.svc.cluster.local";
    let arguments = ["explain", "--config", root, "-a", service, "-a", "request.size=3", "--json"];
    let (code, page) = run(&arguments).await;
    assert_eq!(code, Some(0), "{page}");
    let json: serde_json::Value = serde_json::from_str(&page).unwrap();
    let subjects = json["resolution"]["subjects"].as_array().unwrap();
    let found: Vec<_> =
        subjects.iter().map(|s| (s["subject"].as_str().unwrap(), s["file"].as_str())).collect();
    assert_eq!(
        found,
        [
            ("reviews.ns.svc.cluster.local", None),
            // Of two files for the subject the one of the higher scope.
            ("ns.svc.cluster.local", Some(block("cluster.local").as_str())),
            ("svc.cluster.local", None),
            ("cluster.local", None),
            ("local", None),
            ("global", Some("scopes/global/subjects/global/rules.yml")),
        ]
    );
    let selectors = json["resolution"]["selectors"].as_array().unwrap();
    assert_eq!(selectors.len(), 2, "{page}");
    assert_eq!(selectors[0]["location"], "global/global rules[0]");
    assert_eq!(selectors[0]["selected"], false);
    assert_eq!(selectors[0]["operands"][0], "request.size is 3");
    assert_eq!(json["twins"][0], "destination.service is reviews.ns.svc.cluster.local");
    let (_, page) = run(&arguments[..arguments.len() - 1]).await;
    assert!(
        page.contains(
            "\n  global/global rules[0] does not apply\n      request.size > 5\n      request.size is 3\n"
        ),
        "{page}"
    );
    assert!(page.contains("\n  svc.cluster.local: no rules\n"), "{page}");
}

#[tokio::test]
async fn an_address_in_use_is_a_clear_end() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tree(ADAPTERS, RULES);
    let config = folder.path().to_str().unwrap();
    let (code, page) = run(&["serve", "--config", config, "--listen", &address]).await;
    assert_eq!(code, Some(1), "{page}");
    assert!(page.contains(&format!("cannot listen on {address}")), "{page}");
    assert_eq!(run(&["version"]).await.0, Some(0));
    assert_eq!(run(&["serve"]).await.0, Some(2));
}
