//! A Mixer in this process that records what it is asked and answers what a test tells it to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use proto::google::rpc::Status as RpcStatus;
use proto::v1::check_response::{PreconditionResult, QuotaResult};
use proto::v1::mixer_server::{Mixer, MixerServer};
use proto::v1::referenced_attributes::{AttributeMatch, Condition};
use proto::v1::{
    CheckRequest, CheckResponse, ReferencedAttributes, ReportRequest, ReportResponse, RouteDirective,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::codegen::tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::decode;
use crate::wait;

/// What to answer to a check.
#[derive(Clone, Debug)]
pub struct Reply {
    /// How long to wait first.
    pub after: Duration,
    /// The answer, or the failure of the call.
    pub result: Result<CheckResponse, Status>,
}

impl Reply {
    /// A verdict that depends on `EXACT` values of these attributes (`name`, or `map[key]`), as an old Mixer says it.
    pub fn verdict(code: i32, message: &str, referenced: &[&str]) -> Self {
        let mut words = Vec::new();
        let mut word = |text: &str| {
            words.push(text.to_owned());
            -(words.len() as i32)
        };
        let attribute_matches = referenced
            .iter()
            .map(|text| {
                let (name, key) = text.trim_end_matches(']').split_once('[').unwrap_or((text, ""));
                let name = word(name);
                let map_key = if key.is_empty() { 0 } else { word(key) };
                AttributeMatch { name, condition: Condition::Exact.into(), regex: String::new(), map_key }
            })
            .collect();
        let precondition = PreconditionResult {
            status: Some(RpcStatus { code, message: message.to_owned(), details: Vec::new() }),
            valid_use_count: -1,
            referenced_attributes: Some(ReferencedAttributes { words, attribute_matches }),
            ..Default::default()
        };
        let response = CheckResponse { precondition: Some(precondition), ..Default::default() };
        Self { after: Duration::ZERO, result: Ok(response) }.valid_for(Duration::from_secs(3600))
    }

    /// Allowed, whatever the request.
    pub fn allowed() -> Self {
        Self::verdict(0, "", &["target.service"])
    }

    /// The call fails.
    pub fn failure(status: Status) -> Self {
        Self { after: Duration::ZERO, result: Err(status) }
    }

    /// Changes how long the verdict holds.
    #[must_use]
    pub fn valid_for(mut self, time: Duration) -> Self {
        if let Some(precondition) = self.precondition() {
            precondition.valid_duration = Some(prost_types::Duration {
                seconds: time.as_secs() as i64,
                nanos: time.subsec_nanos() as i32,
            });
        }
        self
    }

    /// Adds what the proxy shall do beside.
    #[must_use]
    pub fn with_directive(mut self, directive: RouteDirective) -> Self {
        if let Some(precondition) = self.precondition() {
            precondition.route_directive = Some(directive);
        }
        self
    }

    /// Adds what is granted of a quota, for a minute.
    #[must_use]
    pub fn with_quota(mut self, name: &str, amount: i64) -> Self {
        if let Ok(response) = &mut self.result {
            let valid_duration = Some(prost_types::Duration { seconds: 60, nanos: 0 });
            let result = QuotaResult { valid_duration, granted_amount: amount, ..Default::default() };
            response.quotas.insert(name.to_owned(), result);
        }
        self
    }

    /// Answers only after a while.
    #[must_use]
    pub fn delayed(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    fn precondition(&mut self) -> Option<&mut PreconditionResult> {
        self.result.as_mut().ok()?.precondition.as_mut()
    }
}

type Script = Arc<dyn Fn(&decode::Attributes) -> Reply + Send + Sync>;

struct State {
    script: Mutex<Script>,
    checks: Mutex<Vec<CheckRequest>>,
    reports: Mutex<Vec<ReportRequest>>,
}

/// The running server. Everything is allowed until a test says otherwise.
pub struct ScriptedMixer {
    address: SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
}

impl ScriptedMixer {
    /// Starts one on a loopback port of the system's choice.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            script: Mutex::new(Arc::new(|_| Reply::allowed())),
            checks: Mutex::default(),
            reports: Mutex::default(),
        });
        let service = MixerServer::new(Service(Arc::clone(&state)));
        let serving = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(async move {
            let _ = serving.await;
        });
        Ok(Self { address, state, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers every check from now on with what `script` makes of its attributes.
    pub fn answer(&self, script: impl Fn(&decode::Attributes) -> Reply + Send + Sync + 'static) {
        *lock(&self.state.script) = Arc::new(script);
    }

    /// All checks until now.
    pub fn checks(&self) -> Vec<CheckRequest> {
        lock(&self.state.checks).clone()
    }

    /// All reports until now, one for each RPC.
    pub fn reports(&self) -> Vec<ReportRequest> {
        lock(&self.state.reports).clone()
    }

    /// Waits until at least `count` messages were reported, in however many RPCs, and gives the RPCs.
    ///
    /// # Errors
    /// When they do not come in time.
    pub async fn wait_for_messages(&self, count: usize) -> Result<Vec<ReportRequest>> {
        let what = format!("{count} reported messages");
        wait::until(&what, async || {
            let reports = self.reports();
            (reports.iter().map(|report| report.attributes.len()).sum::<usize>() >= count).then_some(reports)
        })
        .await
    }
}

impl Drop for ScriptedMixer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Service(Arc<State>);

#[tonic::async_trait]
impl Mixer for Service {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let request = request.into_inner();
        let attributes = decode::check(&request)
            .map_err(|error| Status::invalid_argument(format!("not readable: {error:#}")));
        lock(&self.0.checks).push(request);
        let script = Arc::clone(&lock(&self.0.script));
        let reply = script(&attributes?);
        tokio::time::sleep(reply.after).await;
        reply.result.map(Response::new)
    }

    async fn report(&self, request: Request<ReportRequest>) -> Result<Response<ReportResponse>, Status> {
        lock(&self.0.reports).push(request.into_inner());
        Ok(Response::new(ReportResponse::default()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
