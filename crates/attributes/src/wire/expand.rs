//! `CompressedAttributes` → bag.

use std::sync::Arc;

use hashbrown::HashSet;
use proto::v1;
use proto::v1::CompressedValue;
use thiserror::Error;

use crate::bag::by_length;
use crate::{Bag, Dictionary, Duration, Name, StringMap, Timestamp, Value, limits};

/// A message of attributes cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidAttributes {
    /// An index is in neither dictionary.
    #[error(
        "index {index} is in no dictionary: {global} words of the deployment-wide one are in use, the message has {own}"
    )]
    UnknownIndex {
        /// The index.
        index: i32,
        /// How many words of the deployment-wide dictionary the message may use.
        global: usize,
        /// How many words it has itself.
        own: usize,
    },
    /// An attribute stands twice in the message, in whatever maps.
    #[error("attribute `{name}` occurs twice")]
    Duplicate {
        /// The attribute.
        name: Name,
    },
    /// An attribute is removed that the message before did not have.
    #[error("attribute `{name}` is removed and was not there")]
    NotThere {
        /// The attribute.
        name: Name,
    },
    /// A string map has a key twice, once by each dictionary.
    #[error("a string map has the key `{key}` twice")]
    DuplicateKey {
        /// The key.
        key: Arc<str>,
    },
    /// A point in time or a span of it breaks the rules of its protocol buffer type.
    #[error("{seconds} s and {nanos} ns are no {what}")]
    Time {
        /// The type.
        what: &'static str,
        /// The message's seconds.
        seconds: i64,
        /// The message's nanoseconds.
        nanos: i32,
    },
    /// There are more attributes than the limit allows.
    #[error("{count} attributes, at most {} are allowed", limits::MESSAGE_ATTRIBUTES)]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

/// Replaces indices by words.
#[derive(Debug, Clone)]
pub struct Expander<'d> {
    dictionary: &'d Dictionary,
    word_count: usize,
    words: Vec<Arc<str>>,
}

impl<'d> Expander<'d> {
    /// An expander for messages that use the first `word_count` words of a dictionary and have `words` of their own.
    pub fn new<W: Into<Arc<str>>>(dictionary: &'d Dictionary, word_count: u32, words: Vec<W>) -> Self {
        Self {
            dictionary,
            word_count: (word_count as usize).min(dictionary.len()),
            words: words.into_iter().map(Into::into).collect(),
        }
    }

    /// The word that an index stands for.
    pub fn word(&self, index: i32) -> Result<&Arc<str>, InvalidAttributes> {
        let word = match usize::try_from(index) {
            Ok(index) if index < self.word_count => self.dictionary.word(index),
            Ok(_) => None,
            // -1 is the first; `!` is `-index - 1` without its overflow.
            Err(_) => usize::try_from(!index).ok().and_then(|index| self.words.get(index)),
        };
        word.ok_or(InvalidAttributes::UnknownIndex { index, global: self.word_count, own: self.words.len() })
    }

