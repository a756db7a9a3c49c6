//! The encodings in which a proxy-wasm host hands out properties.

use std::net::SocketAddr;

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
pub(super) fn address(bytes: &[u8]) -> Option<SocketAddr> {
    plain_address(bytes).or_else(|| std::str::from_utf8(bytes).ok()?.parse().ok())
}

/// An address of version 4 as everybody writes it. Most requests have one looked at, and the standard library, which reads
/// all that there is, takes several times as long.
fn plain_address(bytes: &[u8]) -> Option<SocketAddr> {
    let (mut ip, mut parts) = ([0; 4], 0);
    let (mut number, mut digits) = (0, 0);
    for byte in bytes {
        if byte.is_ascii_digit() {
            // No zeros before a number, and no number that could run over.
            if (digits > 0 && number == 0) || digits == 5 {
                return None;
            }
            number = number * 10 + u32::from(byte - b'0');
            digits += 1;
        } else {
            if digits == 0 || *byte != (if parts == 3 { b':' } else { b'.' }) {
                return None;
            }
            *ip.get_mut(parts)? = u8::try_from(number).ok()?;
            parts += 1;
            (number, digits) = (0, 0);
        }
    }
    let port = u16::try_from(number).ok()?;
    (parts == 4 && digits > 0).then_some(SocketAddr::from((ip, port)))
}

/// The pairs of a map: the number of pairs, the lengths of each key and value, then all of them, each with a NUL behind it.
/// Nothing is noted down: whoever looks for one pair goes through the lengths, and past the bytes of the others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pairs<'a> {
    /// The lengths of the keys and values that are still to come, four bytes each.
    lengths: std::slice::Iter<'a, [u8; 8]>,
    /// All keys and values.
    data: &'a [u8],
    /// Where the next ones are in the data.
    at: usize,
}

impl<'a> Pairs<'a> {
    /// The pairs, if all of them are there.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let pairs = Self::begin(bytes)?;
        // Each length has 32 bits, and there are fewer of them than that: the sum has room.
        let needed: u64 = pairs
            .lengths
            .clone()
            .map(|lengths| split(*lengths))
            .map(|(key, value)| key as u64 + value as u64 + 2)
            .sum();
        (needed <= pairs.data.len() as u64).then_some(pairs)
    }

    /// The pairs of a map of which all are there.
    pub(crate) fn begin(bytes: &'a [u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let (lengths, data) = rest.split_at_checked(count.checked_mul(8)?)?;
        let (lengths, _) = lengths.as_chunks();
        Some(Self { lengths: lengths.iter(), data, at: 0 })
    }

    /// The value of the next pair whose key has so many bytes and pleases.
    pub(crate) fn next_of(&mut self, length: usize, is_it: impl Fn(&[u8]) -> bool) -> Option<&'a [u8]> {
        let mut at = self.at;
        for lengths in self.lengths.by_ref() {
            let (key, value) = split(*lengths);
            let start = at;
            at += key + value + 2;
            if key == length && is_it(self.data.get(start..start + key)?) {
                self.at = at;
                return self.data.get(start + key + 1..at - 1);
            }
        }
        None
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, value) = split(*self.lengths.next()?);
        let start = self.at;
        self.at += key + value + 2;
        Some((self.data.get(start..start + key)?, self.data.get(start + key + 1..self.at - 1)?))
    }
}

/// The lengths of a key and of its value.
fn split(lengths: [u8; 8]) -> (usize, usize) {
    let lengths = u64::from_le_bytes(lengths);
    (lengths as u32 as usize, (lengths >> 32) as usize)
}

/// How the proxy writes pairs; no bytes at all for no pairs.
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
    Some(Pairs::decode(bytes)?.map(|(key, value)| (super::text(key), super::text(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_standard_library_reads_them() {
        let written = [
            "1.2.3.4:80",
            "0.0.0.0:0",
            "255.255.255.255:65535",
            "256.1.1.1:1",
            "1.2.3.4:65536",
            "1.2.3.4:080",
            "01.2.3.4:5",
            "00.0.0.0:1",
            "1.2.3:4",
            "1.2.3.4.5:6",
            "1.2.3.4",
            "1.2.3.4:",
            ".1.2.3:4",
            "1.2.3.4:5 ",
            "1.2.3.4:000000080",
            "1.2.3.1000:1",
            "[::1]:80",
            "[::ffff:1.2.3.4]:80",
            "1.2.3.4:+5",
            "",
            "/a/pipe",
        ];
        for text in written {
            assert_eq!(address(text.as_bytes()), text.parse().ok(), "{text}");
        }
        assert!(plain_address(b"10.20.30.40:50000").is_some());
    }

    #[test]
    fn a_map_is_whole_or_not_there() {
        let pairs = [("a", "1"), ("", ""), ("long", "longer")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let bytes = encode_pairs(&pairs);
        let read: Vec<_> = Pairs::decode(&bytes).expect("whole").collect();
        assert_eq!(read, [(&b"a"[..], &b"1"[..]), (b"", b""), (b"long", b"longer")]);
        for length in 0..bytes.len() {
            assert!(Pairs::decode(&bytes[..length]).is_none(), "{length} bytes");
        }
        let mut huge = bytes.clone();
        huge[4..12].fill(0xff);
        assert!(Pairs::decode(&huge).is_none());
    }

    #[test]
    fn values_are_those_of_the_key() {
        let pairs =
            [("a", "1"), ("b", "2"), ("aa", "3"), ("a", "4")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let bytes = encode_pairs(&pairs);
        let mut pairs = Pairs::decode(&bytes).expect("whole");
        let values: Vec<_> = std::iter::from_fn(|| pairs.next_of(1, |key| key == b"a")).collect();
        assert_eq!(values, [b"1", b"4"]);
    }
}
