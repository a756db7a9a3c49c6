//! The law of the cache, for both caches and for both in series: what is found is what evaluating from scratch gives.
//!
//! Exhaustively over a small world: every pair of rules, every bag. Then while snapshots change, time passes and
//! everything is dropped now and then, and for what other caches got wrong.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use attributes::{Bag, MapEntry, Name, StringMap, Value, ValueRef, Word};

use crate::shared::{self, SharedCache};
use crate::{
    CheckCache, Code, Limits, Lookup, OutcomeRef, Recorder, Revision, Root, Statistics, Status, Target, Test,
    Tick, Trace, Validity, Verdict,
};

const SEED: [u8; 16] = [7; 16];

/// A cache, or some that stand behind each other.
trait Caches {
    fn with_room(leaves: usize) -> Self;

    /// Looks up, and stores what `evaluate` says if there is nothing. Returns the answer and whether it was a hit.
    fn ask(
        &mut self,
        root: &Root,
        bag: &Bag,
        now: Tick,
        evaluate: impl Fn(&mut Recorder<'_>) -> Verdict,
    ) -> (Verdict, bool);

    fn retain(&mut self, revision: Revision);

    fn clear(&mut self);

    /// What each holds.
    fn statistics(&self) -> Vec<Statistics>;
}

/// What the filter has before what the server has.
struct Series {
    first: CheckCache,
    second: SharedCache,
}

impl Caches for CheckCache {
    fn with_room(leaves: usize) -> Self {
        Self::new(Limits::of_entries(leaves), SEED)
    }

    fn ask(
        &mut self,
        root: &Root,
        bag: &Bag,
        now: Tick,
        evaluate: impl Fn(&mut Recorder<'_>) -> Verdict,
    ) -> (Verdict, bool) {
        let vacancy = match self.lookup(root, bag, now) {
            Lookup::Hit(hit) => return (hit.verdict().clone(), true),
            Lookup::Miss(vacancy) => vacancy,
        };
        let (verdict, trace) = fresh(bag, evaluate);
        self.insert(vacancy, root, trace, verdict.clone(), now);
        (verdict, false)
    }

    fn retain(&mut self, revision: Revision) {
        self.retain(revision);
    }

    fn clear(&mut self) {
        self.clear();
    }

    fn statistics(&self) -> Vec<Statistics> {
        vec![self.statistics()]
    }
}

impl Caches for SharedCache {
    fn with_room(leaves: usize) -> Self {
        Self::new(Limits::of_entries(leaves), SEED)
    }

    fn ask(
        &mut self,
        root: &Root,
        bag: &Bag,
        now: Tick,
        evaluate: impl Fn(&mut Recorder<'_>) -> Verdict,
    ) -> (Verdict, bool) {
        let take = |hit: &shared::Hit<'_>| {
            assert!(hit.trace().holds_for(bag));
            hit.verdict().as_ref().clone()
        };
        let vacancy = match self.lookup(root, bag, now, take) {
            shared::Lookup::Hit(verdict) => return (verdict, true),
            shared::Lookup::Miss(vacancy) => vacancy,
        };
        let (verdict, trace) = fresh(bag, evaluate);
        self.insert(vacancy, root, &trace, Arc::new(verdict.clone()), now);
        (verdict, false)
    }

    fn retain(&mut self, revision: Revision) {
        drop(Self::retain(self, revision));
    }

    fn clear(&mut self) {
        drop(Self::clear(self));
    }

    fn statistics(&self) -> Vec<Statistics> {
        vec![self.statistics()]
    }
}

impl Caches for Series {
    /// The second has more room, as the server has.
    fn with_room(leaves: usize) -> Self {
        Self { first: Caches::with_room(leaves.div_ceil(2)), second: Caches::with_room(leaves) }
    }

