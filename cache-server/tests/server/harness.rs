//! A server on ports of the system's choice, with a configuration of the test's own, and a client.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use attributes::wire::Compressor;
use attributes::{Bag, Dictionary};
use cache_server::runtime::StoreAddress;
use cache_server::serve::{Options, Server};
use proto::feed::feed_client::FeedClient;
use proto::feed::{Update, WatchRequest};
use proto::v1::check_response::PreconditionResult;
use proto::v1::mixer_client::MixerClient;
use proto::v1::report_request::RepeatedAttributesSemantics;
use proto::v1::{CheckRequest, CheckResponse, CompressedAttributes, ReportRequest};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const DESCRIPTORS: &str = r"
manifests:
  - name: test
    attributes:
      target.service: { value_type: STRING }
      source.ip: { value_type: IP_ADDRESS }
      source.user: { value_type: STRING }
      request.path: { value_type: STRING }
      request.method: { value_type: STRING }
      request.headers: { value_type: STRING_MAP }
      request.size: { value_type: INT64 }
      response.code: { value_type: INT64 }
      response.duration: { value_type: DURATION }
logs:
  - name: plain
    payload_format: TEXT
    log_template: '{{.method}} {{.path}}'
    labels: { path: STRING, code: INT64 }
metrics:
  - name: request_count
    description: requests
    kind: COUNTER
    value: INT64
    labels: { path: STRING, code: INT64 }
  - name: request_duration
    kind: DISTRIBUTION
    value: DURATION
    buckets: { explicit_buckets: { bounds: [0.1, 1] } }
    labels: {}
";

/// Where the rules of the subject `global` are.
pub(crate) const RULES: &str = "scopes/global/subjects/global/rules.yml";

/// A stream of the feed.
pub(crate) struct Updates {
    updates: Streaming<Update>,
}

impl Updates {
    /// The next update; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Update> {
        let next = tokio::time::timeout(PATIENCE, self.updates.message()).await;
        next.expect("no update came").unwrap()
    }

    /// The next update that is so.
    pub(crate) async fn until(&mut self, is_so: impl Fn(&Update) -> bool) -> Update {
        loop {
            let update = self.next().await.expect("the feed ended");
            if is_so(&update) {
                return update;
            }
        }
    }
}

pub(crate) struct TestServer {
    pub(crate) server: Server,
    pub(crate) folder: TempDir,
    pub(crate) client: MixerClient<Channel>,
    pub(crate) dictionary: Dictionary,
}

/// Adapter blocks and the rules of the subject `global`, beside [`DESCRIPTORS`].
pub(crate) fn tree(adapters: &str, rules: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "scopes/global/descriptors.yml", DESCRIPTORS);
    write(folder.path(), "scopes/global/adapters.yml", adapters);
    write(folder.path(), RULES, rules);
    folder
}

pub(crate) fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

pub(crate) fn dictionary() -> Dictionary {
    Dictionary::parse(cache_server::DEFAULT_DICTIONARY).unwrap()
}

/// Compresses a bag with the whole dictionary.
pub(crate) fn compress(dictionary: &Dictionary, bag: &Bag) -> CompressedAttributes {
    let mut words = Compressor::new(dictionary, dictionary.len());
    let mut message = words.add(bag);
    message.words = words.into_words();
    message
}

pub(crate) fn check_request(dictionary: &Dictionary, bag: &Bag) -> CheckRequest {
    CheckRequest {
        attributes: Some(compress(dictionary, bag)),
        global_word_count: u32::try_from(dictionary.len()).unwrap(),
        accepts_trace: true,
        ..CheckRequest::default()
    }
}

pub(crate) fn bag<const N: usize>(texts: [(&str, &str); N]) -> Bag {
    texts.into_iter().collect()
}

impl TestServer {
    pub(crate) async fn start(folder: TempDir, l2_entries: usize) -> Self {
        let root = folder.path().to_owned();
        Self::start_at(&root, folder, l2_entries).await
    }

    /// A server whose configuration is, or will be, somewhere in the folder.
    pub(crate) async fn start_at(config: &Path, folder: TempDir, l2_entries: usize) -> Self {
        Self::start_from(config.to_owned().into(), folder, l2_entries).await
    }

