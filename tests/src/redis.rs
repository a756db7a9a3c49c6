//! A Redis of a stack's own, for quotas that several servers count together.

use std::ffi::OsString;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::process::Process;
use crate::wait;

/// The environment variable with the program.
const REDIS: &str = "MIXER_REDIS";

/// How many ports are tried: one that is free now may be taken a moment later.
const TRIES: usize = 10;

/// A running `redis-server`, which keeps nothing on disk.
pub struct Redis {
    address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Redis {
    /// Starts the program of the environment; prints that the test does not run and gives nothing if there is none.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn or_skip() -> Result<Option<Self>> {
        let Some(program) = std::env::var_os(REDIS).filter(|program| !program.is_empty()) else {
            println!("skipped: {REDIS} is not set; `cargo xtask test` sets it");
            return Ok(None);
        };
        for _ in 0..TRIES {
            if let Ok(redis) = Self::start(&program).await {
                return Ok(Some(redis));
            }
        }
        anyhow::bail!("{} does not start", program.display())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    async fn start(program: &OsString) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mixer-redis-").tempdir()?;
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(program);
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]);
        command.arg(address.port().to_string()).arg("--dir").arg(folder.path());
        let mut process = Process::spawn("redis-server", command)?;
        wait::until("Redis", async || match process.still_runs() {
            Err(ended) => Some(Err(ended)),
            Ok(()) => ping(address).await.ok().map(Ok),
        })
        .await??;
        Ok(Self { address, _process: process, _folder: folder })
    }
}

async fn ping(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).await?;
    (answer == *b"+PONG\r\n").then_some(()).context("it does not say PONG")
}
