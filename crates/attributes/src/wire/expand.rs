//! `CompressedAttributes` → bag.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::v1;
use thiserror::Error;

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
    pub fn new(dictionary: &'d Dictionary, word_count: u32, words: Vec<String>) -> Self {
        Self {
            dictionary,
            word_count: (word_count as usize).min(dictionary.len()),
            words: words.into_iter().map(Arc::from).collect(),
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
        let entries = map
            .entries
            .iter()
            .map(|(key, value)| Ok((Arc::clone(self.word(*key)?), Arc::clone(self.word(*value)?))))
            .collect::<Result<Vec<_>, InvalidAttributes>>()?;
        let expanded: StringMap = entries.iter().cloned().collect();
        if expanded.len() < entries.len() {
            let mut keys: Vec<_> = entries.into_iter().map(|(key, _)| key).collect();
            keys.sort_unstable();
            let twice = keys.windows(2).find(|pair| matches!(pair, [a, b] if a == b));
            let key = twice.and_then(<[_]>::first).cloned().unwrap_or_default();
            return Err(InvalidAttributes::DuplicateKey { key });
        }
        Ok(expanded)
    }

    /// The bag that a message stands for.
    pub fn bag(&self, message: v1::CompressedAttributes) -> Result<Bag, InvalidAttributes> {
        let mut bag = Bag::new();
        self.change(&mut bag, message)?;
        Ok(bag)
    }

    /// Makes of the bag of one message that of the next, which holds what differs. After an error the bag is of no use.
    pub(super) fn change(
        &self,
        bag: &mut Bag,
        mut message: v1::CompressedAttributes,
    ) -> Result<(), InvalidAttributes> {
        let removed = self.names(std::mem::take(&mut message.removed))?;
        let set = Bag::from_unsorted(self.attributes(message)?)
            .map_err(|name| InvalidAttributes::Duplicate { name })?;
        if let Some(name) = removed.iter().find(|name| set.value(name.as_str()).is_some()) {
            return Err(InvalidAttributes::Duplicate { name: name.clone() });
        }
        bag.remove_all(removed).map_err(|name| InvalidAttributes::NotThere { name })?;
        bag.merge(set);
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

    /// The message's attributes in no order, each map on its own.
    fn attributes(&self, message: v1::CompressedAttributes) -> Result<Vec<(Name, Value)>, InvalidAttributes> {
        let v1::CompressedAttributes {
            words: _,
            strings,
            int64s,
            doubles,
            bools,
            timestamps,
            durations,
            bytes,
            string_maps,
            removed: _,
        } = message;
        let count = strings.len()
            + int64s.len()
            + doubles.len()
            + bools.len()
            + timestamps.len()
            + durations.len()
            + bytes.len()
            + string_maps.len();
        if count > limits::MESSAGE_ATTRIBUTES {
            return Err(InvalidAttributes::TooMany { count });
        }
        let mut all = Vec::with_capacity(count);
        self.take(&mut all, strings, |text| Ok(Value::String(Arc::clone(self.word(text)?))))?;
        self.take(&mut all, int64s, |number| Ok(Value::Int64(number)))?;
        self.take(&mut all, doubles, |number| Ok(Value::Double(number)))?;
        self.take(&mut all, bools, |truth| Ok(Value::Bool(truth)))?;
        self.take(&mut all, timestamps, |time| Ok(Value::Timestamp(time.try_into()?)))?;
        self.take(&mut all, durations, |span| Ok(Value::Duration(span.try_into()?)))?;
        self.take(&mut all, bytes, |bytes| Ok(Value::Bytes(bytes.into())))?;
        self.take(&mut all, string_maps, |map| Ok(Value::StringMap(Arc::new(self.string_map(&map)?))))?;
        Ok(all)
    }

    fn take<T>(
        &self,
        all: &mut Vec<(Name, Value)>,
        map: BTreeMap<i32, T>,
        value: impl Fn(T) -> Result<Value, InvalidAttributes>,
    ) -> Result<(), InvalidAttributes> {
        for (name, raw) in map {
            all.push((Name::from(Arc::clone(self.word(name)?)), value(raw)?));
        }
        Ok(())
    }
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
