//! The real Envoy as a process, and what its admin interface tells.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use crate::bootstrap::Bootstrap;
use crate::http::Client;
use crate::process::Process;
use crate::wait;

/// A running Envoy.
pub struct Envoy {
    process: Process,
    admin: SocketAddr,
    listener: SocketAddr,
}

impl Envoy {
    /// Starts `binary` with a bootstrap and waits until it serves. Files go to `folder`.
    ///
    /// # Errors
    /// When it refuses the bootstrap (the message has its last words) or does not get ready in time.
    pub async fn start(
        binary: &Path,
        bootstrap: &Bootstrap,
        concurrency: u32,
        folder: &Path,
    ) -> Result<Self> {
        let port_file = folder.join("envoy-admin-address");
        // What an earlier Envoy left there would be taken for this one's address.
        if port_file.exists() {
            std::fs::remove_file(&port_file)?;
        }
        let mut command = command(binary, bootstrap, folder)?;
        command.arg("--concurrency").arg(concurrency.to_string()).arg("--admin-address-path").arg(&port_file);
        let mut process = Process::spawn("Envoy", command)?;

        let admin = wait::until("Envoy's admin address", async || {
            if let Err(ended) = process.still_runs() {
                return Some(Err(ended));
            }
            std::fs::read_to_string(&port_file).ok()?.trim().parse().ok().map(Ok)
        })
        .await??;
        wait::until("Envoy's readiness", async || {
            if let Err(ended) = process.still_runs() {
                return Some(Err(ended));
            }
            let answer = Client::http1(admin).get("/ready").await.ok()?;
            answer.status.is_success().then_some(Ok(()))
        })
        .await
        .with_context(|| process.stderr().tail(30))??;
        let listener = first_listener(admin).await?;
        Ok(Self { process, admin, listener })
    }

    /// Lets `binary` judge a bootstrap without serving (`--mode validate`).
    ///
    /// # Errors
    /// When it cannot be started; a refusal is in the output.
    pub async fn validate(binary: &Path, bootstrap: &Bootstrap, folder: &Path) -> Result<Output> {
        let mut command = command(binary, bootstrap, folder)?;
        command.args(["--mode", "validate"]).kill_on_drop(true);
        tokio::time::timeout(wait::PATIENCE, command.output())
            .await
            .context("Envoy did not come to a judgement")?
            .context("Envoy cannot be started")
    }

    /// Where it takes requests.
    pub fn address(&self) -> SocketAddr {
        self.listener
    }

    /// Where its admin interface listens.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// A counter of the filter, `mixer_filter.NAME`; 0 if it was never touched.
    ///
    /// # Errors
    /// When Envoy does not answer.
    pub async fn counter(&self, name: &str) -> Result<u64> {
        let stats = Client::http1(self.admin).get("/stats?format=json&filter=mixer_filter").await?.json()?;
        let suffix = format!("mixer_filter.{name}");
        let found = stats["stats"].as_array().into_iter().flatten();
        Ok(found
            .filter(|stat| {
                stat["name"]
                    .as_str()
                    .is_some_and(|full| full == suffix || full.ends_with(&format!(".{suffix}")))
            })
            .filter_map(|stat| stat["value"].as_u64())
            .sum())
    }

    /// Waits until a counter of the filter has reached a value, and no more than that.
    ///
    /// # Errors
    /// When it did not in time, or went past it.
    pub async fn wait_for_counter(&self, name: &str, value: u64) -> Result<()> {
        let mut last = 0;
        let reached = wait::until(&format!("{name} to be {value}"), async || {
            last = self.counter(name).await.ok()?;
            (last >= value).then_some(last)
        })
        .await;
        match reached {
            Ok(last) if last == value => Ok(()),
            Ok(last) => bail!("{name} is {last}, past {value}"),
            Err(error) => Err(error.context(format!("{name} is {last}"))),
        }
    }
}

fn command(binary: &Path, bootstrap: &Bootstrap, folder: &Path) -> Result<Command> {
    let file = folder.join("envoy.json");
    std::fs::write(&file, bootstrap.to_text())?;
    let mut command = Command::new(binary);
    // Hot restart is about shared memory between generations of one Envoy; here many live side by side.
    command.arg("--config-path").arg(file).args([
        "--disable-hot-restart",
        "--log-level",
        "warning",
        "--component-log-level",
        "wasm:info",
        // How long a listener that goes lives on for its connections; Envoy's own default is ten minutes.
        "--drain-time-s",
        "1",
    ]);
    Ok(command)
}

/// The address that the system chose for the first listener.
async fn first_listener(admin: SocketAddr) -> Result<SocketAddr> {
    wait::until("Envoy's listener", async || {
        let answer = Client::http1(admin).get("/listeners?format=json").await.ok()?.json().ok()?;
        let address = &answer["listener_statuses"][0]["local_address"]["socket_address"];
        let ip = address["address"].as_str()?.parse().ok()?;
        Some(SocketAddr::new(ip, u16::try_from(address["port_value"].as_u64()?).ok()?))
    })
    .await
}
