//! Lookups in both caches.
//!
//! A request is made of a number by a few divisions, as cheaply as one that was just decoded is at hand: what is measured
//! is the way through what is stored.

use std::hint::black_box;
use std::sync::Arc;

use attributes::{AttributeSource, Bag, ValueRef};
use checkcache::shared::{self, SharedCache};
use checkcache::{
    CheckCache, Code, Limits, Lookup, Recorder, Revision, Root, Status, Tick, Trace, Validity, Verdict,
};

const SEED: [u8; 16] = [7; 16];
const NOW: Tick = Tick(0);
const ROOT: Root = Root { revision: Revision(1), quota: None };

/// How many tests a lookup performs.
const DEPTH: usize = 4;

/// Services, which every walk asks for first.
const SERVICES: usize = 64;

/// More values than any attribute of a full L2 needs.
const VALUES: usize = 128;

/// What the filter's cache holds by default.
pub const L1_ENTRIES: usize = 10_000;

/// What a large server's cache holds.
pub const L2_ENTRIES: usize = 1_000_000;

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

/// How numbers become requests.
pub struct World {
    entries: usize,
    /// How many values the other three attributes have each.
    base: usize,
    /// The attributes that are read: those of a service are at its number.
    shapes: Vec<[&'static str; DEPTH]>,
    values: Vec<String>,
}

/// A request with a number: each of its attributes has a value that follows from it.
struct Request<'w> {
    names: &'w [&'static str; DEPTH],
    values: [&'w str; DEPTH],
}

/// A full L1.
pub struct Own {
    world: World,
    cache: CheckCache,
}

/// A full L2.
pub struct Shared {
    world: World,
    cache: SharedCache,
}

// === impl World ===

impl World {
    /// So many requests, of services that have so many different ways to be decided.
    #[must_use]
    pub fn new(entries: usize, shapes: usize) -> Self {
        let base = ((entries / SERVICES + 1) as f64).cbrt().ceil() as usize;
        let shapes = (0..SERVICES).map(|service| shape(service % shapes)).collect();
        Self { entries, base, shapes, values: (0..VALUES).map(|n| format!("value number {n}")).collect() }
    }

    /// How many requests there are.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Request `number`: the service is one of 64, the rest is spread over the other three.
    fn request(&self, number: usize) -> Request<'_> {
        let (service, rest) = (number % SERVICES, number / SERVICES);
        let parts = [service, rest % self.base, rest / self.base % self.base, rest / self.base / self.base];
        Request { names: &self.shapes[service], values: parts.map(|part| self.values[part].as_str()) }
    }

    /// The same as a bag, with attributes that nobody reads up to a number of them.
    #[must_use]
    pub fn bag(&self, number: usize, attributes: usize) -> Bag {
        let request = self.request(number);
        let mut bag: Bag = request.names.iter().copied().zip(request.values).collect();
        for unread in bag.len()..attributes {
            bag.insert(format!("unread.attribute.{unread}").as_str(), "nobody");
        }
        bag
    }
}

/// The attributes that shape `number` reads: the service, and three of the other nine.
fn shape(number: usize) -> [&'static str; DEPTH] {
    let mut triples = (1..NAMES.len()).flat_map(|a| {
        (a + 1..NAMES.len()).flat_map(move |b| (b + 1..NAMES.len()).map(move |c| [0, a, b, c]))
    });
    triples.nth(number).unwrap_or([0, 1, 2, 3]).map(|at| NAMES[at])
}

fn verdict() -> Verdict {
    Verdict::new(Status::new(Code::Ok, ""), Validity::Revision)
}

// === impl Request ===

impl AttributeSource for Request<'_> {
    fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        let at = self.names.iter().position(|known| *known == name)?;
        self.values.get(at).map(|value| ValueRef::String(value))
    }
}

impl Request<'_> {
    fn trace(&self) -> Trace {
        let mut recorder = Recorder::new(self);
        for name in self.names {
            recorder.value(&(*name).into());
        }
        recorder.into_trace()
    }
}

// === impl Own ===

impl Own {
    /// A cache that holds a verdict for each request.
    #[must_use]
    pub fn full(world: World) -> Self {
        let mut cache = CheckCache::new(Limits::of_entries(world.entries), SEED);
        for number in 0..world.entries {
            let request = world.request(number);
            if let Lookup::Miss(vacancy) = cache.lookup(&ROOT, &request, NOW) {
                cache.insert(vacancy, &ROOT, request.trace(), verdict(), NOW);
            }
        }
        Self { world, cache }
    }

    /// What the requests are.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Whether request `number` hits.
    pub fn looks_up(&mut self, number: usize) -> bool {
        let request = self.world.request(number);
        matches!(self.cache.lookup(&ROOT, black_box(&request), NOW), Lookup::Hit(_))
    }

    /// Whether a request hits.
    pub fn looks_up_bag(&mut self, bag: &Bag) -> bool {
        matches!(self.cache.lookup(&ROOT, black_box(bag), NOW), Lookup::Hit(_))
    }
}

// === impl Shared ===

impl Shared {
    /// A cache that holds a verdict for each request.
    #[must_use]
    pub fn full(world: World) -> Self {
        let cache = SharedCache::new(Limits::of_entries(world.entries), SEED);
        let verdict = Arc::new(verdict());
        for number in 0..world.entries {
            let request = world.request(number);
            if let shared::Lookup::Miss(vacancy) = cache.lookup(&ROOT, &request, NOW, |_| ()) {
                cache.insert(vacancy, &ROOT, &request.trace(), Arc::clone(&verdict), NOW);
            }
        }
        Self { world, cache }
    }

    /// What the requests are.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Whether request `number` hits.
    pub fn looks_up(&self, number: usize) -> bool {
        let request = self.world.request(number);
        let take = |hit: &shared::Hit<'_>| hit.validity();
        matches!(self.cache.lookup(&ROOT, black_box(&request), NOW, take), shared::Lookup::Hit(_))
    }
}
