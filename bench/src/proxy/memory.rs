//! What ten thousand verdicts take in the filter's virtual machine.
//!
//! V8 keeps the linear memory of a module outside of what Envoy's admin interface counts, so what counts is the resident
//! memory of Envoy: how much it grows by ten thousand paths, once with a cache that keeps a verdict for each and once
//! without one. What Envoy and V8 take for the traffic itself is in both.

use std::fmt::Write as _;

use anyhow::Result;

use super::{Side, Stack, policy};
use crate::cores::Cores;
use crate::processor::resident;
use crate::row::{Goal, Row};
use crate::sample::Sample;
use crate::{Effort, block_on, load};

/// What the filter keeps by default.
const ENTRIES: usize = 10_000;

/// Requests before the first look, after which Envoy and V8 have what they keep anyway.
const WARM_UP: usize = 2_000;

pub(crate) fn vm(effort: Effort) -> Result<Vec<Row>> {
    let mut sizes = Vec::new();
    for _ in 0..effort.rounds.unwrap_or(3) {
        let with = block_on(growth(true))?;
        sizes.push((with - block_on(growth(false))?) / (1024.0 * 1024.0));
    }
    let what = "memory of a filter with 10,000 verdicts above an empty one";
    Ok(vec![Row::alone("size/vm", what, "MiB", &Sample::new(sizes)).with_goal(Goal::AtMost(8.0))])
}

/// Bytes by which Envoy grows.
async fn growth(caches: bool) -> Result<f64> {
    let side = Side::Ours { caches, reports: false, charges: false };
    let mut stack = Stack::start_with(side, policy::write_by_path).await?;
    let cores = Cores::of_this_process()?;
    let (folder, address) = (tempfile::tempdir()?, stack.envoy.address());
    let uris = |begin: usize, end: usize| -> Result<_> {
        let mut text = String::new();
        for number in begin..end {
            writeln!(text, "http://{address}/path/{number:06}")?;
        }
        let file = folder.path().join(begin.to_string());
        std::fs::write(&file, text)?;
        Ok(file)
    };
    // The same path again and again leaves one verdict.
    let warm = uris(0, 1)?;
    load::each(&warm, WARM_UP).await?;
    let before = resident(stack.envoy.process().id())?;
    load::each(&uris(1, ENTRIES + 1)?, ENTRIES).await?;
    let after = resident(stack.envoy.process().id())?;
    cores.enter()?;
    Ok(after - before)
}
