//! Bags of attributes, and the trait by which everything else looks at one.

use std::cmp::Ordering;

use crate::{Name, Value, ValueRef};

/// What an entry of a string-map attribute turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapEntry<'a> {
    /// The attribute itself is absent.
    NoMap,
    /// The attribute is there but is not a string map.
    NotAMap,
    /// The map is there, the key is not.
    NoKey,
    /// The value under the key.
    Found(&'a str),
}

/// Something that has attributes: a [`Bag`], or a request whose attributes are fetched when they are looked at.
///
/// A source answers the same question in the same way for as long as it is borrowed.
pub trait AttributeSource {
    /// The value of an attribute, `None` if it is absent.
    fn get(&self, name: &str) -> Option<ValueRef<'_>>;

    /// One entry of a string-map attribute.
    fn entry(&self, name: &str, key: &str) -> MapEntry<'_> {
        MapEntry::of(self.get(name), key)
    }
}

impl<'a> MapEntry<'a> {
    /// The entry of an attribute's value.
    pub fn of(value: Option<ValueRef<'a>>, key: &str) -> Self {
        match value {
            None => Self::NoMap,
            Some(ValueRef::StringMap(map)) => map.get(key).map_or(Self::NoKey, Self::Found),
            Some(_) => Self::NotAMap,
        }
    }
}

/// An owned set of attributes.
///
/// Sorted by the length of the name, then by the name: most names differ in length from the one that is looked for, and
/// how long a name is is known without following its pointer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bag(Vec<(Name, Value)>);

/// How many names of one length are gone through before they are searched.
const NEIGHBOURS: usize = 4;

impl Bag {
    /// An empty bag.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty bag with room for some attributes.
    pub fn with_capacity(attributes: usize) -> Self {
        Self(Vec::with_capacity(attributes))
    }

    /// Sets an attribute and returns the value that it had before. What comes in order is not looked for.
    pub fn insert(&mut self, name: impl Into<Name>, value: impl Into<Value>) -> Option<Value> {
        let (name, value) = (name.into(), value.into());
        if self.0.last().is_none_or(|(last, _)| by_length(last.as_str(), name.as_str()).is_lt()) {
            self.0.push((name, value));
            return None;
        }
        match self.position(name.as_str()) {
            Ok(index) => self.0.get_mut(index).map(|(_, old)| std::mem::replace(old, value)),
            Err(index) => {
                self.0.insert(index, (name, value));
                None
            }
        }
    }

    /// Takes an attribute out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.position(name).ok().map(|index| self.0.remove(index).1)
    }

    /// The value of an attribute.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.position(name).ok().and_then(|index| self.0.get(index)).map(|(_, value)| value)
    }

    /// The attributes, those with shorter names first, those as long as each other by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Name, &Value)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// About how many bytes of memory the bag holds.
    pub fn weight(&self) -> usize {
        self.0.iter().map(|(name, value)| name.as_str().len() + value.weight()).sum()
    }

    /// The number of attributes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the bag is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where an attribute is, or where it belongs.
    fn position(&self, name: &str) -> Result<usize, usize> {
        // By length alone first, which takes no look at the names; few names are as long as each other.
        let mut at = self.0.partition_point(|(known, _)| known.as_str().len() < name.len());
        for _ in 0..NEIGHBOURS {
            let order = self.0.get(at).map(|(known, _)| by_length(known.as_str(), name));
            match order {
                Some(Ordering::Less) => at += 1,
                Some(Ordering::Equal) => return Ok(at),
                Some(Ordering::Greater) | None => return Err(at),
            }
        }
        let rest = self.0.get(at..).unwrap_or_default();
        let found = rest.binary_search_by(|(known, _)| by_length(known.as_str(), name));
        found.map(|more| at + more).map_err(|more| at + more)
    }

    /// Takes attributes out, their names in the order of a bag, and returns what they weighed; or the first name that is not
    /// there, or is not there any more.
    pub(crate) fn remove_all(&mut self, names: &[Name]) -> Result<usize, Name> {
        let (mut weight, mut gone) = (0, names.iter().peekable());
        // Both are sorted: one way through them takes out any number.
        self.0.retain(|(name, value)| {
            let is_gone = gone.next_if_eq(&name).is_some();
            if is_gone {
                weight += name.as_str().len() + value.weight();
            }
            !is_gone
        });
        gone.next().map_or(Ok(weight), |name| Err(name.clone()))
    }

    /// Makes a bag of attributes that are in order, each name once.
    pub(crate) fn from_sorted(attributes: Vec<(Name, Value)>) -> Self {
        debug_assert!(
            attributes.is_sorted_by(|(a, _), (b, _)| by_length(a.as_str(), b.as_str()).is_lt()),
            "{attributes:?}"
        );
        Self(attributes)
    }

    /// Sets attributes that come in order, each name once.
    pub(crate) fn set_in_order(&mut self) -> InOrder<'_> {
        let sorted = self.0.len();
        InOrder { attributes: &mut self.0, sorted, at: 0 }
    }
}

