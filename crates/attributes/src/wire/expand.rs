//! `CompressedAttributes` → bag.

use std::sync::Arc;

use proto::v1;
use proto::v1::CompressedValue;
use thiserror::Error;

use crate::bag::by_length;
use crate::{Bag, Dictionary, Duration, Name, StringMap, Timestamp, Value, Word, limits, order};

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
        key: Word,
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
    /// Those words of the dictionary that may be used.
    global: &'d [Word],
    own: Vec<Arc<str>>,
}

/// A bag, and what it weighs.
#[derive(Debug, Default)]
pub(super) struct Weighed {
    pub(super) bag: Bag,
    /// What [`Bag::weight`] says.
    pub(super) weight: usize,
}

impl<'d> Expander<'d> {
    /// An expander for messages that use the first `word_count` words of a dictionary and have `words` of their own.
    pub fn new<W: Into<Arc<str>>>(dictionary: &'d Dictionary, word_count: u32, words: Vec<W>) -> Self {
        let global = dictionary.words();
        Self {
            global: global.get(..word_count as usize).unwrap_or(global),
            own: words.into_iter().map(Into::into).collect(),
        }
    }

    /// The word that an index stands for.
    #[inline]
    pub fn word(&self, index: i32) -> Result<Word, InvalidAttributes> {
        let word = match usize::try_from(index) {
            Ok(index) => self.global.get(index).cloned(),
            Err(_) => self.own.get(place(index)).map(Word::from),
        };
        word.ok_or_else(|| self.unknown(index))
    }

    /// Its text.
    #[inline]
    pub(super) fn text(&self, index: i32) -> Result<&str, InvalidAttributes> {
        let text = match usize::try_from(index) {
            Ok(index) => self.global.get(index).map(Word::as_str),
            Err(_) => self.own.get(place(index)).map(|word| &**word),
        };
        text.ok_or_else(|| self.unknown(index))
    }

    #[cold]
    fn unknown(&self, index: i32) -> InvalidAttributes {
        InvalidAttributes::UnknownIndex { index, global: self.global.len(), own: self.own.len() }
    }

    /// A string map with its indices replaced.
    pub fn string_map(&self, map: &v1::StringMap) -> Result<StringMap, InvalidAttributes> {
        let mut entries: Vec<(Word, Word)> = Vec::with_capacity(map.entries.len());
        // We send them in order, others as they please.
        let mut is_sorted = true;
        for (key, value) in &map.entries {
            let (key, value) = (self.word(*key)?, self.word(*value)?);
            is_sorted = is_sorted && entries.last().is_none_or(|(last, _)| *last < key);
            entries.push((key, value));
        }
        if is_sorted {
            return Ok(StringMap::from_sorted(entries));
        }
        // Of entries with one key the last counts, unless they write the key as different words.
        let key = |at: usize| map.entries.get(at).map(|(key, _)| *key);
        StringMap::from_unsorted(entries, &|a, b| key(a) != key(b))
            .map_err(|key| InvalidAttributes::DuplicateKey { key })
    }

    /// The bag that a message stands for.
    pub fn bag(&self, message: v1::CompressedAttributes) -> Result<Bag, InvalidAttributes> {
        let v1::CompressedAttributes { words: _, values, removed } = message;
        let bag = self.bag_of(&values)?;
        self.none_removed(&removed)?;
        Ok(bag)
    }

    /// The bag of some values.
    pub(super) fn bag_of(&self, values: &[(i32, CompressedValue)]) -> Result<Bag, InvalidAttributes> {
        let mut attributes = Vec::with_capacity(values.len().min(limits::MESSAGE_ATTRIBUTES));
        self.each(values, |name, value| {
            attributes.push((Name::from(self.word(name)?), value));
            Ok(())
        })?;
        Ok(Bag::from_sorted(attributes))
    }

    /// Before a message that does not build on another there is nothing that could be gone.
    pub(super) fn none_removed(&self, removed: &[i32]) -> Result<(), InvalidAttributes> {
        match self.names(removed)?.pop() {
            Some(name) => Err(InvalidAttributes::NotThere { name }),
            None => Ok(()),
        }
    }

    /// Makes of the bag of one message that of the next, which holds what differs. After an error the bag is of no use.
    pub(super) fn change(
        &self,
        Weighed { bag, weight }: &mut Weighed,
        message: v1::CompressedAttributes,
    ) -> Result<(), InvalidAttributes> {
        let v1::CompressedAttributes { words: _, values, removed } = message;
        *weight -= self.remove(bag, &removed, &values)?;
        let mut known = bag.set_in_order();
        self.each(&values, |index, value| {
            let name = self.text(index)?;
            *weight += value.weight();
            match known.find(name) {
                Some(stale) => {
                    *weight -= stale.weight();
                    *stale = value;
                }
                None => {
                    *weight += name.len();
                    known.push(self.word(index)?.into(), value);
                }
            }
            Ok(())
        })?;
        known.finish();
        // What many messages amount to is held to what one may have.
        bounded(bag.len())
    }

    /// Takes attributes out of a bag and returns what they weighed. None of them may be set by the same message.
    fn remove(
        &self,
        bag: &mut Bag,
        removed: &[i32],
        set: &[(i32, CompressedValue)],
    ) -> Result<usize, InvalidAttributes> {
        if removed.is_empty() {
            return Ok(0);
        }
        let mut removed = self.names(removed)?;
        removed.sort_unstable_by(|a, b| by_length(a.as_str(), b.as_str()));
        for (name, _) in set {
            let name = self.text(*name)?;
            if removed.binary_search_by(|removed| by_length(removed.as_str(), name)).is_ok() {
                return Err(InvalidAttributes::Duplicate { name: name.into() });
            }
        }
        bag.remove_all(&removed).map_err(|name| InvalidAttributes::NotThere { name })
    }

