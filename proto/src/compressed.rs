//! `CompressedAttributes` and `StringMap`, written by hand.
//!
//! Every check and every request of a report comes and goes as one of these, and what is generated for their maps is a
//! search tree each, to be walked once and thrown away. Here an attribute is an entry of one list, whatever its type, and
//! words are what they will be shared as. On the wire nothing is different: `attributes.proto` says what is there.
//!
//! Attributes are written in the order in which they stand in the list and come back in it. Of a map's entries with one
//! key the last counts; whoever reads has to see to that, and to names that stand in two maps.

mod fields;

use std::sync::Arc;

use prost::bytes::{Buf, BufMut};
use prost::encoding::{
    DecodeContext, WireType, bool, bytes, decode_key, double, encode_key, encode_varint, int64, message,
    sint32, skip_field,
};
use prost::{DecodeError, Message};

use self::fields::{KEY, VALUE, delimited, delimited_len, encode_index, index_len, pair_len};
use crate::{Duration, Timestamp};

const WORDS: u32 = 1;
const STRINGS: u32 = 2;
const INT64S: u32 = 3;
const DOUBLES: u32 = 4;
const BOOLS: u32 = 5;
const TIMESTAMPS: u32 = 6;
const DURATIONS: u32 = 7;
const BYTES: u32 = 8;
const STRING_MAPS: u32 = 9;
const REMOVED: u32 = 100;

/// Attributes with their words replaced by indices.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CompressedAttributes {
    /// The message's own words, for indices below 0.
    pub words: Vec<Arc<str>>,
    /// The entries of all maps: names, which are words, and values.
    pub values: Vec<(i32, CompressedValue)>,
    /// Names of attributes that the message before had and this one has not.
    pub removed: Vec<i32>,
}

/// The value of an attribute, of whichever map.
#[derive(Debug, Clone, PartialEq)]
pub enum CompressedValue {
    /// `strings`: a word.
    String(i32),
    /// `int64s`
    Int64(i64),
    /// `doubles`
    Double(f64),
    /// `bools`
    Bool(bool),
    /// `timestamps`
    Timestamp(Timestamp),
    /// `durations`
    Duration(Duration),
    /// `bytes`
    Bytes(Vec<u8>),
    /// `string_maps`
    StringMap(StringMap),
}

/// A map from text to text; keys and values are words.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct StringMap {
    /// Keys and values.
    pub entries: Vec<(i32, i32)>,
}

// === impl CompressedAttributes ===

