//! The metrics page, as collectors read it.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use attributes::{Bag, Value};
use proto::v1::report_request::RepeatedAttributesSemantics::IndependentEncoding;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::harness::{PATIENCE, TestServer, bag, compress, get, request, tree};

const ADAPTERS: &str = "
adapters:
  - { name: prom, kind: metrics, impl: prometheus, params: { metricsExpiry: 10m } }
";

const RULES: &str = r#"
rules:
  - aspects:
      - kind: metrics
        adapter: prom
        params:
          metrics:
            - { descriptorName: request_count, value: "1", labels: { path: request.path, code: response.code } }
            - { descriptorName: request_duration, value: '"500ms"' }
"#;

/// A server that was told about one request, whose path says that it is quoted.
async fn server() -> TestServer {
    let server = TestServer::start(tree(ADAPTERS, RULES), 0).await;
    let mut ended: Bag = bag([("request.path", "/\"a\"")]);
    ended.insert("response.code", Value::Int64(200));
    server.report(IndependentEncoding, vec![compress(&server.dictionary, &ended)]).await.unwrap();
    server
}

#[tokio::test]
async fn a_metric_has_the_same_samples_in_both_formats() {
    let server = server().await;
    let samples = |page: &str| -> Vec<String> {
        page.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    let (_, text) = server.get("/metrics").await;
    let accept = "accept: application/openmetrics-text;version=1.0.0\r\n";
    let (status, open) = request(server.server.admin(), "GET", "/metrics", accept).await;
    assert_eq!(status, 200);
    assert_eq!(samples(&open), samples(&text));
    assert!(open.ends_with("\n# EOF\n") && !text.contains("# EOF"));
    for heading in [
        "# TYPE mixer_reports counter",
        "# TYPE request_count unknown",
        "# TYPE request_duration histogram",
        "# TYPE mixer_feed_watchers gauge",
    ] {
        assert!(open.lines().any(|line| line == heading), "{heading}:\n{open}");
    }
    assert!(text.contains("\n# TYPE request_count counter\n"), "{text}");
}

/// A Prometheus that collects from one target; it ends with the test.
struct Prometheus {
    address: SocketAddr,
    _process: Child,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one, unless there is none on this machine.
    async fn start(target: SocketAddr) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        let job = format!("[{{ job_name: mixer, static_configs: [{{ targets: ['{target}'] }}] }}]");
        std::fs::write(&config, format!("global: {{ scrape_interval: 1s }}\nscrape_configs: {job}\n"))
            .unwrap();
        // It cannot be asked which port it chose, so it is given one that was free just now.
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let process = process.ok()?;
        Some(Self { address, _process: process, _folder: folder })
    }

    /// The answer to a query, once it has a value.
    async fn value(&self, query: &str) -> String {
        let encoded = query.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
        let ask = async {
            loop {
                if TcpStream::connect(self.address).await.is_ok() {
                    let (_, answer) = get(self.address, &format!("/api/v1/query?query={encoded}")).await;
                    if answer.contains("\"value\":[") {
                        return answer;
                    }
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ask).await.unwrap_or_else(|_| panic!("`{query}` never has a value"))
    }
}

#[tokio::test]
async fn prometheus_understands_the_page() {
    let server = server().await;
    let Some(prometheus) = Prometheus::start(server.server.admin()).await else {
        println!("skipped prometheus_understands_the_page: there is no program `prometheus`");
        return;
    };
    for (query, value) in [
        ("up{job=\"mixer\"}", "1"),
        ("request_count{path=\"/\\\"a\\\"\",code=\"200\"}", "1"),
        ("request_duration_bucket{le=~\"1(.0)?\"}", "1"),
        ("request_duration_sum", "0.5"),
        ("mixer_reports_total", "1"),
    ] {
        let answer = prometheus.value(query).await;
        assert!(answer.contains(&format!(",\"{value}\"]")), "{query}: {answer}");
    }
}
