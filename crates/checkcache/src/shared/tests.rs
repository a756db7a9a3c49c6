//! Tests of what is particular to the shared cache, and of many threads at once. The law is tested for both caches
//! together.

#![allow(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of a hit is of one lifetime, a closure of any"
)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use attributes::{Bag, Value, ValueRef, Word};

use super::*;
use crate::{Code, Observation, Outcome, Recorder, Status, Target, Test, limits};

const SEED: [u8; 16] = [7; 16];

fn root(revision: u64) -> Root {
    Root { revision: Revision(revision), quota: None }
}

/// Bytes for what a tree takes by itself, too, so that it is the number of verdicts that counts.
fn cache(leaves: usize) -> SharedCache {
    let limits = Limits::of_entries(leaves);
    SharedCache::new(Limits { bytes: limits.bytes + 4096, ..limits }, SEED)
}

fn bag(a: i64) -> Bag {
    [("a", Value::from(a)), ("b", "x".into())].into_iter().collect()
}

fn of_nanos(ttl: u64) -> Validity {
    Validity::For { ttl: Duration::from_nanos(ttl), uses: None }
}

fn verdict(validity: Validity) -> Arc<Verdict> {
    Arc::new(Verdict::new(Status::new(Code::Ok, ""), validity))
}

fn trace(bag: &Bag, names: &[&str]) -> Trace {
    let mut recorder = Recorder::new(bag);
    for name in names {
        recorder.value(&(*name).into());
    }
    recorder.into_trace()
}

fn vacancy(cache: &SharedCache, bag: &Bag, now: u64) -> Vacancy {
    match cache.lookup(&root(1), bag, Tick(now), |hit| panic!("{hit:?}")) {
        Lookup::Miss(vacancy) => vacancy,
        Lookup::Hit(()) => panic!("there is nothing"),
    }
}

/// What is made of a hit.
fn on_hit<R>(cache: &SharedCache, bag: &Bag, now: u64, take: impl FnOnce(&Hit<'_>) -> R) -> R {
    match cache.lookup(&root(1), bag, Tick(now), take) {
        Lookup::Hit(taken) => taken,
        Lookup::Miss(vacancy) => panic!("{vacancy:?}"),
    }
}

/// For how long what is found may be used.
fn hit(cache: &SharedCache, bag: &Bag, now: u64) -> Validity {
    on_hit(cache, bag, now, |hit| hit.validity())
}

fn store(cache: &SharedCache, bag: &Bag, now: u64, validity: Validity) {
    let vacancy = vacancy(cache, bag, now);
    assert!(cache.insert(vacancy, &root(1), &trace(bag, &["a", "b"]), verdict(validity), Tick(now)));
}

#[test]
fn a_hit_says_what_it_was_stored_under_and_copies_nothing() {
    let cache = cache(10);
    let bag = bag(1);
    let stored = verdict(of_nanos(100));
    let trace = trace(&bag, &["b", "a"]);
    assert!(cache.insert(vacancy(&cache, &bag, 0), &root(1), &trace, Arc::clone(&stored), Tick(0)));
    on_hit(&cache, &bag, 30, |hit| {
        assert!(Arc::ptr_eq(hit.verdict(), &stored));
        assert_eq!((hit.trace(), hit.validity()), (trace, of_nanos(70)));
        assert_eq!(Arc::strong_count(&stored), 2);
    });
}

#[test]
fn a_hit_stays_what_it_is_whatever_becomes_of_the_cache() {
    type Change<'c> = &'c dyn Fn(&SharedCache, &Hit<'_>);
    let bag = bag(1);
    let all = trace(&bag, &["a", "b"]);
    let replace = |cache: &SharedCache, hit: &Hit<'_>| {
        let vacancy = Vacancy::new(MissReason::Ending, 0);
        assert!(cache.insert(vacancy, &root(1), &hit.trace(), verdict(Validity::Revision), Tick(0)));
    };
    let evict = |cache: &SharedCache, _: &Hit<'_>| {
        // The first is evicted instead of what was found just now.
        for a in [2, 3] {
            store(cache, &self::bag(a), 95, of_nanos(100));
        }
        vacancy(cache, &self::bag(1), 95);
    };
    // A node goes with its verdict, and another comes to its place.
    let evict_and_store = |cache: &SharedCache, hit: &Hit<'_>| {
        evict(cache, hit);
        store(cache, &self::bag(1), 95, of_nanos(100));
        self::hit(cache, &self::bag(1), 95);
    };
    let retain = |cache: &SharedCache, _: &Hit<'_>| drop(cache.retain(Revision(2)));
    let clear = |cache: &SharedCache, _: &Hit<'_>| assert_eq!(cache.clear().verdicts(), 1);
    let changes: [Change<'_>; 5] = [&replace, &evict, &evict_and_store, &retain, &clear];
    for change in changes {
        let cache = cache(1);
        store(&cache, &bag, 0, of_nanos(100));
        on_hit(&cache, &bag, 95, |hit| {
            let before = (Arc::clone(hit.verdict()), hit.validity(), hit.trace());
            assert_eq!(before.2, all);
            change(&cache, hit);
            // More than what readers held on to is gone by now, in other threads' memory.
            thread::scope(|scope| {
                scope.spawn(|| (10..50).for_each(|a| store(&cache, &self::bag(a), 95, of_nanos(100))));
            });
            assert_eq!((Arc::clone(hit.verdict()), hit.validity(), hit.trace()), before);
            assert!(hit.renew().is_some() && hit.renew().is_none());
        });
    }
}