impl Message for CompressedAttributes {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        for word in &self.words {
            encode_key(WORDS, WireType::LengthDelimited, buf);
            encode_varint(word.len() as u64, buf);
            buf.put_slice(word.as_bytes());
        }
        for (name, value) in &self.values {
            value.encode_entry(*name, buf);
        }
        sint32::encode_packed(REMOVED, &self.removed, buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            WORDS => {
                self.words.push(fields::word(wire_type, buf, ctx)?);
                Ok(())
            }
            STRINGS..=STRING_MAPS => {
                let read = |entry: &[u8]| CompressedValue::decode_entry(tag, entry, &ctx);
                self.values.push(delimited(wire_type, buf, &ctx, read)?);
                Ok(())
            }
            REMOVED => sint32::merge_repeated(wire_type, &mut self.removed, buf, ctx),
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        let words: usize = self.words.iter().map(|word| delimited_len(WORDS, word.len())).sum();
        let values: usize =
            self.values.iter().map(|(name, value)| delimited_len(value.tag(), value.entry_len(*name))).sum();
        words + values + sint32::encoded_len_packed(REMOVED, &self.removed)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

// === impl CompressedValue ===

impl CompressedValue {
    /// The field of the map that has such values.
    pub fn tag(&self) -> u32 {
        match self {
            Self::String(_) => STRINGS,
            Self::Int64(_) => INT64S,
            Self::Double(_) => DOUBLES,
            Self::Bool(_) => BOOLS,
            Self::Timestamp(_) => TIMESTAMPS,
            Self::Duration(_) => DURATIONS,
            Self::Bytes(_) => BYTES,
            Self::StringMap(_) => STRING_MAPS,
        }
    }

    /// What an entry without a value has.
    fn default_of(tag: u32) -> Self {
        match tag {
            STRINGS => Self::String(0),
            INT64S => Self::Int64(0),
            DOUBLES => Self::Double(0.0),
            BOOLS => Self::Bool(false),
            TIMESTAMPS => Self::Timestamp(Timestamp::default()),
            DURATIONS => Self::Duration(Duration::default()),
            BYTES => Self::Bytes(Vec::new()),
            _ => Self::StringMap(StringMap::default()),
        }
    }

    fn decode_entry(tag: u32, mut entry: &[u8], ctx: &DecodeContext) -> Result<(i32, Self), DecodeError> {
        if tag == STRINGS {
            return fields::pair(entry, ctx).map(|(name, word)| (name, Self::String(word)));
        }
        let (mut name, mut value) = (0, Self::default_of(tag));
        let buf = &mut entry;
        while let [field, rest @ ..] = *buf {
            match (*field, &mut value) {
                (fields::KEY_VARINT, _) => (*buf, name) = fields::index(rest)?,
                (fields::VALUE_VARINT, Self::Int64(number)) => (*buf, *number) = fields::int64(rest)?,
                // Rare types, and what nobody writes who knows the message.
                _ => value.merge_entry(&mut name, buf, ctx)?,
            }
        }
        Ok((name, value))
    }

    /// Reads a field of an entry, whatever it is.
    fn merge_entry(
        &mut self,
        name: &mut i32,
        buf: &mut &[u8],
        ctx: &DecodeContext,
    ) -> Result<(), DecodeError> {
        let (tag, wire_type) = decode_key(buf)?;
        let ctx = ctx.clone();
        match (tag, self) {
            (KEY, _) => sint32::merge(wire_type, name, buf, ctx),
            (VALUE, Self::String(word)) => sint32::merge(wire_type, word, buf, ctx),
            (VALUE, Self::Int64(number)) => int64::merge(wire_type, number, buf, ctx),
            (VALUE, Self::Double(number)) => double::merge(wire_type, number, buf, ctx),
            (VALUE, Self::Bool(truth)) => bool::merge(wire_type, truth, buf, ctx),
            (VALUE, Self::Timestamp(time)) => message::merge(wire_type, time, buf, ctx),
            (VALUE, Self::Duration(span)) => message::merge(wire_type, span, buf, ctx),
            (VALUE, Self::Bytes(content)) => bytes::merge(wire_type, content, buf, ctx),
            (VALUE, Self::StringMap(map)) => message::merge(wire_type, map, buf, ctx),
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    /// What is zero goes without saying, as everywhere in protocol buffers; but a message says that it is there.
    fn encode_entry(&self, name: i32, buf: &mut impl BufMut) {
        encode_key(self.tag(), WireType::LengthDelimited, buf);
        encode_varint(self.entry_len(name) as u64, buf);
        encode_index(KEY, name, buf);
        match self {
            Self::String(word) => encode_index(VALUE, *word, buf),
            Self::Int64(0) | Self::Bool(false) => {}
            Self::Int64(number) => int64::encode(VALUE, number, buf),
            Self::Double(number) => double::encode(VALUE, number, buf),
            Self::Bool(truth) => bool::encode(VALUE, truth, buf),
            Self::Timestamp(time) => message::encode(VALUE, time, buf),
            Self::Duration(span) => message::encode(VALUE, span, buf),
            Self::Bytes(content) => bytes::encode(VALUE, content, buf),
            Self::StringMap(map) => message::encode(VALUE, map, buf),
        }
    }

    fn entry_len(&self, name: i32) -> usize {
        let value = match self {
            Self::String(word) => index_len(VALUE, *word),
            Self::Int64(0) | Self::Bool(false) => 0,
            Self::Int64(number) => int64::encoded_len(VALUE, number),
            Self::Double(number) => double::encoded_len(VALUE, number),
            Self::Bool(truth) => bool::encoded_len(VALUE, truth),
            Self::Timestamp(time) => message::encoded_len(VALUE, time),
            Self::Duration(span) => message::encoded_len(VALUE, span),
            Self::Bytes(content) => bytes::encoded_len(VALUE, content),
            Self::StringMap(map) => message::encoded_len(VALUE, map),
        };
        index_len(KEY, name) + value
    }
}

// === impl StringMap ===

impl Message for StringMap {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        for (key, value) in &self.entries {
            encode_key(KEY, WireType::LengthDelimited, buf);
            encode_varint(pair_len(*key, *value) as u64, buf);
            encode_index(KEY, *key, buf);
            encode_index(VALUE, *value, buf);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        if tag != KEY {
            return skip_field(wire_type, tag, buf, ctx);
        }
        self.entries.push(delimited(wire_type, buf, &ctx, |pair| fields::pair(pair, &ctx))?);
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        self.entries.iter().map(|(key, value)| delimited_len(KEY, pair_len(*key, *value))).sum()
    }

    fn clear(&mut self) {
        self.entries.clear();
    }
}

impl FromIterator<(i32, i32)> for StringMap {
    fn from_iter<I: IntoIterator<Item = (i32, i32)>>(entries: I) -> Self {
        Self { entries: entries.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests;
