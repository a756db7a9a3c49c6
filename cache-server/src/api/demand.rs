//! Demand as a message: the attributes that a client is asked to send.

use std::collections::{BTreeMap, BTreeSet};

use attributes::{Name, Word};
use checkcache::Target;
use proto::feed::{Demand, demand};

use crate::limits;

/// The attributes of these targets, each once, in the order of their names: whole, or some of its keys.
pub(super) fn encode(targets: &BTreeSet<Target>) -> Demand {
    let mut attributes: BTreeMap<&Name, Extent<'_>> = BTreeMap::new();
    for target in targets {
        match target {
            Target::Attribute(name) => {
                attributes.insert(name, Extent::Whole);
            }
            Target::Key(name, key) => match attributes.entry(name).or_insert(Extent::Keys(Vec::new())) {
                Extent::Keys(keys) => keys.push(key),
                Extent::Whole => {}
            },
        }
    }
    let attribute = |(name, extent): (&Name, Extent<'_>)| {
        let keys = match extent {
            Extent::Keys(keys) if keys.len() <= limits::DEMAND_KEYS => {
                keys.into_iter().map(ToString::to_string).collect()
            }
            Extent::Keys(_) | Extent::Whole => Vec::new(),
        };
        demand::Attribute { name: name.to_string(), keys }
    };
    Demand { attributes: attributes.into_iter().map(attribute).collect() }
}

/// How much of an attribute is read.
enum Extent<'t> {
    Whole,
    /// Never none.
    Keys(Vec<&'t Word>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, key: &str) -> Target {
        Target::Key(name.into(), key.into())
    }

    fn encoded(targets: impl IntoIterator<Item = Target>) -> Vec<(String, Vec<String>)> {
        let demand = encode(&targets.into_iter().collect());
        demand.attributes.into_iter().map(|attribute| (attribute.name, attribute.keys)).collect()
    }

    #[test]
    fn the_whole_includes_its_keys() {
        let whole = Target::Attribute("b".into());
        assert_eq!(encoded([]), []);
        assert_eq!(
            encoded([key("c", "y"), key("c", "x"), key("b", "x"), whole]),
            [("b".to_owned(), vec![]), ("c".to_owned(), vec!["x".to_owned(), "y".to_owned()])]
        );
    }

    #[test]
    fn very_many_keys_are_the_whole() {
        let keys = |count: usize| (0..count).map(|number| key("a", &number.to_string()));
        assert_eq!(encoded(keys(limits::DEMAND_KEYS))[0].1.len(), limits::DEMAND_KEYS);
        assert_eq!(encoded(keys(limits::DEMAND_KEYS + 1)), [("a".to_owned(), vec![])]);
    }
}
