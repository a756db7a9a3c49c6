//! Servers that do nothing, for what others have to be measured beside.

mod application;
mod envoy;

use std::net::SocketAddr;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use proto::v1::mixer_server::{Mixer, MixerServer};
use proto::v1::{CheckRequest, CheckResponse, ReportRequest, ReportResponse};
use tests::process::Process;
use tokio::net::TcpListener;
use tokio::process::Command;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::size;

/// What a process of ours stands for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Stub {
    /// A tonic server whose calls are empty: the request is decoded, and the answer is an empty message.
    Empty,
    /// An external authoriser that allows everything.
    Authorizer,
    /// A rate limit service whose limits nobody reaches.
    RateLimiter,
    /// A sink of Envoy's gRPC access log.
    LogSink,
    /// An application: the same short answer to each request, over HTTP/1.1.
    Application,
    /// No server: says how many bytes a full L2 takes, and ends.
    FullL2,
}

/// One that runs.
pub(crate) struct Running {
    process: Process,
    address: SocketAddr,
}

impl Stub {
    /// Serves until the process is ended; the address goes to standard output.
    pub(crate) fn serve(self) -> Result<()> {
        // As the server that it stands beside: as many threads as there are cores to use.
        let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        threads.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            println!("{}", listener.local_addr()?);
            let service = match self {
                Self::Empty => Routes::new(MixerServer::new(Empty)),
                Self::Authorizer => envoy::routes(envoy::Authorizer),
                Self::RateLimiter => envoy::routes(envoy::RateLimiter),
                Self::LogSink => envoy::routes(envoy::LogSink),
                Self::Application => return application::serve(&listener).await,
                Self::FullL2 => {
                    println!("{}", size::grown_by_l2()?);
                    return Ok(());
                }
            };
            // As tonic has it where it listens itself.
            let connections = TcpIncoming::from(listener).with_nodelay(Some(true));
            Ok(Server::builder().add_routes(service).serve_with_incoming(connections).await?)
        })
    }

    /// Starts it on the cores of this thread.
    pub(crate) async fn start(self) -> Result<Running> {
        let process = self.spawn()?;
        let address = process.stdout().wait_for("its address", |line| line.parse().ok()).await?;
        Ok(Running { process, address })
    }

    /// Starts one that says a single thing, and hears it.
    pub(crate) async fn ask<T: FromStr>(self) -> Result<T> {
        self.spawn()?.stdout().wait_for("what it says", |line| line.parse().ok()).await
    }

    fn spawn(self) -> Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        let value = self.to_possible_value().context("every stub has a name")?;
        command.args(["--stub", value.get_name()]);
        Process::spawn("a stub", command)
    }
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn id(&self) -> Option<u32> {
        self.process.id()
    }
}

struct Empty;

#[tonic::async_trait]
impl Mixer for Empty {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(CheckResponse::default()))
    }

    async fn report(&self, _: Request<ReportRequest>) -> Result<Response<ReportResponse>, Status> {
        Ok(Response::new(ReportResponse::default()))
    }
}
