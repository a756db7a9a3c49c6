//! Bag → `CompressedAttributes`.

use std::sync::Arc;

use hashbrown::HashMap;
use proto::v1;
use proto::v1::CompressedValue;

use crate::bag::by_length;
use crate::{Bag, Dictionary, Duration, StringMap, Timestamp, ValueRef};

/// Replaces words by indices: those of the deployment-wide dictionary below `word_count`, else of the message's own
/// list, to which a new word is appended.
///
/// One compressor may serve several messages, which then share its words (a report's `default_words`).
#[derive(Debug)]
pub struct Compressor<'d> {
    dictionary: &'d Dictionary,
    word_count: usize,
    words: Vec<Arc<str>>,
    indices: HashMap<Arc<str>, i32>,
}

impl<'d> Compressor<'d> {
    /// A compressor that uses the first `word_count` words of a dictionary, or all if it has fewer.
    pub fn new(dictionary: &'d Dictionary, word_count: usize) -> Self {
        let word_count = word_count.min(dictionary.len());
        Self { dictionary, word_count, words: Vec::new(), indices: HashMap::new() }
    }

    /// How many words of the dictionary are used: the message's `global_word_count`.
    pub fn word_count(&self) -> u32 {
        self.word_count as u32
    }

    /// The index of a word.
    pub fn index(&mut self, word: &str) -> i32 {
        if let Some(index) = self.dictionary.index(word).filter(|index| *index < self.word_count) {
            return index as i32;
        }
        if let Some(index) = self.indices.get(word) {
            return *index;
        }
        let index = -(self.words.len() as i32) - 1;
        let word: Arc<str> = word.into();
        self.words.push(Arc::clone(&word));
        self.indices.insert(word, index);
        index
    }

    /// Compresses a bag into a message that has no words of its own.
    pub fn add(&mut self, bag: &Bag) -> v1::CompressedAttributes {
        let values = Vec::with_capacity(bag.len());
        let mut message = v1::CompressedAttributes { values, ..v1::CompressedAttributes::default() };
        for (name, value) in bag.iter() {
            self.put(&mut message, name.as_str(), value.as_ref());
        }
        message
    }

    /// Compresses what differs between two bags into a message that has no words of its own: what is new or otherwise, and
    /// the names that are gone.
    pub fn add_changes(&mut self, before: &Bag, bag: &Bag) -> v1::CompressedAttributes {
        let mut message = v1::CompressedAttributes::default();
        let mut old = before.iter().peekable();
        for (name, value) in bag.iter() {
            // Names that two bags share are equal at a glance; which one comes first takes a closer look.
            let same = loop {
                match old.peek() {
                    Some((other, _)) if *other == name => break old.next().map(|(_, same)| same),
                    Some((gone, _)) if by_length(gone.as_str(), name.as_str()).is_lt() => {
                        message.removed.push(self.index(gone.as_str()));
                        old.next();
                    }
                    Some(_) | None => break None,
                }
            };
            if same != Some(value) {
                self.put(&mut message, name.as_str(), value.as_ref());
            }
        }
        message.removed.extend(old.map(|(gone, _)| self.index(gone.as_str())));
        message
    }

    /// The words that the indices below 0 stand for, as the message wants them.
    pub fn into_words<W: for<'w> From<&'w str>>(self) -> Vec<W> {
        self.words.iter().map(|word| W::from(word)).collect()
    }

    /// A string map with its words replaced.
    pub fn string_map(&mut self, map: &StringMap) -> v1::StringMap {
        let mut entries = Vec::with_capacity(map.len());
        for (key, value) in map.iter() {
            entries.push((self.index(key), self.index(value)));
        }
        v1::StringMap { entries }
    }

    fn put(&mut self, message: &mut v1::CompressedAttributes, name: &str, value: ValueRef<'_>) {
        let name = self.index(name);
        let value = match value {
            ValueRef::String(text) => CompressedValue::String(self.index(text)),
            ValueRef::Int64(number) => CompressedValue::Int64(number),
            ValueRef::Double(number) => CompressedValue::Double(number),
            ValueRef::Bool(truth) => CompressedValue::Bool(truth),
            ValueRef::Timestamp(time) => CompressedValue::Timestamp(time.into()),
            ValueRef::Duration(span) => CompressedValue::Duration(span.into()),
            ValueRef::Bytes(bytes) => CompressedValue::Bytes(bytes.to_vec()),
            ValueRef::StringMap(map) => CompressedValue::StringMap(self.string_map(map)),
        };
        message.values.push((name, value));
    }
}

impl From<Timestamp> for proto::Timestamp {
    fn from(time: Timestamp) -> Self {
        Self { seconds: time.seconds, nanos: time.nanos as i32 }
    }
}

impl From<Duration> for proto::Duration {
    fn from(span: Duration) -> Self {
        Self { seconds: span.seconds, nanos: span.nanos }
    }
}