    fn ask(
        &mut self,
        root: &Root,
        bag: &Bag,
        now: Tick,
        evaluate: impl Fn(&mut Recorder<'_>) -> Verdict,
    ) -> (Verdict, bool) {
        let vacancy = match self.first.lookup(root, bag, now) {
            Lookup::Hit(hit) => return (hit.verdict().clone(), true),
            Lookup::Miss(vacancy) => vacancy,
        };
        let take = |hit: &shared::Hit<'_>| {
            // What is handed on is good for what is left of it.
            let verdict = Verdict { validity: hit.validity(), ..hit.verdict().as_ref().clone() };
            (verdict, hit.trace(), true)
        };
        let (verdict, trace, is_hit) = match self.second.lookup(root, bag, now, take) {
            shared::Lookup::Hit(taken) => taken,
            shared::Lookup::Miss(vacancy) => {
                let (verdict, trace) = fresh(bag, evaluate);
                self.second.insert(vacancy, root, &trace, Arc::new(verdict.clone()), now);
                (verdict, trace, false)
            }
        };
        self.first.insert(vacancy, root, trace, verdict.clone(), now);
        (verdict, is_hit)
    }

    fn retain(&mut self, revision: Revision) {
        self.first.retain(revision);
        drop(self.second.retain(revision));
    }

    fn clear(&mut self) {
        self.first.clear();
        drop(self.second.clear());
    }

