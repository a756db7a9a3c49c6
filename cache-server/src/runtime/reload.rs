//! Loading what a store holds when it changed, and on SIGHUP.
//!
//! It is loaded when two readings a little apart are equal: several files that are written one after the other are
//! one change, and none is loaded half written.

use std::sync::Arc;

use checkcache::Revision;
use policy::SourceFile;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
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

/// Asks a reloader to load.
#[derive(Debug, Clone)]
pub struct Loads(mpsc::Sender<Asked>);

/// What a reloader is asked by.
#[derive(Debug)]
pub struct Asks(mpsc::Receiver<Asked>);

/// A load that somebody asked for.
#[derive(Debug)]
struct Asked {
    /// What is there if nobody else changed something. Then it lies still.
    expected: Option<Vec<SourceFile>>,
    done: Option<oneshot::Sender<Result<Revision, LoadError>>>,
}

/// A load that was asked for changed nothing.
#[derive(Debug, Error)]
pub enum LoadError {
    /// What is there by now was refused.
    #[error("what else is there by now was refused: {0}")]
    Refused(String),
    /// Nobody loads any more.
    #[error("the server is stopping")]
    Stopping,
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
        // A refusal was counted and said.
        let _ = self.apply(read).await;
    }

    /// Loads what is there each time that it changed, and whenever somebody asks for it. Never ends.
    pub async fn run(mut self, mut asks: Asks) {
        let mut hints = self.store.hints();
        // It may have changed since it was first loaded.
        self.follow(&mut hints, Hint::Changed).await;
        loop {
            tokio::select! {
                Some(Asked { expected, done }) = asks.0.recv() => {
                    let read = self.read_as(expected).await;
                    let loaded = self.apply(read).await;
                    // Who asked may have gone.
                    done.map(|done| done.send(loaded));
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
                // A refusal was counted and said.
                let _ = self.apply(read).await;
                return;
            }
            before = Some(remember(&read));
            hint = Hint::Changed;
            tokio::time::sleep(limits::CONFIG_SETTLE).await;
        }
    }

    /// What is expected if that is what is there, else what is there once it lies still.
    async fn read_as(&self, expected: Option<Vec<SourceFile>>) -> Read {
        if let Some(mut expected) = expected {
            let read = self.read().await;
            if let Ok(files) = &read {
                expected.sort_by(|a, b| a.path.cmp(&b.path));
                let mut sorted = files.clone();
                sorted.sort_by(|a, b| a.path.cmp(&b.path));
                if sorted == expected {
                    return read;
                }
            }
        }
        self.read_settled().await
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

    async fn apply(&mut self, read: Read) -> Result<Revision, LoadError> {
        self.tried = Some(remember(&read));
        let runtime = Arc::clone(&self.runtime);
        // Not among the requests: a large configuration takes its time.
        let loaded = spawn_blocking(move || runtime.load(read)).await;
        // Loading that panicked left everything as it was.
        let loaded = loaded.map_err(|panic| LoadError::Refused(panic.to_string()))?;
        let revision = loaded.map_err(|error| LoadError::Refused(error.to_string()))?;
        self.l2.retain(revision);
        Ok(revision)
    }
}

// === impl Loads ===

impl Loads {
    /// Something to ask with, and what answers.
    pub fn channel() -> (Self, Asks) {
        let (asks, asked) = mpsc::channel(limits::CONFIG_LOADS);
        (Self(asks), Asks(asked))
    }

    /// Asks for what is there to be loaded soon.
    pub fn ask(&self) {
        // If there is no room, it will be loaded soon without asking.
        let _ = self.0.try_send(Asked { expected: None, done: None });
    }

    /// Asks for these files, which are stored, to be loaded, and waits until that is done.
    pub(super) async fn load(&self, expected: Vec<SourceFile>) -> Result<Revision, LoadError> {
        let (done, answer) = oneshot::channel();
        let asked = Asked { expected: Some(expected), done: Some(done) };
        self.0.send(asked).await.map_err(|_| LoadError::Stopping)?;
        answer.await.unwrap_or(Err(LoadError::Stopping))
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
