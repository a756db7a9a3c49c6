//! Tests of the cache: the law, exhaustively over a small world, and the rules of validity and eviction.

use std::sync::Arc;
use std::time::Duration;

use attributes::{AttributeSource, Bag, MapEntry, Name, StringMap, Value, ValueRef};

use super::*;
use crate::{Code, Outcome, OutcomeRef, Recorder, Status, Target, Test};

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

// === the law ===

/// What a rule looks at.
#[derive(Clone, Copy, Debug)]
enum Condition {
    Present,
    IsX,
    EqualsX,
    StartsWithX,
    AfterX,
    KeyIsX,
    KeyIsEmpty,
    KeyPresent,
    WholeMapEmpty,
    NumberIsOne,
}

const CONDITIONS: [Condition; 10] = [
    Condition::Present,
    Condition::IsX,
    Condition::EqualsX,
    Condition::StartsWithX,
    Condition::AfterX,
    Condition::KeyIsX,
    Condition::KeyIsEmpty,
    Condition::KeyPresent,
    Condition::WholeMapEmpty,
    Condition::NumberIsOne,
];

impl Condition {
    fn holds(self, r: &mut Recorder<'_>) -> bool {
        let a = Name::from("a");
        let map = Name::from("m");
        let (k, x): (Arc<str>, Arc<str>) = ("k".into(), "x".into());
        let key = Target::Key(map.clone(), Arc::clone(&k));
        match self {
            Self::Present => r.present(&a),
            Self::IsX => r.value(&a) == Some(ValueRef::String("x")),
            Self::EqualsX => {
                r.perform(&Target::Attribute(a), &Test::Equals(Value::String(x))) == OutcomeRef::Yes
            }
            Self::StartsWithX => r.perform(&Target::Attribute(a), &Test::Prefix(x)) == OutcomeRef::Yes,
            Self::AfterX => {
                r.perform(&Target::Attribute(a), &Test::Greater(Value::String(x))) == OutcomeRef::Yes
            }
            Self::KeyIsX => r.entry(&map, &k) == MapEntry::Found("x"),
            Self::KeyIsEmpty => r.entry(&map, &k) == MapEntry::Found(""),
            Self::KeyPresent => r.perform(&key, &Test::Present) == OutcomeRef::Yes,
            Self::WholeMapEmpty => matches!(r.value(&map), Some(ValueRef::StringMap(m)) if m.is_empty()),
            Self::NumberIsOne => r.value(&a) == Some(ValueRef::Int64(1)),
        }
    }
}

/// A rule refuses with its own message if both conditions hold; the second is looked at only if the first does.
type Rule = (Condition, Condition);

fn evaluate(rules: &[Rule], r: &mut Recorder<'_>) -> Verdict {
    for (number, (first, second)) in rules.iter().enumerate() {
        if first.holds(r) && second.holds(r) {
            return Verdict::new(Status::new(Code::PermissionDenied, number.to_string()), Validity::Revision);
        }
    }
    verdict(Code::Ok, Validity::Revision)
}

/// Every bag of the small world: the attribute absent, text, or a number; the map absent, or with none, an empty or
/// a full entry, or no map at all.
fn bags() -> Vec<Bag> {
    let a =
        [None, Some("".into()), Some("x".into()), Some("xy".into()), Some("w".into()), Some(Value::Int64(1))];
    let map = |entries: &[(&str, &str)]| Value::from(entries.iter().copied().collect::<StringMap>());
    let m = [
        None,
        Some(map(&[])),
        Some(map(&[("k", "")])),
        Some(map(&[("k", "x")])),
        Some(map(&[("j", "x")])),
        Some("x".into()),
    ];
    let mut bags = Vec::new();
    for a in &a {
        for m in &m {
            let attributes = [("a", a), ("m", m)];
            bags.push(attributes.iter().filter_map(|(n, v)| Some((*n, (*v).clone()?))).collect());
        }
    }
    bags
}

#[test]
fn a_cached_answer_is_the_fresh_one_for_all_small_rule_sets_and_all_bags() {
    let bags = bags();
    let rules: Vec<Rule> =
        CONDITIONS.iter().flat_map(|first| CONDITIONS.iter().map(move |second| (*first, *second))).collect();
    let (mut answers, mut hits) = (0u64, 0u64);
    for (index, first) in rules.iter().enumerate() {
        for second in &rules {
            let program = [*first, *second];
            // Room for all, then for so few that eviction goes on all the time.
            for leaves in [1000, 3] {
                let mut cache = cache(leaves);
                // Two rounds, in an order that differs from program to program, so that each bag meets the
                // traces of others and then its own.
                for step in 0..2 * bags.len() {
                    let bag = &bags[(step * 7 + index) % bags.len()];
                    let at = root(0);
                    let (answer, hit) =
                        ask(&mut cache, &at, bag, Tick(step as u64), |r| evaluate(&program, r));
                    let fresh = evaluate(&program, &mut Recorder::untraced(bag));
                    assert_eq!(answer, fresh, "rules {program:?}, bag {bag:?}");
                    answers += 1;
                    hits += u64::from(hit);
                }
                assert!(cache.statistics().leaves <= leaves);
                assert_eq!(cache.statistics().replaced_trees, 0, "traces of one snapshot fit one tree");
            }
        }
    }
    println!("{} programs, {} bags, {answers} answers, {hits} of them from the cache", 10_000, bags.len());
    assert!(hits > answers / 4, "a cache that never hits proves nothing");
}

