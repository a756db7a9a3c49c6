//! Loading what a store holds when it changed, and on SIGHUP.
//!
//! It is loaded when two readings a little apart are equal: several files that are written one after the other are
//! one change, and none is loaded half written.

use std::sync::Arc;

use policy::SourceFile;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use super::store::{Hint, Hints, Read};
use super::{Runtime, Store};
use crate::l2::L2;
use crate::limits;

/// Loads what a store holds whenever it changes.
pub struct Reloader {
    store: Arc<Store>,
    runtime: Arc<Runtime>,
    l2: Arc<L2>,
    /// What was last loaded, whether it came into force or not: what was refused once is not tried again unchanged.
    tried: Option<Tried>,
}

/// What came of reading; of an error its text, since errors cannot be compared.
type Tried = Result<Vec<SourceFile>, String>;

impl Reloader {
    /// A reloader that has loaded nothing yet.
    pub fn new(store: Arc<Store>, runtime: Arc<Runtime>, l2: Arc<L2>) -> Self {
        Self { store, runtime, l2, tried: None }
    }

    /// Loads what is there now.
    pub async fn load(&mut self) {
        let read = self.read().await;
        self.apply(read).await;
    }

    /// Loads what is there each time that it changed, and whenever somebody asks for it. Never ends.
    pub async fn run(mut self, now: Arc<Notify>) {
        let mut hints = self.store.hints();
        // It may have changed since it was first loaded.
        self.follow(&mut hints, Hint::Changed).await;
        loop {
            tokio::select! {
                () = now.notified() => {
                    let read = self.read_settled().await;
                    self.apply(read).await;
                }
                hint = hints.next() => self.follow(&mut hints, hint).await,
            }
        }
    }

    /// Loads what is there if it changed, once it lies still.
    async fn follow(&mut self, hints: &mut Hints, mut hint: Hint) {
        let mut before: Option<Tried> = None;
        loop {
            // Before it is read, so that what is changed after that is heard of.
            if hint == Hint::Changed || !hints.is_armed() {
                hints.arm().await;
            }
            let read = self.read().await;
            if self.tried.as_ref().is_some_and(|tried| is_same(tried, &read)) {
                if hint == Hint::Changed {
                    // What changes all the time without a difference must not keep the reloader busy.
                    tokio::time::sleep(limits::CONFIG_SETTLE).await;
                }
                return;
            }
            if before.as_ref().is_some_and(|before| is_same(before, &read)) {
                return self.apply(read).await;
            }
            before = Some(remember(&read));
            hint = Hint::Changed;
            tokio::time::sleep(limits::CONFIG_SETTLE).await;
        }
    }

    /// What is there, once it lies still; as it is if it never does.
    async fn read_settled(&self) -> Read {
        let mut read = self.read().await;
        for _ in 0..limits::CONFIG_SETTLE_TRIES {
            let before = remember(&read);
            tokio::time::sleep(limits::CONFIG_SETTLE).await;
            read = self.read().await;
            if is_same(&before, &read) {
                break;
            }
        }
        read
    }

    async fn read(&self) -> Read {
        let read = self.store.read().await;
        self.runtime.telemetry().config_read(read.is_ok());
        read
    }

    async fn apply(&mut self, read: Read) {
        self.tried = Some(remember(&read));
        let runtime = Arc::clone(&self.runtime);
        // Not among the requests: a large configuration takes its time. A refusal was counted and said; loading that
        // panicked left everything as it was.
        if let Ok(Ok(revision)) = spawn_blocking(move || runtime.load(read)).await {
            self.l2.retain(revision);
        }
    }
}

fn remember(read: &Read) -> Tried {
    match read {
        Ok(files) => Ok(files.clone()),
        Err(error) => Err(error.to_string()),
    }
}

fn is_same(tried: &Tried, read: &Read) -> bool {
    match (tried, read) {
        (Ok(before), Ok(now)) => before == now,
        (Err(before), Err(now)) => *before == now.to_string(),
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}
