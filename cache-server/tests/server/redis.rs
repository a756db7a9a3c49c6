//! A real Redis for one test, empty and on a port of its own.

use std::net::TcpListener;
use std::process::Stdio;

use redis::aio::MultiplexedConnection;
use redis::{AsyncTypedCommands as _, Client};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::harness::PATIENCE;

/// How often another port is tried when somebody else was faster.
const TRIES: usize = 10;

pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl RedisServer {
    /// A Redis on a free port; `None`, with a line that says so, on a machine without one.
    pub(crate) async fn start() -> Option<Self> {
        for _ in 0..TRIES {
            let port = free_port();
            if let Some(started) = Self::start_at(port).await? {
                return Some(started);
            }
        }
        panic!("redis-server finds no free port");
    }

    /// A Redis on this port; without one inside if somebody else has the port.
    pub(crate) async fn start_at(port: u16) -> Option<Option<Self>> {
        let folder = tempfile::tempdir().unwrap();
        let spawned = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("skipped: there is no redis-server, `cargo xtask setup` installs it");
                return None;
            }
            Err(error) => panic!("redis-server: {error}"),
        };
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_up = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains("Ready to accept connections") {
                    return true;
                }
            }
            false
        });
        let is_up = is_up.await.expect("redis-server does not start");
        // What else it says must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Some(is_up.then_some(Self { child, port, _folder: folder }))
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/2", self.port)
    }

    pub(crate) async fn connect(&self) -> MultiplexedConnection {
        Client::open(self.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    /// Sets keys to texts.
    pub(crate) async fn set(&self, texts: &[(&str, &str)]) {
        let mut connection = self.connect().await;
        for (key, text) in texts {
            connection.set(*key, *text).await.unwrap();
        }
    }

    /// Ends it, and all that it holds.
    pub(crate) async fn stop(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