#[test]
fn a_verdict_on_the_way_to_others_comes_and_goes_alone() {
    // Answers that were cut short end where others go on.
    let cache = cache(2);
    let [short, long] = [&["a"][..], &["a", "b"]].map(|names| trace(&bag(1), names));
    let insert = |trace: &Trace, now: u64, ttl: u64| {
        let vacancy = Vacancy::new(MissReason::Cold, 0);
        assert!(cache.insert(vacancy, &root(1), trace, verdict(of_nanos(ttl)), Tick(now)));
    };
    let found = |now: u64| on_hit(&cache, &bag(1), now, |hit| hit.trace());
    let held = || {
        let Statistics { leaves, nodes, .. } = cache.statistics();
        (leaves, nodes)
    };
    insert(&short, 0, 10);
    assert_eq!((found(0), held()), (short.clone(), (1, 2)));
    insert(&long, 0, 100);
    assert_eq!((found(0), held()), (short.clone(), (2, 3)));
    // Once it cannot be used any more, the next one on the way is found.
    assert_eq!(found(20), long);
    // It comes again, and goes without its node.
    insert(&short, 20, 10);
    assert_eq!((found(25), held()), (short.clone(), (2, 3)));
    assert!(cache.insert(
        vacancy(&cache, &bag(2), 25),
        &root(1),
        &trace(&bag(2), &["a"]),
        verdict(of_nanos(100)),
        Tick(40)
    ));
    assert_eq!((found(40), held()), (long.clone(), (2, 4)));
    drop(cache.clear());
    assert_eq!((held(), cache.statistics().bytes), ((0, 0), 0));
}

