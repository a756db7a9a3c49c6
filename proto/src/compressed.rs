//! `CompressedAttributes` and `StringMap`, written by hand.
//!
//! Every check and every request of a report comes and goes as one of these, and what is generated for their maps is a
//! search tree each, to be walked once and thrown away. Here an attribute is an entry of one list, whatever its type, and
//! words are what they will be shared as. On the wire nothing is different: `attributes.proto` says what is there.
//!
//! Attributes are written in the order in which they stand in the list and come back in it. Of a map's entries with one
//! key the last counts; whoever reads has to see to that, and to names that stand in two maps.

use std::sync::Arc;

use prost::bytes::{Buf, BufMut};
use prost::encoding::{
    DecodeContext, WireType, bool, bytes, check_wire_type, decode_key, decode_varint, double, encode_key,
    encode_varint, encoded_len_varint, int64, key_len, message, sint32, skip_field, string,
};
use prost::{DecodeError, Message};

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

/// The fields of a map's entry.
const KEY: u32 = 1;
const VALUE: u32 = 2;

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
                self.words.push(word(wire_type, buf, ctx)?);
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
        let (mut name, mut value) = (0, Self::default_of(tag));
        let buf = &mut entry;
        while buf.has_remaining() {
            let (tag, wire_type) = decode_key(buf)?;
            let ctx = ctx.clone();
            match tag {
                KEY => sint32::merge(wire_type, &mut name, buf, ctx)?,
                VALUE => match &mut value {
                    Self::String(word) => sint32::merge(wire_type, word, buf, ctx)?,
                    Self::Int64(number) => int64::merge(wire_type, number, buf, ctx)?,
                    Self::Double(number) => double::merge(wire_type, number, buf, ctx)?,
                    Self::Bool(truth) => bool::merge(wire_type, truth, buf, ctx)?,
                    Self::Timestamp(time) => message::merge(wire_type, time, buf, ctx)?,
                    Self::Duration(span) => message::merge(wire_type, span, buf, ctx)?,
                    Self::Bytes(content) => bytes::merge(wire_type, content, buf, ctx)?,
                    Self::StringMap(map) => message::merge(wire_type, map, buf, ctx)?,
                },
                _ => skip_field(wire_type, tag, buf, ctx)?,
            }
        }
        Ok((name, value))
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
        self.entries.push(delimited(wire_type, buf, &ctx, |pair| decode_pair(pair, &ctx))?);
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

// === Fields ===

/// The content of a field that has its length before it, and how far it goes, if both lie in one piece.
fn whole(buf: &impl Buf) -> Option<(&[u8], usize)> {
    let chunk = buf.chunk();
    let mut rest = chunk;
    let len = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
    Some((rest.get(..len)?, chunk.len() - rest.len() + len))
}

/// Reads a field that has its length before it.
fn delimited<T>(
    wire_type: WireType,
    buf: &mut impl Buf,
    ctx: &DecodeContext,
    read: impl Fn(&[u8]) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    check_wire_type(WireType::LengthDelimited, wire_type)?;
    if let Some((content, end)) = whole(buf) {
        let value = read(content)?;
        buf.advance(end);
        return Ok(value);
    }
    // In pieces, or cut off, which this says.
    let mut content = Vec::new();
    bytes::merge(wire_type, &mut content, buf, ctx.clone())?;
    read(&content)
}

fn word(wire_type: WireType, buf: &mut impl Buf, ctx: DecodeContext) -> Result<Arc<str>, DecodeError> {
    check_wire_type(WireType::LengthDelimited, wire_type)?;
    if let Some((content, end)) = whole(buf)
        && let Ok(word) = str::from_utf8(content)
    {
        let word = Arc::from(word);
        buf.advance(end);
        return Ok(word);
    }
    // In pieces, cut off or no text, which this says.
    let mut word = String::new();
    string::merge(wire_type, &mut word, buf, ctx)?;
    Ok(word.into())
}

fn decode_pair(mut pair: &[u8], ctx: &DecodeContext) -> Result<(i32, i32), DecodeError> {
    let (mut key, mut value) = (0, 0);
    let buf = &mut pair;
    while buf.has_remaining() {
        let (tag, wire_type) = decode_key(buf)?;
        match tag {
            KEY => sint32::merge(wire_type, &mut key, buf, ctx.clone())?,
            VALUE => sint32::merge(wire_type, &mut value, buf, ctx.clone())?,
            _ => skip_field(wire_type, tag, buf, ctx.clone())?,
        }
    }
    Ok((key, value))
}

/// The length of a field with its key and its own length.
fn delimited_len(tag: u32, len: usize) -> usize {
    key_len(tag) + encoded_len_varint(len as u64) + len
}

fn pair_len(key: i32, value: i32) -> usize {
    index_len(KEY, key) + index_len(VALUE, value)
}

fn index_len(tag: u32, index: i32) -> usize {
    if index == 0 { 0 } else { sint32::encoded_len(tag, &index) }
}

fn encode_index(tag: u32, index: i32, buf: &mut impl BufMut) {
    if index != 0 {
        sint32::encode(tag, &index, buf);
    }
}

#[cfg(test)]
mod tests;