    /// A string map with its indices replaced.
    pub fn string_map(&self, map: &v1::StringMap) -> Result<StringMap, InvalidAttributes> {
        let mut entries = Vec::with_capacity(map.entries.len());
        for (key, value) in &map.entries {
            entries.push((Arc::clone(self.word(*key)?), Arc::clone(self.word(*value)?)));
        }
        // We send them in order, others as they please.
        if entries.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Ok(StringMap::from_sorted(entries));
        }
        self.sorted_map(map, entries)
    }

    fn sorted_map(
        &self,
        map: &v1::StringMap,
        entries: Vec<(Arc<str>, Arc<str>)>,
    ) -> Result<StringMap, InvalidAttributes> {
        let expanded: StringMap = entries.into_iter().collect();
        if expanded.len() < map.entries.len() {
            // Of entries with one key the last counts, unless they write the key as different words.
            let mut indices: Vec<i32> = map.entries.iter().map(|(key, _)| *key).collect();
            indices.sort_unstable();
            indices.dedup();
            if expanded.len() < indices.len() {
                let mut keys = Vec::with_capacity(indices.len());
                for index in indices {
                    keys.push(self.word(index)?);
                }
                keys.sort_unstable();
                let twice = keys.windows(2).find(|pair| matches!(pair, [a, b] if a == b));
                let key = twice.and_then(<[_]>::first).map(|key| Arc::clone(key)).unwrap_or_default();
                return Err(InvalidAttributes::DuplicateKey { key });
            }
        }
        Ok(expanded)
    }

    /// The bag that a message stands for.
    pub fn bag(&self, message: v1::CompressedAttributes) -> Result<Bag, InvalidAttributes> {
        let v1::CompressedAttributes { words: _, values, removed } = message;
        let attributes = self.attributes(values, |name| Name::from(Arc::clone(name)))?;
        match self.names(removed)?.pop() {
            Some(name) => Err(InvalidAttributes::NotThere { name }),
            None => Ok(Bag::from_sorted(attributes)),
        }
    }

    /// Makes of the bag of one message that of the next, which holds what differs. After an error the bag is of no use.
    pub(super) fn change(
        &self,
        bag: &mut Bag,
        message: v1::CompressedAttributes,
    ) -> Result<(), InvalidAttributes> {
        let v1::CompressedAttributes { words: _, values, removed } = message;
        let set = self.attributes(values, |name| name)?;
        if !removed.is_empty() {
            let removed = self.names(removed)?;
            let is_set =
                |name: &&Name| set.binary_search_by(|(set, _)| by_length(set, name.as_str())).is_ok();
            if let Some(name) = removed.iter().find(is_set) {
                return Err(InvalidAttributes::Duplicate { name: name.clone() });
            }
            bag.remove_all(removed).map_err(|name| InvalidAttributes::NotThere { name })?;
        }
        bag.set_all(set);
        // What many messages amount to is held to what one may have.
        match bag.len() {
            count if count > limits::MESSAGE_ATTRIBUTES => Err(InvalidAttributes::TooMany { count }),
            _ => Ok(()),
        }
    }

    fn names(&self, indices: Vec<i32>) -> Result<Vec<Name>, InvalidAttributes> {
        if indices.len() > limits::MESSAGE_ATTRIBUTES {
            return Err(InvalidAttributes::TooMany { count: indices.len() });
        }
        indices.into_iter().map(|index| Ok(Name::from(Arc::clone(self.word(index)?)))).collect()
    }

    /// Names, in whatever form, and values, in the order of a bag and each name once.
    fn attributes<'s, N: AsRef<str>>(
        &'s self,
        values: Vec<(i32, CompressedValue)>,
        to_name: impl Fn(&'s Arc<str>) -> N,
    ) -> Result<Vec<(N, Value)>, InvalidAttributes> {
        if values.len() > limits::MESSAGE_ATTRIBUTES {
            return Err(InvalidAttributes::TooMany { count: values.len() });
        }
        let is_sorted = self.is_sorted(&values)?;
        let values = if is_sorted { values } else { without_overwritten(values) };
        let mut attributes = Vec::with_capacity(values.len());
        for (name, value) in values {
            attributes.push((to_name(self.word(name)?), self.value(value)?));
        }
        if !is_sorted {
            attributes.sort_by(|(a, _), (b, _)| by_length(a.as_ref(), b.as_ref()));
            let twice = attributes.windows(2).find_map(|pair| match pair {
                [(a, _), (b, _)] if a.as_ref() == b.as_ref() => Some(a.as_ref().into()),
                _ => None,
            });
            if let Some(name) = twice {
                return Err(InvalidAttributes::Duplicate { name });
            }
        }
        Ok(attributes)
    }

    /// Whether the names are in order, as we send them; others send them as they please.
    fn is_sorted(&self, values: &[(i32, CompressedValue)]) -> Result<bool, InvalidAttributes> {
        let mut before: Option<&Arc<str>> = None;
        for (name, _) in values {
            let name = self.word(*name)?;
            if before.is_some_and(|before| by_length(before, name).is_ge()) {
                return Ok(false);
            }
            before = Some(name);
        }
        Ok(true)
    }

    fn value(&self, value: CompressedValue) -> Result<Value, InvalidAttributes> {
        Ok(match value {
            CompressedValue::String(text) => Value::String(Arc::clone(self.word(text)?)),
            CompressedValue::Int64(number) => Value::Int64(number),
            CompressedValue::Double(number) => Value::Double(number),
            CompressedValue::Bool(truth) => Value::Bool(truth),
            CompressedValue::Timestamp(time) => Value::Timestamp(time.try_into()?),
            CompressedValue::Duration(span) => Value::Duration(span.try_into()?),
            CompressedValue::Bytes(bytes) => Value::Bytes(bytes.into()),
            CompressedValue::StringMap(map) => Value::StringMap(Arc::new(self.string_map(&map)?)),
        })
    }
}

/// Of a map's entries with one key the last counts.
fn without_overwritten(mut values: Vec<(i32, CompressedValue)>) -> Vec<(i32, CompressedValue)> {
    let key = |(name, value): &(i32, CompressedValue)| (*name, value.tag());
    let mut keys: Vec<_> = values.iter().map(key).collect();
    keys.sort_unstable();
    if keys.is_sorted_by(|a, b| a < b) {
        return values;
    }
    let mut seen = HashSet::new();
    values.reverse();
    values.retain(|value| seen.insert(key(value)));
    values
}

/// The rules of `google.protobuf.Timestamp`, but for its bounds in years: those only matter where a time is printed.
impl TryFrom<proto::Timestamp> for Timestamp {
    type Error = InvalidAttributes;

    fn try_from(time: proto::Timestamp) -> Result<Self, Self::Error> {
        let proto::Timestamp { seconds, nanos } = time;
        match u32::try_from(nanos) {
            Ok(nanos) if nanos < 1_000_000_000 => Ok(Self { seconds, nanos }),
            _ => Err(InvalidAttributes::Time { what: "timestamp", seconds, nanos }),
        }
    }
}

/// The rules of `google.protobuf.Duration`, but for its bounds.
impl TryFrom<proto::Duration> for Duration {
    type Error = InvalidAttributes;

    fn try_from(span: proto::Duration) -> Result<Self, Self::Error> {
        let proto::Duration { seconds, nanos } = span;
        let same_sign = seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0);
        if same_sign && nanos.unsigned_abs() < 1_000_000_000 {
            Ok(Self { seconds, nanos })
        } else {
            Err(InvalidAttributes::Time { what: "duration", seconds, nanos })
        }
    }
}