#[test]
fn the_law_holds_while_snapshots_change_and_time_passes() {
    let bags = bags();
    let programs = [
        [(Condition::KeyIsX, Condition::StartsWithX), (Condition::Present, Condition::WholeMapEmpty)],
        [(Condition::StartsWithX, Condition::KeyIsX), (Condition::NumberIsOne, Condition::KeyPresent)],
        [(Condition::EqualsX, Condition::EqualsX), (Condition::AfterX, Condition::KeyIsEmpty)],
    ];
    let mut cache = cache(20);
    let mut state = 1u64;
    for step in 0..20_000u64 {
        // A small generator of our own is enough to mix; the numbers are the same in each run.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let revision = (step / 500 % 3) as usize;
        let bag = &bags[(state >> 33) as usize % bags.len()];
        let program = programs[revision];
        let short =
            Validity::For { ttl: Duration::from_nanos(state >> 60), uses: Some((state >> 40) as u32 % 4) };
        let (answer, _) = ask(&mut cache, &root(revision as u64), bag, Tick(step), |r| {
            let Verdict { status, .. } = evaluate(&program, r);
            Verdict::new(status, short)
        });
        let fresh = evaluate(&program, &mut Recorder::untraced(bag));
        assert_eq!(answer.status, fresh.status);
        if state.is_multiple_of(97) {
            cache.retain(Revision(revision as u64));
        }
        assert!(cache.statistics().leaves <= 20);
    }
    cache.clear();
    assert_eq!((cache.statistics().leaves, cache.statistics().nodes, cache.statistics().bytes), (0, 0, 0));
}

// === what others got wrong ===

#[test]
fn a_verdict_without_a_header_is_not_found_for_a_request_with_it() {
    // One rule looks at the namespace and then at a header; another path looked at the namespace only.
    let rule = |r: &mut Recorder<'_>| {
        let same = r.value(&"ns".into()) == Some(ValueRef::String("a"));
        let header = same && r.entry(&"request.headers".into(), &"x".into()) != MapEntry::NoKey;
        verdict(if header { Code::PermissionDenied } else { Code::Ok }, minute())
    };
    let bag = |ns: &str, headers: &[(&str, &str)]| -> Bag {
        let headers: StringMap = headers.iter().copied().collect();
        [("ns", Value::from(ns)), ("request.headers", headers.into())].into_iter().collect()
    };
    let mut cache = cache(10);
    assert_eq!(ask(&mut cache, &root(1), &bag("a", &[]), Tick(0), rule).0.status.code, Code::Ok);
    assert_eq!(ask(&mut cache, &root(1), &bag("b", &[]), Tick(0), rule).0.status.code, Code::Ok);
    let with = ask(&mut cache, &root(1), &bag("a", &[("x", "1")]), Tick(0), rule);
    assert_eq!((with.0.status.code, with.1), (Code::PermissionDenied, false));
}

#[test]
fn an_absent_map_is_not_a_map_without_the_key() {
    let rule = |r: &mut Recorder<'_>| match r.entry(&"m".into(), &"k".into()) {
        MapEntry::NoMap => verdict(Code::PermissionDenied, minute()),
        _ => verdict(Code::Ok, minute()),
    };
    let mut cache = cache(10);
    assert!(!ask(&mut cache, &root(1), &Bag::new(), Tick(0), rule).0.status.is_ok());
    let empty: Bag = [("m", StringMap::default())].into_iter().collect();
    let (answer, hit) = ask(&mut cache, &root(1), &empty, Tick(0), rule);
    assert!(answer.status.is_ok() && !hit);
}

#[test]
fn values_of_unlike_kinds_are_different() {
    let rule = |r: &mut Recorder<'_>| {
        let text = matches!(r.value(&"a".into()), Some(ValueRef::String(_)));
        verdict(if text { Code::Ok } else { Code::InvalidArgument }, minute())
    };
    let mut cache = cache(10);
    for (value, code) in [(Value::from("1"), Code::Ok), (1.into(), Code::InvalidArgument)] {
        let bag: Bag = [("a", value)].into_iter().collect();
        assert_eq!(ask(&mut cache, &root(1), &bag, Tick(0), rule).0.status.code, code);
    }
}

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
fn what_must_not_be_cached_is_not() {
    let mut cache = cache(10);
    let none = Validity::For { ttl: Duration::ZERO, uses: None };
    let unused = Validity::For { ttl: Duration::from_secs(1), uses: Some(0) };
    for validity in [Validity::Never, none, unused] {
        ask(&mut cache, &root(1), &Bag::new(), Tick(0), |_| verdict(Code::Ok, validity));
        assert_eq!(cache.statistics().leaves, 0);
    }
    let mut off = self::cache(0);
    ask(&mut off, &root(1), &Bag::new(), Tick(0), |_| verdict(Code::Ok, Validity::Revision));
    assert_eq!(off.statistics().leaves, 0);
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
    let seen = |name: &str, value: Option<&str>| Observation {
        target: Target::Attribute(name.into()),
        test: Test::Value,
        outcome: value.map_or(Outcome::Absent, |value| Outcome::Value(value.into())),
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