    /// A server whose configuration comes from a store.
    pub(crate) async fn start_from(config: StoreAddress, folder: TempDir, l2_entries: usize) -> Self {
        let options = Options {
            config,
            listen: "127.0.0.1:0".parse().unwrap(),
            admin: "127.0.0.1:0".parse().unwrap(),
            config_api: Some("127.0.0.1:0".parse().unwrap()),
            l2_entries,
            dictionary: dictionary(),
            // As with `--dictionary`: clients here know the server's words without a proof.
            is_dictionary_given: true,
            policy: policy::Options::default(),
            log_root: None,
        };
        let server = Server::start(options).await.unwrap();
        let client = MixerClient::connect(format!("http://{}", server.listen())).await.unwrap();
        Self { server, folder, client, dictionary: dictionary() }
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> Channel {
        let endpoint = Endpoint::new(format!("http://{}", self.server.listen())).unwrap();
        endpoint.connect().await.unwrap()
    }

    pub(crate) async fn check(&self, bag: &Bag) -> CheckResponse {
        self.send(check_request(&self.dictionary, bag)).await.unwrap()
    }

    /// The code and the message of the verdict.
    pub(crate) async fn verdict(&self, bag: &Bag) -> (i32, String) {
        let status = self.precondition(bag).await.status.unwrap();
        (status.code, status.message)
    }

    pub(crate) async fn precondition(&self, bag: &Bag) -> PreconditionResult {
        self.check(bag).await.precondition.unwrap()
    }

    pub(crate) async fn send(&self, request: CheckRequest) -> Result<CheckResponse, Status> {
        let mut client = self.client.clone();
        tokio::time::timeout(PATIENCE, client.check(request)).await.unwrap().map(tonic::Response::into_inner)
    }

    pub(crate) async fn report(
        &self,
        semantics: RepeatedAttributesSemantics,
        messages: Vec<CompressedAttributes>,
    ) -> Result<(), Status> {
        let request = ReportRequest {
            attributes: messages,
            global_word_count: u32::try_from(self.dictionary.len()).unwrap(),
            repeated_attributes_semantics: semantics.into(),
            ..ReportRequest::default()
        };
        let mut client = self.client.clone();
        tokio::time::timeout(PATIENCE, client.report(request)).await.unwrap().map(drop)
    }

    /// Listens to the feed on a connection of its own.
    pub(crate) async fn watch(&self) -> Updates {
        let mut client = FeedClient::new(self.connect().await);
        let updates = client.watch(WatchRequest::default()).await.unwrap().into_inner();
        Updates { updates }
    }

    /// Puts these rules of the subject `global` in force.
    pub(crate) async fn load_rules(&self, rules: &str) {
        let root = self.folder.path();
        write(root, RULES, rules);
        let files = cache_server::runtime::read_tree(root).unwrap();
        let loaded = policy::load(&files, &cache_server::adapters::infos(), &policy::Options::default());
        let errors: Vec<_> = loaded.errors().map(|error| &error.message).collect();
        assert!(errors.is_empty(), "{errors:?}");
        let revision = loaded.snapshot.unwrap().revision().to_string();
        self.reload_until("/readyz", |status, page| status == 200 && page.contains(&revision)).await;
    }

    /// Status and body of an admin page.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        get(self.server.admin(), path).await
    }

    /// The value of a metric by its name with its labels, as the page has it; 0 if it has none.
    pub(crate) async fn metric(&self, sample: &str) -> String {
        let (_, page) = self.get("/metrics").await;
        let samples: BTreeMap<_, _> = page.lines().filter_map(|line| line.rsplit_once(' ')).collect();
        samples.get(sample).copied().unwrap_or("0").to_owned()
    }

    /// Loads the configuration anew and waits until a page of the admin address says what it should.
    pub(crate) async fn reload_until(&self, path: &str, is_so: impl Fn(u16, &str) -> bool) {
        self.server.reload();
        self.until(path, is_so).await;
    }

    /// Waits until a page of the admin address says what it should.
    pub(crate) async fn until(&self, path: &str, is_so: impl Fn(u16, &str) -> bool) {
        let wait = async {
            loop {
                let (status, page) = self.get(path).await;
                if is_so(status, &page) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{path} never says so"));
    }
}

/// The value of a sample on a page of metrics; 0 if it has none.
pub(crate) fn sample(page: &str, name: &str) -> f64 {
    let samples = page.lines().filter_map(|line| line.rsplit_once(' '));
    samples.filter(|(found, _)| *found == name).find_map(|(_, value)| value.parse().ok()).unwrap_or(0.0)
}

pub(crate) async fn get(admin: std::net::SocketAddr, path: &str) -> (u16, String) {
    request(admin, "GET", path, "").await
}

/// Status and body of an admin page asked for with a method and further header lines.
pub(crate) async fn request(
    admin: std::net::SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
) -> (u16, String) {
    let mut stream = tokio::net::TcpStream::connect(admin).await.unwrap();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
