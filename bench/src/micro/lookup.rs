//! Lookups in both caches.
//!
//! The requests are at hand, as one that was just decoded is: what is measured is the way through what is stored.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Result, ensure};
use attributes::{AttributeSource, ValueRef};
use checkcache::shared::{self, SharedCache};
use checkcache::{
    CheckCache, Code, Limits, Lookup, Recorder, Revision, Root, Status, Tick, Trace, Validity, Verdict,
};
use hashbrown::HashMap;

use crate::row::{Goal, Row};
use crate::sample::{in_turn, nanos};

const SEED: [u8; 16] = [7; 16];
const NOW: Tick = Tick(0);
const ROOT: Root = Root { revision: Revision(1), quota: None };

/// How many tests a lookup performs.
const DEPTH: usize = 4;

/// What the filter's cache holds by default.
pub(crate) const L1_ENTRIES: usize = 10_000;

/// What a large server's cache holds.
pub(crate) const L2_ENTRIES: usize = 1_000_000;

/// The attribute that every walk begins with, and those that it may go on with.
const NAMES: [&str; 10] = [
    "target.service",
    "source.user",
    "request.method",
    "request.path",
    "request.host",
    "source.namespace",
    "source.name",
    "request.scheme",
    "context.protocol",
    "api.service",
];

/// Values, more than any attribute of a full L2 needs.
struct Values(Vec<String>);

/// A request with a number: each of its attributes has a value that follows from it.
struct Request<'v> {
    values: &'v Values,
    /// The value of the service, and of all others in the order in which this request's service has them read.
    parts: [usize; DEPTH],
    /// Which attributes they are.
    shape: [usize; DEPTH],
}

/// How numbers become requests.
#[derive(Clone, Copy)]
pub(crate) struct World {
    entries: usize,
    shapes: usize,
}

impl World {
    pub(crate) const fn new(entries: usize, shapes: usize) -> Self {
        Self { entries, shapes }
    }

    /// Request `number`: the service is one of 64, the rest is spread over the other three.
    fn request<'v>(&self, values: &'v Values, number: usize) -> Request<'v> {
        const SERVICES: usize = 64;
        let (service, rest) = (number % SERVICES, number / SERVICES);
        let base = ((self.entries / SERVICES + 1) as f64).cbrt().ceil() as usize;
        Request {
            values,
            parts: [service, rest % base, rest / base % base, rest / base / base],
            shape: shape(service % self.shapes),
        }
    }
}

/// The attributes that shape `number` reads: the service, and three of the other nine.
fn shape(number: usize) -> [usize; DEPTH] {
    let triples = (1..NAMES.len()).flat_map(|a| {
        (a + 1..NAMES.len()).flat_map(move |b| (b + 1..NAMES.len()).map(move |c| [0, a, b, c]))
    });
    triples.into_iter().nth(number).unwrap_or([0, 1, 2, 3])
}

impl AttributeSource for Request<'_> {
    fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        let at = self.shape.iter().position(|attribute| NAMES.get(*attribute) == Some(&name))?;
        self.values.0.get(*self.parts.get(at)?).map(|value| ValueRef::String(value))
    }
}

impl Request<'_> {
    fn trace(&self) -> Trace {
        let mut recorder = Recorder::new(self);
        for attribute in self.shape {
            recorder.value(&NAMES[attribute].into());
        }
        recorder.into_trace()
    }
}

/// A full L1.
pub(crate) struct Own {
    world: World,
    values: Values,
    cache: CheckCache,
}

/// A full L2.
pub(crate) struct Shared {
    world: World,
    values: Values,
    cache: SharedCache,
}

fn values() -> Values {
    Values((0..128).map(|number| format!("value number {number}")).collect())
}

fn verdict() -> Verdict {
    Verdict::new(Status::new(Code::Ok, ""), Validity::Revision)
}

/// Numbers in an order that no cache line likes.
struct Steps {
    at: usize,
    count: usize,
}

