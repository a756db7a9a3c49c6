//! More attributes, of which as many are read as before.

use anyhow::{Context as _, Result};
use attributes::Bag;
use pieces::lookup::{L1_ENTRIES, Own, World};
use pieces::{decode as decoding, encode as encoding, expression as evaluation};
use pieces::{request, resolution as resolving, tree};

use super::Growing;
use crate::Effort;
use crate::micro::lookup::hitting;
use crate::sample::{Sample, nanos};
use crate::server::CheckCost;

/// Different requests that are looked up one after the other.
const REQUESTS: usize = 64;

pub(super) fn encode(attributes: Growing, effort: Effort) -> Result<[Sample; 3]> {
    let dictionary = request::dictionary()?;
    let bag = |attributes| Ok(request::bag_of(attributes));
    attributes.in_turn(effort.micro(), bag, |bag| Ok(nanos(|| encoding::bytes(bag, &dictionary))))
}

pub(super) fn decode(attributes: Growing, effort: Effort) -> Result<[Sample; 3]> {
    let dictionary = request::dictionary()?;
    let bytes = |attributes| decoding::bytes(&dictionary, &request::bag_of(attributes));
    attributes.in_turn(effort.micro(), bytes, |bytes| {
        decoding::bag(bytes, &dictionary).context("the message is whole")?;
        Ok(nanos(|| decoding::bag(bytes, &dictionary)))
    })
}

pub(super) fn lookup(attributes: Growing, effort: Effort) -> Result<[Sample; 3]> {
    let mut cache = Own::full(World::new(L1_ENTRIES, 1));
    let bags = |attributes| -> Result<Vec<Bag>> {
        let world = World::new(L1_ENTRIES, 1);
        Ok((0..REQUESTS).map(|number| world.bag(number * 7_919 % L1_ENTRIES, attributes)).collect())
    };
    attributes.in_turn(effort.micro(), bags, |bags| {
        let mut next = bags.iter().cycle();
        hitting("L1", || next.next().is_some_and(|bag| cache.looks_up_bag(bag)))
    })
}

pub(super) fn expression(attributes: Growing, effort: Effort) -> Result<[Sample; 3]> {
    let program = evaluation::program()?;
    let bag = |attributes| Ok(evaluation::with_operands(request::bag_of(attributes)));
    attributes.in_turn(effort.micro(), bag, |bag| Ok(nanos(|| evaluation::evaluate(&program, bag))))
}

pub(super) fn resolution(attributes: Growing, effort: Effort) -> Result<[Sample; 3]> {
    let snapshot = tree::snapshot(&tree::files(1)?)?;
    let bag = |attributes| Ok(request::bag_of(attributes));
    attributes.in_turn(effort.micro(), bag, |bag| Ok(nanos(|| resolving::resolve(&snapshot, bag))))
}

/// Of a whole call that finds its verdict in L2.
pub(super) fn check(attributes: Growing, effort: Effort) -> Result<[Sample; 3]> {
    let cost = |attributes| CheckCost { attributes, caches: true, ..CheckCost::default() };
    CheckCost::in_turn(attributes.0.map(cost), effort)
}
