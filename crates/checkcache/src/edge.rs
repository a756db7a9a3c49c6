//! Edges: how one node leads to the next. Both caches find children by them.
//!
//! What is found is compared in full; the hash only says where to look. It is `SipHash` 1-3 under a secret seed, since
//! values are chosen by whoever sends requests, and the authors of the faster functions do not promise that nobody
//! finds out how to make them collide. Most of what it costs elsewhere is how it is fed, in pieces of any size. An edge
//! is one number and then at most one run of bytes, so [`EdgeHasher`] keeps nothing back between pieces.

use std::hash::{Hash, Hasher};

use attributes::{Duration, Timestamp, ValueRef};

use crate::OutcomeRef;

/// From a node, by its number, for an outcome. That stays where a test put it: what was just written in parts takes
/// processors long to copy as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge<'a> {
    pub(crate) from: u64,
    pub(crate) outcome: &'a OutcomeRef<'a>,
}

/// `SipHash` 1-3 of whole words, and then at most one run of bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EdgeHasher {
    state: [u64; 4],
    /// What is left of the run of bytes.
    rest: u64,
    /// How many bytes there were.
    length: usize,
}

// === impl Edge ===

impl Hash for Edge<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        // What kind of outcome it is stands beside the node's number. A number too large for that costs a collision.
        let head = |kind: u64| (self.from << 4) | kind;
        match *self.outcome {
            // Nothing follows the text, so it needs no end.
            OutcomeRef::Value(ValueRef::String(text)) => {
                state.write_u64(head(0));
                state.write(text.as_bytes());
            }
            OutcomeRef::Value(ValueRef::Bytes(bytes)) => {
                state.write_u64(head(1));
                state.write(bytes);
            }
            OutcomeRef::Value(ValueRef::Int64(number)) => {
                state.write_u64(head(2));
                state.write_u64(number as u64);
            }
            OutcomeRef::Value(ValueRef::Bool(truth)) => state.write_u64(head(3 + u64::from(truth))),
            OutcomeRef::Value(ValueRef::StringMap(map)) => {
                state.write_u64(head(5));
                for (key, value) in map.iter() {
                    words(key, state);
                    words(value, state);
                }
            }
            OutcomeRef::Value(ValueRef::Double(number)) => {
                state.write_u64(head(6));
                // Adding zero makes the two zeros, which are equal, one.
                state.write_u64((number + 0.0).to_bits());
            }
            OutcomeRef::Value(ValueRef::Timestamp(Timestamp { seconds, nanos })) => {
                state.write_u64(head(7));
                state.write_u64(seconds as u64);
                state.write_u64(u64::from(nanos));
            }
            OutcomeRef::Value(ValueRef::Duration(Duration { seconds, nanos })) => {
                state.write_u64(head(8));
                state.write_u64(seconds as u64);
                state.write_u64(nanos as u64);
            }
            OutcomeRef::Absent => state.write_u64(head(9)),
            OutcomeRef::NoMap => state.write_u64(head(10)),
            OutcomeRef::WrongKind => state.write_u64(head(11)),
            OutcomeRef::Yes => state.write_u64(head(12)),
            OutcomeRef::No => state.write_u64(head(13)),
        }
    }
}

// === impl EdgeHasher ===

impl EdgeHasher {
    /// A hasher that knows the seed and nothing else. Whoever does not know it cannot make edges collide.
    pub(crate) fn new(seed: [u8; 16]) -> Self {
        let seed = u128::from_le_bytes(seed);
        let (low, high) = (seed as u64, (seed >> 64) as u64);
        let state = [
            low ^ 0x736f_6d65_7073_6575,
            high ^ 0x646f_7261_6e64_6f6d,
            low ^ 0x6c79_6765_6e65_7261,
            high ^ 0x7465_6462_7974_6573,
        ];
        Self { state, rest: 0, length: 0 }
    }

    #[inline]
    fn take(&mut self, word: u64) {
        self.state[3] ^= word;
        round(&mut self.state);
        self.state[0] ^= word;
    }
}

impl Hasher for EdgeHasher {
    #[inline]
    fn write_u64(&mut self, word: u64) {
        debug_assert_eq!(self.length % 8, 0, "words come before bytes");
        self.length += 8;
        self.take(word);
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        debug_assert_eq!(self.length % 8, 0, "there is one run of bytes");
        self.length += bytes.len();
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.take(u64::from_le_bytes(*word));
        }
        self.rest = match bytes.last_chunk() {
            // The last eight bytes, some of them for the second time, which are shifted out.
            Some(last) if !rest.is_empty() => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()),
            Some(_) => 0,
            None => rest.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte)),
        };
    }

    #[inline]
    fn finish(&self) -> u64 {
        let mut last = *self;
        last.take(((self.length as u64) << 56) | self.rest);
        last.state[2] ^= 0xff;
        for _ in 0..3 {
            round(&mut last.state);
        }
        last.state.iter().fold(0, |hash, word| hash ^ word)
    }
}

#[inline]
fn round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *c = c.wrapping_add(*d);
    *b = b.rotate_left(13) ^ *a;
    *d = d.rotate_left(16) ^ *c;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*b);
    *a = a.wrapping_add(*d);
    *b = b.rotate_left(17) ^ *c;
    *d = d.rotate_left(21) ^ *a;
    *c = c.rotate_left(32);
}

/// Text of which there may be more: its length, and its bytes in words.
fn words(text: &str, state: &mut impl Hasher) {
    state.write_u64(text.len() as u64);
    for chunk in text.as_bytes().chunks(8) {
        state.write_u64(chunk.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
    }
}

#[cfg(test)]
mod tests {
    use siphasher::sip::SipHasher13;

    use super::*;

    #[test]
    fn it_is_siphash() {
        let seed = *b"0123456789abcdef";
        let text: Vec<u8> = (0..=255).cycle().take(600).collect();
        for length in (0..40).chain([255, 256, 257, 600]) {
            let bytes = &text[..length];
            let mut hasher = EdgeHasher::new(seed);
            hasher.write_u64(0x0123_4567_89ab_cdef);
            hasher.write(bytes);
            let whole = [&0x0123_4567_89ab_cdef_u64.to_le_bytes(), bytes].concat();
            assert_eq!(hasher.finish(), SipHasher13::new_with_key(&seed).hash(&whole), "{length} bytes");
        }
        let mut words = EdgeHasher::new(seed);
        words.write_u64(1);
        words.write_u64(2);
        let whole = [1_u64.to_le_bytes(), 2_u64.to_le_bytes()].concat();
        assert_eq!(words.finish(), SipHasher13::new_with_key(&seed).hash(&whole));
    }
}