/// Sets attributes of a bag, in its order, each name once. [`InOrder::finish`] makes the bag whole.
pub(crate) struct InOrder<'b> {
    attributes: &'b mut Vec<(Name, Value)>,
    /// How many attributes there were. Those after them are new.
    sorted: usize,
    /// All that come still are here or later.
    at: usize,
}

impl InOrder<'_> {
    /// The value of an attribute that is there.
    pub(crate) fn find(&mut self, name: &str) -> Option<&mut Value> {
        let old = self.attributes.get_mut(self.at..self.sorted)?;
        let less = old.iter().take_while(|(old, _)| by_length(old.as_str(), name).is_lt()).count();
        self.at += less;
        old.get_mut(less).filter(|(old, _)| old.as_str() == name).map(|(_, value)| value)
    }

    /// Sets an attribute that was not found.
    pub(crate) fn push(&mut self, name: Name, value: Value) {
        self.attributes.push((name, value));
    }

    /// Puts what is new where it belongs.
    pub(crate) fn finish(self) {
        if self.sorted > 0 && self.attributes.len() > self.sorted {
            // Two sorted runs, which this sort merges.
            self.attributes.sort_by(|(a, _), (b, _)| by_length(a.as_str(), b.as_str()));
        }
    }
}

/// The order of a [`Bag`]: shorter names first, those as long as each other by name.
pub fn by_length(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| by_words(a.as_bytes(), b.as_bytes()))
}

/// The order of bytes that are as many as the others, eight at a time: a WebAssembly module has no faster comparison at
/// hand, and names are short.
fn by_words(a: &[u8], b: &[u8]) -> Ordering {
    let word = |bytes: &[u8; 8]| u64::from_be_bytes(*bytes);
    for (a, b) in a.as_chunks().0.iter().zip(b.as_chunks().0) {
        if word(a) != word(b) {
            return word(a).cmp(&word(b));
        }
    }
    match (a.last_chunk(), b.last_chunk()) {
        // What is compared for the second time is equal.
        (Some(a), Some(b)) => word(a).cmp(&word(b)),
        _ => a.cmp(b),
    }
}

impl AttributeSource for Bag {
    fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        self.value(name).map(Value::as_ref)
    }
}

/// Of several attributes with one name the last counts.
impl<N: Into<Name>, V: Into<Value>> FromIterator<(N, V)> for Bag {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(attributes: I) -> Self {
        let mut bag = Self::new();
        bag.extend(attributes);
        bag
    }
}

impl<N: Into<Name>, V: Into<Value>> Extend<(N, V)> for Bag {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, attributes: I) {
        for (name, value) in attributes {
            self.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_by_length_and_then_by_letters() {
        let names = [
            "",
            "a",
            "b",
            "bb",
            "seven_7",
            "eight__8",
            "nine____9",
            "nine____a",
            "nine_b__9",
            "request.host",
            "request.path",
            "a.name.of.sixteen",
            "a.name.of.sixteem",
            "b.name.of.sixteen",
            "\u{e4}.name.of.16b",
        ];
        for a in names {
            for b in names {
                assert_eq!(by_length(a, b), (a.len(), a).cmp(&(b.len(), b)), "{a} and {b}");
            }
        }
    }

    #[test]
    fn every_name_is_found_however_many_are_as_long() {
        for same in 0..3 * NEIGHBOURS {
            // Only every second of them is there.
            let names: Vec<_> =
                (0..2 * same).map(|n| format!("name.{n:02}")).chain(["a", "zz"].map(String::from)).collect();
            let mut bag = Bag::new();
            for (number, name) in names.iter().enumerate().rev().step_by(2) {
                assert_eq!(bag.insert(name.as_str(), number as i64), None);
            }
            assert!(
                bag.0.is_sorted_by(|(a, _), (b, _)| by_length(a.as_str(), b.as_str()).is_lt()),
                "{bag:?}"
            );
            for (number, name) in names.iter().enumerate() {
                let there = (number % 2 == 1).then(|| Value::from(number as i64));
                assert_eq!(bag.value(name), there.as_ref(), "{name} in {bag:?}");
                assert_eq!(bag.remove(name), there, "{name}");
            }
            assert!(bag.is_empty());
        }
    }
}
