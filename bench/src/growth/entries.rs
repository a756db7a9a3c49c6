//! More verdicts in the caches.

use anyhow::Result;
use pieces::lookup::{Own, Shared, World};

use super::Growing;
use crate::Effort;
use crate::micro::lookup::{of_own, of_shared};
use crate::sample::Sample;

pub(super) fn own(entries: Growing, effort: Effort) -> Result<[Sample; 3]> {
    entries.in_turn(effort.micro(), |entries| Ok(Own::full(World::new(entries, 1))), of_own)
}

pub(super) fn shared(entries: Growing, effort: Effort) -> Result<[Sample; 3]> {
    let full = |entries| Ok(Shared::full(World::new(entries, 1)));
    entries.in_turn(effort.micro(), full, |cache| of_shared(cache))
}
