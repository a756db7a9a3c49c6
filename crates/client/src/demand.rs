//! Which attributes the server reads, so that others need not be fetched and sent.

use attributes::{AttributeSource, Bag, MapEntry, Name, StringMap, Value, ValueRef};
use checkcache::Revision;
use proto::feed;

/// A set of attributes, some of them maps of which only some keys count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Demand(Vec<(Name, Vec<String>)>);

/// What is read under a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Demanded {
    pub(crate) revision: Revision,
    /// `None`: everything.
    pub(crate) check: Option<Demand>,
    /// `None`: everything.
    pub(crate) report: Option<Demand>,
}

impl Demand {
    /// What a source has of the demanded attributes. A map of which only keys are demanded comes without the others,
    /// but it comes: a map without a key is not the same as no map.
    pub(crate) fn select(&self, source: &impl AttributeSource) -> Bag {
        let selected = self.0.iter().filter_map(|(name, keys)| {
            let keyed = if keys.is_empty() { None } else { entries(source, name.as_str(), keys) };
            let value = keyed.or_else(|| source.get(name.as_str()).map(ValueRef::to_value))?;
            Some((name.clone(), value))
        });
        selected.collect()
    }
}

/// The entries that a map has of some keys; `None` if there is no map.
fn entries(source: &impl AttributeSource, name: &str, keys: &[String]) -> Option<Value> {
    let mut found = Vec::new();
    for key in keys {
        match source.entry(name, key) {
            MapEntry::NoMap | MapEntry::NotAMap => return None,
            MapEntry::NoKey => {}
            MapEntry::Found(value) => found.push((key.as_str(), value)),
        }
    }
    Some(Value::from(found.into_iter().collect::<StringMap>()))
}

impl From<feed::Demand> for Demand {
    fn from(demand: feed::Demand) -> Self {
        let feed::Demand { attributes } = demand;
        let pair = |feed::demand::Attribute { name, keys }| (Name::from(name), keys);
        Self(attributes.into_iter().map(pair).collect())
    }
}
