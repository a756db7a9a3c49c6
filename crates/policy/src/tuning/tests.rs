//! What is read by value, the law of the cache for whole policies, and the workload that tests are for.

use std::collections::HashSet;
use std::fmt::Write;

use attributes::{Bag, StringMap, Timestamp, Value};
use checkcache::{
    CheckCache, Limits, Lookup, Recorder, Revision, Root, Status, Tick, Trace, Validity, Verdict,
};

use crate::fixture::{ADAPTERS, DESCRIPTORS, adapters, files};
use crate::limits::{COMPARISONS_MAX, EQUALITIES_MAX};
use crate::{AspectError, Instance, Options, Snapshot, load};

fn snapshot(text: &str, reads_values: bool) -> Snapshot {
    let options = Options { reads_values, ..Options::default() };
    let loaded = load(&files(&format!("{DESCRIPTORS}{ADAPTERS}{text}")), &adapters(), &options);
    loaded.snapshot.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

/// A block of denials, one for each selector.
fn block(subject: &str, selectors: impl Iterator<Item = String>) -> String {
    let mut text = format!("//- scopes/global/subjects/{subject}/rules.yml\nrules:\n");
    for selector in selectors {
        let _ = writeln!(text, "- selector: '{selector}'\n  aspects: [{{kind: denials}}]");
    }
    text
}

/// All that a check makes of a request: the aspects, what went wrong, and what adapters would be given.
type Decided<'s> = (Vec<&'s str>, Vec<String>, Vec<Result<Instance, AspectError>>);

fn decide<'s>(snapshot: &'s Snapshot, bag: &Bag) -> (Decided<'s>, Trace) {
    let mut recorder = Recorder::new(bag);
    let plan = snapshot.resolve_check(&mut recorder);
    let now = Timestamp { seconds: 0, nanos: 0 };
    let instances = plan.aspects.iter().map(|aspect| aspect.evaluate(&mut recorder, now)).collect();
    let locations = plan.aspects.iter().map(|aspect| aspect.location.as_str()).collect();
    let errors = plan.errors.iter().map(|error| format!("{error:?}")).collect();
    ((locations, errors, instances), recorder.into_trace())
}

fn bag(attributes: &[(&str, &str)]) -> Bag {
    attributes.iter().copied().collect()
}

// === thresholds ===

#[test]
fn an_enumeration_is_read_by_value_above_its_limit() {
    let methods = |count: usize| {
        let text = block("global", (0..count).map(|n| format!("request.method == \"M{n}\"")));
        decide(&snapshot(&text, false), &bag(&[("request.method", "none")])).1
    };
    assert_eq!(methods(EQUALITIES_MAX).observations().len(), EQUALITIES_MAX);
    assert_eq!(methods(EQUALITIES_MAX + 1).to_string(), "request.method is \"none\"\n");
}

#[test]
fn an_attribute_with_any_values_is_tested_for_longer() {
    let cut = (0..EQUALITIES_MAX)
        .map(|n| format!("request.method == \"M{n}\""))
        .chain(["request.method.startsWith(\"X-\")".to_owned()]);
    let (_, trace) = decide(&snapshot(&block("global", cut), false), &bag(&[("request.method", "none")]));
    assert_eq!(trace.observations().len(), EQUALITIES_MAX + 1);

    let paths = |count: usize| {
        let text = block("global", (0..count).map(|n| format!("request.path == \"/{n}/\"")));
        decide(&snapshot(&text, false), &bag(&[("request.path", "/none")])).1
    };
    assert_eq!(paths(COMPARISONS_MAX).observations().len(), COMPARISONS_MAX);
    assert_eq!(paths(COMPARISONS_MAX + 1).to_string(), "request.path is \"/none\"\n");
}

#[test]
fn a_trace_that_would_be_too_long_reads_what_is_compared_most() {
    let selectors = (0..100).map(|n| {
        format!("request.path.startsWith(\"/{n}/\") || source.user.startsWith(\"{n}-\") || match(request.id, \"*-{n}\")")
    });
    let text = block("global", selectors);
    let (_, trace) = decide(
        &snapshot(&text, false),
        &bag(&[("request.path", "/"), ("source.user", ""), ("request.id", "")]),
    );
    assert_eq!(trace.observations().len(), 201);
    assert!(trace.observations().len() <= checkcache::limits::TRACE_OBSERVATIONS);
}

