//! runtime: the configuration in force, and how it comes and goes.
//!
//! Between the configuration's files and the requests. A change is read whole, loaded by [`policy`], its handlers are
//! built, and only then one pointer is swapped; a request keeps what it began with, and the last one drops it. A
//! configuration that is refused changes nothing but a counter. Handlers whose block did not change live on with
//! their state.
//!
//! Invariant: as long as there is no configuration, nothing is allowed – [`Runtime::active`] gives the reason.

mod dispatch;
mod reload;
mod report;
mod tree;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use checkcache::Revision;
use policy::{Diagnostic, HandlerConfig, Loaded, Snapshot, SourceFile};
use thiserror::Error;
use tokio::sync::watch;

pub(crate) use self::dispatch::panic_message;
pub use self::dispatch::{Decision, check};
pub use self::reload::Reloader;
pub use self::report::{Failures, Reporter};
pub(crate) use self::tree::read_bounded;
pub use self::tree::{InvalidTree, read_tree};
use crate::adapters::{self, Handler, InvalidHandler, MetricRegistry, Surroundings};
use crate::telemetry::{self, Telemetry};

/// The configuration in force and everything that is swapped with it.
pub struct Runtime {
    state: ArcSwap<State>,
    /// Whether there is a configuration; whoever subscribes hears of the first one.
    is_ready: watch::Sender<bool>,
    /// One load at a time.
    loading: Mutex<()>,
    options: policy::Options,
    surroundings: Surroundings,
}

enum State {
    Unconfigured(Unconfigured),
    Active(Arc<Active>),
}

/// A snapshot with its handlers.
pub struct Active {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// A handler for each of the snapshot's blocks, at the same position.
    handlers: Vec<Slot>,
}

/// A block that came alive.
#[derive(Clone)]
pub(crate) struct Slot {
    config: HandlerConfig,
    handler: Arc<dyn Handler>,
}

/// There is no configuration yet.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("configuration is not yet available: {reason}")]
pub struct Unconfigured {
    /// Why not.
    pub reason: String,
}

/// A configuration was refused.
#[derive(Debug, Error)]
pub enum InvalidConfig {
    /// The tree cannot be read.
    #[error(transparent)]
    Tree(#[from] InvalidTree),
    /// The documents have errors.
    #[error("{count} errors, the first is: {first}")]
    Documents {
        /// How many.
        count: usize,
        /// The first.
        first: Box<Diagnostic>,
    },
    /// A block cannot come alive.
    #[error(transparent)]
    Handler(#[from] InvalidHandler),
    /// There is no snapshot and no reason. Loading does not let this happen.
    #[error("loading gave neither a configuration nor a reason")]
    Nothing,
}

// === impl Runtime ===

impl Runtime {
    /// A runtime without a configuration. Files that blocks name are below `root`.
    pub fn new(root: PathBuf, options: policy::Options, telemetry: Arc<Telemetry>) -> Self {
        let unconfigured = Unconfigured { reason: "it was not loaded yet".to_owned() };
        Self {
            state: ArcSwap::from_pointee(State::Unconfigured(unconfigured)),
            is_ready: watch::Sender::new(false),
            loading: Mutex::new(()),
            options,
            surroundings: Surroundings { root, telemetry, metrics: Arc::new(MetricRegistry::default()) },
        }
    }

    /// The configuration in force.
    pub fn active(&self) -> Result<Arc<Active>, Unconfigured> {
        match &**self.state.load() {
            State::Unconfigured(why) => Err(why.clone()),
            State::Active(active) => Ok(Arc::clone(active)),
        }
    }

    /// Whether there is a configuration, now and from now on.
    pub fn readiness(&self) -> watch::Receiver<bool> {
        self.is_ready.subscribe()
    }

    /// What the `prometheus` adapter measured.
    pub fn metrics(&self) -> &MetricRegistry {
        &self.surroundings.metrics
    }

    /// Loads files and puts them in force, or counts and says why not.
    ///
    /// Must run within an asynchronous runtime: handlers may begin work of their own.
    pub fn load(&self, files: Result<Vec<SourceFile>, InvalidTree>) -> Result<Revision, InvalidConfig> {
        let _one_at_a_time = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.active().ok();
        match files.map_err(InvalidConfig::from).and_then(|files| self.prepare(&files, before.as_deref())) {
            Ok((active, warnings, files)) => Ok(self.put_in_force(active, warnings, files)),
            Err(error) => {
                let reason = error.to_string();
                let kept = before.map(|active| active.snapshot.revision());
                self.surroundings.telemetry.config_refused(&reason, kept);
                if kept.is_none() {
                    self.state.store(Arc::new(State::Unconfigured(Unconfigured { reason })));
                }
                Err(error)
            }
        }
    }

    /// Writes out what the handlers hold.
    pub async fn flush(&self) {
        if let Ok(active) = self.active() {
            futures::future::join_all(active.handlers.iter().map(|slot| slot.handler.flush())).await;
        }
    }

    /// Everything about a change that can fail. Nothing of it is in force yet.
    fn prepare(
        &self,
        files: &[SourceFile],
        before: Option<&Active>,
    ) -> Result<(Active, usize, usize), InvalidConfig> {
        let loaded = policy::load(files, &adapters::infos(), &self.options);
        let Loaded { snapshot: Some(snapshot), diagnostics } = loaded else {
            return Err(refusal(&loaded));
        };
        for warning in &diagnostics {
            telemetry::config_warning(&warning.to_string());
        }
        let handlers = snapshot
            .handlers()
            .iter()
            .map(|config| {
                let kept =
                    before.and_then(|before| before.handlers.iter().find(|slot| slot.config == *config));
                let handler = match kept {
                    Some(slot) => Arc::clone(&slot.handler),
                    None => adapters::build(config, &self.surroundings)?,
                };
                Ok(Slot { config: config.clone(), handler })
            })
            .collect::<Result<_, InvalidHandler>>()?;
        Ok((Active { snapshot, handlers }, diagnostics.len(), files.len()))
    }

    fn put_in_force(&self, active: Active, warnings: usize, files: usize) -> Revision {
        let revision = active.snapshot.revision();
        // First, so that the first request under the new configuration finds its metrics defined.
        self.surroundings.metrics.define(active.snapshot.metrics());
        for slot in &active.handlers {
            slot.handler.in_force();
        }
        self.state.store(Arc::new(State::Active(Arc::new(active))));
        self.surroundings.telemetry.config_loaded(revision, files, warnings);
        self.is_ready.send_replace(true);
        revision
    }
}

fn refusal(loaded: &Loaded) -> InvalidConfig {
    match loaded.errors().next() {
        Some(first) => {
            InvalidConfig::Documents { count: loaded.errors().count(), first: Box::new(first.clone()) }
        }
        None => InvalidConfig::Nothing,
    }
}
