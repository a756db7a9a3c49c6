//! Resolution against the four steps that define it, and plans against the law of the cache.

mod quotas;

use std::fmt::Write;

use attributes::{Bag, StringMap, Value};
use checkcache::{Recorder, Trace};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::fixture::{ADAPTERS, DESCRIPTORS, adapters, files, load_rules, load_text};
use crate::{Options, Plan, Snapshot, load};

const DOMAIN: &str = "svc.local";

fn locations<'s>(plan: &Plan<'s>) -> Vec<&'s str> {
    plan.aspects.iter().map(|aspect| aspect.location.as_str()).collect()
}

fn check<'s>(snapshot: &'s Snapshot, bag: &Bag) -> (Plan<'s>, Trace) {
    let mut recorder = Recorder::new(bag);
    let plan = snapshot.resolve_check(&mut recorder);
    (plan, recorder.into_trace())
}

fn service(name: &str) -> Bag {
    [("target.service", Value::from(name))].into_iter().collect()
}

/// A tree with one aspect in each block, whose location names the block.
fn tree(blocks: &[(String, String)]) -> Snapshot {
    let mut text = format!("{DESCRIPTORS}{ADAPTERS}");
    for (scope, subject) in blocks {
        let _ = writeln!(
            text,
            "//- scopes/{scope}/subjects/{subject}/rules.yml\nrules: [{{aspects: [{{kind: denials}}]}}]"
        );
    }
    let options = Options { identity_domain: DOMAIN.to_owned(), ..Options::default() };
    let loaded = load(&files(&text), &adapters(), &options);
    loaded.snapshot.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

/// The definition, word by word: collect what has the lookup value as subject, keep of it what has the highest
/// scope, drop the lowest element, repeat; then `global`.
fn naive(blocks: &[(String, String)], value: Option<&str>) -> Vec<String> {
    let elements = |name: &str| if name == "global" { 0 } else { name.matches('.').count() + 1 };
    let governs = |scope: &str, subject: &str| {
        scope == "global" || (subject != "global" && format!(".{subject}").ends_with(&format!(".{scope}")))
    };
    let highest = |wanted: &str| {
        blocks
            .iter()
            .filter(|(scope, subject)| subject == wanted && governs(scope, subject))
            .min_by_key(|(scope, _)| elements(scope))
            .map(|(scope, subject)| format!("{scope}/{subject} rules[0].aspects[0]"))
    };
    let mut found = Vec::new();
    let mut lookup = value.filter(|v| format!(".{v}").ends_with(&format!(".{DOMAIN}"))).unwrap_or("");
    while !lookup.is_empty() {
        found.extend(highest(lookup));
        lookup = lookup.split_once('.').map_or("", |(_, rest)| rest);
    }
    found.extend(highest("global"));
    found.reverse();
    found
}

fn names() -> impl Strategy<Value = String> {
    let below = vec(select(vec!["a", "b"]), 0..4).prop_map(|labels| {
        labels.iter().rev().fold(DOMAIN.to_owned(), |name, label| format!("{label}.{name}"))
    });
    prop_oneof![
        6 => below,
        1 => select(vec!["local", "xsvc.local", "a.other", "global", ""]).prop_map(str::to_owned),
    ]
}

fn block_names() -> impl Strategy<Value = String> {
    prop_oneof![2 => names().prop_filter("a folder has a name", |name| !name.is_empty()), 1 => Just("global".to_owned())]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn resolution_is_the_definition(
        blocks in btree_set((block_names(), block_names()), 0..24),
        values in vec(proptest::option::weighted(0.9, names()), 8),
    ) {
        let blocks: Vec<_> = blocks.into_iter().collect();
        let snapshot = tree(&blocks);
        for value in values {
            let bag = value.as_deref().map(service).unwrap_or_default();
            prop_assert_eq!(locations(&check(&snapshot, &bag).0), naive(&blocks, value.as_deref()), "{:?}", value);
        }
    }

    /// A request for which a recorded plan's observations all hold has the same plan.
    #[test]
    fn plans_keep_the_law_of_the_cache(
        rules in vec((select(SELECTORS.to_vec()), select(SELECTORS.to_vec()), select(SELECTORS.to_vec())), 1..4),
        own in vec(select(SELECTORS.to_vec()), 0..3),
        picks in vec(any::<Index>(), 12),
    ) {
        let snapshot = selecting(&rules, &own);
        let bags = bags();
        for pick in &picks {
            let first = pick.get(&bags);
            let (plan, trace) = check(&snapshot, first);
            for second in bags.iter().filter(|bag| trace.holds_for(*bag)) {
                let (other, _) = check(&snapshot, second);
                prop_assert_eq!(locations(&plan), locations(&other), "{:?} {:?}", first, second);
                prop_assert_eq!(&plan.errors, &other.errors);
            }
        }
    }

    /// What a plan looks at is demanded.
    #[test]
    fn demand_covers_plans(
        rules in vec((select(SELECTORS.to_vec()), select(SELECTORS.to_vec()), select(SELECTORS.to_vec())), 1..4),
        pick in any::<Index>(),
    ) {
        let snapshot = selecting(&rules, &["true"]);
        let (_, trace) = check(&snapshot, pick.get(&bags()));
        for seen in trace.observations() {
            prop_assert!(snapshot.demand().check.contains(seen.target()), "{}", seen);
        }
    }
}

/// Some fail where an attribute is absent, some do not.
const SELECTORS: [&str; 10] = [
    "",
    "true",
    r#"source.user == "a""#,
    r#"(source.user | "b") == "b""#,
    r#"request.path.startsWith("/x") || source.labels["app"] == "web""#,
    r#"source.labels["app"] == (source.user | "web")"#,
    "destination.port > 10",
    "destination.port <= 10 || destination.port != 50",
    r#"match(request.path, "*y") && "^/x/[a-z]$".matches(request.path)"#,
    r#"(source.labels["app"] | source.user | "").endsWith("b")"#,
];

fn selecting(rules: &[(&str, &str, &str)], own: &[&str]) -> Snapshot {
    let block = |rules: &[(&str, &str, &str)]| {
        let mut text = String::new();
        for (rule, aspect, nested) in rules {
            let _ = write!(
                text,
                "- selector: '{rule}'\n  aspects: [{{kind: denials, selector: '{aspect}'}}]\n  rules:\n  \
                 - selector: '{nested}'\n    aspects: [{{kind: denials}}]\n"
            );
        }
        text
    };
    let own: Vec<_> = own.iter().map(|selector| (*selector, "", "true")).collect();
    let text = format!(
        "{DESCRIPTORS}{ADAPTERS}//- scopes/global/subjects/global/rules.yml\nrules:\n{}\
         //- scopes/global/subjects/s.svc.cluster.local/rules.yml\nrules:\n{}",
        block(rules),
        block(&own)
    );
    let loaded = load_text(&text);
    loaded.snapshot.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

fn bags() -> Vec<Bag> {
    let mut bags = vec![Bag::new()];
    let labels =
        |app: Option<&str>| Value::from(app.map(|app| ("app", app)).into_iter().collect::<StringMap>());
    let choices: [(&str, Vec<Value>); 5] = [
        ("target.service", vec!["s.svc.cluster.local".into(), "x.s.svc.cluster.local".into(), 5.into()]),
        ("source.user", vec!["a".into(), "b".into()]),
        ("request.path", vec!["/x/y".into(), "/".into()]),
        ("source.labels", vec![labels(None), labels(Some("web")), labels(Some("a"))]),
        ("destination.port", vec![5.into(), 50.into(), "5".into()]),
    ];
    for (name, values) in choices {
        let with = |bag: &Bag| {
            let more = values.iter().map(|value| {
                let mut bag = bag.clone();
                bag.insert(name, value.clone());
                bag
            });
            more.collect::<Vec<_>>()
        };
        bags = bags.iter().flat_map(|bag| std::iter::once(bag.clone()).chain(with(bag))).collect();
    }
    bags
}

#[test]
fn plan_order_is_from_global_down_and_within_a_block_as_written() {
    let snapshot = load_text(&format!(
        "{DESCRIPTORS}{ADAPTERS}
//- scopes/global/subjects/a.ns.svc.cluster.local/rules.yml
rules: [{{aspects: [{{kind: denials}}]}}]
//- scopes/global/subjects/ns.svc.cluster.local/rules.yml
rules: [{{aspects: [{{kind: denials}}]}}]
//- scopes/global/subjects/global/rules.yml
rules:
  - rules:
      - aspects: [{{kind: denials}}]
    aspects:
      - {{kind: denials}}
      - {{kind: denials}}
  - aspects: [{{kind: denials}}]
"
    ))
    .snapshot
    .expect("there are no errors");
    let (plan, _) = check(&snapshot, &service("a.ns.svc.cluster.local"));
    assert_eq!(
        locations(&plan),
        [
            "global/global rules[0].aspects[0]",
            "global/global rules[0].aspects[1]",
            "global/global rules[0].rules[0].aspects[0]",
            "global/global rules[1].aspects[0]",
            "global/ns.svc.cluster.local rules[0].aspects[0]",
            "global/a.ns.svc.cluster.local rules[0].aspects[0]",
        ]
    );
}

#[test]
fn a_selector_that_fails_is_an_error_with_its_place_and_guards_what_it_guards() {
    let snapshot = load_rules(
        r#"
rules:
  - aspects: [{kind: denials}]
  - selector: source.user == "a"
    aspects: [{kind: denials}]
    rules:
      - aspects: [{kind: denials}]
  - aspects: [{kind: denials}]
"#,
    )
    .snapshot
    .expect("there are no errors");
    let (plan, trace) = check(&snapshot, &Bag::new());
    assert_eq!(locations(&plan), ["global/global rules[0].aspects[0]", "global/global rules[2].aspects[0]"]);
    let [error] = plan.errors.as_slice() else { panic!("{:?}", plan.errors) };
    assert_eq!((error.location, error.position), ("global/global rules[1]", 1));
    assert_eq!(error.selector, r#"source.user == "a""#);
    assert_eq!(trace.observations().len(), 1);
}

#[test]
fn the_identity_is_looked_at_only_if_it_can_matter() {
    let global = load_rules("rules: [{aspects: [{kind: denials}]}]").snapshot.expect("there are no errors");
    let (plan, trace) = check(&global, &service("a.svc.cluster.local"));
    assert_eq!(plan.aspects.len(), 1);
    assert!(trace.is_empty(), "{trace}");
    assert!(global.demand().check.is_empty());

    // Rules for a service that only report do not make its checks different.
    let reporting = load_text(&format!(
        "{DESCRIPTORS}{ADAPTERS}//- scopes/global/subjects/a.svc.cluster.local/rules.yml
rules: [{{aspects: [{{kind: metrics, params: {{metrics: [{{descriptor_name: request_count, value: '1',
  labels: {{method: request.method, code: response.code}}}}]}}}}]}}]
"
    ))
    .snapshot
    .expect("there are no errors");
    let (plan, trace) = check(&reporting, &service("a.svc.cluster.local"));
    assert_eq!(plan.aspects.len(), 0);
    assert!(trace.is_empty(), "{trace}");
    let bag = service("a.svc.cluster.local");
    assert_eq!(reporting.resolve_report(&mut Recorder::untraced(&bag)).aspects.len(), 1);
    assert_eq!(reporting.demand().report.len(), 3);
}
