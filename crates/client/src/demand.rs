//! Which attributes the server reads, so that others need not be fetched and sent.

use attributes::{AttributeSource, Bag, MapEntry, Name, StringMap, Value, by_length};
use checkcache::Revision;
use proto::feed;

use crate::attribute::{Attribute, View};

/// What the client says of its own check comes on top in a report; a bag has room for it.
const OWN_EXPECTED: usize = 4;

/// A set of attributes, some of them maps of which only some keys count.
///
/// In the order of a bag, which then takes what is selected as it comes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Demand(Vec<(Attribute, Vec<String>)>);

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
    /// What a request has of the demanded attributes. A map of which only keys are demanded comes without the others,
    /// but it comes: a map without a key is not the same as no map.
    pub(crate) fn select(&self, view: &View<'_>) -> Bag {
        let mut bag = Bag::with_capacity(self.0.len() + OWN_EXPECTED);
        for (attribute, keys) in &self.0 {
            let keyed = if keys.is_empty() { None } else { entries(view, attribute.name.as_str(), keys) };
            if let Some(value) = keyed.or_else(|| view.value(attribute).cloned()) {
                bag.insert(attribute.name.clone(), value);
            }
        }
        bag
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
        let mut sorted: Vec<(Attribute, Vec<String>)> = Vec::with_capacity(attributes.len());
        for feed::demand::Attribute { name, keys } in attributes {
            let attribute = Attribute::from(Name::from(name));
            // Of several with one name the last counts.
            let name = attribute.name.as_str();
            match sorted.binary_search_by(|(other, _)| by_length(other.name.as_str(), name)) {
                Ok(place) => {
                    if let Some((_, before)) = sorted.get_mut(place) {
                        *before = keys;
                    }
                }
                Err(place) => sorted.insert(place, (attribute, keys)),
            }
        }
        Self(sorted)
    }
}
