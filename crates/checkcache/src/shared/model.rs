//! A model of the shared cache: the same source, on top of threads whose every order can be tried.
//!
//! What is tried is the order of steps: which of the pointers and tables is read or written when. The parts from which
//! it is built are taken as good: that a step of theirs is one step, and that a reader may hold on to what it found,
//! is for their own tests.

#![allow(clippy::duplicate_mod, reason = "the same source, with other threads")]

mod sync;

#[path = "ahead.rs"]
mod ahead;
#[path = "forest.rs"]
#[allow(dead_code, reason = "the model does not count and frees at once")]
mod forest;
#[allow(dead_code, reason = "the model counts nothing")]
#[path = "plot.rs"]
mod plot;
#[allow(dead_code, reason = "the model sends nothing")]
#[path = "tree.rs"]
mod tree;
#[path = "written.rs"]
#[allow(dead_code, reason = "the model sends nothing")]
mod written;

use std::sync::Arc;
use std::time::Duration;

use attributes::{Bag, Value, ValueRef};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

use self::forest::{Forest, Found, Insertion};
use crate::life::Life;
use crate::{Code, Limits, Recorder, Revision, Root, Status, Tick, Validity, Verdict};

const ORDERS: usize = 3000;

/// A cache with what is true about the world outside.
struct World {
    forest: Forest,
    truth: AtomicU64,
    /// What was true before this can be found no more.
    dropped: AtomicU64,
    leaves: usize,
}

fn root(revision: u64) -> Root {
    Root { revision: Revision(revision), quota: None }
}

fn bag(a: i64) -> Bag {
    [("a", Value::from(a)), ("b", Value::from(a / 2))].into_iter().collect()
}

/// Looks at the second attribute if the first, or the revision, says so.
fn evaluate(revision: u64, truth: u64, r: &mut Recorder<'_>) -> Verdict {
    let mut number = |name: &str| match r.value(&name.into()) {
        Some(ValueRef::Int64(number)) => number,
        _ => -1,
    };
    let a = number("a");
    let found = if a == revision as i64 { number("b") } else { a };
    let validity = Validity::For { ttl: Duration::from_nanos(100), uses: None };
    Verdict::new(Status::new(Code::Ok, format!("{revision} {truth} {found}")), validity)
}

impl World {
    fn new(leaves: usize) -> Arc<Self> {
        // What threads meet at is many times as large here as it is in earnest: bytes are not what is tried.
        let limits = Limits { bytes: usize::MAX, ..Limits::of_entries(leaves) };
        let forest = Forest::new(limits, [7; 16]);
        Arc::new(Self { forest, truth: AtomicU64::new(0), dropped: AtomicU64::new(0), leaves })
    }

    /// Looks up, checks what is found, and stores what is not or is to be renewed.
    fn ask(&self, revision: u64, a: i64, now: u64) {
        let (root, bag, now) = (root(revision), bag(a), Tick(now));
        let at_least = self.dropped.load(Ordering::SeqCst);
        // Whether it is to be renewed.
        let check = |Found { place, leaf, generation: _ }: Found<'_>| {
            let text = &leaf.verdict.status.message;
            let truth: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
            assert!(truth >= at_least, "{text} after {at_least} was dropped");
            // While others get their turn, it stays what it is.
            for _ in 0..2 {
                assert_eq!(*leaf.verdict, evaluate(revision, truth, &mut Recorder::untraced(&bag)));
                assert!(place.trace().holds_for(&bag));
                thread::yield_now();
            }
            leaf.touch();
            leaf.life.is_ending(now) && leaf.begin_renewal()
        };
        let look = self.forest.look(&root, &bag, now, check);
        if look.found == Some(false) {
            return;
        }
        let mut recorder = Recorder::new(&bag);
        let verdict = Arc::new(evaluate(revision, self.truth.load(Ordering::SeqCst), &mut recorder));
        let life = Life::begin(verdict.validity, now).unwrap();
        self.forest.insert(look.generation, &root, &recorder.into_trace(), verdict, life, now);
    }

    fn drop_all(&self) {
        let next = self.truth.fetch_add(1, Ordering::SeqCst) + 1;
        drop(self.forest.clear());
        // Of several that drop at once, the last to be done must not say less than one before.
        self.dropped.fetch_max(next, Ordering::SeqCst);
    }

    fn check(&self) {
        let held = self.forest.statistics();
        assert!(held.leaves <= self.leaves, "{held:?}");
        assert_eq!((held.leaves == 0, held.bytes == 0), (held.nodes == 0, held.nodes == 0), "{held:?}");
    }
}

