//! A Redis of a test's own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{Client, ConnectionAddr, FromRedisValue};
use tempfile::TempDir;
use tokio::time::Instant;

/// The environment variable with the program.
const REDIS: &str = "MIXER_REDIS";

/// How long anything may take before a test gives up. It is only ever spent on failure.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How often is looked meanwhile.
const PACE: Duration = Duration::from_millis(10);

/// A `redis-server` that ends with its owner.
pub(super) struct RedisServer {
    program: PathBuf,
    flags: Vec<&'static str>,
    folder: TempDir,
    port: u16,
    child: Child,
}

impl RedisServer {
    /// Starts one, or prints why the test does not run.
    pub(super) async fn or_skip() -> Option<Self> {
        Self::with(&[]).await
    }

    /// Starts one with flags.
    pub(super) async fn with(flags: &[&'static str]) -> Option<Self> {
        let program = program()?;
        // A port that is free now may be taken a moment later; then there is another.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let folder = tempfile::tempdir().unwrap();
            let child = start(&program, flags, folder.path(), port);
            let mut server = Self { program: program.clone(), flags: flags.to_vec(), folder, port, child };
            if server.comes_up().await {
                return Some(server);
            }
        }
        panic!("{} does not start", program.display());
    }

    /// Its address with TCP.
    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its address in the file system, which nobody else can take while it is down.
    pub(super) fn socket(&self) -> String {
        self.folder.path().join("redis.sock").to_str().unwrap().to_owned()
    }

    /// Ends it at once, as a crash would.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, at the same socket.
    pub(super) async fn restart(&mut self) {
        self.child = start(&self.program, &self.flags, self.folder.path(), self.port);
        assert!(self.comes_up().await, "the server does not start again");
    }

    /// Sends it a command of words.
    pub(super) async fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_command(words).await.unwrap()
    }

    async fn try_command<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let client = Client::open(ConnectionAddr::Unix(PathBuf::from(self.socket())))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut command = redis::Cmd::new();
        command.arg(words);
        command.query_async(&mut connection).await
    }

    /// Waits until it answers; `false` if it ended.
    async fn comes_up(&mut self) -> bool {
        until("Redis to answer", async || {
            if self.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            // An error such as that a password is needed is an answer too.
            match self.try_command::<String>(&["PING"]).await {
                Err(error) if error.is_io_error() => None,
                Ok(_) | Err(_) => Some(true),
            }
        })
        .await
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again until there is a value.
pub(super) async fn until<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        tokio::time::sleep(PACE).await;
    }
}

fn start(program: &Path, flags: &[&str], folder: &Path, port: u16) -> Child {
    Command::new(program)
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--unixsocket", "redis.sock"])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(folder)
        .args(flags)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The program that the environment names, or the one on the path.
fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(REDIS) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|folder| folder.join("redis-server")).find(|file| file.exists());
    if found.is_none() {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        println!(
            "skipped {test}: there is no redis-server and {REDIS} is not set; `cargo xtask test` sets it"
        );
    }
    found
}