    fn statistics(&self) -> Vec<Statistics> {
        vec![self.first.statistics(), self.second.statistics()]
    }
}

fn fresh(bag: &Bag, evaluate: impl Fn(&mut Recorder<'_>) -> Verdict) -> (Verdict, Trace) {
    let mut recorder = Recorder::new(bag);
    let verdict = evaluate(&mut recorder);
    (verdict, recorder.into_trace())
}

macro_rules! for_each_way {
    ($($law:ident)*) => {
        mod l1 {
            $(#[test] fn $law() { super::$law::<crate::CheckCache>(); })*
        }
        mod l2 {
            $(#[test] fn $law() { super::$law::<crate::shared::SharedCache>(); })*
        }
        mod in_series {
            $(#[test] fn $law() { super::$law::<super::Series>(); })*
        }
    };
}

for_each_way! {
    a_cached_answer_is_the_fresh_one_for_all_small_rule_sets_and_all_bags
    the_law_holds_while_snapshots_change_and_time_passes
    no_answer_outlives_what_it_rests_on
    a_verdict_without_a_header_is_not_found_for_a_request_with_it
    an_absent_map_is_not_a_map_without_the_key
    values_of_unlike_kinds_are_different
    what_others_took_for_the_same_is_not
    derived_attributes_are_known_by_what_they_were_made_from
    what_must_not_be_cached_is_not
    what_was_dropped_is_not_found
}

fn root(revision: u64) -> Root {
    Root { revision: Revision(revision), quota: None }
}

fn verdict(code: Code, validity: Validity) -> Verdict {
    Verdict::new(Status::new(code, ""), validity)
}

fn minute() -> Validity {
    Validity::For { ttl: Duration::from_secs(60), uses: None }
}

fn assert_room(cache: &impl Caches, leaves: usize) {
    for held in cache.statistics() {
        assert!(held.leaves <= leaves, "{held:?}");
        let limits = Limits::of_entries(leaves);
        assert!(held.nodes <= limits.nodes && held.bytes <= limits.bytes, "{held:?}");
        assert_eq!(held.leaves == 0, held.nodes == 0, "{held:?}");
    }
}

// === a small world ===

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

/// Made once: they are needed millions of times.
static NAMES: LazyLock<[Name; 2]> = LazyLock::new(|| [Name::from("a"), Name::from("m")]);
static TEXTS: LazyLock<[Word; 2]> = LazyLock::new(|| ["k", "x"].map(Word::lasting));

impl Condition {
    fn holds(self, recorder: &mut Recorder<'_>) -> bool {
        let [a, map] = NAMES.each_ref();
        let [k, x] = TEXTS.each_ref().map(Word::clone);
        let key = Target::Key(map.clone(), k.clone());
        match self {
            Self::Present => recorder.present(a),
            Self::IsX => recorder.value(a) == Some(ValueRef::String("x")),
            Self::EqualsX => {
                recorder.perform(&Target::Attribute(a.clone()), &Test::Equals(Value::String(x)))
                    == OutcomeRef::Yes
            }
            Self::StartsWithX => {
                recorder.perform(&Target::Attribute(a.clone()), &Test::Prefix(x)) == OutcomeRef::Yes
            }
            Self::AfterX => {
                recorder.perform(&Target::Attribute(a.clone()), &Test::Greater(Value::String(x)))
                    == OutcomeRef::Yes
            }
            Self::KeyIsX => recorder.entry(map, &k) == MapEntry::Found("x"),
            Self::KeyIsEmpty => recorder.entry(map, &k) == MapEntry::Found(""),
            Self::KeyPresent => recorder.perform(&key, &Test::Present) == OutcomeRef::Yes,
            Self::WholeMapEmpty => {
                matches!(recorder.value(map), Some(ValueRef::StringMap(m)) if m.is_empty())
            }
            Self::NumberIsOne => recorder.value(a) == Some(ValueRef::Int64(1)),
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

// === the law ===

fn a_cached_answer_is_the_fresh_one_for_all_small_rule_sets_and_all_bags<C: Caches>() {
    let bags = bags();
    let rules: Vec<Rule> =
        CONDITIONS.iter().flat_map(|first| CONDITIONS.iter().map(move |second| (*first, *second))).collect();
    let (mut answers, mut hits) = (0u64, 0u64);
    // Room for all, then for so few that eviction goes on all the time.
    for leaves in [1000, 3] {
        let mut cache = C::with_room(leaves);
        for (index, first) in rules.iter().enumerate() {
            for (number, second) in rules.iter().enumerate() {
                let program = [*first, *second];
                let fresh: Vec<_> =
                    bags.iter().map(|bag| evaluate(&program, &mut Recorder::untraced(bag))).collect();
                let at = root((index * rules.len() + number) as u64);
                // Two rounds, in an order that differs from program to program, so that each bag meets the
                // traces of others and then its own.
                for step in 0..2 * bags.len() {
                    let number = (step * 7 + index) % bags.len();
                    let bag = &bags[number];
                    let (answer, hit) = cache.ask(&at, bag, Tick(step as u64), |r| evaluate(&program, r));
                    assert_eq!(answer, fresh[number], "rules {program:?}, bag {bag:?}");
                    answers += 1;
                    hits += u64::from(hit);
                }
                assert_room(&cache, leaves);
                // Each other program finds what the one before left behind.
                if number.is_multiple_of(2) {
                    cache.retain(at.revision);
                }
            }
        }
        let replaced: u64 = cache.statistics().iter().map(|held| held.replaced_trees).sum();
        assert_eq!(replaced, 0, "traces of one snapshot fit one tree");
    }
    println!("{} programs, {} bags, {answers} answers, {hits} of them from the cache", 10_000, bags.len());
    assert!(hits > answers / 4, "a cache that never hits proves nothing");
}

fn the_law_holds_while_snapshots_change_and_time_passes<C: Caches>() {
    let bags = bags();
    let programs = [
        [(Condition::KeyIsX, Condition::StartsWithX), (Condition::Present, Condition::WholeMapEmpty)],
        [(Condition::StartsWithX, Condition::KeyIsX), (Condition::NumberIsOne, Condition::KeyPresent)],
        [(Condition::EqualsX, Condition::EqualsX), (Condition::AfterX, Condition::KeyIsEmpty)],
    ];
    let mut cache = C::with_room(20);
    let mut state = 1u64;
    for step in 0..20_000u64 {
        // A small generator of our own is enough to mix; the numbers are the same in each run.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let revision = (step / 500 % 3) as usize;
        let bag = &bags[(state >> 33) as usize % bags.len()];
        let program = programs[revision];
        let short =
            Validity::For { ttl: Duration::from_nanos(state >> 60), uses: Some((state >> 40) as u32 % 4) };
        let (answer, _) = cache.ask(&root(revision as u64), bag, Tick(step), |r| {
            let Verdict { status, .. } = evaluate(&program, r);
            Verdict::new(status, short)
        });
        let fresh = evaluate(&program, &mut Recorder::untraced(bag));
        assert_eq!(answer.status, fresh.status);
        if state.is_multiple_of(97) {
            cache.retain(Revision(revision as u64));
        }
        if state.is_multiple_of(501) {
            cache.clear();
            assert_room(&cache, 0);
        }
        assert_room(&cache, 20);
    }
    cache.clear();
    assert!(cache.statistics().iter().all(|held| (held.leaves, held.nodes, held.bytes) == (0, 0, 0)));
}

/// What is true changes now and then, and who evaluates knows how long it stays so.
fn no_answer_outlives_what_it_rests_on<C: Caches>() {
    const SPAN: u64 = 100;
    let bags = bags();
    let truth = |bag: &Bag, now: u64| format!("{} in {}", bag.iter().count(), now / SPAN);
    let mut cache = C::with_room(20);
    let mut hits = 0;
    for now in 0..20_000 {
        let bag = &bags[(now * now % 61) as usize % bags.len()];
        let (answer, is_hit) = cache.ask(&root(0), bag, Tick(now), |r| {
            r.value(&"a".into());
            r.value(&"m".into());
            let left = Validity::For { ttl: Duration::from_nanos(SPAN - now % SPAN), uses: None };
            Verdict::new(Status::new(Code::Ok, truth(bag, now)), left)
        });
        assert_eq!(answer.status.message, truth(bag, now), "at {now}, hit: {is_hit}");
        hits += u64::from(is_hit);
    }
    assert!(hits > 2000, "{hits}");
}

fn what_must_not_be_cached_is_not<C: Caches>() {
    let mut cache = C::with_room(10);
    let none = Validity::For { ttl: Duration::ZERO, uses: None };
    let unused = Validity::For { ttl: Duration::from_secs(1), uses: Some(0) };
    for validity in [Validity::Never, none, unused] {
        cache.ask(&root(1), &Bag::new(), Tick(0), |_| verdict(Code::Ok, validity));
        assert_room(&cache, 0);
    }
    let mut off = C::with_room(0);
    off.ask(&root(1), &Bag::new(), Tick(0), |_| verdict(Code::Ok, Validity::Revision));
    assert_room(&off, 0);
}

fn what_was_dropped_is_not_found<C: Caches>() {
    let mut cache = C::with_room(10);
    let rule = |_: &mut Recorder<'_>| verdict(Code::Ok, minute());
    let ask = |cache: &mut C, revision| cache.ask(&root(revision), &Bag::new(), Tick(0), rule).1;
    assert_eq!([ask(&mut cache, 1), ask(&mut cache, 1), ask(&mut cache, 2)], [false, true, false]);
    cache.retain(Revision(2));
    assert_eq!([ask(&mut cache, 2), ask(&mut cache, 1)], [true, false]);
    cache.clear();
    assert_eq!([ask(&mut cache, 2), ask(&mut cache, 1)], [false, false]);
    assert_eq!([ask(&mut cache, 2), ask(&mut cache, 1)], [true, true]);
}

// === what others got wrong ===

fn a_verdict_without_a_header_is_not_found_for_a_request_with_it<C: Caches>() {
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
    let mut cache = C::with_room(10);
    assert_eq!(cache.ask(&root(1), &bag("a", &[]), Tick(0), rule).0.status.code, Code::Ok);
    assert_eq!(cache.ask(&root(1), &bag("b", &[]), Tick(0), rule).0.status.code, Code::Ok);
    let with = cache.ask(&root(1), &bag("a", &[("x", "1")]), Tick(0), rule);
    assert_eq!((with.0.status.code, with.1), (Code::PermissionDenied, false));
}

fn an_absent_map_is_not_a_map_without_the_key<C: Caches>() {
    let rule = |r: &mut Recorder<'_>| match r.entry(&"m".into(), &"k".into()) {
        MapEntry::NoMap => verdict(Code::PermissionDenied, minute()),
        _ => verdict(Code::Ok, minute()),
    };
    let mut cache = C::with_room(10);
    assert!(!cache.ask(&root(1), &Bag::new(), Tick(0), rule).0.status.is_ok());
    let empty: Bag = [("m", StringMap::default())].into_iter().collect();
    let (answer, hit) = cache.ask(&root(1), &empty, Tick(0), rule);
    assert!(answer.status.is_ok() && !hit);
}

/// Values that caches before this one could not tell apart: a type that was left out of the key, bytes without a length,
/// an empty value and none, two forms of one address, a header given twice.
fn what_others_took_for_the_same_is_not<C: Caches>() {
    let map = |entries: &[(&str, &str)]| Some(Value::from(entries.iter().copied().collect::<StringMap>()));
    let span = |nanos| Some(Value::Duration(attributes::Duration::from_nanos(nanos)));
    let ip = |text| Value::parse(attributes::ValueType::IpAddress, text).ok();
    let values = [
        None,
        Some("".into()),
        Some("a".into()),
        Some("a\0b".into()),
        Some("1".into()),
        Some(1.into()),
        Some(Value::Double(1.0)),
        Some(true.into()),
        Some(Value::Bytes(b"1".as_slice().into())),
        span(1_000_000_000),
        span(2_000_000_000),
        Some(Value::Timestamp(attributes::Timestamp { seconds: 1, nanos: 0 })),
        ip("10.0.0.1"),
        ip("::ffff:10.0.0.1"),
        map(&[]),
        map(&[("k", "")]),
        map(&[("k", "a,b")]),
        map(&[("k", "a"), ("b", "")]),
        map(&[("ka", "")]),
    ];
    let bag = |value: &Option<Value>| -> Bag { value.iter().map(|value| ("m", value.clone())).collect() };
    // The whole value, and then one key of it, each with the place of the value in the list as its verdict.
    for by_key in [false, true] {
        let mut cache = C::with_room(100);
        for round in 0..2 {
            for value in &values {
                let rule = |r: &mut Recorder<'_>| {
                    let seen = if by_key {
                        format!("{:?}", r.entry(&"m".into(), &"k".into()))
                    } else {
                        format!("{:?}", r.value(&"m".into()))
                    };
                    Verdict::new(Status::new(Code::Ok, seen), minute())
                };
                let bag = bag(value);
                let (answer, hit) = cache.ask(&root(1), &bag, Tick(0), rule);
                assert_eq!(answer, fresh(&bag, rule).0, "{value:?}");
                assert!(hit || round == 0, "{value:?} was stored");
            }
        }
    }
}

fn derived_attributes_are_known_by_what_they_were_made_from<C: Caches>() {
    static DERIVED: LazyLock<Vec<(&str, Bag)>> = LazyLock::new(|| {
        let service = |name: &str| [("service", name)].into_iter().collect::<Bag>();
        vec![("a", service("x")), ("b", service("y")), ("c", service("x"))]
    });
    // An adapter makes the service of the address; another request has the same derived name for another address.
    let derive = |r: &mut Recorder<'_>, derived: &'static [(&'static str, Bag)]| {
        let address =
            r.value(&"address".into()).map(|value| value.to_value().to_string()).unwrap_or_default();
        derived.iter().find(|(of, _)| *of == address).map(|(_, bag)| bag)
    };
    let rule = |r: &mut Recorder<'_>| {
        if let Some(bag) = derive(r, &DERIVED) {
            r.lay_over(bag);
        }
        let refused = r.value(&"service".into()) == Some(ValueRef::String("x"));
        verdict(if refused { Code::PermissionDenied } else { Code::Ok }, minute())
    };
    let mut cache = C::with_room(10);
    for _ in 0..2 {
        for address in ["a", "b", "c", "d"] {
            // What a client calls `service` is not what was derived.
            let bag: Bag = [("address", address), ("service", "y")].into_iter().collect();
            let (expected, trace) = fresh(&bag, rule);
            assert_eq!(cache.ask(&root(1), &bag, Tick(0), rule).0, expected);
            let names: Vec<_> =
                trace.observations().iter().map(|seen| seen.target().attribute().as_str()).collect();
            assert_eq!(
                names.contains(&"service"),
                address == "d",
                "derived names are in no trace: {names:?}"
            );
        }
    }
}

fn values_of_unlike_kinds_are_different<C: Caches>() {
    let rule = |r: &mut Recorder<'_>| {
        let text = matches!(r.value(&"a".into()), Some(ValueRef::String(_)));
        verdict(if text { Code::Ok } else { Code::InvalidArgument }, minute())
    };
    let mut cache = C::with_room(10);
    for (value, code) in [(Value::from("1"), Code::Ok), (1.into(), Code::InvalidArgument)] {
        let bag: Bag = [("a", value)].into_iter().collect();
        assert_eq!(cache.ask(&root(1), &bag, Tick(0), rule).0.status.code, code);
    }
}
