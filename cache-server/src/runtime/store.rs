//! store: where configuration comes from.
//!
//! The first stage of a change's way: everything that a store holds is read at once and within bounds, and a store says
//! when it should be looked at again. What is read is text under paths; what it means is for [`policy`] to say.
//!
//! Invariant: reading gives all that is there or an error, never a part. That nobody was writing in the meantime is for
//! the [reloader](super::Reloader) to see to, who reads twice.

mod changes;
mod folder;
mod key;
mod redis;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use policy::{Layout, SourceFile};
use tokio::task::spawn_blocking;

use self::changes::Changes;
pub(crate) use self::folder::read_bounded;
pub use self::folder::{InvalidTree, read_tree};
pub use self::key::{InvalidName, Key};
use self::redis::Subscription;
pub use self::redis::{Redis, RedisAddress};
use crate::limits;

/// Which store configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// A folder.
    Folder(PathBuf),
    /// A Redis.
    Redis(RedisAddress),
    /// Two files, as the first Mixers took them.
    Files(Pair),
}

/// The two files of a configuration for every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The file with adapters and descriptors.
    pub global: PathBuf,
    /// The file with the rules.
    pub service: PathBuf,
}

/// A store that configuration is read from.
#[derive(Debug)]
pub enum Store {
    /// A folder.
    Folder(PathBuf),
    /// A Redis.
    Redis(Arc<Redis>),
    /// Two files.
    Files(Pair),
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
    /// What is in Redis.
    Redis(Subscription),
}

// === impl StoreAddress ===

impl StoreAddress {
    /// The folder that files are below which adapter blocks name: that of the configuration, or the one that the process
    /// runs in where there is none.
    pub fn root(&self) -> PathBuf {
        match self {
            Self::Folder(root) => root.clone(),
            Self::Redis(_) => PathBuf::from("."),
            Self::Files(pair) => pair.global.parent().unwrap_or(&pair.global).to_owned(),
        }
    }

    /// How the files of the store are laid out.
    pub fn layout(&self) -> Layout {
        match self {
            Self::Folder(_) | Self::Redis(_) => Layout::Tree,
            Self::Files(_) => Layout::Pair,
        }
    }
}

impl From<PathBuf> for StoreAddress {
    fn from(root: PathBuf) -> Self {
        Self::Folder(root)
    }
}

/// A folder, `fs:///FOLDER` or `redis://HOST:PORT/DB`.
impl FromStr for StoreAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            None if text.is_empty() => Err("expected a folder".to_owned()),
            None => Ok(Self::Folder(PathBuf::from(text))),
            Some(("fs", path)) if path.starts_with('/') => Ok(Self::Folder(PathBuf::from(path))),
            Some(("fs", path)) => {
                Err(format!("expected three slashes, as in fs:///{path}: the path of an address is absolute"))
            }
            Some(("redis", _)) => text.parse().map(Self::Redis),
            Some((scheme, _)) => Err(format!(
                "there is no store for {scheme}://, expected a folder, fs:///FOLDER or redis://HOST:PORT/DB"
            )),
        }
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(root) => root.display().fmt(f),
            Self::Redis(redis) => redis.fmt(f),
            Self::Files(Pair { global, service }) => {
                write!(f, "{} and {}", global.display(), service.display())
            }
        }
    }
}

// === impl Store ===

impl Store {
    /// A store that was not read yet.
    pub fn open(address: StoreAddress) -> Self {
        match address {
            StoreAddress::Folder(root) => Self::Folder(root),
            StoreAddress::Redis(address) => Self::Redis(Arc::new(Redis::new(address))),
            StoreAddress::Files(pair) => Self::Files(pair),
        }
    }

    /// Everything that there is, in the order of the paths; of two files, the one with the rules last.
    pub async fn read(&self) -> Result<Vec<SourceFile>, InvalidTree> {
        match self {
            Self::Folder(root) => {
                let path = root.clone();
                on_disk(root, move || read_tree(&path)).await
            }
            Self::Redis(redis) => redis.read().await,
            Self::Files(pair) => {
                let paths = [pair.global.clone(), pair.service.clone()];
                on_disk(&pair.global, move || paths.iter().map(|path| read_file(path)).collect()).await
            }
        }
    }

