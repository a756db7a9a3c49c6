//! Where the list checkers have their entries from: inline, and from a file that is read again and again.
//!
//! A list without a file never changes under one configuration. One with a file is only known to stand until the
//! file is next read, and that bounds the validity of every answer. A file that cannot be read, or has an entry that
//! means nothing, leaves the list before it in force until `ttl` is over; then there is no list, and no answer.
//!
//! | parameter | default | |
//! |---|---|---|
//! | `entries`, `listEntries` | none | the entries themselves |
//! | `file` | none | more of them, one a line, in a file below the configuration's folder; `#` begins a comment line |
//! | `refreshInterval` | 10s | how often the file is read, at least 1s |
//! | `ttl` | 300s | how long a list stands in for a file that cannot be read |
//! | `cachingInterval` | 60s | how long an answer holds; with a file at most `refreshInterval` |
//! | `cachingUseCount` | any number | how often it may be used; such verdicts are not shared between proxies |

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use checkcache::Validity;
use policy::{HandlerConfig, ParamProblem};

use super::params::Params;
use super::{HandlerError, Surroundings};
use crate::{limits, telemetry};

/// Entries as a checker keeps them, so that it finds them fast.
pub(super) trait Entries: Sized + Send + Sync + 'static {
    /// Takes up entries in their written form, or says which means nothing and why.
    fn read<'t>(texts: impl Iterator<Item = &'t str>) -> Result<Self, String>;

    /// How many there are.
    fn len(&self) -> usize;
}

/// The parameters that both list checkers have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListParams {
    pub(super) inline: Vec<String>,
    pub(super) file: Option<PathBuf>,
    pub(super) refresh: Duration,
    pub(super) ttl: Duration,
    pub(super) validity: Validity,
}

impl ListParams {
    /// Reads them.
    pub(super) fn parse(params: &serde_json::Value) -> Result<Self, Vec<ParamProblem>> {
        let mut params = Params::new(params);
        let short = params.texts("entries");
        let long = params.texts("listEntries");
        if short.is_some() && long.is_some() {
            params.problem("listEntries", "is another name of `entries`; give one of them");
        }
        let inline = short.or(long).unwrap_or_default();
        if inline.len() > limits::LIST_ENTRIES {
            params.problem(
                "entries",
                format!("{} entries, at most {} are allowed", inline.len(), limits::LIST_ENTRIES),
            );
        }
        for url in ["providerUrl", "publisherUrl"] {
            if params.has(url) {
                params.problem(url, "lists from a URL are not served yet; put the list into a `file`");
            }
        }
        let file = params.text("file").map(PathBuf::from);
        if file.as_ref().is_some_and(|file| !is_below_root(file)) {
            params.problem("file", "must be a path below the folder of the configuration");
        }
        let refresh = params.duration("refreshInterval").unwrap_or(limits::LIST_REFRESH);
        if refresh < Duration::from_secs(1) {
            params.problem("refreshInterval", "must be at least 1s");
        }
        let ttl = params.duration("ttl").unwrap_or(limits::LIST_TTL.max(refresh));
        if ttl < refresh {
            params.problem("ttl", "must not be less than `refreshInterval`");
        }
        let caching = params.duration("cachingInterval").unwrap_or(limits::VERDICT_TTL);
        let uses = params.count("cachingUseCount");
        let validity =
            Validity::For { ttl: if file.is_some() { caching.min(refresh) } else { caching }, uses };
        params.finish(Self { inline, file, refresh, ttl, validity })
    }
}

fn is_below_root(path: &Path) -> bool {
    path.components()
        .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir))
}

/// A list that may be read anew while it is in use.
pub(super) struct ListSource<E> {
    handler: String,
    params: ListParams,
    path: Option<PathBuf>,
    state: RwLock<State<E>>,
}

