//! What a process said, line by line, kept for whoever wants to wait for a line.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::sync::watch;

use crate::wait::PATIENCE;

/// A growing list of lines. Clones share it.
#[derive(Clone)]
pub struct Lines {
    kept: Arc<Mutex<Vec<String>>>,
    progress: watch::Sender<Progress>,
}

#[derive(Clone, Copy, Default)]
struct Progress {
    lines: usize,
    is_over: bool,
}

impl Lines {
    /// Reads `from` to its end in a task of its own. Bytes that are not UTF-8 are shown as such, not lost.
    pub fn follow(from: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let lines = Self { kept: Arc::default(), progress: watch::Sender::default() };
        let keeper = lines.clone();
        tokio::spawn(async move {
            let mut reader = BufReader::new(from);
            let mut line = Vec::new();
            while let Ok(1..) = reader.read_until(b'\n', &mut line).await {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                let count = {
                    let mut kept = keeper.kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.push(text);
                    kept.len()
                };
                keeper.progress.send_modify(|progress| progress.lines = count);
            }
            keeper.progress.send_modify(|progress| progress.is_over = true);
        });
        lines
    }

    /// All lines until now.
    pub fn all(&self) -> Vec<String> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last lines, for an error message.
    pub fn tail(&self, count: usize) -> String {
        let all = self.all();
        all[all.len().saturating_sub(count)..].join("\n")
    }

    /// The first line, of those already here or still to come, for which `pick` gives a value.
    ///
    /// # Errors
    /// When none came in time, or none will come any more; the message names `what` and shows the last lines.
    pub async fn wait_for<T>(&self, what: &str, mut pick: impl FnMut(&str) -> Option<T>) -> Result<T> {
        let mut seen = 0;
        let mut progress = self.progress.subscribe();
        let search = async {
            loop {
                let all = self.all();
                if let Some(found) = all[seen..].iter().find_map(|line| pick(line)) {
                    return Some(found);
                }
                seen = all.len();
                let Ok(now) = progress.wait_for(|now| now.lines > seen || now.is_over).await else {
                    return None;
                };
                if now.lines == seen {
                    return None;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search)
            .await
            .ok()
            .flatten()
            .with_context(|| format!("no line came with {what}; the last were:\n{}", self.tail(20)))
    }
}
