//! Lookups in both caches, beside each other and beside what a cache with a key made by hand does.

use std::hint::black_box;

use anyhow::{Result, ensure};
use hashbrown::HashMap;
use pieces::lookup::{L1_ENTRIES, L2_ENTRIES, Own, Shared, World};

use crate::row::{Goal, Row};
use crate::sample::{in_turn, nanos};

/// Numbers in an order that no cache line likes.
pub(crate) struct Steps {
    at: usize,
    count: usize,
}

impl Steps {
    pub(crate) fn new(count: usize) -> Self {
        Self { at: 0, count }
    }

    pub(crate) fn next(&mut self) -> usize {
        self.at = (self.at + 7_919) % self.count;
        self.at
    }
}

/// Nanoseconds of a lookup that hits.
pub(crate) fn of_own(cache: &mut Own) -> Result<f64> {
    let mut steps = Steps::new(cache.world().len());
    hitting("L1", || cache.looks_up(steps.next()))
}

/// Nanoseconds of a lookup that hits.
pub(crate) fn of_shared(cache: &Shared) -> Result<f64> {
    let mut steps = Steps::new(cache.world().len());
    hitting("L2", || cache.looks_up(steps.next()))
}

pub(crate) fn hitting(cache: &str, mut looks_up: impl FnMut() -> bool) -> Result<f64> {
    let (mut hits, mut looks) = (0_u64, 0_u64);
    let nanos = nanos(|| {
        looks += 1;
        hits += u64::from(looks_up());
    });
    ensure!(hits == looks, "{hits} of {looks} lookups in {cache} hit");
    Ok(nanos)
}

/// One lookup of a 64-byte key in a map, which is what a cache with a key made by hand does.
struct Keyed(HashMap<[u8; 64], u64>);

impl Keyed {
    fn full(entries: usize) -> Self {
        Self((0..entries).map(|number| (Self::key(number), number as u64)).collect())
    }

    fn key(number: usize) -> [u8; 64] {
        let mut key = [b'k'; 64];
        for (place, byte) in key.iter_mut().zip(number.to_le_bytes()) {
            *place = byte;
        }
        key
    }

    fn nanos(&self) -> f64 {
        let mut steps = Steps::new(self.0.len());
        nanos(|| self.0.get(black_box(&Self::key(steps.next()))).copied())
    }
}

pub(crate) fn beside_map(rounds: usize) -> Result<Vec<Row>> {
    let (mut own, keyed) = (Own::full(World::new(L1_ENTRIES, 1)), Keyed::full(L1_ENTRIES));
    let pair = in_turn(rounds, || of_own(&mut own), || Ok(keyed.nanos()))?;
    let what = ["L1 lookup, depth 4, 10,000 entries", "hashbrown, 64-byte key, 10,000"];
    Ok(vec![Row::pair("micro/l1-map", what, "ns", &pair, Goal::AtMost(6.0))])
}

pub(crate) fn by_shapes(rounds: usize) -> Result<Vec<Row>> {
    let mut many = Own::full(World::new(L1_ENTRIES, 64));
    let mut one = Own::full(World::new(L1_ENTRIES, 1));
    let pair = in_turn(rounds, || of_own(&mut many), || of_own(&mut one))?;
    let what = ["L1 lookup, 64 shapes", "1 shape"];
    Ok(vec![Row::pair("micro/l1-shapes", what, "ns", &pair, Goal::AtMost(1.3))])
}

pub(crate) fn shared_beside_own(rounds: usize) -> Result<Vec<Row>> {
    let mut own = Own::full(World::new(L1_ENTRIES, 1));
    let shared = Shared::full(World::new(L2_ENTRIES, 1));
    let pair = in_turn(rounds, || of_shared(&shared), || of_own(&mut own))?;
    let what = ["L2 lookup, depth 4, 1,000,000 entries", "L1 lookup, 10,000 entries"];
    Ok(vec![Row::pair("micro/l2", what, "ns", &pair, Goal::AtMost(2.0))])
}

/// What no cache of a million entries can be faster than that compares keys in full.
pub(crate) fn map_beside_own(rounds: usize) -> Result<Vec<Row>> {
    let (mut own, keyed) = (Own::full(World::new(L1_ENTRIES, 1)), Keyed::full(L2_ENTRIES));
    let pair = in_turn(rounds, || Ok(keyed.nanos()), || of_own(&mut own))?;
    let what = ["hashbrown, 64-byte key, 1,000,000 entries", "L1 lookup, 10,000 entries"];
    Ok(vec![Row::beside("limit/l2-map".to_owned(), what.map(str::to_owned), "ns", &pair)])
}