struct State<E> {
    entries: Result<Arc<E>, String>,
    /// The text that the entries are from.
    text: Option<String>,
    /// When the file was last looked at.
    read: Instant,
    /// When the file was last read without a problem.
    good: Instant,
    is_watched: bool,
}

impl<E: Entries> ListSource<E> {
    /// Takes up the inline entries and reads the file. A file that cannot be read is no obstacle: until it can,
    /// there is no answer.
    pub(super) fn new(
        config: &HandlerConfig,
        params: ListParams,
        surroundings: &Surroundings,
    ) -> Result<Self, String> {
        let inline = E::read(params.inline.iter().map(String::as_str))?;
        let path = params.file.as_ref().map(|file| surroundings.root.join(file));
        let entries = match &path {
            None => Ok(Arc::new(inline)),
            Some(_) => Err("was not read yet".to_owned()),
        };
        let now = Instant::now();
        let state = State { entries, text: None, read: now, good: now, is_watched: false };
        let this = Self { handler: config.name.clone(), params, path, state: RwLock::new(state) };
        this.refresh();
        Ok(this)
    }

    /// The list as it stands.
    pub(super) fn entries(&self) -> Result<Arc<E>, HandlerError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.entries.clone().map_err(|reason| HandlerError::Failed(format!("the list {reason}")))
    }

    /// How long an answer holds: not beyond the next time that the file is read.
    pub(super) fn validity(&self) -> Validity {
        if self.path.is_none() {
            return self.params.validity;
        }
        let read = self.state.read().unwrap_or_else(PoisonError::into_inner).read;
        let ttl = self.params.refresh.saturating_sub(read.elapsed());
        self.params.validity.fold(Validity::For { ttl, uses: None })
    }

    /// Reads the file from now on, for as long as somebody holds the source. Once is enough.
    pub(super) fn watch(self: &Arc<Self>) {
        if self.path.is_none() {
            return;
        }
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            if std::mem::replace(&mut state.is_watched, true) {
                return;
            }
        }
        let (weak, every) = (Arc::downgrade(self), self.params.refresh);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(source) = weak.upgrade() else { return };
                // Only fails when reading panicked, and then there is a next time.
                let _ = tokio::task::spawn_blocking(move || source.refresh()).await;
            }
        });
    }

    /// Reads the file and takes its entries up if they changed.
    pub(super) fn refresh(&self) {
        let Some(path) = &self.path else { return };
        let shown = self.params.file.as_deref().unwrap_or(path).display().to_string();
        let read = read_bounded(path).and_then(|text| {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            if state.text.as_deref() == Some(text.as_str()) && state.entries.is_ok() {
                return Ok(None);
            }
            drop(state);
            self.read(&text).map(|entries| Some((entries, text)))
        });
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.read = Instant::now();
        match read {
            Ok(None) => state.good = Instant::now(),
            Ok(Some((entries, text))) => {
                telemetry::list_loaded(&self.handler, &shown, entries.len());
                state.entries = Ok(Arc::new(entries));
                state.text = Some(text);
                state.good = Instant::now();
            }
            Err(reason) => {
                telemetry::list_failed(&self.handler, &shown, &reason);
                if state.entries.is_err() || state.good.elapsed() >= self.params.ttl {
                    state.entries = Err(format!("in `{shown}` cannot be had: {reason}"));
                    state.text = None;
                }
            }
        }
    }

    /// One entry a line; empty lines and those that begin with `#` are none.
    fn read(&self, text: &str) -> Result<E, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let count = lines.clone().count() + self.params.inline.len();
        if count > limits::LIST_ENTRIES {
            return Err(format!("{count} entries, at most {} are allowed", limits::LIST_ENTRIES));
        }
        E::read(self.params.inline.iter().map(String::as_str).chain(lines))
    }
}

fn read_bounded(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > limits::LIST_FILE_BYTES {
        return Err(format!("{size} bytes, at most {} are allowed", limits::LIST_FILE_BYTES));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}
