//! The `mixer` binary as a process, and what its admin address tells.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::http::Client;
use crate::lines::Lines;
use crate::metrics::Metrics;
use crate::process::Process;
use crate::wait;

/// The size of L2 in the demo and in `docker-compose.yml`: plenty for one proxy.
const L2_ENTRIES: u64 = 100_000;

/// How to start one.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration tree.
    pub config: PathBuf,
    /// Where to listen; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where to serve health and metrics; port 0 lets the system choose.
    pub admin: SocketAddr,
    /// How many verdicts L2 holds; 0 turns it off.
    pub l2_entries: u64,
    /// The folder that adapters may write logs below, if any.
    pub log_root: Option<PathBuf>,
}

impl Options {
    /// What the demo starts, on loopback ports of the system's choice.
    pub fn new(config: impl Into<PathBuf>) -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            config: config.into(),
            listen: anywhere,
            admin: anywhere,
            l2_entries: L2_ENTRIES,
            log_root: None,
        }
    }

    /// The command line, as `docker-compose.yml` has it too.
    pub fn arguments(&self) -> Vec<String> {
        let text = |flag: &str, value: String| [flag.to_owned(), value];
        let log_root = self.log_root.iter();
        let log_root = log_root.flat_map(|root| text("--log-root", root.to_string_lossy().into_owned()));
        [
            vec!["serve".to_owned()],
            text("--config", self.config.to_string_lossy().into_owned()).to_vec(),
            text("--listen", self.listen.to_string()).to_vec(),
            text("--admin", self.admin.to_string()).to_vec(),
            text("--l2-entries", self.l2_entries.to_string()).to_vec(),
            log_root.collect(),
        ]
        .concat()
    }
}

/// A running server.
pub struct MixerServer {
    process: Process,
    listen: SocketAddr,
    admin: SocketAddr,
}

impl MixerServer {
    /// Starts `binary` and waits until it serves.
    ///
    /// # Errors
    /// When it ends or does not get ready in time; the message has its last words.
    pub async fn start(binary: &Path, options: &Options) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(options.arguments());
        let mut process = Process::spawn("mixer", command)?;
        let serving = process.stderr().wait_for("\"serving\"", serving_line).await;
        let Ok((listen, admin)) = serving else {
            process.still_runs()?;
            bail!("mixer does not say that it serves; its last words:\n{}", process.stderr().tail(30));
        };
        let server = Self { process, listen, admin };
        wait::until("mixer's readiness", async || {
            let answer = Client::http1(admin).get("/readyz").await.ok()?;
            answer.status.is_success().then_some(())
        })
        .await
        .with_context(|| server.process.stderr().tail(30))?;
        Ok(server)
    }

    /// Where it takes checks and reports.
    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    /// Where it serves health and metrics.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What it wrote on standard error.
    pub fn stderr(&self) -> &Lines {
        self.process.stderr()
    }

    /// Its metrics as of now.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self) -> Result<Metrics> {
        Ok(Metrics::new(Client::http1(self.admin).get("/metrics").await?.text()))
    }

    /// Waits until a metric has come to a value. What follows from a report comes a moment after it.
    ///
    /// # Errors
    /// When it has not in time; the message has the page.
    pub async fn wait_for_metric(&self, name: &str, labels: &[(&str, &str)], value: u64) -> Result<()> {
        let mut page = None;
        let reached = wait::until(&format!("{name} to be {value}"), async || {
            let metrics = self.metrics().await.ok()?;
            let count = metrics.count(name, labels);
            page = Some(metrics);
            (count == value).then_some(())
        })
        .await;
        reached.with_context(|| page.map_or_else(String::new, |page| page.text().to_owned()))
    }

    /// Waits for a line of the access log that `pick` accepts.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn wait_for_log(&self, what: &str, mut pick: impl FnMut(&Value) -> bool) -> Result<Value> {
        self.process
            .stdout()
            .wait_for(what, |line| {
                let entry: Value = serde_json::from_str(line).ok()?;
                (entry.get("logName").is_some() && pick(&entry)).then_some(entry)
            })
            .await
    }
}

/// The two addresses, if the line is the one that says that both sockets listen.
fn serving_line(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let address = |name: &str| entry[name].as_str()?.parse().ok();
    (entry["message"] == "serving").then_some(())?;
    Some((address("listen")?, address("admin")?))
}