/// Tries many orders of threads that do this to a world, at random and with few, but well placed, changes of turn.
fn try_orders(leaves: usize, threads: &'static [fn(&World)]) {
    let run = move || {
        let world = World::new(leaves);
        let running: Vec<_> = threads
            .iter()
            .map(|act| {
                let world = Arc::clone(&world);
                thread::spawn(move || act(&world))
            })
            .collect();
        for thread in running {
            thread.join().unwrap();
        }
        world.check();
    };
    shuttle::check_random(run, ORDERS);
    shuttle::check_pct(run, ORDERS, 3);
}

#[test]
fn readers_and_writers_of_one_tree() {
    try_orders(
        10,
        &[
            |world| (0..3).for_each(|a| world.ask(0, a, 0)),
            |world| (0..3).rev().for_each(|a| world.ask(0, a, 0)),
            |world| (0..3).for_each(|a| world.ask(0, a, 0)),
        ],
    );
}

#[test]
fn eviction_under_readers() {
    try_orders(
        1,
        &[
            |world| (0..3).for_each(|a| world.ask(0, a, 0)),
            |world| (0..3).rev().for_each(|a| world.ask(0, a, 0)),
            |world| world.ask(1, 0, 0),
        ],
    );
}

#[test]
fn drops_under_readers_and_writers() {
    try_orders(
        2,
        &[
            |world| [0, 1, 0].into_iter().for_each(|a| world.ask(0, a, 0)),
            |world| [0, 0, 1].into_iter().for_each(|a| world.ask(a as u64, a, 0)),
            World::drop_all,
            |world| {
                drop(world.forest.retain(Revision(1)));
                world.drop_all();
            },
        ],
    );
}

#[test]
fn renewal_under_drops() {
    try_orders(
        2,
        &[
            |world| [0, 50, 95, 97].into_iter().for_each(|now| world.ask(0, 0, now)),
            |world| [0, 92, 99].into_iter().for_each(|now| world.ask(0, 0, now)),
            World::drop_all,
        ],
    );
}

#[test]
fn one_of_many_renews() {
    let run = || {
        let world = World::new(2);
        world.ask(0, 0, 0);
        let renewals = Arc::new(AtomicU64::new(0));
        let running: Vec<_> = (0..3)
            .map(|_| {
                let (world, renewals) = (Arc::clone(&world), Arc::clone(&renewals));
                thread::spawn(move || {
                    let look = |found: Found<'_>| found.leaf.begin_renewal();
                    let is_first = world.forest.look(&root(0), &bag(0), Tick(95), look).found.unwrap();
                    renewals.fetch_add(u64::from(is_first), Ordering::SeqCst);
                })
            })
            .collect();
        for thread in running {
            thread.join().unwrap();
        }
        assert_eq!(renewals.load(Ordering::SeqCst), 1);
    };
    shuttle::check_random(run, ORDERS);
}

#[test]
fn what_comes_late_is_refused() {
    let run = || {
        let world = World::new(2);
        let look = world.forest.look(&root(0), &bag(0), Tick(0), |_| ());
        let verdict = Arc::new(evaluate(0, 0, &mut Recorder::untraced(&bag(0))));
        let life = Life::begin(verdict.validity, Tick(0)).unwrap();
        let dropping = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.drop_all())
        };
        let trace = crate::Trace::default();
        let (stored, _) = world.forest.insert(look.generation, &root(0), &trace, verdict, life, Tick(0));
        let is_first = stored == Insertion::Stored;
        dropping.join().unwrap();
        // Whichever came first, nothing is left.
        assert!(world.forest.look(&root(0), &bag(0), Tick(0), |_| ()).found.is_none(), "{is_first}");
    };
    shuttle::check_random(run, ORDERS);
}
