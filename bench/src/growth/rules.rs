//! More rules, of which as many apply as before.

use std::hint::black_box;

use anyhow::Result;
use pieces::request;
use pieces::resolution::resolve;
use pieces::tree::{self, RULES_EACH};

use super::Growing;
use crate::Effort;
use crate::sample::{Sample, nanos};
use crate::server::CheckCost;

pub(super) fn resolution(rules: Growing, effort: Effort) -> Result<[Sample; 3]> {
    let bag = request::bag();
    let snapshot = |rules| tree::snapshot(&tree::files(rules / RULES_EACH)?);
    rules.in_turn(effort.micro(), snapshot, |snapshot| Ok(nanos(|| resolve(snapshot, &bag))))
}

/// From documents to a snapshot, as at a change of the policy.
pub(super) fn load(rules: Growing, effort: Effort) -> Result<[Sample; 3]> {
    let files = |rules| tree::files(rules / RULES_EACH);
    // It takes long, so fewer rounds do.
    let rounds = effort.micro().div_ceil(3);
    rules.in_turn(rounds, files, |files| Ok(nanos(|| black_box(tree::snapshot(files)).is_ok()) / 1e6))
}

/// Of a whole call, without what is cached.
pub(super) fn check(rules: Growing, effort: Effort) -> Result<[Sample; 3]> {
    CheckCost::in_turn(rules.0.map(|rules| CheckCost { rules, ..CheckCost::default() }), effort)
}
