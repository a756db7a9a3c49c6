//! A list that is kept up to date while it is in use.
//!
//! Between the origin, which is asked again and again by a task of the list's own, and the checks, which only look at what
//! is held. A list from the block itself never changes under one configuration. Any other is only known to stand until
//! it is had again, and that bounds the validity of every answer; when it changed, the answers that were given from the
//! old one are recalled. What cannot be had, or is no list, leaves the one before in force until `ttl` is over; then
//! there is no list, and no answer.
//!
//! Invariants: nothing is asked of an origin before the configuration is in force, but that a file is read once, and
//! nothing after the handler is gone. Without a list there is no answer, never an empty list.

use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use checkcache::Validity;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;

use super::body::{self, Read};
use super::entries::Entries;
use super::file::FileOrigin;
use super::origin::{Fetched, Origin};
use super::params::{ListParams, OriginParam};
use super::provider::{self, Provider};
use crate::adapters::{Recall, Surroundings};
use crate::telemetry::{self, ListRefresh, Telemetry};
use crate::{limits, text};

/// A list and, once it is in force, the task that keeps it up to date.
pub(super) struct Source {
    held: Arc<Held>,
    /// Taken by the keeper.
    origin: Mutex<Option<Box<dyn Origin>>>,
    keeper: Mutex<Option<Keeper>>,
}

