//! serve: the server as a whole, from its sockets to its end.
//!
//! Everything is put together here and nowhere else. Stopping is orderly: health says so first, no new requests come
//! in, those at work may finish within a bound, and the handlers write out what they hold.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use attributes::Dictionary;
use axum::Router;
use futures::StreamExt as _;
use proto::feed::feed_server::FeedServer;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};

use crate::admin::{self, Admin};
use crate::api::{ChecksGrpc, FeedService, MixerGrpc, MixerService};
use crate::connection::Gathering;
use crate::l2::L2;
use crate::local::guarded;
use crate::runtime::{Editor, Loads, Reloader, Runtime, Store, StoreAddress};
use crate::telemetry::{self, Telemetry};
use crate::{VERSION, config_api, limits};

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the configuration comes from.
    pub config: StoreAddress,
    /// Where checks and reports come in; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where health and metrics are served; port 0 lets the system choose.
    pub admin: SocketAddr,
    /// Where the configuration can be changed by whoever reaches it; port 0 lets the system choose.
    pub config_api: Option<SocketAddr>,
    /// How many verdicts L2 holds; 0 turns it off.
    pub l2_entries: usize,
    /// The deployment-wide dictionary.
    pub dictionary: Dictionary,
    /// Whether the operator chose it, so that clients that do not name theirs are known to have the same.
    pub is_dictionary_given: bool,
    /// How a request says which subject it is for.
    pub policy: policy::Options,
    /// The folder that adapters may write logs below; without it, none do.
    pub log_root: Option<PathBuf>,
}

/// A server cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The system has no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// The service descriptions that gRPC reflection serves are broken.
    #[error("gRPC reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// A server that runs.
pub struct Server {
    listen: SocketAddr,
    admin: SocketAddr,
    config_api: Option<SocketAddr>,
    runtime: Arc<Runtime>,
    loads: Loads,
    health: HealthReporter,
    is_stopping: Arc<AtomicBool>,
    stop: watch::Sender<Stage>,
    grpc: JoinHandle<()>,
    admin_pages: JoinHandle<()>,
    config_calls: Option<JoinHandle<()>>,
    background: Vec<JoinHandle<()>>,
}

/// How far a server is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    Draining,
    Over,
}