    /// Which of the files that were read is a document.
    pub(super) fn position(&self, files: &[SourceFile], key: &Key) -> Option<usize> {
        match self {
            Self::Folder(_) | Self::Redis(_) => files.iter().position(|file| key.is_at(&file.path)),
            Self::Files(_) if *key == Key::adapters() || *key == Key::descriptors() => Some(0),
            Self::Files(_) => (Key::rules("global", "global").as_ref() == Ok(key)).then_some(1),
        }
    }

    /// Where a document that is not there yet would be.
    pub(super) fn path(&self, key: &Key) -> Result<String, InvalidTree> {
        match self {
            Self::Folder(_) => Ok(format!("{}.yml", key.below_root())),
            Self::Redis(_) => Ok(key.to_string()),
            Self::Files(_) => Err(InvalidTree::ReadOnly),
        }
    }

    /// Gives what is at a path another text, or none, if it still has the one that is expected. Says whether it had.
    pub(super) async fn replace(
        &self,
        path: &str,
        expected: Option<String>,
        text: Option<String>,
    ) -> Result<bool, InvalidTree> {
        match self {
            Self::Folder(root) => {
                let (root, path) = (root.clone(), path.to_owned());
                let place = root.clone();
                let write = move || write::replace(&root, &path, expected.as_deref(), text.as_deref());
                on_disk(&place, write).await
            }
            Self::Redis(redis) => redis.replace(path, expected.as_deref(), text.as_deref()).await,
            Self::Files(_) => Err(InvalidTree::ReadOnly),
        }
    }

    /// Hears of nothing yet.
    pub(super) fn hints(&self) -> Hints {
        match self {
            Self::Folder(root) => Hints::Files(Changes::new(&[root])),
            Self::Redis(redis) => Hints::Redis(Subscription::new(Arc::clone(redis))),
            Self::Files(pair) => Hints::Files(Changes::new(&[&pair.global, &pair.service])),
        }
    }
}

/// Does something with files, which may take its time.
async fn on_disk<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, InvalidTree> + Send + 'static,
) -> Result<T, InvalidTree> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(InvalidTree::Io { path: path.to_owned(), source: std::io::Error::other(error) })
    })
}

fn read_file(path: &Path) -> Result<SourceFile, InvalidTree> {
    let text = read_bounded(path, limits::CONFIG_FILE_BYTES)?;
    Ok(SourceFile { path: path.display().to_string(), text })
}

// === impl Hints ===

impl Hints {
    /// Waits until the store should be looked at.
    pub(super) async fn next(&mut self) -> Hint {
        match self {
            Self::Files(changes) => changes.next().await,
            Self::Redis(subscription) => subscription.next().await,
        }
    }

    /// Whether changes are heard of.
    pub(super) fn is_armed(&self) -> bool {
        match self {
            Self::Files(changes) => changes.is_armed(),
            Self::Redis(subscription) => subscription.is_armed(),
        }
    }

    /// Listens to changes of what is there now.
    pub(super) async fn arm(&mut self) {
        match self {
            Self::Files(changes) => changes.arm().await,
            Self::Redis(subscription) => subscription.arm().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart() {
        let folder = |path: &str| Ok(StoreAddress::Folder(PathBuf::from(path)));
        assert_eq!("config/demo".parse(), folder("config/demo"));
        assert_eq!("fs:///etc/opt/mixer/configroot".parse(), folder("/etc/opt/mixer/configroot"));
        let redis: StoreAddress = "redis://:x@localhost:6379/1".parse().unwrap();
        assert_eq!(redis.to_string(), "redis://localhost:6379/1");
        for wrong in ["", "fs://etc/mixer", "zk://localhost", "rediss://localhost"] {
            let error = wrong.parse::<StoreAddress>().unwrap_err();
            assert!(error.contains("expected"), "{error}");
        }
    }
}