impl Steps {
    fn new(count: usize) -> Self {
        Self { at: 0, count }
    }

    fn next(&mut self) -> usize {
        self.at = (self.at + 7_919) % self.count;
        self.at
    }
}

impl Own {
    pub(crate) fn full(world: World) -> Self {
        let (values, mut cache) = (values(), CheckCache::new(Limits::of_entries(world.entries), SEED));
        for number in 0..world.entries {
            let request = world.request(&values, number);
            if let Lookup::Miss(vacancy) = cache.lookup(&ROOT, &request, NOW) {
                cache.insert(vacancy, &ROOT, request.trace(), verdict(), NOW);
            }
        }
        Self { world, values, cache }
    }

    pub(crate) fn looks_up(&mut self, number: usize) -> bool {
        let request = self.world.request(&self.values, number);
        matches!(self.cache.lookup(&ROOT, black_box(&request), NOW), Lookup::Hit(_))
    }

    /// Nanoseconds for a lookup that hits.
    fn nanos(&mut self) -> Result<f64> {
        let (mut hits, mut looks, mut steps) = (0_u64, 0_u64, Steps::new(self.world.entries));
        let nanos = nanos(|| {
            looks += 1;
            hits += u64::from(self.looks_up(steps.next()));
        });
        ensure!(hits == looks, "{hits} of {looks} lookups in L1 hit");
        Ok(nanos)
    }
}

impl Shared {
    pub(crate) fn full(world: World) -> Self {
        let (values, cache) = (values(), SharedCache::new(Limits::of_entries(world.entries), SEED));
        let verdict = Arc::new(verdict());
        for number in 0..world.entries {
            let request = world.request(&values, number);
            if let shared::Lookup::Miss(vacancy) = cache.lookup(&ROOT, &request, NOW) {
                cache.insert(vacancy, &ROOT, &request.trace(), Arc::clone(&verdict), NOW);
            }
        }
        Self { world, values, cache }
    }

    pub(crate) fn looks_up(&self, number: usize) -> bool {
        let request = self.world.request(&self.values, number);
        matches!(self.cache.lookup(&ROOT, black_box(&request), NOW), shared::Lookup::Hit(_))
    }

    fn nanos(&self) -> Result<f64> {
        let (mut hits, mut looks, mut steps) = (0_u64, 0_u64, Steps::new(self.world.entries));
        let nanos = nanos(|| {
            looks += 1;
            hits += u64::from(self.looks_up(steps.next()));
        });
        ensure!(hits == looks, "{hits} of {looks} lookups in L2 hit");
        Ok(nanos)
    }
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
    let pair = in_turn(rounds, || own.nanos(), || Ok(keyed.nanos()))?;
    let what = ["L1 lookup, depth 4, 10,000 entries", "hashbrown, 64-byte key, 10,000"];
    Ok(vec![Row::pair("micro/l1-map", what, "ns", &pair, Goal::AtMost(6.0))])
}

pub(crate) fn by_shapes(rounds: usize) -> Result<Vec<Row>> {
    let mut many = Own::full(World::new(L1_ENTRIES, 64));
    let mut one = Own::full(World::new(L1_ENTRIES, 1));
    let pair = in_turn(rounds, || many.nanos(), || one.nanos())?;
    let what = ["L1 lookup, 64 shapes", "1 shape"];
    Ok(vec![Row::pair("micro/l1-shapes", what, "ns", &pair, Goal::AtMost(1.3))])
}

pub(crate) fn shared_beside_own(rounds: usize) -> Result<Vec<Row>> {
    let mut own = Own::full(World::new(L1_ENTRIES, 1));
    let shared = Shared::full(World::new(L2_ENTRIES, 1));
    let pair = in_turn(rounds, || shared.nanos(), || own.nanos())?;
    let what = ["L2 lookup, depth 4, 1,000,000 entries", "L1 lookup, 10,000 entries"];
    Ok(vec![Row::pair("micro/l2", what, "ns", &pair, Goal::AtMost(2.0))])
}
