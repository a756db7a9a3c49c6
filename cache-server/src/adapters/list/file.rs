//! A list in a file.
//!
//! The file is looked at often and read when it is another one, or was written, and then lay still for a moment; and
//! now and then all the same. Looking costs one question to the file system, follows links, and works where changes
//! are not told of.

use std::fs::Metadata;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::time::Instant;

use super::origin::{Fetched, Origin};
use crate::limits;

/// A file that is read.
#[derive(Debug)]
pub(super) struct FileOrigin {
    /// As the configuration names it.
    name: String,
    path: PathBuf,
    /// What the file was like before it was last read.
    read: Option<Stamp>,
}

/// What tells a file from another, or from what it was. `None` for one that is not there.
type Stamp = Option<(Option<SystemTime>, u64, u64)>;

// === impl FileOrigin ===

impl FileOrigin {
    pub(super) fn new(name: &Path, path: PathBuf) -> Self {
        Self { name: name.display().to_string(), path, read: None }
    }

    /// Reads it at once.
    pub(super) fn read(&mut self) -> Result<String, String> {
        // Before it is read, so that what is written meanwhile is noticed afterwards.
        self.read = Some(stamp(std::fs::metadata(&self.path)));
        read_bounded(&self.path)
    }
}

#[async_trait]
impl Origin for FileOrigin {
    fn name(&self) -> &str {
        &self.name
    }

    async fn fetch(&mut self) -> Result<Fetched, String> {
        self.read = Some(stamp(tokio::fs::metadata(&self.path).await));
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || read_bounded(&path)).await;
        read.map_err(|error| error.to_string())?.map(Fetched::Text)
    }

    async fn pause(&mut self, at_most: Duration) {
        let end = Instant::now() + at_most;
        let mut before = self.read;
        loop {
            tokio::time::sleep_until(end.min(Instant::now() + limits::LIST_FILE_POLL)).await;
            let now = Some(stamp(tokio::fs::metadata(&self.path).await));
            // Twice the same, so that it is not read half written.
            let is_other = now != self.read && now == before;
            if is_other || Instant::now() >= end {
                return;
            }
            before = now;
        }
    }
}

fn stamp(metadata: std::io::Result<Metadata>) -> Stamp {
    let metadata = metadata.ok()?;
    Some((metadata.modified().ok(), metadata.len(), metadata.ino()))
}

fn read_bounded(path: &Path) -> Result<String, String> {
    // What is no file, a pipe say, could be waited for without an end.
    if !std::fs::metadata(path).map_err(|error| error.to_string())?.is_file() {
        return Err("it is not a file".to_owned());
    }
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    // One byte more than allowed tells a file that is too large, also one that grows while it is read.
    let max = limits::LIST_BYTES;
    file.take(max as u64 + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() > max { Err(format!("more than {max} bytes")) } else { Ok(text) }
}
