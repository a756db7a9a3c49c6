//! What a process takes: processor time and memory, as the kernel counts them.

use std::fs;

use anyhow::{Context as _, Result};

/// The processor time that a process has used since a moment.
pub(crate) struct ProcessorTime {
    id: u32,
    begin: f64,
}

impl ProcessorTime {
    /// From now on.
    pub(crate) fn of(id: Option<u32>) -> Result<Self> {
        let id = id.context("the process has ended")?;
        Ok(Self { id, begin: used(id)? })
    }

    /// Seconds until now.
    pub(crate) fn spent(&self) -> Result<f64> {
        Ok(used(self.id)? - self.begin)
    }
}

/// Seconds that all threads of a process were on a core: the kernel's own sum, in nanoseconds for each thread.
fn used(id: u32) -> Result<f64> {
    let mut nanos = 0.0;
    for thread in fs::read_dir(format!("/proc/{id}/task"))? {
        // A thread may have ended since the folder was read.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        nanos += text.split(' ').next().context("schedstat is empty")?.parse::<f64>()?;
    }
    Ok(nanos / 1e9)
}

/// Bytes of memory that a process, or this one, holds.
pub(crate) fn resident(id: Option<u32>) -> Result<f64> {
    let name = id.map_or("self".to_owned(), |id| id.to_string());
    let text = fs::read_to_string(format!("/proc/{name}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024.0)
}
