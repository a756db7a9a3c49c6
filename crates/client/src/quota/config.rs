//! The quotas' part of the filter's configuration.

use std::sync::Arc;

use attributes::Name;

use super::rules::{Charge, Clause, Match, Rule, Rules, TextTest};
use crate::config::json::{Field, Json, Wrong};
use crate::config::{failure, set};
use crate::failure::{FailurePolicies, FailurePolicy};
use crate::limits;

/// Quotas as they are written.
#[derive(Debug)]
pub(crate) struct Quotas {
    pub(crate) prefetch: bool,
    pub(crate) max_pools: usize,
    pub(crate) failure: FailurePolicies,
    pub(crate) rules: Vec<WrittenRule>,
}

impl Default for Quotas {
    fn default() -> Self {
        let failure = FailurePolicies::all(FailurePolicy::Open);
        Self { prefetch: true, max_pools: 1_000, failure, rules: Vec::new() }
    }
}

#[derive(Debug, Default)]
pub(crate) struct WrittenRule {
    any_of: Vec<Vec<Clause>>,
    charges: Vec<Charge>,
}

pub(crate) const QUOTAS: &[Field<Quotas>] = &[
    ("prefetch", |to, json| set(&mut to.prefetch, json.truth())),
    ("max_pools", |to, json| set(&mut to.max_pools, json.size())),
    ("failure", |to, json| match json.or_null() {
        Some(json) => set(&mut to.failure, failure(json, FailurePolicy::Open)),
        None => Ok(()),
    }),
    ("rules", |to, json| set(&mut to.rules, json.list(rule))),
];

const RULE: &[Field<WrittenRule>] = &[
    ("match", |to, json| set(&mut to.any_of, json.list(clauses))),
    ("charge", |to, json| set(&mut to.charges, charges(json))),
];

fn rule(json: Json) -> Result<WrittenRule, Wrong> {
    let mut rule = WrittenRule::default();
    json.fields(&mut rule, RULE)?;
    // Where it is there, it charges something.
    if rule.charges.is_empty() { Err(Wrong::missing("charge")) } else { Ok(rule) }
}

fn clauses(json: Json) -> Result<Vec<Clause>, Wrong> {
    let mut clauses = Vec::new();
    for (attribute, json) in json.entries("a map from attributes to tests")? {
        let test = test(json).map_err(|wrong| wrong.under(attribute.clone()))?;
        let clause = clause(&attribute, test);
        if clauses
            .iter()
            .any(|other: &Clause| (&other.attribute, &other.key) == (&clause.attribute, &clause.key))
        {
            return Err(Wrong::new(format!("attribute `{attribute}` occurs twice")));
        }
        clauses.push(clause);
    }
    Ok(clauses)
}

/// What is asked of an attribute.
fn test(json: Json) -> Result<TextTest, Wrong> {
    const EXPECTED: &str = "a test such as {\"exact\": \"GET\"}; tests are exact, prefix and suffix";
    let entries = json.entries(EXPECTED)?;
    let Ok([(kind, text)]) = <[_; 1]>::try_from(entries) else {
        return Err(Wrong::new(format!("expected {EXPECTED}")));
    };
    let text = text.text().map_err(|wrong| wrong.under(kind.clone()))?;
    match kind.as_str() {
        "exact" => Ok(TextTest::Exact(text)),
        "prefix" => Ok(TextTest::Prefix(text)),
        "suffix" => Ok(TextTest::Suffix(text)),
        "regex" => Err(Wrong::new(format!(
            "regex `{text}`: the filter has no regular expressions; expected exact, prefix or suffix, or the \
             expression in a selector of the quota's aspect"
        ))),
        _ => Err(Wrong::new(format!("unknown variant `{kind}`, expected {EXPECTED}"))),
    }
}

/// Amounts by quota.
fn charges(json: Json) -> Result<Vec<Charge>, Wrong> {
    let mut charges: Vec<Charge> = Vec::new();
    for (quota, amount) in json.entries("a map from quotas to amounts such as {\"RequestCount\": 1}")? {
        let amount = amount.count().map_err(|wrong| wrong.under(quota.clone()))?;
        if charges.iter().any(|other| *other.quota == *quota) {
            return Err(Wrong::new(format!("quota `{quota}` occurs twice")));
        }
        charges.push(charge(&quota, amount).map_err(Wrong::new)?);
    }
    if charges.is_empty() {
        return Err(Wrong::new("charges nothing, expected at least one quota".to_owned()));
    }
    Ok(charges)
}

/// A charge that is in range.
pub(crate) fn charge(quota: &str, amount: u64) -> Result<Charge, String> {
    if quota.is_empty() {
        return Err("the name of a quota is empty".to_owned());
    }
    if !(1..=limits::QUOTA_CHARGE).contains(&amount) {
        return Err(format!(
            "quota `{quota}` is charged {amount}, expected from 1 to {}",
            limits::QUOTA_CHARGE
        ));
    }
    Ok(Charge { quota: Arc::from(quota), amount })
}

/// The rules, if there are not too many of anything.
pub(crate) fn rules(written: Vec<WrittenRule>) -> Result<Rules, String> {
    let too_many = |what, count, limit| Err(format!("{count} {what}, expected at most {limit}"));
    if written.len() > limits::QUOTA_RULES {
        return too_many("rules", written.len(), limits::QUOTA_RULES);
    }
    let mut names: Vec<Arc<str>> = Vec::new();
    let mut rules = Vec::new();
    for WrittenRule { any_of, charges } in written {
        let clauses = any_of.iter().map(Vec::len).sum::<usize>();
        if any_of.len() > limits::QUOTA_MATCHES || clauses > limits::QUOTA_MATCHES {
            return too_many(
                "matches or clauses in a rule",
                any_of.len().max(clauses),
                limits::QUOTA_MATCHES,
            );
        }
        for Charge { quota, .. } in &charges {
            if !names.contains(quota) {
                names.push(Arc::clone(quota));
            }
        }
        rules.push(Rule { any_of: any_of.into_iter().map(Match).collect(), charges });
    }
    if names.len() > limits::QUOTAS {
        return too_many("quotas", names.len(), limits::QUOTAS);
    }
    Ok(Rules(rules))
}

/// `attribute`, or `attribute[key]` for one key of a map.
fn clause(written: &str, test: TextTest) -> Clause {
    match written.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
        Some((name, key)) => Clause { attribute: Name::from(name), key: Some(key.into()), test },
        None => Clause { attribute: Name::from(written), key: None, test },
    }
}
