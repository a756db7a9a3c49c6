//! A Kubernetes API of the test's own: lists and watches of pods over HTTP, with everything that may happen to them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use serde_json::{Value as Json, json};
use tokio::sync::{mpsc, watch};

/// What the API is told by the test, and what it was asked.
pub(super) struct Fake {
    address: std::net::SocketAddr,
    state: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

struct Shared {
    state: Mutex<Inner>,
    /// How many watches there are.
    watches: watch::Sender<usize>,
}

#[derive(Default)]
struct Inner {
    pods: BTreeMap<String, Json>,
    version: u64,
    /// Places before this one are forgotten.
    forgotten: u64,
    is_away: bool,
    page: Option<usize>,
    requests: Vec<String>,
    watchers: Vec<mpsc::UnboundedSender<Line>>,
}

/// A line of a watch, or its breaking off.
type Line = Result<Bytes, std::io::Error>;

/// A pod as the API has it.
pub(super) fn pod(name: &str, ip: &str, labels: &Json) -> Json {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": "bookinfo", "labels": labels },
        "spec": { "serviceAccountName": "books", "containers": [] },
        "status": { "phase": "Running", "podIP": ip, "hostIP": "192.0.2.1", "podIPs": [{ "ip": ip }] },
    })
}

// === impl Fake ===

impl Fake {
    pub(super) async fn start(pods: Vec<Json>) -> Self {
        let inner = Inner { version: 1, ..Inner::default() };
        let state = Arc::new(Shared { state: Mutex::new(inner), watches: watch::Sender::new(0) });
        let router =
            Router::new().route("/api/v1/pods", axum::routing::get(answer)).with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let fake = Self { address, state, server };
        for pod in pods {
            fake.change("ADDED", pod);
        }
        fake
    }

    /// Writes the file that leads here.
    pub(super) fn write_kubeconfig(&self, path: &Path) {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters: [{{ name: test, cluster: {{ server: 'http://{}' }} }}]\n\
             users: [{{ name: test, user: {{ token: secret }} }}]\n\
             contexts: [{{ name: test, context: {{ cluster: test, user: test }} }}]\n",
            self.address
        );
        std::fs::write(path, text).unwrap();
    }

    /// Something happens to a pod: `ADDED`, `MODIFIED` or `DELETED`. Whoever watches is told.
    pub(super) fn change(&self, kind: &str, mut pod: Json) {
        let mut inner = self.inner();
        inner.version += 1;
        pod["metadata"]["resourceVersion"] = inner.version.to_string().into();
        let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
        if kind == "DELETED" {
            inner.pods.remove(&name);
        } else {
            inner.pods.insert(name, pod.clone());
        }
        inner.tell(&json!({ "type": kind, "object": pod }));
    }

    /// Time goes by without a change.
    pub(super) fn bookmark(&self) -> u64 {
        let mut inner = self.inner();
        inner.version += 100;
        let metadata = json!({ "resourceVersion": inner.version.to_string() });
        let mark = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata });
        inner.tell(&json!({ "type": "BOOKMARK", "object": mark }));
        inner.version
    }

    /// Everything up to now is forgotten, and who watches is told so.
    pub(super) fn forget(&self) {
        let mut inner = self.inner();
        inner.version += 1;
        inner.forgotten = inner.version;
        inner.tell(&json!({ "type": "ERROR", "object": gone() }));
        inner.watchers.clear();
    }

    /// Tells a line that is no event.
    pub(super) fn mumble(&self) {
        self.inner().tell(&json!("what?"));
    }

    /// Ends all watches, or breaks them off.
    pub(super) fn end_watches(&self, is_clean: bool) {
        for watcher in self.inner().watchers.drain(..) {
            if !is_clean {
                let _ = watcher.send(Err(std::io::Error::other("the line is cut")));
            }
        }
    }

    /// Whether nothing is answered.
    pub(super) fn set_away(&self, is_away: bool) {
        self.inner().is_away = is_away;
        if is_away {
            self.end_watches(false);
        }
    }

    /// Gives lists in pages of so many.
    pub(super) fn set_page(&self, pods: usize) {
        self.inner().page = Some(pods);
    }

    /// What was asked, in order.
    pub(super) fn requests(&self) -> Vec<String> {
        self.inner().requests.clone()
    }

    /// Waits until so many watches are open.
    pub(super) async fn watched(&self, count: usize) {
        let mut watches = self.state.watches.subscribe();
        watches.wait_for(|open| *open == count).await.unwrap();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.state.state.lock().unwrap()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

// === impl Inner ===

impl Inner {
    fn tell(&mut self, event: &Json) {
        let line = Bytes::from(format!("{event}\n"));
        self.watchers.retain(|watcher| watcher.send(Ok(line.clone())).is_ok());
    }

    fn list(&self, continued: Option<&str>) -> Json {
        let first = continued.map_or(0, |token| token.parse().unwrap());
        let all: Vec<_> = self.pods.values().cloned().collect();
        let page = self.page.unwrap_or(all.len().max(1));
        let end = all.len().min(first + page);
        let mut metadata = json!({ "resourceVersion": self.version.to_string() });
        if end < all.len() {
            metadata["continue"] = end.to_string().into();
        }
        json!({ "apiVersion": "v1", "kind": "PodList", "metadata": metadata, "items": all[first..end] })
    }
}

async fn answer(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Response {
    let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let query: HashMap<&str, &str> = pairs.collect();
    let mut inner = shared.state.lock().unwrap();
    let failure = |status: StatusCode, body: Json| (status, body.to_string()).into_response();
    if headers.get("authorization").is_none_or(|value| value != "Bearer secret") {
        return failure(StatusCode::UNAUTHORIZED, refusal(401, "Unauthorized"));
    }
    let is_watch = query.get("watch") == Some(&"true");
    let from = query.get("resourceVersion").copied().unwrap_or_default();
    inner.requests.push(if is_watch { format!("watch {from}") } else { "list".to_owned() });
    if inner.is_away {
        return failure(StatusCode::SERVICE_UNAVAILABLE, refusal(503, "ServiceUnavailable"));
    }
    if !is_watch {
        return inner.list(query.get("continue").copied()).to_string().into_response();
    }
    if from.parse::<u64>().unwrap() < inner.forgotten {
        return failure(StatusCode::GONE, gone());
    }
    let (watcher, lines) = mpsc::unbounded_channel::<Line>();
    let missed: Vec<_> = inner.pods.values().filter(|pod| version(pod) > from.parse().unwrap()).collect();
    for pod in missed {
        let event = json!({ "type": "MODIFIED", "object": pod });
        watcher.send(Ok(Bytes::from(format!("{event}\n")))).unwrap();
    }
    inner.watchers.push(watcher);
    shared.watches.send_modify(|open| *open += 1);
    let open = Open(Arc::clone(&shared));
    let lines = futures::stream::unfold((lines, open), |(mut lines, open)| async move {
        lines.recv().await.map(|line| (line, (lines, open)))
    });
    Body::from_stream(lines.boxed()).into_response()
}

/// Counts a watch as long as it is open.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.watches.send_modify(|open| *open -= 1);
    }
}

fn version(pod: &Json) -> u64 {
    pod["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn gone() -> Json {
    refusal(410, "Expired")
}

fn refusal(code: u16, reason: &str) -> Json {
    json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "message": reason, "reason": reason, "code": code,
    })
}
