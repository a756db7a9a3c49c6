//! The quotas' part of the filter's configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use attributes::Name;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::rules::{Charge, Clause, Match, Rule, Rules, TextTest};
use crate::limits;

/// Quotas as they are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Quotas<F: Default> {
    pub(crate) prefetch: bool,
    pub(crate) max_pools: usize,
    pub(crate) failure: Option<F>,
    pub(crate) rules: Vec<WrittenRule>,
}

impl<F: Default> Default for Quotas<F> {
    fn default() -> Self {
        Self { prefetch: true, max_pools: 1_000, failure: None, rules: Vec::new() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenRule {
    #[serde(default, rename = "match")]
    any_of: Vec<BTreeMap<String, WrittenTest>>,
    charge: Charges,
}

/// What is asked of an attribute.
#[derive(Debug)]
struct WrittenTest(TextTest);

impl<'de> Deserialize<'de> for WrittenTest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Written {
            Exact(String),
            Prefix(String),
            Suffix(String),
            Regex(String),
        }

        match Written::deserialize(deserializer)? {
            Written::Exact(text) => Ok(Self(TextTest::Exact(text))),
            Written::Prefix(text) => Ok(Self(TextTest::Prefix(text))),
            Written::Suffix(text) => Ok(Self(TextTest::Suffix(text))),
            Written::Regex(pattern) => Err(D::Error::custom(format_args!(
                "regex `{pattern}`: the filter has no regular expressions; expected exact, prefix or suffix, or \
                 the expression in a selector of the quota's aspect"
            ))),
        }
    }
}

/// Amounts by quota.
#[derive(Debug)]
pub(crate) struct Charges(Vec<Charge>);

impl<'de> Deserialize<'de> for Charges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Charges;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from quotas to amounts such as {\"RequestCount\": 1}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Charges, A::Error> {
                let mut charges: Vec<Charge> = Vec::new();
                while let Some((quota, amount)) = map.next_entry::<String, u64>()? {
                    if charges.iter().any(|other| *other.quota == *quota) {
                        return Err(A::Error::custom(format_args!("quota `{quota}` occurs twice")));
                    }
                    charges.push(charge(&quota, amount).map_err(A::Error::custom)?);
                }
                if charges.is_empty() {
                    return Err(A::Error::custom("charges nothing, expected at least one quota"));
                }
                Ok(Charges(charges))
            }
        }

        deserializer.deserialize_map(Entries)
    }
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
    for WrittenRule { any_of, charge: Charges(charges) } in written {
        let clauses = any_of.iter().map(BTreeMap::len).sum::<usize>();
        if any_of.len() > limits::QUOTA_MATCHES || clauses > limits::QUOTA_MATCHES {
            return too_many(
                "matches or clauses in a rule",
                any_of.len().max(clauses),
                limits::QUOTA_MATCHES,
            );
        }
        names.extend(charges.iter().map(|charge| Arc::clone(&charge.quota)));
        let any_of = any_of.into_iter().map(|clauses| Match(clauses.into_iter().map(clause).collect()));
        rules.push(Rule { any_of: any_of.collect(), charges });
    }
    names.sort_unstable();
    names.dedup();
    if names.len() > limits::QUOTAS {
        return too_many("quotas", names.len(), limits::QUOTAS);
    }
    Ok(Rules(rules))
}

/// `attribute`, or `attribute[key]` for one key of a map.
fn clause((written, WrittenTest(test)): (String, WrittenTest)) -> Clause {
    match written.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
        Some((name, key)) => Clause { attribute: Name::from(name), key: Some(key.into()), test },
        None => Clause { attribute: Name::from(written.as_str()), key: None, test },
    }
}
