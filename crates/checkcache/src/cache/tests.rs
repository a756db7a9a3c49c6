//! Tests of the cache: the rules of lookups, validity and eviction. The law is tested for both caches together.

use std::time::Duration;

use attributes::{AttributeSource, Bag, Value, ValueRef};

use super::*;
use crate::{Code, Outcome, Recorder, Status, Target, Test};

const SEED: [u8; 16] = [7; 16];

fn root(revision: u64) -> Root {
    Root { revision: Revision(revision), quota: None }
}

fn verdict(code: Code, validity: Validity) -> Verdict {
    Verdict::new(Status::new(code, ""), validity)
}

fn cache(leaves: usize) -> CheckCache {
    CheckCache::new(Limits::of_entries(leaves), SEED)
}

fn minute() -> Validity {
    Validity::For { ttl: Duration::from_secs(60), uses: None }
}

/// Looks up, and stores what `evaluate` says if there is nothing. Returns the answer and whether it was a hit.
fn ask(
    cache: &mut CheckCache,
    root: &Root,
    bag: &Bag,
    now: Tick,
    evaluate: impl Fn(&mut Recorder<'_>) -> Verdict,
) -> (Verdict, bool) {
    let vacancy = match cache.lookup(root, bag, now) {
        Lookup::Hit(hit) => return (hit.verdict().clone(), true),
        Lookup::Miss(vacancy) => vacancy,
    };
    let mut recorder = Recorder::new(bag);
    let verdict = evaluate(&mut recorder);
    cache.insert(vacancy, root, recorder.into_trace(), verdict.clone(), now);
    (verdict, false)
}

// === lookups ===

#[test]
fn an_expired_leaf_hides_no_other() {
    let mut cache = cache(10);
    let rule = |ttl| {
        move |r: &mut Recorder<'_>| {
            r.value(&"a".into());
            verdict(Code::Ok, Validity::For { ttl: Duration::from_nanos(ttl), uses: None })
        }
    };
    let bag = |a: &str| -> Bag { [("a", a)].into_iter().collect() };
    ask(&mut cache, &root(1), &bag("short"), Tick(0), rule(10));
    ask(&mut cache, &root(1), &bag("long"), Tick(0), rule(1000));
    let Lookup::Miss(vacancy) = cache.lookup(&root(1), &bag("short"), Tick(10)) else { panic!("expired") };
    assert_eq!(vacancy.reason(), MissReason::Expired);
    assert!(matches!(cache.lookup(&root(1), &bag("long"), Tick(10)), Lookup::Hit(_)));
}

#[test]
fn an_answer_from_before_a_drop_is_not_stored() {
    let mut cache = cache(10);
    let vacancy = |cache: &mut CheckCache| match cache.lookup(&root(1), &Bag::new(), Tick(0)) {
        Lookup::Miss(vacancy) => vacancy,
        Lookup::Hit(_) => panic!("nothing was stored"),
    };
    let store = |cache: &mut CheckCache, vacancy, revision| {
        let answer = verdict(Code::Ok, minute());
        cache.insert(vacancy, &root(revision), Trace::default(), answer, Tick(0))
    };
    let before = vacancy(&mut cache);
    cache.clear();
    assert!(!store(&mut cache, before, 1));
    let (before, same) = (vacancy(&mut cache), vacancy(&mut cache));
    cache.retain(Revision(2));
    assert!(!store(&mut cache, before, 1));
    // The answer says that it is of the new revision already.
    assert!(store(&mut cache, same, 2));
    assert_eq!((cache.statistics().refusals, cache.statistics().leaves), (2, 1));
    assert_eq!(vacancy(&mut cache).reason(), MissReason::Revision);
}

#[test]
fn one_caller_gets_to_renew() {
    let mut cache = cache(10);
    let of_hundred = |_: &mut Recorder<'_>| {
        verdict(Code::Ok, Validity::For { ttl: Duration::from_nanos(100), uses: None })
    };
    let renew = |cache: &mut CheckCache, now| match cache.lookup(&root(1), &Bag::new(), Tick(now)) {
        Lookup::Hit(hit) => hit.renew(),
        Lookup::Miss(_) => panic!("it is stored"),
    };
    ask(&mut cache, &root(1), &Bag::new(), Tick(0), of_hundred);
    assert!(renew(&mut cache, 89).is_none());
    let vacancy = renew(&mut cache, 90).unwrap();
    assert_eq!(vacancy.reason(), MissReason::Ending);
    assert!(renew(&mut cache, 90).is_none());
    let again = of_hundred(&mut Recorder::new(&Bag::new()));
    assert!(cache.insert(vacancy, &root(1), Trace::default(), again, Tick(95)));
    assert!(renew(&mut cache, 184).is_none());
    assert!(renew(&mut cache, 185).is_some());
}

#[test]
fn looking_up_leaves_no_trace() {
    let mut cache = cache(10);
    let bag: Bag = [("a", "x")].into_iter().collect();
    for _ in 0..100 {
        assert!(matches!(cache.lookup(&root(1), &bag, Tick(0)), Lookup::Miss(_)));
    }
    let statistics = cache.statistics();
    assert_eq!((statistics.nodes, statistics.leaves, statistics.misses_cold), (0, 0, 100));
}

/// Counts how often an attribute is fetched.
struct Counting(Bag, std::cell::RefCell<Vec<String>>);

impl AttributeSource for Counting {
    fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        self.1.borrow_mut().push(name.to_owned());
        self.0.get(name)
    }
}

