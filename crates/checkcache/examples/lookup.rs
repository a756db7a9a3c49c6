//! What a lookup costs, in the cache of one thread and in the shared one: `cargo run --release -p checkcache --features
//! shared --example lookup`.
//!
//! Four tests deep, among ten thousand verdicts, so that most of the time goes into memory that is not at hand: the
//! requests and the nodes. Expected: the shared cache takes less than twice as long, and as much more on each of two
//! threads as two caches of their own would.

#![allow(clippy::disallowed_methods, reason = "to measure is to look at the clock")]

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use attributes::Bag;
use checkcache::shared::{self, SharedCache};
use checkcache::{
    CheckCache, Code, Limits, Lookup, Recorder, Revision, Root, Status, Tick, Validity, Verdict,
};

const VERDICTS: usize = 10_000;
const LOOKUPS: u32 = 1_000_000;
const NAMES: [&str; 4] = ["target.service", "source.user", "request.method", "request.path"];

fn bag(number: usize) -> Bag {
    let texts =
        [number % 10, number / 10 % 10, number / 100 % 10, number / 1000].map(|part| format!("part {part}"));
    NAMES.into_iter().zip(texts.iter().map(String::as_str)).collect()
}

fn time(what: &str, mut lookup: impl FnMut(&Bag) -> bool, bags: &[Bag]) -> Duration {
    let begin = Instant::now();
    // A stride, so that one lookup does not warm the next.
    let hits =
        (0..LOOKUPS as usize).filter(|step| lookup(black_box(&bags[step * 7919 % bags.len()]))).count();
    let each = begin.elapsed() / LOOKUPS;
    assert_eq!(hits, LOOKUPS as usize);
    println!("{what}: {each:?} a lookup");
    each
}

fn main() {
    let (seed, now) = ([7; 16], Tick(0));
    let root = Root { revision: Revision(1), quota: None };
    let bags: Vec<_> = (0..VERDICTS).map(bag).collect();
    let mut own = [(); 2].map(|()| CheckCache::new(Limits::of_entries(VERDICTS), seed));
    let shared = SharedCache::new(Limits::of_entries(VERDICTS), seed);
    for bag in &bags {
        let mut recorder = Recorder::new(bag);
        for name in NAMES {
            recorder.value(&name.into());
        }
        let trace = recorder.into_trace();
        let verdict = Verdict::new(Status::new(Code::Ok, ""), Validity::Revision);
        if let shared::Lookup::Miss(vacancy) = shared.lookup(&root, bag, now, |_| ()) {
            shared.insert(vacancy, &root, &trace, Arc::new(verdict.clone()), now);
        }
        for own in &mut own {
            if let Lookup::Miss(vacancy) = own.lookup(&root, bag, now) {
                own.insert(vacancy, &root, trace.clone(), verdict.clone(), now);
            }
        }
    }
    let look = |bag: &Bag| matches!(shared.lookup(&root, bag, now, |_| ()), shared::Lookup::Hit(()));
    let look_in = |own: &mut CheckCache, bag: &Bag| matches!(own.lookup(&root, bag, now), Lookup::Hit(_));
    let one = time("own             ", |bag| look_in(&mut own[0], bag), &bags);
    let other = time("shared          ", look, &bags);
    println!("ratio            {:.2}", other.as_secs_f64() / one.as_secs_f64());
    thread::scope(|scope| {
        for own in &mut own {
            scope.spawn(|| time("own, one of two ", |bag| look_in(own, bag), &bags));
        }
    });
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| time("shared by two   ", look, &bags));
        }
    });
}
