//! runtime: the configuration in force, and how it comes and goes.
//!
//! Between the configuration's files and the requests. A change is read whole, loaded by [`policy`], its handlers are
//! built, and only then one pointer is swapped; a request keeps what it began with, and the last one drops it. A
//! configuration that is refused changes nothing but a counter. Handlers whose block did not change live on with
//! their state; the others end with their last request.
//!
//! Invariants: as long as there is no configuration, nothing is allowed – [`Runtime::active`] gives the reason. What is
//! in force is announced after it came into force, so that whoever hears of it and asks is answered under it.

mod demand;
mod dispatch;
mod edit;
#[cfg(test)]
pub(crate) mod fixture;
mod history;
mod preprocess;
mod quota;
mod reload;
mod report;
mod slot;
mod store;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use checkcache::Revision;
use policy::{Diagnostic, Severity, Snapshot, SourceFile};
use thiserror::Error;
use tokio::sync::watch;

use self::demand::Demands;
pub use self::dispatch::{Decision, check};
pub(crate) use self::dispatch::{now, panic_message};
pub use self::edit::{Condition, EditError, Editor, Stored};
pub use self::history::{History, LoadedConfig, Refusal};
pub use self::preprocess::{Preprocessed, preprocess};
pub use self::quota::{Allocation, Asked, allocate, limit};
pub use self::reload::{Asks, LoadError, Loads, Reloader};
pub use self::report::{Failures, Reporter, Told, told};
use self::slot::Endings;
pub(crate) use self::slot::Slot;
pub(crate) use self::store::read_bounded;
pub use self::store::{
    InvalidName, InvalidTree, Key, Pair, Redis, RedisAddress, Store, StoreAddress, read_tree,
};
use crate::adapters::{self, InvalidHandler, MetricRegistry, Recall, Surroundings};
use crate::l2::L2;
use crate::limits;
use crate::telemetry::{self, Telemetry};

/// The configuration in force and everything that is swapped with it.
pub struct Runtime {
    state: ArcSwap<State>,
    /// Whether there is a configuration; whoever subscribes hears of the first one.
    is_ready: watch::Sender<bool>,
    news: watch::Sender<News>,
    /// One load at a time.
    loading: Mutex<()>,
    history: Mutex<History>,
    endings: Endings,
    options: policy::Options,
    surroundings: Surroundings,
}

enum State {
    Unconfigured(Unconfigured),
    Active(Arc<Active>),
}

/// What proxies must hear of without asking. Who listens slowly hears of the latest only.
#[derive(Clone, Default)]
pub struct News {
    /// The configuration in force.
    pub active: Option<Arc<Active>>,
    /// How often caches were to be dropped.
    pub drops: u64,
    /// There will be no more news.
    pub is_over: bool,
}

/// What became of dropping the caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// Verdicts that were in L2.
    pub verdicts: usize,
    /// Listeners that are told.
    pub watchers: usize,
    /// How often it has been done.
    pub drops: u64,
}

/// A snapshot with its handlers.
pub struct Active {
    /// The snapshot.
    pub snapshot: Snapshot,
    demands: Demands,
    /// A handler for each of the snapshot's blocks, at the same position.
    handlers: Vec<Slot>,
}