/// The task of a list; ends with it.
struct Keeper(JoinHandle<()>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the checks and the keeper share.
struct Held {
    handler: String,
    /// What people know the origin by.
    origin: String,
    params: ListParams,
    telemetry: Arc<Telemetry>,
    recall: Recall,
    state: watch::Sender<State>,
}

#[derive(Default)]
struct State {
    list: Option<List>,
    /// Why it could not be had when that was last tried.
    failure: Option<String>,
}

#[derive(Clone)]
struct List {
    entries: Arc<Entries>,
    /// When the origin last had it; `None` if it does not age.
    had: Option<Instant>,
    skipped: usize,
}

// === impl Source ===

impl Source {
    /// Takes up the entries of the block and reads its file, or makes ready to ask its provider. A file that cannot be
    /// read is no obstacle: until it can, there is no answer.
    pub(super) fn new(
        handler: &str,
        params: ListParams,
        surroundings: &Surroundings,
    ) -> Result<Self, String> {
        match params.origin.clone() {
            OriginParam::Inline => {
                let source = Self::of(handler, params, None, surroundings);
                let Read { entries, .. } = source.held.read("")?;
                let list = List { entries: Arc::new(entries), had: None, skipped: 0 };
                source.held.state.send_replace(State { list: Some(list), failure: None });
                Ok(source)
            }
            OriginParam::File(name) => Ok(Self::of_file(handler, params, &name, surroundings)),
            OriginParam::Url(url) => {
                let tls = provider::tls(&url).map_err(|error| format!("TLS: {}", text::chain(&error)))?;
                let provider = Provider::new(&url, params.entry_type, tls)?;
                Ok(Self::of(handler, params, Some(Box::new(provider)), surroundings))
            }
        }
    }

    fn of_file(handler: &str, params: ListParams, name: &Path, surroundings: &Surroundings) -> Self {
        let mut file = FileOrigin::new(name, surroundings.root.join(name));
        let read = file.read();
        let source = Self::of(handler, params, Some(Box::new(file)), surroundings);
        match read.and_then(|text| source.held.take_up(&text, Instant::now())) {
            Ok(result) => source.held.telemetry.list_refreshed(handler, result),
            Err(reason) => source.held.fail(&reason),
        }
        source
    }

    /// A list that nothing is known of yet.
    pub(super) fn of(
        handler: &str,
        params: ListParams,
        origin: Option<Box<dyn Origin>>,
        surroundings: &Surroundings,
    ) -> Self {
        let held = Held {
            handler: handler.to_owned(),
            origin: origin.as_ref().map(|origin| origin.name().to_owned()).unwrap_or_default(),
            params,
            telemetry: Arc::clone(&surroundings.telemetry),
            recall: surroundings.recall.clone(),
            state: watch::Sender::default(),
        };
        Self { held: Arc::new(held), origin: Mutex::new(origin), keeper: Mutex::default() }
    }

    /// The list, and how long an answer from it holds; or why there is none. Whoever comes before it was first asked
    /// for in vain or had waits a moment.
    pub(super) async fn list(&self) -> Result<(Arc<Entries>, Validity), String> {
        {
            let state = self.held.state.borrow();
            if state.is_settled() {
                return self.held.answer(&state);
            }
        }
        let mut news = self.held.state.subscribe();
        match tokio::time::timeout(limits::LIST_WAIT, news.wait_for(State::is_settled)).await {
            Ok(Ok(state)) => self.held.answer(&state),
            // The sender is ours, so that only the time can be over.
            Ok(Err(_)) | Err(_) => Err(format!("the list of {} was not had yet", self.held.origin)),
        }
    }

    /// Why there is no list though there could be one.
    pub(super) fn impediment(&self) -> Option<String> {
        let state = self.held.state.borrow();
        state.failure.clone().filter(|_| state.list.is_none()).map(|reason| self.held.without(&reason))
    }

    /// Keeps the list up to date from now on, for as long as there is the source. Once is enough.
    pub(super) fn keep(&self) {
        let origin = self.origin.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(origin) = origin else { return };
        let keeper = Keeper(tokio::spawn(keep(Arc::clone(&self.held), origin)));
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(keeper);
    }
}

/// Asks the origin again and again. What was read before is not asked for at once again. Never ends.
async fn keep(held: Arc<Held>, mut origin: Box<dyn Origin>) {
    let refresh = held.params.refresh;
    let mut failures = 0;
    if held.state.borrow().is_settled() {
        origin.pause(refresh).await;
    }
    loop {
        let begun = Instant::now();
        let wait = match refresh_from(&held, &mut *origin).await {
            Ok(result) => {
                failures = 0;
                held.telemetry.list_refreshed(&held.handler, result);
                // Lists of many servers, and of many blocks, are not asked for all at once; and so early that the next
                // one can be there when this one is as old as it should become.
                between(refresh * 8 / 10, refresh * 9 / 10).saturating_sub(begun.elapsed())
            }
            Err(reason) => {
                held.fail(&reason);
                let wait = limits::LIST_RETRY.saturating_mul(1 << failures.min(16)).min(refresh);
                failures += 1;
                between(wait / 2, wait)
            }
        };
        origin.pause(wait).await;
    }
}

async fn refresh_from(held: &Arc<Held>, origin: &mut dyn Origin) -> Result<ListRefresh, String> {
    let begun = Instant::now();
    match origin.fetch().await? {
        Fetched::Unchanged => {
            held.confirm(begun);
            Ok(ListRefresh::Unchanged)
        }
        Fetched::Text(text) => {
            let holder = Arc::clone(held);
            // Not among the requests: many entries take their time, those that are dropped too.
            let taken_up = spawn_blocking(move || holder.take_up(&text, begun)).await;
            let result = taken_up.map_err(|error| format!("reading it failed: {error}"))??;
            origin.taken_up();
            Ok(result)
        }
    }
}

/// A span of time that nobody can foretell.
fn between(least: Duration, most: Duration) -> Duration {
    // Without randomness all is as it should be, but that others may choose the same.
    let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    least + most.saturating_sub(least).mul_f64(random)
}

// === impl Held ===

impl Held {
    fn read(&self, text: &str) -> Result<Read, String> {
        body::read(self.params.entry_type, &self.params.inline, text)
    }

    /// Puts a list in the place of the one before, if it is a list.
    fn take_up(&self, text: &str, had: Instant) -> Result<ListRefresh, String> {
        let Read { entries, skipped, first_skipped } = self.read(text)?;
        let before = self.state.borrow().list.clone();
        let is_same = before.as_ref().is_some_and(|list| *list.entries == entries);
        if let Some(reason) = first_skipped
            && before.as_ref().is_none_or(|list| !is_same || list.skipped != skipped)
        {
            self.telemetry.list_skipped(&self.handler, &self.origin, skipped, &reason);
        }
        let count = entries.len();
        let entries = match &before {
            Some(list) if is_same => Arc::clone(&list.entries),
            Some(_) | None => Arc::new(entries),
        };
        let list = List { entries, had: Some(had), skipped };
        self.state.send_replace(State { list: Some(list), failure: None });
        if is_same {
            return Ok(ListRefresh::Unchanged);
        }
        telemetry::list_loaded(&self.handler, &self.origin, count);
        if before.is_some() {
            // After the new one is there, so that nobody is answered from the old one again.
            self.recall.answers();
        }
        Ok(ListRefresh::Changed)
    }

    /// The origin still has the list that is held.
    fn confirm(&self, had: Instant) {
        self.state.send_modify(|state| {
            state.failure = None;
            if let Some(list) = &mut state.list {
                list.had = Some(had);
            }
        });
    }

    fn fail(&self, reason: &str) {
        self.telemetry.list_refreshed(&self.handler, ListRefresh::Failed);
        telemetry::list_failed(&self.handler, &self.origin, reason);
        self.state.send_modify(|state| state.failure = Some(reason.to_owned()));
    }

    fn answer(&self, state: &State) -> Result<(Arc<Entries>, Validity), String> {
        let failure = state.failure.as_deref().unwrap_or("it does not answer");
        let Some(list) = &state.list else { return Err(self.without(failure)) };
        let Some(had) = list.had else { return Ok((Arc::clone(&list.entries), self.params.validity)) };
        let age = had.elapsed();
        let left = self.params.ttl.saturating_sub(age);
        if left.is_zero() {
            let reason = format!("{failure}; it was last had {} s ago", age.as_secs());
            return Err(self.without(reason));
        }
        let ttl = left.min(self.params.refresh);
        let validity = self.params.validity.fold(Validity::For { ttl, uses: None });
        Ok((Arc::clone(&list.entries), validity))
    }

    fn without(&self, reason: impl Display) -> String {
        format!("the list of {} cannot be had: {reason}", self.origin)
    }
}

// === impl State ===

impl State {
    /// Whether there is something to say.
    fn is_settled(&self) -> bool {
        self.list.is_some() || self.failure.is_some()
    }
}
