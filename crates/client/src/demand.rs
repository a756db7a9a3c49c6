//! Which attributes the server reads, so that others need not be fetched and sent.

use attributes::{AttributeSource, Bag, MapEntry, Name, StringMap, Value, by_length};
use checkcache::Revision;
use proto::feed;

use crate::attribute::{Attribute, View};

/// A set of attributes, some of them maps of which only some keys count.
///
/// In the order of a bag, which then takes what is selected as it comes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Demand(Vec<Demanding>);

/// An attribute that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Demanding {
    attribute: Attribute,
    /// If it is a map of which only some keys are, these.
    keys: Vec<String>,
}

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
        let mut bag = Bag::with_capacity(self.0.len());
        for demanded in &self.0 {
            bag.extend(demanded.select(view, |attribute| view.value(attribute)));
        }
        bag
    }

    /// The same, with what the client found out about its own check: that costs nothing and is the operator's only
    /// sight of it.
    pub(crate) fn select_with_own(&self, view: &View<'_>) -> Bag {
        let own = &view.stream.own;
        let mut bag = Bag::with_capacity(self.0.len() + own.len());
        let mut own = own.iter().map(|(name, value)| (name.clone(), value.clone())).peekable();
        for demanded in &self.0 {
            let name = demanded.attribute.name.as_str();
            while let Some(before) = own.next_if(|(own, _)| by_length(own.as_str(), name).is_lt()) {
                bag.extend([before]);
            }
            if own.peek().is_none_or(|(own, _)| own.as_str() != name) {
                bag.extend(demanded.select(view, |attribute| view.value_but_own(attribute)));
            }
        }
        bag.extend(own);
        bag
    }
}

impl Demanding {
    fn select<'v>(
        &self,
        view: &View<'_>,
        find: impl FnOnce(&Attribute) -> Option<&'v Value>,
    ) -> Option<(Name, Value)> {
        let Self { attribute, keys } = self;
        let keyed = if keys.is_empty() { None } else { entries(view, attribute.name.as_str(), keys) };
        let value = keyed.or_else(|| find(attribute).cloned())?;
        Some((attribute.name.clone(), value))
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
        let mut sorted: Vec<Demanding> = Vec::with_capacity(attributes.len());
        for feed::demand::Attribute { name, keys } in attributes {
            let order = |other: &Demanding| by_length(other.attribute.name.as_str(), &name);
            match sorted.binary_search_by(order) {
                // Of several with one name the last counts.
                Ok(place) => {
                    if let Some(before) = sorted.get_mut(place) {
                        before.keys = keys;
                    }
                }
                Err(place) => sorted.insert(place, Demanding { attribute: Name::from(name).into(), keys }),
            }
        }
        Self(sorted)
    }
}