    fn names(&self, indices: &[i32]) -> Result<Vec<Name>, InvalidAttributes> {
        bounded(indices.len())?;
        indices.iter().map(|index| self.word(*index).map(Name::from)).collect()
    }

    /// Hands out attributes, their names by index, in the order of a bag and each name once.
    fn each(
        &self,
        values: &[(i32, CompressedValue)],
        mut take: impl FnMut(i32, Value) -> Result<(), InvalidAttributes>,
    ) -> Result<(), InvalidAttributes> {
        bounded(values.len())?;
        if self.is_sorted(values)? {
            return values.iter().try_for_each(|(name, value)| take(*name, self.value(value)?));
        }
        let order = self.order(values)?;
        order
            .iter()
            .filter_map(|at| values.get(*at))
            .try_for_each(|(name, value)| take(*name, self.value(value)?))
    }

    /// Values in the order of a bag, each name once.
    pub(super) fn in_order(
        &self,
        values: Vec<(i32, CompressedValue)>,
    ) -> Result<Vec<(i32, CompressedValue)>, InvalidAttributes> {
        bounded(values.len())?;
        if self.is_sorted(&values)? {
            return Ok(values);
        }
        let order = self.order(&values)?;
        Ok(order.iter().filter_map(|at| values.get(*at)).cloned().collect())
    }

    /// Whether the names are in order, as we send them; others send them as they please.
    fn is_sorted(&self, values: &[(i32, CompressedValue)]) -> Result<bool, InvalidAttributes> {
        let mut before: Option<&str> = None;
        for (name, _) in values {
            let name = self.text(*name)?;
            if before.is_some_and(|before| by_length(before, name).is_ge()) {
                return Ok(false);
            }
            before = Some(name);
        }
        Ok(true)
    }

    /// The places of values in the order of their names. Of a map's entries with one key the last counts; a name that stands
    /// in two maps, or is written as two words, stands there twice.
    fn order(&self, values: &[(i32, CompressedValue)]) -> Result<Vec<usize>, InvalidAttributes> {
        let names = values.iter().map(|(name, _)| self.text(*name)).collect::<Result<Vec<_>, _>>()?;
        let name = |at: usize| names.get(at).copied().unwrap_or_default();
        let key = |at: usize| values.get(at).map(|(name, value)| (*name, value.tag()));
        let mut order = order::sorted(names.len(), &|a, b| by_length(name(a), name(b)));
        let mut twice = None;
        // Of those with one name the later is `b`, and the place that stays is that of `a`.
        order.dedup_by(|b, a| {
            let is_same = name(*a) == name(*b);
            if is_same {
                twice = twice.or((key(*a) != key(*b)).then_some(name(*a)));
                *a = *b;
            }
            is_same
        });
        twice.map_or(Ok(order), |name| Err(InvalidAttributes::Duplicate { name: name.into() }))
    }

    /// Whether the keys of a map are in order. Its indices are those of words.
    pub(super) fn is_sorted_map(&self, map: &v1::StringMap) -> Result<bool, InvalidAttributes> {
        let mut before: Option<&str> = None;
        let mut is_sorted = true;
        for (key, value) in &map.entries {
            let key = self.text(*key)?;
            self.text(*value)?;
            is_sorted = is_sorted && before.is_none_or(|before| before < key);
            before = Some(key);
        }
        Ok(is_sorted)
    }

    /// Sees to it that there is such a value, one that is no map.
    pub(super) fn examine(&self, value: &CompressedValue) -> Result<(), InvalidAttributes> {
        match value {
            CompressedValue::String(text) => self.text(*text).map(drop),
            CompressedValue::Timestamp(time) => Timestamp::try_from(*time).map(drop),
            CompressedValue::Duration(span) => Duration::try_from(*span).map(drop),
            CompressedValue::Int64(_)
            | CompressedValue::Double(_)
            | CompressedValue::Bool(_)
            | CompressedValue::Bytes(_)
            | CompressedValue::StringMap(_) => Ok(()),
        }
    }

    fn value(&self, value: &CompressedValue) -> Result<Value, InvalidAttributes> {
        Ok(match value {
            CompressedValue::String(text) => Value::String(self.word(*text)?),
            CompressedValue::Int64(number) => Value::Int64(*number),
            CompressedValue::Double(number) => Value::Double(*number),
            CompressedValue::Bool(truth) => Value::Bool(*truth),
            CompressedValue::Timestamp(time) => Value::Timestamp((*time).try_into()?),
            CompressedValue::Duration(span) => Value::Duration((*span).try_into()?),
            CompressedValue::Bytes(bytes) => Value::Bytes(bytes.as_slice().into()),
            CompressedValue::StringMap(map) => Value::StringMap(Arc::new(self.string_map(map)?)),
        })
    }
}

fn bounded(count: usize) -> Result<(), InvalidAttributes> {
    if count > limits::MESSAGE_ATTRIBUTES {
        return Err(InvalidAttributes::TooMany { count });
    }
    Ok(())
}

/// Where a message's own word is: -1 is the first. `!` is `-index - 1` without its overflow.
#[inline]
fn place(index: i32) -> usize {
    !index as usize
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
