//! Which processor runs what.
//!
//! What is measured has a core to itself, and all that it talks to has another. A child inherits the cores of the thread
//! that starts it, and what it then thinks the machine has is what it was given.

use anyhow::{Context as _, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Cores by number.
#[derive(Debug, Clone)]
pub(crate) struct Cores(Vec<usize>);

impl Cores {
    /// Those that this process may use.
    pub(crate) fn of_this_process() -> Result<Self> {
        let set = sched_getaffinity(None).context("the kernel does not say which cores there are")?;
        Ok(Self((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The first `count`.
    pub(crate) fn first(&self, count: usize) -> Self {
        Self(self.0.iter().copied().take(count).collect())
    }

    /// All but the first `count`; all, if there are no others.
    pub(crate) fn after(&self, count: usize) -> Self {
        let rest: Vec<_> = self.0.iter().copied().skip(count).collect();
        if rest.is_empty() { self.clone() } else { Self(rest) }
    }

    /// Puts this thread, and what it starts from now on, on these cores.
    pub(crate) fn enter(&self) -> Result<()> {
        let mut set = CpuSet::new();
        for core in &self.0 {
            set.set(*core);
        }
        sched_setaffinity(None, &set).context("the kernel does not let us choose a core")
    }
}
