//! A whole stack: upstream, Mixer (the server or a scripted one) and Envoy, wired together.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tempfile::TempDir;

use crate::bootstrap::Bootstrap;
use crate::envoy::Envoy;
use crate::http::Client;
use crate::mixer::{MixerServer, Options};
use crate::paths;
use crate::programs::Programs;
use crate::scripted::ScriptedMixer;
use crate::upstream::Upstream;

/// Set to show what the programs said whenever a stack ends.
const LOGS: &str = "MIXER_LOGS";

/// How much of it.
const LOG_LINES: usize = 60;

/// What answers Envoy's checks.
#[expect(clippy::large_enum_variant, reason = "there is one of them in each stack")]
pub enum Backend {
    /// The `mixer` binary.
    Server(MixerServer),
    /// A scripted Mixer.
    Scripted(ScriptedMixer),
    /// Nothing yet, at this address.
    Nobody(SocketAddr),
}

/// Parts of a stack before it runs.
#[must_use = "a plan does nothing until it is started"]
pub struct Plan {
    programs: Programs,
    bootstrap: Bootstrap,
    options: Options,
    backend: Choice,
    concurrency: u32,
    has_changing_listeners: bool,
}

enum Choice {
    Server,
    Scripted,
    Nobody,
}

impl Plan {
    /// Changes the filter's configuration.
    pub fn plugin(mut self, edit: impl FnOnce(&mut Value)) -> Self {
        self.bootstrap = self.bootstrap.edit_plugin(edit);
        self
    }

    /// Puts a route before the others.
    pub fn route(mut self, route: &Value) -> Self {
        self.bootstrap = self.bootstrap.with_route(route);
        self
    }

    /// Lets the server use another configuration tree.
    pub fn config(mut self, tree: PathBuf) -> Self {
        self.options.config = tree;
        self
    }

    /// Lets adapters of the server write logs below a folder.
    pub fn log_root(mut self, folder: PathBuf) -> Self {
        self.options.log_root = Some(folder);
        self
    }

    /// Sets the size of the server's cache; 0 turns it off.
    pub fn l2_entries(mut self, entries: u64) -> Self {
        self.options.l2_entries = entries;
        self
    }

    /// Sets the number of Envoy's workers.
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.concurrency = workers;
        self
    }

    /// Lets Envoy's listeners change while it runs: [`Stack::change_listeners`].
    pub fn changing_listeners(mut self) -> Self {
        self.has_changing_listeners = true;
        self
    }

    /// A scripted Mixer in place of the server.
    pub fn scripted(mut self) -> Self {
        self.backend = Choice::Scripted;
        self
    }

    /// No Mixer at all, until a test starts one at the address.
    pub fn without_mixer(mut self) -> Self {
        self.backend = Choice::Nobody;
        self
    }

    /// Starts everything and waits until all of it is ready.
    ///
    /// # Errors
    /// When a part cannot be started; the message has its last words.
    pub async fn start(self) -> Result<Stack> {
        let folder = tempfile::Builder::new().prefix("mixer-stack-").tempdir()?;
        let upstream = Upstream::start().await?;
        let backend = match self.backend {
            Choice::Server => {
                Backend::Server(MixerServer::start(&self.programs.server, &self.options).await?)
            }
            Choice::Scripted => Backend::Scripted(ScriptedMixer::start().await?),
            Choice::Nobody => Backend::Nobody(unused_address()?),
        };
        let mixer_address = match &backend {
            Backend::Server(server) => server.address(),
            Backend::Scripted(mixer) => mixer.address(),
            Backend::Nobody(address) => *address,
        };
        let bootstrap = self
            .bootstrap
            .on_loopback()
            .with_module(&self.programs.filter)
            .with_cluster("mixer", mixer_address)?
            .with_cluster("upstream", upstream.address())?;
        let started = bootstrap.clone();
        let started =
            if self.has_changing_listeners { started.with_listeners_in(folder.path())? } else { started };
        let envoy = Envoy::start(&self.programs.envoy, &started, self.concurrency, folder.path()).await?;
        Ok(Stack {
            envoy,
            bootstrap,
            backend,
            upstream,
            programs: self.programs,
            options: self.options,
            folder,
        })
    }
}

