//! Fields of messages that are written by hand: reading what lies in one piece without going through a [`Buf`], and the
//! same as everybody does where it does not.
//!
//! Nearly every number of a message of attributes is an index of one byte or two, in a field whose key is one byte. What is read
//! here is what [`prost::encoding`] reads, byte for byte; only the way there is shorter.

use std::sync::Arc;

use prost::DecodeError;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{
    DecodeContext, WireType, bytes, check_wire_type, decode_key, decode_varint, encoded_len_varint, key_len,
    sint32, skip_field, string,
};

/// The fields of a map's entry.
pub(super) const KEY: u32 = 1;
pub(super) const VALUE: u32 = 2;

/// The keys of these fields where they hold numbers.
pub(super) const KEY_VARINT: u8 = (KEY << 3) as u8;
pub(super) const VALUE_VARINT: u8 = (VALUE << 3) as u8;

/// A varint and what comes after it.
#[inline]
fn varint(bytes: &[u8]) -> Result<(&[u8], u64), DecodeError> {
    match bytes {
        [byte @ ..0x80, rest @ ..] => Ok((rest, (*byte).into())),
        [low, high @ ..0x80, rest @ ..] => Ok((rest, u64::from(*low) - 0x80 + (u64::from(*high) << 7))),
        _ => {
            let mut rest = bytes;
            let value = decode_varint(&mut rest)?;
            Ok((rest, value))
        }
    }
}

/// An index, a `sint32`, and what comes after it.
#[inline]
pub(super) fn index(bytes: &[u8]) -> Result<(&[u8], i32), DecodeError> {
    let (rest, value) = varint(bytes)?;
    // Zigzag: 0, -1, 1, -2, …; of a number that is too large the low half counts.
    let value = value as u32;
    Ok((rest, (value >> 1) as i32 ^ -((value & 1) as i32)))
}

/// An `int64` and what comes after it.
#[inline]
pub(super) fn int64(bytes: &[u8]) -> Result<(&[u8], i64), DecodeError> {
    let (rest, value) = varint(bytes)?;
    Ok((rest, value as i64))
}

/// The content of a field that has its length before it, and how far it goes, if both lie in one piece.
#[inline]
fn whole(buf: &impl Buf) -> Option<(&[u8], usize)> {
    let chunk = buf.chunk();
    let (rest, len) = varint(chunk).ok()?;
    let len = usize::try_from(len).ok()?;
    Some((rest.get(..len)?, chunk.len() - rest.len() + len))
}

/// Reads a field that has its length before it.
#[inline]
pub(super) fn delimited<T>(
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

/// Reads a word.
#[inline]
pub(super) fn word(
    wire_type: WireType,
    buf: &mut impl Buf,
    ctx: DecodeContext,
) -> Result<Arc<str>, DecodeError> {
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

/// Reads an entry whose key and value are indices.
#[inline]
pub(super) fn pair(entry: &[u8], ctx: &DecodeContext) -> Result<(i32, i32), DecodeError> {
    match as_written(entry) {
        Some(pair) => Ok(pair),
        None => any_pair(entry, ctx),
    }
}

/// Key and value one after the other, as they are written where neither is zero.
#[inline]
fn as_written(entry: &[u8]) -> Option<(i32, i32)> {
    let [KEY_VARINT, rest @ ..] = entry else { return None };
    let (rest, key) = index(rest).ok()?;
    let [VALUE_VARINT, rest @ ..] = rest else { return None };
    let (rest, value) = index(rest).ok()?;
    rest.is_empty().then_some((key, value))
}

fn any_pair(mut entry: &[u8], ctx: &DecodeContext) -> Result<(i32, i32), DecodeError> {
    let (mut key, mut value) = (0, 0);
    let buf = &mut entry;
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
pub(super) fn delimited_len(tag: u32, len: usize) -> usize {
    key_len(tag) + encoded_len_varint(len as u64) + len
}

/// The length of an entry of a string map.
pub(super) fn pair_len(key: i32, value: i32) -> usize {
    index_len(KEY, key) + index_len(VALUE, value)
}

/// The length of a field with an index, none if that is zero.
pub(super) fn index_len(tag: u32, index: i32) -> usize {
    if index == 0 { 0 } else { sint32::encoded_len(tag, &index) }
}

/// Writes a field with an index, none if that is zero.
pub(super) fn encode_index(tag: u32, index: i32, buf: &mut impl BufMut) {
    if index != 0 {
        sint32::encode(tag, &index, buf);
    }
}
