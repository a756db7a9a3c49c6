//! Changing the configuration through the server: one document at a time, and never to something that is wrong.
//!
//! A change goes the way of any other – it is stored, read again, loaded – but it is examined with all the rest of the
//! store first, and whoever makes it hears when it is in force. Changes are made one after the other; what somebody
//! else does to the store meanwhile is noticed, not overwritten.

use std::sync::Arc;

use checkcache::Revision;
use policy::SourceFile;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::sync::Mutex;

use super::reload::{LoadError, Loads};
use super::{InvalidConfig, InvalidTree, Key, Runtime, Store};

/// Changes documents of a store.
pub struct Editor {
    store: Arc<Store>,
    runtime: Arc<Runtime>,
    loads: Loads,
    /// One change at a time.
    editing: Mutex<()>,
}

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its text.
    pub text: String,
    /// What tells it from other versions of it.
    pub tag: String,
}

/// What a document must be for a change to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Condition {
    /// Whatever it is.
    #[default]
    Any,
    /// It must not be there.
    Absent,
    /// It must be there.
    Present,
    /// It must be there in one of these versions.
    OneOf(Vec<String>),
}

/// A change was not made.
#[derive(Debug, Error)]
pub enum EditError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] InvalidTree),
    /// The document is not what the change is meant for.
    #[error("{key} is not in the version that the change is for")]
    Condition {
        /// Which document.
        key: Key,
    },
    /// Somebody else changed it at the same time.
    #[error("{key} was changed by somebody else at the same time")]
    Conflict {
        /// Which document.
        key: Key,
    },
    /// The configuration would be wrong.
    #[error(transparent)]
    Refused(#[from] InvalidConfig),
    /// It would be no configuration any more.
    #[error("{key} is all that there is, without it there would be no configuration")]
    Last {
        /// Which document.
        key: Key,
    },
    /// It was made, but something else came in between.
    #[error("{key} is stored, but not in force: {source}")]
    NotInForce {
        /// Which document.
        key: Key,
        /// Why not.
        source: LoadError,
    },
}

impl Editor {
    /// An editor that has changed nothing yet.
    pub fn new(store: Arc<Store>, runtime: Arc<Runtime>, loads: Loads) -> Self {
        Self { store, runtime, loads, editing: Mutex::default() }
    }

    /// A document as it is stored, if it is.
    pub async fn get(&self, key: &Key) -> Result<Option<Stored>, EditError> {
        let files = self.files().await?;
        let file = self.store.position(&files, key).map(|position| &files[position]);
        Ok(file.map(|file| Stored::new(file.text.clone())))
    }

    /// Gives a document a text, or takes it away, and waits until that is in force.
    pub async fn set(
        &self,
        key: &Key,
        text: Option<String>,
        condition: &Condition,
    ) -> Result<Revision, EditError> {
        let _one_at_a_time = self.editing.lock().await;
        let mut files = self.files().await?;
        let position = self.store.position(&files, key);
        let path = match position {
            Some(position) => files[position].path.clone(),
            None => self.store.path(key)?,
        };
        let before = position.map(|position| files[position].text.clone());
        if !condition.holds(before.as_deref()) {
            return Err(EditError::Condition { key: key.clone() });
        }
        match (position, &text) {
            (Some(position), Some(text)) => files[position].text.clone_from(text),
            (Some(position), None) => drop(files.remove(position)),
            (None, Some(text)) => files.push(SourceFile { path: path.clone(), text: text.clone() }),
            (None, None) => {}
        }
        if files.is_empty() {
            return Err(EditError::Last { key: key.clone() });
        }
        let files = self.examine(files).await?;
        if !self.store.replace(&path, before, text).await? {
            return Err(EditError::Conflict { key: key.clone() });
        }
        let loaded = self.loads.load(files).await;
        loaded.map_err(|source| EditError::NotInForce { key: key.clone(), source })
    }

    /// What is stored; nothing is no obstacle to adding something.
    async fn files(&self) -> Result<Vec<SourceFile>, InvalidTree> {
        match self.store.read().await {
            Err(InvalidTree::Empty { .. } | InvalidTree::NoKeys { .. }) => Ok(Vec::new()),
            read => read,
        }
    }

    /// Not among the requests: a large configuration takes its time.
    async fn examine(&self, files: Vec<SourceFile>) -> Result<Vec<SourceFile>, InvalidConfig> {
        let runtime = Arc::clone(&self.runtime);
        let examined = tokio::task::spawn_blocking(move || runtime.examine(&files).map(|_warnings| files));
        examined.await.unwrap_or(Err(InvalidConfig::Nothing))
    }
}

impl Stored {
    /// A text that is stored.
    pub fn new(text: String) -> Self {
        Self { tag: tag(&text), text }
    }
}

impl Condition {
    fn holds(&self, text: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => text.is_none(),
            Self::Present => text.is_some(),
            Self::OneOf(tags) => text.is_some_and(|text| tags.contains(&tag(text))),
        }
    }
}

/// What tells a text from others.
fn tag(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
