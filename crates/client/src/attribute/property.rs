//! The encodings in which a proxy-wasm host hands out properties.

use std::ops::Range;

use attributes::{Duration, StringMap, Value};

/// The value of a number or of a time: 8 bytes, the lowest first.
pub(crate) fn int64(bytes: &[u8]) -> Option<i64> {
    bytes.try_into().ok().map(i64::from_le_bytes)
}

/// A whole number that is written as a double: 8 bytes, the lowest first.
pub(crate) fn whole(bytes: &[u8]) -> Option<u64> {
    let number = bytes.try_into().ok().map(f64::from_le_bytes)?;
    (number >= 0. && number.fract() == 0. && number < 9e15).then_some(number as u64)
}

/// One byte.
pub(crate) fn bool(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [byte] => Some(*byte != 0),
        _ => None,
    }
}

/// Text, if there is any.
pub(super) fn text(bytes: &[u8]) -> Option<Value> {
    (!bytes.is_empty()).then(|| Value::String(super::text(bytes).into()))
}

/// A span in nanoseconds.
pub(super) fn duration(bytes: &[u8]) -> Option<Value> {
    int64(bytes).map(|nanos| Value::Duration(Duration::from_nanos(nanos.into())))
}

/// An address with a port, `1.2.3.4:80` or `[::1]:80`. Others, such as a pipe's path, are none.
pub(super) fn address(bytes: &[u8]) -> Option<std::net::SocketAddr> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Where the keys and values of a map are: the number of pairs, the lengths of each key and value, then all of them, each
/// with a NUL behind it. `None` if not all of them are there.
pub(crate) fn locate_pairs(bytes: &[u8]) -> Option<Vec<(Range<usize>, Range<usize>)>> {
    let (count, rest) = split_u32(bytes)?;
    let count = usize::try_from(count).ok()?;
    let (lengths, data) = rest.split_at_checked(count.checked_mul(8)?)?;
    let mut at = bytes.len() - data.len();
    let mut next = |length: u32| {
        let item = at..at.checked_add(length as usize)?;
        at = item.end.checked_add(1)?;
        (at <= bytes.len()).then_some(item)
    };
    let mut pairs = Vec::with_capacity(count);
    let (lengths, _) = lengths.as_chunks::<4>();
    let (lengths, _) = lengths.as_chunks::<2>();
    for [key, value] in lengths {
        pairs.push((next(u32::from_le_bytes(*key))?, next(u32::from_le_bytes(*value))?));
    }
    Some(pairs)
}

/// The pairs of a map.
pub(crate) fn decode_pairs(bytes: &[u8]) -> Option<impl Iterator<Item = (&[u8], &[u8])>> {
    let pairs = locate_pairs(bytes)?.into_iter();
    Some(pairs.map(|(key, value)| (bytes.get(key).unwrap_or_default(), bytes.get(value).unwrap_or_default())))
}

/// The opposite of `decode_pairs`; no bytes at all for no pairs.
pub fn encode_pairs(pairs: &[(String, String)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    if pairs.is_empty() {
        return bytes;
    }
    bytes.extend((pairs.len() as u32).to_le_bytes());
    for (key, value) in pairs {
        bytes.extend((key.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
    }
    for (key, value) in pairs {
        bytes.extend_from_slice(key.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
    }
    bytes
}

/// A map whose values are all text.
pub(super) fn string_map(bytes: &[u8]) -> Option<StringMap> {
    Some(decode_pairs(bytes)?.map(|(key, value)| (super::text(key), super::text(value))).collect())
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*number), rest))
}