#[test]
fn a_service_with_many_rules_leaves_the_others_as_they_are() {
    let method = |n: usize| format!("request.method == \"M{n}\"");
    let text = [
        block("global", (0..2).map(method)),
        block("big.svc.cluster.local", (2..40).map(method)),
        block("v1.big.svc.cluster.local", (40..41).map(method)),
        block("small.svc.cluster.local", (2..3).map(method)),
    ]
    .concat();
    let snapshot = snapshot(&text, false);
    let trace = |service: &str| {
        let service = format!("{service}.svc.cluster.local");
        decide(&snapshot, &bag(&[("target.service", &service), ("request.method", "")]))
            .1
            .observations()
            .len()
    };
    // The service, and then: two tests and the value, two tests and the value, three tests, two tests.
    assert_eq!(["big", "v1.big", "small", "none"].map(trace), [4, 4, 4, 3]);
}

#[test]
fn reading_values_is_another_revision() {
    let text = block("global", std::iter::once("request.path == \"/\"".to_owned()));
    assert_ne!(snapshot(&text, false).revision(), snapshot(&text, true).revision());
}

// === the law ===

/// Selectors and lists of every kind of look: with alternatives, without, on keys, and of values.
const SELECTORS: [&str; 8] = [
    r#"source.user == "a""#,
    r#"(source.user | "b") != "b""#,
    r#"source.labels["app"] == "web""#,
    r#"(source.labels["app"] | "") == """#,
    r#"request.path.startsWith("/x") && "^/x/[0-9]+$".matches(request.path)"#,
    r#"match(request.path, "*/1") || destination.port > 10"#,
    "destination.port <= 10 && destination.port != 5",
    r#"source.labels["app"] == source.user"#,
];

fn bags() -> Vec<Bag> {
    let labels =
        |app: Option<&str>| Value::from(app.map(|app| ("app", app)).into_iter().collect::<StringMap>());
    let choices: [(&str, Vec<Value>); 4] = [
        ("source.user", vec!["a".into(), "web".into(), 1.into()]),
        ("request.path", vec!["/x/1".into(), "/x/".into(), "/y/1".into()]),
        ("source.labels", vec![labels(None), labels(Some("")), labels(Some("web")), "a".into()]),
        ("destination.port", vec![5.into(), 7.into(), 50.into(), "5".into()]),
    ];
    let mut bags = vec![Bag::new()];
    for (name, values) in choices {
        let mut with = bags.clone();
        for bag in &bags {
            with.extend(values.iter().map(|value| {
                let mut bag = bag.clone();
                bag.insert(name, value.clone());
                bag
            }));
        }
        bags = with;
    }
    bags
}