#[test]
fn what_is_asked_ahead_counts_only_where_it_is_asked() {
    let cache = cache(100);
    let bag = |values: &[(&str, i64)]| -> Bag {
        values.iter().map(|(name, value)| (*name, Value::from(*value))).collect()
    };
    let store = |bag: &Bag, names: &[&str]| {
        let trace = trace(bag, names);
        assert!(cache.insert(
            vacancy(&cache, bag, 0),
            &root(1),
            &trace,
            verdict(Validity::Revision),
            Tick(0)
        ));
        trace
    };
    let found = |bag: &Bag| on_hit(&cache, bag, 0, |hit| hit.trace());
    // The first that is stored says what is asked ahead; others turn off later and later, are shorter, and longer.
    let ways: [(&[i64], &[&str]); 6] = [
        (&[1, 1, 1, 1], &["a", "b", "c", "d", "e"]),
        (&[1, 2, 1, 1], &["a", "b", "d", "c", "e"]),
        (&[1, 1, 2, 1], &["a", "b", "c", "e", "d"]),
        (&[1, 1, 1, 2], &["a", "b", "c", "d"]),
        (&[1, 3, 1, 1], &["a", "b"]),
        (&[2, 1, 1, 1], &["a", "e", "d", "c", "b"]),
    ];
    let all = ways.map(|(values, names)| {
        let bag: Bag = bag(&["a", "b", "c", "d"].into_iter().zip(values.iter().copied()).collect::<Vec<_>>());
        let trace = store(&bag, names);
        (bag, trace)
    });
    for (bag, trace) in &all {
        assert_eq!(found(bag), *trace);
    }
    // What is asked alike, but at another place, is not found.
    vacancy(&cache, &bag(&[("a", 1), ("b", 2), ("c", 2), ("d", 1)]), 0);
    vacancy(&cache, &bag(&[("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1)]), 0);
    vacancy(&cache, &bag(&[("a", 1), ("b", 4)]), 0);
    assert_eq!(cache.statistics().leaves, all.len());
}

#[test]
fn a_question_weighs_as_long_as_it_is_asked_ahead() {
    const KEY: usize = 10_000;
    let cache = SharedCache::new(Limits { leaves: 1, nodes: 100, bytes: 1 << 20 }, SEED);
    let key = Word::from("k".repeat(KEY));
    let store = |b: i64, asks_key: bool| {
        let bag: Bag = [("a", 1), ("b", b)].into_iter().collect();
        let mut recorder = Recorder::new(&bag);
        recorder.value(&"a".into());
        recorder.value(&"b".into());
        if asks_key {
            recorder.entry(&"headers".into(), &key);
        }
        let (trace, vacancy) = (recorder.into_trace(), vacancy(&cache, &bag, 0));
        assert!(cache.insert(vacancy, &root(1), &trace, verdict(Validity::Revision), Tick(0)));
    };
    store(1, true);
    // The node that asked for the key goes; what is asked ahead stays, as there is still somebody who gets there.
    store(2, false);
    let held = cache.statistics();
    assert_eq!(held.leaves, 1);
    assert!(held.bytes >= KEY, "{} bytes", held.bytes);
    drop(cache.clear());
    assert_eq!(cache.statistics().bytes, 0);
}

#[test]
fn ways_that_are_longer_than_what_is_asked_ahead_are_walked_to_their_end() {
    let cache = cache(100);
    for length in [limits::TRAIL_QUESTIONS, limits::TRAIL_QUESTIONS + 1, limits::TRAIL_QUESTIONS + 2, 40] {
        let names: Vec<_> = (0..length).map(|number| format!("a{number}")).collect();
        let bag: Bag = names.iter().map(|name| (name.as_str(), Value::from(length as i64))).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let trace = trace(&bag, &names);
        assert!(cache.insert(
            vacancy(&cache, &bag, 0),
            &root(1),
            &trace,
            verdict(Validity::Revision),
            Tick(0)
        ));
        assert_eq!(on_hit(&cache, &bag, 0, |hit| hit.trace()), trace);
    }
}

#[test]
fn a_limited_number_of_uses_is_not_stored() {
    let cache = cache(10);
    let validity = Validity::For { ttl: Duration::from_secs(1), uses: Some(5) };
    assert!(!cache.insert(
        vacancy(&cache, &bag(1), 0),
        &root(1),
        &Trace::default(),
        verdict(validity),
        Tick(0)
    ));
}

#[test]
fn one_caller_gets_to_renew() {
    let cache = cache(10);
    store(&cache, &bag(1), 0, of_nanos(100));
    assert!(on_hit(&cache, &bag(1), 89, |hit| hit.renew()).is_none());
    let (vacancy, trace) = on_hit(&cache, &bag(1), 90, |one| {
        let vacancy = on_hit(&cache, &bag(1), 95, |other| {
            let vacancy = other.renew().unwrap();
            assert!(other.renew().is_none());
            vacancy
        });
        assert!(one.is_ending() && one.renew().is_none());
        (vacancy, one.trace())
    });
    assert!(cache.insert(vacancy, &root(1), &trace, verdict(of_nanos(100)), Tick(95)));
    assert_eq!(hit(&cache, &bag(1), 95), of_nanos(100));
    assert!(on_hit(&cache, &bag(1), 185, |hit| hit.renew()).is_some());
    let statistics = cache.statistics();
    assert_eq!((statistics.leaves, statistics.insertions), (1, 2));
}

#[test]
fn a_renewal_from_before_a_drop_is_not_stored() {
    let cache = cache(10);
    store(&cache, &bag(1), 0, of_nanos(100));
    on_hit(&cache, &bag(1), 95, |hit| {
        drop(cache.clear());
        let vacancy = hit.renew().unwrap();
        assert!(!cache.insert(vacancy, &root(1), &hit.trace(), verdict(of_nanos(100)), Tick(95)));
    });
    assert_eq!((cache.statistics().leaves, cache.statistics().refusals), (0, 1));
}

#[test]
fn what_was_not_found_lately_goes_first_and_takes_its_nodes_along() {
    let cache = cache(3);
    for a in [1, 2, 3] {
        store(&cache, &bag(a), 0, Validity::Revision);
    }
    hit(&cache, &bag(1), 0);
    store(&cache, &bag(4), 0, Validity::Revision);
    hit(&cache, &bag(1), 0);
    vacancy(&cache, &bag(2), 0);
    // A root, and two nodes for each of three verdicts.
    let statistics = cache.statistics();
    assert_eq!((statistics.leaves, statistics.nodes, statistics.evictions), (3, 7, 1));
}

#[test]
fn what_has_expired_goes_though_it_was_found() {
    let cache = cache(2);
    store(&cache, &bag(1), 0, of_nanos(10));
    store(&cache, &bag(2), 0, of_nanos(1000));
    hit(&cache, &bag(1), 5);
    hit(&cache, &bag(2), 5);
    store(&cache, &bag(3), 20, of_nanos(1000));
    hit(&cache, &bag(2), 20);
    hit(&cache, &bag(3), 20);
}

#[test]
fn bytes_are_bounded_and_given_back() {
    let cache = SharedCache::new(Limits { leaves: 1000, nodes: 1000, bytes: 40_000 }, SEED);
    let large = |number: usize| -> Bag {
        let text = format!("{number}{}", "x".repeat(500));
        [("a", Value::from(text.as_str()))].into_iter().collect()
    };
    for number in 0..200 {
        store(&cache, &large(number), 0, Validity::Revision);
        assert!(cache.statistics().bytes <= 40_000);
    }
    assert!(cache.statistics().leaves > 10);
    drop(cache.retain(Revision(2)));
    let statistics = cache.statistics();
    assert_eq!((statistics.leaves, statistics.nodes, statistics.bytes), (0, 0, 0));
}

#[test]
fn answers_without_an_order_get_trees_of_their_own_up_to_a_limit() {
    let cache = cache(100);
    let named = |name: &str| -> Bag { [(name, "x")].into_iter().collect() };
    for number in 0..limits::TREES + 3 {
        let name = format!("a{number}");
        let target = Target::Attribute(name.as_str().into());
        let seen = Observation::new(target, Test::Value, Outcome::Value("x".into()));
        let vacancy = vacancy(&cache, &named(&name), 0);
        let trace = [seen].into_iter().collect();
        assert!(cache.insert(vacancy, &root(1), &trace, verdict(Validity::Revision), Tick(0)));
        hit(&cache, &named(&name), 0);
    }
    let statistics = cache.statistics();
    assert_eq!((statistics.replaced_trees, statistics.leaves), (3, limits::TREES));
    vacancy(&cache, &named("a0"), 0);
}

#[test]
fn what_is_sent_is_written_once_if_there_is_room() {
    let cache = SharedCache::new(Limits { leaves: 10, nodes: 100, bytes: 16_000 }, SEED);
    store(&cache, &bag(1), 0, Validity::Revision);
    store(&cache, &bag(2), 0, Validity::Revision);
    let before = cache.statistics().bytes;
    let written = |number: i64, write: &dyn Fn() -> Vec<u8>| {
        on_hit(&cache, &bag(number), 0, |hit| cache.written(hit, |_| write()).map(<[u8]>::to_vec))
    };
    assert_eq!(written(1, &|| vec![1; 1000]), Some(vec![1; 1000]));
    assert_eq!(written(1, &|| panic!("it is written already")), Some(vec![1; 1000]));
    assert_eq!(written(2, &|| vec![2; 1000]), None);
    assert!(cache.statistics().bytes >= before + 1000);
    drop(cache.clear());
    assert_eq!(cache.statistics().bytes, 0);
}

#[test]
fn looking_again_counts_as_nothing() {
    let cache = cache(10);
    assert!(cache.look_again(&root(1), &bag(1), Tick(0), |_| ()).is_none());
    store(&cache, &bag(1), 0, Validity::Revision);
    assert!(cache.look_again(&root(1), &bag(1), Tick(0), |_| ()).is_some());
    let statistics = cache.statistics();
    assert_eq!((statistics.hits, statistics.misses_cold), (0, 1));
}

// === many threads ===

/// What a policy looks at depends on its revision and on what it saw before.
fn evaluate(revision: u64, truth: u64, r: &mut Recorder<'_>) -> Arc<Verdict> {
    let mut number = |name: &str| match r.value(&name.into()) {
        Some(ValueRef::Int64(number)) => number,
        _ => -1,
    };
    let a = number("a");
    let found = if (a + revision as i64) % 2 == 0 { number("b") * 100 + a } else { a };
    Arc::new(Verdict::new(
        Status::new(Code::Ok, format!("{revision} {truth} {found}")),
        of_nanos(1 + found as u64 * 7),
    ))
}

/// A small generator: the numbers are the same in each run, the order of threads is not.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Asks and stores from several threads, while others drop everything, or all but one revision. Everything that is
/// found must be what an evaluation gives; what was true before a drop must not be found after it.
fn storm(seed: u64) -> Statistics {
    const LEAVES: usize = 40;
    let cache = SharedCache::new(Limits::of_entries(LEAVES), SEED);
    // What is true changes, then everything is dropped, then that is said to be done.
    let (truth, dropped) = (AtomicU64::new(0), AtomicU64::new(0));
    let is_over = AtomicBool::new(false);
    let ask = |dice: &mut Dice, step: u64| {
        let revision = dice.roll(2);
        let bag: Bag = [("a", dice.roll(12) as i64), ("b", dice.roll(8) as i64)].into_iter().collect();
        let (now, at_least) = (Tick(step), dropped.load(Ordering::Acquire));
        let check = |hit: &Hit<'_>| {
            let text = &hit.verdict().status.message;
            let found_truth: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
            assert!(found_truth >= at_least, "seed {seed}: {text} after {at_least} was dropped");
            let fresh = evaluate(revision, found_truth, &mut Recorder::untraced(&bag));
            // Also if others had their turn meanwhile.
            thread::yield_now();
            assert_eq!(hit.verdict(), &fresh, "seed {seed}");
            assert!(hit.trace().holds_for(&bag), "seed {seed}");
            hit.renew()
        };
        let vacancy = match cache.lookup(&root(revision), &bag, now, check) {
            Lookup::Hit(Some(vacancy)) | Lookup::Miss(vacancy) => vacancy,
            Lookup::Hit(None) => return,
        };
        let mut recorder = Recorder::new(&bag);
        let verdict = evaluate(revision, truth.load(Ordering::Acquire), &mut recorder);
        if dice.roll(4) == 0 {
            thread::yield_now();
        }
        cache.insert(vacancy, &root(revision), &recorder.into_trace(), verdict, now);
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..3)
            .map(|worker| {
                let ask = &ask;
                scope.spawn(move || {
                    let mut dice = Dice(seed * 31 + worker);
                    (0..2000).for_each(|step| ask(&mut dice, step));
                })
            })
            .collect();
        scope.spawn(|| {
            let mut dice = Dice(seed);
            while !is_over.load(Ordering::Relaxed) {
                if dice.roll(3) == 0 {
                    drop(cache.retain(Revision(dice.roll(2))));
                } else {
                    let next = truth.fetch_add(1, Ordering::AcqRel) + 1;
                    drop(cache.clear());
                    dropped.store(next, Ordering::Release);
                }
                let held = cache.statistics();
                let limits = Limits::of_entries(LEAVES);
                assert!(held.leaves <= LEAVES && held.nodes <= limits.nodes && held.bytes <= limits.bytes);
                for _ in 0..dice.roll(20) {
                    thread::yield_now();
                }
            }
        });
        let ends: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(ends.iter().all(Result::is_ok), "seed {seed}");
    });
    cache.statistics()
}

#[test]
fn nothing_wrong_is_found_while_many_threads_store_and_drop() {
    let mut sum = Statistics::default();
    for seed in 0..60 {
        let statistics = storm(seed);
        sum.hits += statistics.hits;
        sum.insertions += statistics.insertions;
        sum.evictions += statistics.evictions;
        sum.refusals += statistics.refusals;
    }
    println!("{sum:?}");
    assert!(sum.hits > 10_000 && sum.insertions > 10_000 && sum.evictions > 1000, "{sum:?}");
}