/// A change of which nothing is in force yet, and that cannot fail any more.
struct Prepared {
    active: Active,
    warnings: Vec<Diagnostic>,
    files: usize,
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
    #[error("{}", summary(.0))]
    Documents(Vec<Diagnostic>),
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
            news: watch::Sender::default(),
            loading: Mutex::new(()),
            history: Mutex::default(),
            endings: Endings::default(),
            options,
            surroundings: Surroundings {
                root,
                telemetry,
                metrics: Arc::new(MetricRegistry::default()),
                log_root: None,
                recall: Recall::default(),
            },
        }
    }

    /// The same, with a folder that logs may be written below.
    #[must_use]
    pub fn with_log_root(mut self, log_root: Option<PathBuf>) -> Self {
        self.surroundings.log_root = log_root;
        self
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

    /// Listens to the news, the present ones first; `None` if too many do.
    pub fn listen(&self) -> Option<watch::Receiver<News>> {
        let mut news = self.news.subscribe();
        news.mark_changed();
        // Counted after it was added, so that of several at once rather all are turned away than one too many stays.
        (self.watchers() <= limits::WATCHERS).then_some(news)
    }

    /// How many listen to the news.
    pub fn watchers(&self) -> usize {
        self.news.receiver_count()
    }

    /// How often caches were to be dropped.
    pub fn drops(&self) -> u64 {
        self.news.borrow().drops
    }

    /// Forgets every verdict, here and in all proxies that listen.
    pub fn drop_caches(&self, l2: &L2) -> Dropped {
        // First here, so that a proxy that heard of it does not get an old verdict again.
        let verdicts = l2.clear();
        self.news.send_modify(|news| news.drops += 1);
        let dropped = Dropped { verdicts, watchers: self.watchers(), drops: self.drops() };
        telemetry::caches_dropped(dropped.verdicts, dropped.watchers);
        dropped
    }

    /// Forgets every verdict each time that a handler recalls answers. Never ends.
    pub async fn heed_recalls(&self, l2: &L2) {
        loop {
            self.surroundings.recall.is_due().await;
            self.drop_caches(l2);
            tokio::time::sleep(limits::RECALL_PAUSE).await;
        }
    }

    /// Ends the news, which otherwise would keep connections open.
    pub fn end_news(&self) {
        self.news.send_modify(|news| news.is_over = true);
    }

    /// Where is counted what happens.
    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.surroundings.telemetry
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
            Ok(prepared) => Ok(self.put_in_force(prepared)),
            Err(error) => {
                let reason = error.to_string();
                self.history().refuse(now(), reason.clone(), error.diagnostics().to_vec());
                let kept = before.map(|active| active.snapshot.revision());
                self.surroundings.telemetry.config_refused(&reason, kept);
                if kept.is_none() {
                    self.state.store(Arc::new(State::Unconfigured(Unconfigured { reason })));
                }
                Err(error)
            }
        }
    }

    /// Says what would be wrong with files if they were loaded now: their warnings, or why they would be refused.
    pub fn examine(&self, files: &[SourceFile]) -> Result<Vec<Diagnostic>, InvalidConfig> {
        let before = self.active().ok();
        self.prepare(files, before.as_deref()).map(|prepared| prepared.warnings)
    }

    /// How the configuration came to be what it is.
    pub fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes out what the handlers hold, also those that are not in force any more.
    pub async fn flush(&self) {
        if let Ok(active) = self.active() {
            futures::future::join_all(active.handlers.iter().map(Slot::flush)).await;
        }
        self.endings.wait().await;
    }

    /// Everything about a change that can fail. Nothing of it is in force yet.
    fn prepare(&self, files: &[SourceFile], before: Option<&Active>) -> Result<Prepared, InvalidConfig> {
        let loaded = policy::load(files, &adapters::infos(), &self.options);
        let warnings = loaded.diagnostics;
        let Some(snapshot) = loaded.snapshot else {
            return Err(if warnings.is_empty() {
                InvalidConfig::Nothing
            } else {
                InvalidConfig::Documents(warnings)
            });
        };
        let handlers = snapshot
            .handlers()
            .iter()
            .map(|config| {
                let kept =
                    before.and_then(|before| before.handlers.iter().find(|slot| slot.config == *config));
                match kept {
                    Some(slot) => Ok(slot.clone()),
                    None => {
                        let handler = adapters::build(config, &self.surroundings)?;
                        Ok(Slot::new(config.clone(), handler, &self.endings))
                    }
                }
            })
            .collect::<Result<_, InvalidHandler>>()?;
        let demands =
            Demands::after(before.map(|active| &active.demands), snapshot.revision(), snapshot.demand());
        Ok(Prepared { active: Active { snapshot, demands, handlers }, warnings, files: files.len() })
    }

    fn put_in_force(&self, prepared: Prepared) -> Revision {
        let Prepared { active, warnings, files } = prepared;
        let revision = active.snapshot.revision();
        for warning in &warnings {
            telemetry::config_warning(&warning.to_string());
        }
        // First, so that the first request under the new configuration finds its metrics defined.
        self.surroundings.metrics.define(active.snapshot.metrics());
        for slot in &active.handlers {
            slot.in_force();
        }
        let active = Arc::new(active);
        self.state.store(Arc::new(State::Active(Arc::clone(&active))));
        self.surroundings.telemetry.config_loaded(revision, files, warnings.len());
        self.history().load(LoadedConfig { at: now(), files, warnings });
        self.news.send_if_modified(|news| {
            let before = news.active.replace(active);
            before.is_none_or(|before| before.snapshot.revision() != revision)
        });
        self.is_ready.send_replace(true);
        revision
    }
}

// === impl Active ===

impl Active {
    /// Whether a check is answered as if all attributes were there, if those were left out that no check reads under
    /// some revision.
    pub fn covers_check(&self, revision: Revision) -> bool {
        self.demands.cover_check(revision)
    }

    /// As [`covers_check`](Self::covers_check), of reports.
    pub fn covers_report(&self, revision: Revision) -> bool {
        self.demands.cover_report(revision)
    }
}

// === impl InvalidConfig ===

impl InvalidConfig {
    /// Everything that was found, if there is more to say than the one line that the error is.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Documents(diagnostics) => diagnostics,
            Self::Tree(_) | Self::Handler(_) | Self::Nothing => &[],
        }
    }
}

fn summary(diagnostics: &[Diagnostic]) -> String {
    let mut errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let count = errors.clone().count();
    errors.next().map_or_else(String::new, |first| format!("{count} errors, the first is: {first}"))
}
