//! Which definition limits a quota, against the words that define it.

use std::fmt::Write;

use attributes::Bag;
use checkcache::Recorder;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{DOMAIN, block_names, names};
use crate::fixture::{ADAPTERS, DESCRIPTORS, adapters, files};
use crate::{Options, Snapshot, load};

/// Selectors, and what they come to for a user; `None` is an error.
type Selector = (&'static str, fn(Option<&str>) -> Option<bool>);

const SELECTORS: [Selector; 5] = [
    ("", |_| Some(true)),
    ("true", |_| Some(true)),
    (r#"source.user == "a""#, |user| user.map(|user| user == "a")),
    (r#"(source.user | "b") == "b""#, |user| Some(user.unwrap_or("b") == "b")),
    (r#"source.user != "b""#, |user| user.map(|user| user != "b")),
];

/// Definitions of a block, each under the selectors of a rule, of one nested in it, and of its own.
type Definitions = Vec<[Index; 3]>;

fn selectors(of: &[Index; 3]) -> [Selector; 3] {
    of.map(|index| *index.get(&SELECTORS))
}

fn tree(blocks: &[((String, String), Definitions)]) -> Snapshot {
    let mut text = format!(
        "{DESCRIPTORS}quotas: [{{ name: q }}, {{ name: other }}]\n\
         {ADAPTERS}  - {{ name: default, impl: memQuota }}\n"
    );
    for ((scope, subject), definitions) in blocks {
        let _ = writeln!(text, "//- scopes/{scope}/subjects/{subject}/rules.yml\nrules:");
        for of in definitions {
            let [rule, nested, own] = selectors(of).map(|(selector, _)| selector);
            let quotas = |name: &str, own: &str| {
                format!(
                    "aspects: [{{ kind: quotas, selector: '{own}', \
                     params: {{ quotas: [{{ descriptorName: {name}, maxAmount: 1 }}] }} }}]"
                )
            };
            let _ = writeln!(
                text,
                "- selector: '{rule}'\n  {}\n  rules:\n  - selector: '{nested}'\n    {}",
                quotas("other", ""),
                quotas("q", own)
            );
        }
    }
    let options = Options { identity_domain: DOMAIN.to_owned(), ..Options::default() };
    let loaded = load(&files(&text), &adapters(), &options);
    loaded.snapshot.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

/// Of the definitions that apply, the first of the most specific subject that has one: where it stands. An error if a
/// selector that has to be known is not.
fn naive(
    blocks: &[((String, String), Definitions)],
    value: Option<&str>,
    user: Option<&str>,
) -> Result<Option<String>, ()> {
    let places: Vec<_> = blocks.iter().map(|(place, _)| place.clone()).collect();
    // The aspects of all blocks that count, the most general first; only the blocks' names are wanted.
    let mut found: Vec<_> = super::naive(&places, value);
    found.reverse();
    for location in found {
        let block = location.split(' ').next().unwrap_or_default();
        let is_meant =
            |((scope, subject), _): &&((String, String), Definitions)| format!("{scope}/{subject}") == block;
        let Some((_, definitions)) = blocks.iter().find(is_meant) else { continue };
        for (index, of) in definitions.iter().enumerate() {
            let mut applies = true;
            for (_, holds) in selectors(of) {
                applies = applies && holds(user).ok_or(())?;
            }
            if applies {
                return Ok(Some(format!("{block} rules[{index}].rules[0].aspects[0].quotas[0]")));
            }
        }
    }
    Ok(None)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn quotas_are_limited_as_defined(
        blocks in btree_map((block_names(), block_names()), vec(any::<[Index; 3]>(), 0..4), 0..16),
        requests in vec((proptest::option::weighted(0.9, names()), proptest::option::of(select(vec!["a", "b", "c"]))), 8),
    ) {
        let blocks: Vec<_> = blocks.into_iter().collect();
        let snapshot = tree(&blocks);
        let mut resolved = Vec::new();
        for (value, user) in &requests {
            let service = value.as_deref().map(|value| ("target.service", value));
            let bag: Bag = service.into_iter().chain(user.map(|user| ("source.user", user))).collect();
            let mut recorder = Recorder::new(&bag);
            let found = snapshot.resolve_quota("q", &mut recorder);
            let found = found.map(|aspect| aspect.map(|aspect| aspect.location.clone())).map_err(drop);
            prop_assert_eq!(&found, &naive(&blocks, value.as_deref(), *user), "{:?} {:?}", value, user);
            resolved.push((recorder.into_trace(), found, bag));
        }
        // Proxies count requests together for which a trace holds, so all of these have to have one limit.
        for ((trace, found, _), (_, other, bag)) in resolved.iter().flat_map(|a| resolved.iter().map(move |b| (a, b))) {
            prop_assert!(!trace.holds_for(bag) || found == other, "{}", trace);
        }
    }
}