impl Server {
    /// Binds both addresses, loads the configuration and serves. A configuration that does not do is no obstacle:
    /// the server waits for one that does.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let Options {
            config,
            listen,
            admin,
            config_api,
            l2_entries,
            dictionary,
            is_dictionary_given,
            policy,
            log_root,
        } = options;
        let listener = bind(listen).await?;
        let admin_listener = bind(admin).await?;
        let config_listener = match config_api {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let listen = local(&listener, listen)?;
        let admin = local(&admin_listener, admin)?;

        let policy = policy::Options { layout: config.layout(), ..policy };
        let telemetry = Arc::new(Telemetry::new());
        let runtime = Runtime::new(config.root(), policy, Arc::clone(&telemetry)).with_log_root(log_root);
        let runtime = Arc::new(runtime);
        let l2 = Arc::new(L2::new(l2_entries, random()?));
        let address = Arc::new(config.clone());
        let store = Arc::new(Store::open(config));
        let mut reloader = Reloader::new(Arc::clone(&store), Arc::clone(&runtime), Arc::clone(&l2));
        reloader.load().await;

        let (stop, stage) = watch::channel(Stage::Serving);
        let is_stopping = Arc::new(AtomicBool::new(false));
        let (health, health_service) = tonic_health::server::health_reporter();
        let hash_seed = random()?;
        let feed = FeedService::new(Arc::clone(&runtime), &dictionary, Arc::clone(&telemetry), hash_seed);
        let service = MixerService::new(
            Arc::clone(&runtime),
            Arc::clone(&l2),
            Arc::new(dictionary),
            is_dictionary_given,
            Arc::clone(&telemetry),
            hash_seed,
        );
        let grpc = tonic::transport::Server::builder()
            .max_concurrent_streams(limits::CONNECTION_STREAMS)
            .http2_keepalive_interval(Some(limits::KEEPALIVE))
            .http2_keepalive_timeout(Some(limits::KEEPALIVE))
            .add_service(ChecksGrpc::new(service.clone(), reached(stage.clone(), Stage::Draining)))
            .add_service(MixerGrpc::new(service))
            .add_service(FeedServer::new(feed).max_decoding_message_size(limits::MESSAGE_BYTES))
            .add_service(health_service)
            .add_service(reflection()?);
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let incoming = incoming.map(|connection| connection.map(Gathering));
        let draining = reached(stage.clone(), Stage::Draining);
        let grpc = tokio::spawn(async move {
            if let Err(error) = grpc.serve_with_incoming_shutdown(incoming, draining).await {
                telemetry::listener_failed("listen", &error.to_string());
            }
        });
        let pages = admin::router(Admin {
            runtime: Arc::clone(&runtime),
            l2: Arc::clone(&l2),
            telemetry,
            is_stopping: Arc::clone(&is_stopping),
            store: address,
        });
        let (loads, asks) = Loads::channel();
        let mut config_api = None;
        let config_calls = config_listener.map(|listener| {
            config_api = listener.local_addr().ok();
            let editor = Editor::new(store, Arc::clone(&runtime), loads.clone());
            let draining = reached(stage.clone(), Stage::Draining);
            serve_pages("config-api", listener, config_api::router(editor), draining)
        });
        let admin_pages = serve_pages("admin", admin_listener, pages, reached(stage, Stage::Over));
        let background = vec![
            tokio::spawn(reloader.run(asks)),
            tokio::spawn(tell_readiness(runtime.readiness(), health.clone())),
            tokio::spawn(heed_recalls(Arc::clone(&runtime), Arc::clone(&l2))),
        ];
        telemetry::serving(listen, admin, config_api, VERSION);
        Ok(Self {
            listen,
            admin,
            config_api,
            runtime,
            loads,
            health,
            is_stopping,
            stop,
            grpc,
            admin_pages,
            config_calls,
            background,
        })
    }

    /// Where checks and reports come in.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where health and metrics are served.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Where the configuration can be changed, if it can.
    pub fn config_api(&self) -> Option<SocketAddr> {
        self.config_api
    }

    /// Loads the configuration again, without waiting until somebody notices that it changed.
    pub fn reload(&self) {
        self.loads.ask();
    }

    /// Ends the server in order.
    pub async fn stop(mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        // First, so that nobody says "serving" again.
        for task in self.background {
            task.abort();
        }
        set_health(&self.health, false).await;
        self.runtime.end_news();
        self.stop.send_replace(Stage::Draining);
        if tokio::time::timeout(limits::DRAIN, &mut self.grpc).await.is_err() {
            telemetry::drain_timed_out();
            self.grpc.abort();
        }
        if let Some(calls) = self.config_calls {
            calls.abort();
        }
        // What is not written in time is lost; that it may be is in the documentation of the limit.
        let _ = tokio::time::timeout(limits::FLUSH, self.runtime.flush()).await;
        self.stop.send_replace(Stage::Over);
        if tokio::time::timeout(limits::FLUSH, &mut self.admin_pages).await.is_err() {
            self.admin_pages.abort();
        }
        telemetry::stopped();
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

fn serve_pages(
    name: &'static str,
    listener: TcpListener,
    pages: Router,
    until: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let pages = match listener.local_addr() {
        Ok(address) => guarded(pages, address),
        Err(_) => pages,
    };
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, pages).with_graceful_shutdown(until).await {
            telemetry::listener_failed(name, &error.to_string());
        }
    })
}

fn local(listener: &TcpListener, address: SocketAddr) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|source| StartError::Listen { address, source })
}

fn random() -> Result<[u8; 16], getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// The descriptions of all services, for whoever asks.
fn reflection() -> Result<ServerReflectionServer<impl ServerReflection>, tonic_reflection::server::Error> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
}

async fn reached(mut stage: watch::Receiver<Stage>, wanted: Stage) {
    // An error means that the server was dropped, which is an end too.
    let _ = stage.wait_for(|stage| *stage >= wanted).await;
}

async fn heed_recalls(runtime: Arc<Runtime>, l2: Arc<L2>) {
    runtime.heed_recalls(&l2).await;
}

/// Lets gRPC health follow the runtime.
async fn tell_readiness(mut is_ready: watch::Receiver<bool>, health: HealthReporter) {
    loop {
        let now = *is_ready.borrow_and_update();
        set_health(&health, now).await;
        if is_ready.changed().await.is_err() {
            return;
        }
    }
}

async fn set_health(health: &HealthReporter, is_serving: bool) {
    let status = if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    for service in ["", proto::path::SERVICE, proto::path::CHECKS_SERVICE, proto::path::FEED_SERVICE] {
        health.set_service_status(service, status).await;
    }
}