/// All pairs of a rule and a nested one, with a list between them, and all bags: what a request finds in the cache under
/// the trace of another is what it would be decided by itself, and what it would be if everything was read by value.
#[test]
fn a_trace_decides_for_all_small_policies_and_all_bags() {
    let bags = bags();
    let (mut traces, mut value_traces, mut policies) = (0, 0, 0);
    for first in SELECTORS {
        for second in SELECTORS {
            policies += 1;
            let text = format!(
                "//- scopes/global/subjects/global/rules.yml\nrules:\n- selector: '{first}'\n  aspects: \
                 [{{kind: denials}}]\n  rules:\n  - selector: '{second}'\n    aspects:\n    - kind: lists\n      \
                 params: {{check_expression: 'source.labels[\"app\"] | source.user | \"?\"'}}\n- aspects: [{{kind: \
                 denials, selector: '{second}'}}]\n"
            );
            let (tested, read) = (snapshot(&text, false), snapshot(&text, true));
            let mut known: Vec<(Trace, Decided<'_>)> = Vec::new();
            let mut by_value = HashSet::new();
            for bag in &bags {
                let (fresh, value_trace) = decide(&read, bag);
                by_value.insert(value_trace);
                match known.iter().find(|(trace, _)| trace.holds_for(bag)) {
                    Some((trace, decided)) => assert_eq!(*decided, fresh, "{text}\n{bag:?}\n{trace}"),
                    None => {
                        let (decided, trace) = decide(&tested, bag);
                        assert_eq!(decided, fresh, "{text}\n{bag:?}");
                        assert!(trace.holds_for(bag));
                        known.push((trace, decided));
                    }
                }
            }
            traces += known.len();
            value_traces += by_value.len();
        }
    }
    println!("{policies} policies for {} bags: {traces} traces, {value_traces} by value", bags.len());
    assert!(traces < value_traces);
}

// === the workload ===

const REQUESTS: usize = 100_000;

/// A policy of path prefixes and one rule about a group.
const POLICY: &str = r#"
//- scopes/global/subjects/global/rules.yml
rules:
  - selector: request.path.startsWith("/admin/") && (request.headers["x-group"] | "") != "ops"
    aspects: [{kind: denials}]
  - selector: request.path.startsWith("/internal/")
    aspects: [{kind: denials}]
  - selector: source.user == "mallory"
    aspects: [{kind: denials}]
  - selector: request.path.startsWith("/v1/") && request.method != "GET"
    aspects: [{kind: denials}]
"#;

/// The requests of so many users, no two with the same path.
fn traffic() -> impl Iterator<Item = Bag> {
    (0..REQUESTS).map(|n| {
        let area = ["/v1", "/v2", "/static", "/admin", "/internal"][n % 5];
        let group = ["ops", "dev", "guest"][n / 5 % 3];
        let mut headers = vec![("user-agent", "test"), ("x-group", group)];
        headers.truncate(1 + usize::from(n % 7 != 0));
        let mut bag = Bag::new();
        bag.insert("target.service", "reviews.default.svc.cluster.local");
        bag.insert("request.path", format!("{area}/item/{n}").as_str());
        bag.insert("source.user", format!("user-{}", n % 40_009).as_str());
        bag.insert("request.method", ["GET", "POST", "PUT"][n % 11 % 3]);
        bag.insert("request.headers", headers.into_iter().collect::<StringMap>());
        bag
    })
}

/// Sends the traffic through a cache of 10,000 verdicts in front of a policy.
fn hits(reads_values: bool, checked: usize) -> (usize, usize, usize) {
    let snapshot = snapshot(POLICY, reads_values);
    let root = Root { revision: Revision(1), quota: None };
    let mut cache = CheckCache::new(Limits::of_entries(10_000), [7; 16]);
    let mut hits = 0;
    for (number, bag) in traffic().enumerate() {
        let fresh = |bag: &Bag| {
            let ((locations, errors, _), trace) = decide(&snapshot, bag);
            assert_eq!(errors, [""; 0]);
            let status = Status::new(checkcache::Code::PermissionDenied, locations.join(", "));
            (Verdict::new(status, Validity::Revision), trace)
        };
        match cache.lookup(&root, &bag, Tick::default()) {
            Lookup::Hit(hit) => {
                hits += 1;
                if number % checked == 0 {
                    assert_eq!(hit.verdict().status, fresh(&bag).0.status, "{bag:?}");
                }
            }
            Lookup::Miss(vacancy) => {
                let (verdict, trace) = fresh(&bag);
                cache.insert(vacancy, &root, trace, verdict, Tick::default());
            }
        }
    }
    (hits, cache.statistics().leaves, cache.statistics().nodes)
}

#[test]
fn distinct_paths_and_users_are_answered_from_the_cache() {
    let (tested, leaves, nodes) = hits(false, 10);
    let (read, value_leaves, value_nodes) = hits(true, 1_000);
    let ratio = tested as f64 / REQUESTS as f64;
    let value_ratio = read as f64 / REQUESTS as f64;
    println!(
        "{REQUESTS} requests, each with a path of its own, of 40009 users; 3 prefixes, a group, a user:"
    );
    println!("  by test:  hit ratio {ratio:.5}, {leaves} verdicts in {nodes} nodes");
    println!("  by value: hit ratio {value_ratio:.5}, {value_leaves} verdicts in {value_nodes} nodes");
    assert!(ratio >= 0.99, "{ratio}");
    assert!(value_ratio < 0.01, "{value_ratio}");
}