/// A running stack. Dropping it ends everything.
pub struct Stack {
    // In the order of ending: who asks ends before who is asked.
    /// Envoy with the filter.
    pub envoy: Envoy,
    backend: Backend,
    /// The application.
    pub upstream: Upstream,
    programs: Programs,
    options: Options,
    bootstrap: Bootstrap,
    folder: TempDir,
}

impl Stack {
    /// The stack of the demo: `envoy/demo.yaml`, the server with `config/demo`.
    ///
    /// # Errors
    /// When the bootstrap cannot be loaded.
    pub fn plan(programs: Programs) -> Result<Plan> {
        Ok(Plan {
            programs,
            bootstrap: Bootstrap::load("demo")?,
            options: Options::new(paths::config("demo")),
            backend: Choice::Server,
            concurrency: 1,
            has_changing_listeners: false,
        })
    }

    /// Gives Envoy other listeners than it has. They need [`Plan::changing_listeners`].
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn change_listeners(&self, change: impl FnOnce(Bootstrap) -> Bootstrap) -> Result<()> {
        change(self.bootstrap.clone()).write_listeners(self.folder.path())
    }

    /// An HTTP/1.1 client to Envoy.
    pub fn client(&self) -> Client {
        Client::http1(self.envoy.address())
    }

    /// The server.
    ///
    /// # Errors
    /// When this stack has none.
    pub fn server(&self) -> Result<&MixerServer> {
        match &self.backend {
            Backend::Server(server) => Ok(server),
            _ => anyhow::bail!("this stack has no server"),
        }
    }

    /// The scripted Mixer.
    ///
    /// # Errors
    /// When this stack has none.
    pub fn scripted(&self) -> Result<&ScriptedMixer> {
        match &self.backend {
            Backend::Scripted(mixer) => Ok(mixer),
            _ => anyhow::bail!("this stack has no scripted Mixer"),
        }
    }

    /// Starts the server where Envoy has been looking for one in vain.
    ///
    /// # Errors
    /// When it cannot be started, or one runs already.
    pub async fn start_server(&mut self) -> Result<()> {
        let Backend::Nobody(listen) = self.backend else { anyhow::bail!("a Mixer runs already") };
        let options = Options { listen, ..self.options.clone() };
        self.backend = Backend::Server(MixerServer::start(&self.programs.server, &options).await?);
        Ok(())
    }

    /// Ends the server by SIGTERM and waits until it is gone; Envoy goes on looking for one at its address.
    ///
    /// # Errors
    /// When this stack has none, or it does not end in time or with a failure.
    pub async fn stop_server(&mut self) -> Result<()> {
        let Backend::Server(server) = &mut self.backend else { anyhow::bail!("this stack has no server") };
        let status = server.process().terminate().await?;
        let last_words = server.process().stderr().tail(20);
        anyhow::ensure!(status.success(), "mixer ended with {status}:\n{last_words}");
        self.backend = Backend::Nobody(server.address());
        Ok(())
    }

    /// Ends Envoy, then the server, each by SIGTERM, and waits until both are gone.
    ///
    /// # Errors
    /// When one of them does not end in time, or ends with a failure.
    pub async fn stop(mut self) -> Result<()> {
        let status = self.envoy.process().terminate().await?;
        anyhow::ensure!(status.success(), "Envoy ended with {status}");
        if matches!(self.backend, Backend::Server(_)) {
            self.stop_server().await?;
        }
        Ok(())
    }
}

impl Drop for Stack {
    /// A test that fails shows what the programs said; `MIXER_LOGS=1` shows it always.
    fn drop(&mut self) {
        if !std::thread::panicking() && std::env::var_os(LOGS).is_none() {
            return;
        }
        println!("--- Envoy said:\n{}", self.envoy.process().stderr().tail(LOG_LINES));
        if let Backend::Server(server) = &mut self.backend {
            println!("--- mixer said:\n{}", server.process().stderr().tail(LOG_LINES));
        }
    }
}

/// A loopback address that nobody listens on.
fn unused_address() -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("no loopback port is free")?;
    Ok(listener.local_addr()?)
}
