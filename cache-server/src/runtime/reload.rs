//! Noticing that the configuration changed: by looking at it again and again, and at once on SIGHUP.

use std::path::PathBuf;
use std::sync::Arc;

use policy::SourceFile;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use super::{InvalidTree, Runtime, read_tree};
use crate::l2::L2;
use crate::limits;

/// Loads a tree whenever its files change.
pub struct Reloader {
    root: PathBuf,
    runtime: Arc<Runtime>,
    l2: Arc<L2>,
    /// What was last loaded, whether it came into force or not: what was refused once is not tried again unchanged.
    tried: Option<Tried>,
}

/// What came of reading the tree; of an error its text, since errors cannot be compared.
type Tried = Result<Vec<SourceFile>, String>;

type Read = Result<Vec<SourceFile>, InvalidTree>;

impl Reloader {
    /// A reloader that has loaded nothing yet.
    pub fn new(root: PathBuf, runtime: Arc<Runtime>, l2: Arc<L2>) -> Self {
        Self { root, runtime, l2, tried: None }
    }

    /// Loads the tree as it is now.
    pub async fn load(&mut self) {
        let read = self.read().await;
        self.apply(read).await;
    }

    /// Loads the tree each time that it changed, and whenever somebody asks for it. Never ends.
    pub async fn run(mut self, now: Arc<Notify>) {
        loop {
            tokio::select! {
                () = now.notified() => self.load().await,
                () = tokio::time::sleep(limits::CONFIG_POLL) => self.load_if_changed().await,
            }
        }
    }

    async fn load_if_changed(&mut self) {
        let first = self.read().await;
        if self.tried.as_ref().is_some_and(|tried| is_same(tried, &first)) {
            return;
        }
        tokio::time::sleep(limits::CONFIG_SETTLE).await;
        let second = self.read().await;
        if is_same(&first.map_err(|error| error.to_string()), &second) {
            self.apply(second).await;
        }
    }

    async fn read(&self) -> Read {
        let root = self.root.clone();
        spawn_blocking(move || read_tree(&root)).await.unwrap_or_else(|error| {
            Err(InvalidTree::Io { path: self.root.clone(), source: std::io::Error::other(error) })
        })
    }

    async fn apply(&mut self, read: Read) {
        self.tried = Some(match &read {
            Ok(files) => Ok(files.clone()),
            Err(error) => Err(error.to_string()),
        });
        let runtime = Arc::clone(&self.runtime);
        // Not among the requests: a large configuration takes its time. A refusal was counted and said; loading that
        // panicked left everything as it was.
        if let Ok(Ok(revision)) = spawn_blocking(move || runtime.load(read)).await {
            self.l2.retain(revision);
        }
    }
}

fn is_same(tried: &Tried, read: &Read) -> bool {
    match (tried, read) {
        (Ok(before), Ok(now)) => before == now,
        (Err(before), Err(now)) => *before == now.to_string(),
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}
