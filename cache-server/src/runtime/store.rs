//! store: where configuration comes from.
//!
//! The first stage of a change's way: everything that a store holds is read at once and within bounds, and a store says
//! when it should be looked at again. What is read is text under paths; what it means is for [`policy`] to say.
//!
//! Invariant: reading gives all that is there or an error, never a part. That nobody was writing in the meantime is for
//! the [reloader](super::Reloader) to see to, who reads twice.

mod changes;
mod folder;

use std::fmt;
use std::path::PathBuf;

use policy::SourceFile;
use tokio::task::spawn_blocking;

use self::changes::Changes;
pub(crate) use self::folder::read_bounded;
pub use self::folder::{InvalidTree, read_tree};

/// Which store configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// A folder.
    Folder(PathBuf),
}

/// A store that configuration is read from.
#[derive(Debug)]
pub enum Store {
    /// A folder.
    Folder(PathBuf),
}

/// What came of reading a store.
pub(super) type Read = Result<Vec<SourceFile>, InvalidTree>;

/// Why a store should be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hint {
    /// Something changed in it.
    Changed,
    /// It is time.
    Time,
}

/// Says when a store should be looked at.
pub(super) enum Hints {
    /// What is in files.
    Files(Changes),
}

// === impl StoreAddress ===

impl StoreAddress {
    /// The folder that files are below which adapter blocks name.
    pub fn root(&self) -> PathBuf {
        match self {
            Self::Folder(root) => root.clone(),
        }
    }
}

impl From<PathBuf> for StoreAddress {
    fn from(root: PathBuf) -> Self {
        Self::Folder(root)
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(root) => root.display().fmt(f),
        }
    }
}

// === impl Store ===

impl Store {
    /// A store that was not read yet.
    pub fn open(address: StoreAddress) -> Self {
        match address {
            StoreAddress::Folder(root) => Self::Folder(root),
        }
    }

    /// Everything that there is, in the order of the paths.
    pub async fn read(&self) -> Result<Vec<SourceFile>, InvalidTree> {
        match self {
            Self::Folder(root) => read_folder(root.clone()).await,
        }
    }

    /// Hears of nothing yet.
    pub(super) fn hints(&self) -> Hints {
        match self {
            Self::Folder(root) => Hints::Files(Changes::new(root)),
        }
    }
}

async fn read_folder(root: PathBuf) -> Read {
    let path = root.clone();
    spawn_blocking(move || read_tree(&root))
        .await
        .unwrap_or_else(|error| Err(InvalidTree::Io { path, source: std::io::Error::other(error) }))
}

// === impl Hints ===

impl Hints {
    /// Waits until the store should be looked at.
    pub(super) async fn next(&mut self) -> Hint {
        match self {
            Self::Files(changes) => changes.next().await,
        }
    }

    /// Whether changes are heard of.
    pub(super) fn is_armed(&self) -> bool {
        match self {
            Self::Files(changes) => changes.is_armed(),
        }
    }

    /// Listens to changes of what is there now.
    pub(super) async fn arm(&mut self) {
        match self {
            Self::Files(changes) => changes.arm().await,
        }
    }
}
