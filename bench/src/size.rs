//! What the filter and the server's cache take.

use anyhow::{Context as _, Result};

use pieces::lookup;

use crate::Effort;
use crate::processor::resident;
use crate::row::{Goal, Row};
use crate::sample::Sample;
use crate::stub::Stub;

pub(crate) fn filter(_: Effort) -> Result<Vec<Row>> {
    let module = crate::program("MIXER_FILTER_WASM")?;
    let bytes = std::fs::metadata(&module).context("filter.wasm")?.len();
    let sample = Sample::new(vec![bytes as f64 / 1024.0]);
    Ok(vec![Row::alone("size/filter", "filter.wasm", "KiB", &sample).with_goal(Goal::AtMost(400.0))])
}

/// Of the cache alone, each time in a process of its own: what an earlier one gave back would be used again.
pub(crate) fn l2(effort: Effort) -> Result<Vec<Row>> {
    let mut sizes = Vec::new();
    for _ in 0..effort.rounds.unwrap_or(3) {
        sizes.push(crate::block_on(Stub::FullL2.ask::<f64>())? / (1024.0 * 1024.0));
    }
    let what = "resident memory of L2, 1,000,000 entries of depth 4";
    Ok(vec![Row::alone("size/l2", what, "MiB", &Sample::new(sizes))])
}

/// How much memory this process has more, once it has a full L2.
pub(crate) fn grown_by_l2() -> Result<f64> {
    let before = resident(None)?;
    let full = lookup::Shared::full(lookup::World::new(lookup::L2_ENTRIES, 1));
    let after = resident(None)?;
    drop(full);
    Ok(after - before)
}