#[test]
fn a_lookup_fetches_only_what_its_walk_needs() {
    let mut cache = cache(10);
    let rule = |r: &mut Recorder<'_>| {
        if r.value(&"a".into()) == Some(ValueRef::String("x")) {
            r.value(&"b".into());
        }
        verdict(Code::Ok, minute())
    };
    let x: Bag = [("a", "x"), ("b", "1"), ("c", "2")].into_iter().collect();
    let y: Bag = [("a", "y"), ("b", "1")].into_iter().collect();
    ask(&mut cache, &root(1), &x, Tick(0), rule);
    ask(&mut cache, &root(1), &y, Tick(0), rule);
    for (bag, fetched) in [(x, vec!["a", "b"]), (y, vec!["a"])] {
        let counting = Counting(bag, std::cell::RefCell::default());
        assert!(matches!(cache.lookup(&root(1), &counting, Tick(0)), Lookup::Hit(_)));
        assert_eq!(*counting.1.borrow(), fetched);
    }
}

// === validity, eviction, the trace that comes back ===

#[test]
fn uses_are_spent() {
    let mut cache = cache(10);
    let rule = |_: &mut Recorder<'_>| {
        verdict(Code::Ok, Validity::For { ttl: Duration::from_secs(1), uses: Some(2) })
    };
    let hits = [false, true, true, false, true];
    for expected in hits {
        assert_eq!(ask(&mut cache, &root(1), &Bag::new(), Tick(0), rule).1, expected);
    }
}

#[test]
fn the_tightest_validity_wins() {
    let of = |seconds, uses| Validity::For { ttl: Duration::from_secs(seconds), uses };
    assert_eq!(of(5, None).fold(of(9, Some(3))), of(5, Some(3)));
    assert_eq!(of(5, Some(7)).fold(Validity::Revision), of(5, Some(7)));
    assert_eq!(of(5, None).fold(Validity::Never), Validity::Never);
    assert_eq!(Validity::Revision.fold(Validity::Revision), Validity::Revision);
}

#[test]
fn the_least_recently_used_goes_first_and_takes_its_nodes_along() {
    let mut cache = cache(2);
    let rule = |r: &mut Recorder<'_>| {
        r.value(&"a".into());
        r.value(&"b".into());
        verdict(Code::Ok, Validity::Revision)
    };
    let bag = |a: &str| -> Bag { [("a", a), ("b", "x")].into_iter().collect() };
    for (a, hit) in [("1", false), ("2", false), ("1", true), ("3", false), ("1", true), ("2", false)] {
        assert_eq!(ask(&mut cache, &root(1), &bag(a), Tick(0), rule).1, hit, "{a}");
    }
    let statistics = cache.statistics();
    // A root, and two nodes for each of two verdicts.
    assert_eq!((statistics.leaves, statistics.nodes, statistics.evictions), (2, 5, 2));
}

#[test]
fn bytes_are_bounded() {
    let mut cache = CheckCache::new(Limits { leaves: 1000, nodes: 1000, bytes: 20_000 }, SEED);
    for number in 0..100 {
        let bag: Bag =
            [("a", Value::from(format!("{number}{}", "x".repeat(500)).as_str()))].into_iter().collect();
        ask(&mut cache, &root(1), &bag, Tick(0), |r| {
            r.value(&"a".into());
            verdict(Code::Ok, Validity::Revision)
        });
        assert!(cache.statistics().bytes <= 20_000);
    }
    assert!(cache.statistics().leaves > 10);
}

#[test]
fn a_hit_says_what_it_was_stored_under() {
    let mut cache = cache(10);
    let bag: Bag = [("a", "x")].into_iter().collect();
    let rule = |r: &mut Recorder<'_>| {
        r.value(&"a".into());
        r.entry(&"m".into(), &"k".into());
        verdict(Code::Ok, Validity::For { ttl: Duration::from_nanos(100), uses: None })
    };
    ask(&mut cache, &root(1), &bag, Tick(0), rule);
    let mut recorder = Recorder::new(&bag);
    rule(&mut recorder);
    let Lookup::Hit(hit) = cache.lookup(&root(1), &bag, Tick(30)) else { panic!("a hit") };
    assert_eq!(hit.trace(), recorder.into_trace());
    assert_eq!(hit.validity(), Validity::For { ttl: Duration::from_nanos(70), uses: None });
}

#[test]
fn answers_without_an_order_get_trees_of_their_own_up_to_a_limit() {
    let mut cache = cache(100);
    let seen = |name: &str, value: Option<&str>| {
        let outcome = value.map_or(Outcome::Absent, |value| Outcome::Value(value.into()));
        Observation::new(Target::Attribute(name.into()), Test::Value, outcome)
    };
    for number in 0..limits::TREES + 3 {
        let name = format!("a{number}");
        let bag: Bag = [(name.as_str(), "x")].into_iter().collect();
        let Lookup::Miss(vacancy) = cache.lookup(&root(0), &bag, Tick(0)) else { panic!("nothing fits") };
        let trace = [seen(&name, Some("x"))].into_iter().collect();
        cache.insert(vacancy, &root(0), trace, verdict(Code::Ok, minute()), Tick(0));
        assert!(matches!(cache.lookup(&root(0), &bag, Tick(0)), Lookup::Hit(_)));
    }
    let statistics = cache.statistics();
    assert_eq!((statistics.replaced_trees, statistics.leaves), (3, limits::TREES));
    let first: Bag = [("a0", "x")].into_iter().collect();
    assert!(matches!(cache.lookup(&root(0), &first, Tick(0)), Lookup::Miss(_)));
}
