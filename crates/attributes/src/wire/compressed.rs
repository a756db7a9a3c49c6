//! `CompressedAttributes`, looked at as they are.
//!
//! Most checks are answered by the cache, which looks at a few attributes of many. So the message of a check is examined
//! as a whole, and what is not looked at is neither copied nor given one more owner. A bag it becomes when something has
//! to be decided.
//!
//! Invariant: what is looked at here is what the bag has, and a message that has no bag is refused.

use std::sync::OnceLock;

use proto::v1;
use proto::v1::CompressedValue;

use super::{Expander, InvalidAttributes};
use crate::bag::by_length;
use crate::{AttributeSource, Bag, Dictionary, Duration, MapEntry, StringMap, Timestamp, ValueRef};

/// A message of attributes that stands for a bag: every index is that of a word, every name stands there once.
#[derive(Debug)]
pub struct CompressedBag<'d> {
    words: Expander<'d>,
    /// In the order of a bag.
    values: Vec<(i32, CompressedValue)>,
    /// In the order of the values.
    maps: Vec<Map>,
}

/// A string map among the values.
#[derive(Debug)]
struct Map {
    /// The place of the value.
    at: usize,
    /// The map as a whole, once somebody looks at it so; from the beginning if its entries are in disorder.
    whole: OnceLock<StringMap>,
}

// === impl CompressedBag ===

impl<'d> CompressedBag<'d> {
    /// Examines a message that uses the first `word_count` words of a dictionary.
    pub fn new(
        message: v1::CompressedAttributes,
        dictionary: &'d Dictionary,
        word_count: u32,
    ) -> Result<Self, InvalidAttributes> {
        let v1::CompressedAttributes { words, values, removed } = message;
        let words = Expander::new(dictionary, word_count, words);
        let values = words.in_order(values)?;
        let mut maps = Vec::new();
        for (at, (_, value)) in values.iter().enumerate() {
            if let CompressedValue::StringMap(map) = value {
                let whole = if words.is_sorted_map(map)? { None } else { Some(words.string_map(map)?) };
                maps.push(Map { at, whole: whole.map_or_else(OnceLock::new, OnceLock::from) });
            } else {
                words.examine(value)?;
            }
        }
        words.none_removed(&removed)?;
        Ok(Self { words, values, maps })
    }

    /// The bag.
    pub fn to_bag(&self) -> Result<Bag, InvalidAttributes> {
        self.words.bag_of(&self.values)
    }

    fn find(&self, name: &str) -> Option<(usize, &CompressedValue)> {
        let order = |known: &i32| by_length(self.text(*known), name);
        let at = self.values.binary_search_by(|(known, _)| order(known)).ok()?;
        Some((at, &self.values.get(at)?.1))
    }

    /// The text of a word, all of which are known to be there.
    #[inline]
    fn text(&self, word: i32) -> &str {
        self.words.text(word).unwrap_or_default()
    }

    fn map(&self, at: usize) -> Option<&OnceLock<StringMap>> {
        let place = self.maps.binary_search_by_key(&at, |map| map.at).ok()?;
        self.maps.get(place).map(|map| &map.whole)
    }
}

impl AttributeSource for CompressedBag<'_> {
    fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        let (at, value) = self.find(name)?;
        Some(match value {
            CompressedValue::String(text) => ValueRef::String(self.text(*text)),
            CompressedValue::Int64(number) => ValueRef::Int64(*number),
            CompressedValue::Double(number) => ValueRef::Double(*number),
            CompressedValue::Bool(truth) => ValueRef::Bool(*truth),
            CompressedValue::Timestamp(time) => ValueRef::Timestamp(Timestamp::try_from(*time).ok()?),
            CompressedValue::Duration(span) => ValueRef::Duration(Duration::try_from(*span).ok()?),
            CompressedValue::Bytes(bytes) => ValueRef::Bytes(bytes),
            CompressedValue::StringMap(map) => {
                let whole = || self.words.string_map(map).unwrap_or_default();
                ValueRef::StringMap(self.map(at)?.get_or_init(whole))
            }
        })
    }

    fn entry(&self, name: &str, key: &str) -> MapEntry<'_> {
        let Some((at, value)) = self.find(name) else { return MapEntry::NoMap };
        let CompressedValue::StringMap(map) = value else { return MapEntry::NotAMap };
        if let Some(whole) = self.map(at).and_then(OnceLock::get) {
            return whole.get(key).map_or(MapEntry::NoKey, MapEntry::Found);
        }
        let found = map.entries.binary_search_by(|(known, _)| self.text(*known).cmp(key));
        let entry = found.ok().and_then(|at| map.entries.get(at));
        entry.map_or(MapEntry::NoKey, |(_, value)| MapEntry::Found(self.text(*value)))
    }
}

#[cfg(test)]
mod tests;
