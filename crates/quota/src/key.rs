//! What a counter is known by.

use std::sync::Arc;

use attributes::{Value, ValueRef};
use sha2::{Digest as _, Sha256};

use crate::limits;

/// A quota's name with the values of its labels, as bytes. Two keys are equal only if the name, every label and every
/// value with its type are: each part says how long it is, so none runs into the next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<[u8]>);

/// Says that a key's bytes are the parts themselves.
const PLAIN: u8 = 0;

/// Says that they are the digest of the parts.
const DIGEST: u8 = 1;

impl Key {
    /// The key of a quota with these labels, which are sorted by name.
    pub fn new(quota: &str, labels: &[(Arc<str>, Value)]) -> Self {
        let mut bytes = vec![PLAIN];
        part(&mut bytes, quota.as_bytes());
        for (name, value) in labels {
            part(&mut bytes, name.as_bytes());
            typed(&mut bytes, value.as_ref());
        }
        if bytes.len() > limits::KEY_BYTES {
            let digest = Sha256::digest(&bytes);
            bytes.clear();
            bytes.push(DIGEST);
            bytes.extend_from_slice(&digest);
        }
        Self(bytes.into())
    }

    /// The bytes: the same in every process and under every version of the server.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn part(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
    bytes.extend_from_slice(part);
}

fn typed(bytes: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::String(text) => {
            bytes.push(b's');
            part(bytes, text.as_bytes());
        }
        ValueRef::Int64(number) => {
            bytes.push(b'i');
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        ValueRef::Double(number) => {
            bytes.push(b'd');
            // The two zeros are one value.
            let number = if number == 0.0 { 0.0 } else { number };
            bytes.extend_from_slice(&number.to_bits().to_be_bytes());
        }
        ValueRef::Bool(truth) => bytes.extend_from_slice(&[b'b', u8::from(truth)]),
        ValueRef::Timestamp(time) => {
            bytes.push(b't');
            bytes.extend_from_slice(&time.unix_nanos().to_be_bytes());
        }
        ValueRef::Duration(span) => {
            bytes.push(b'n');
            bytes.extend_from_slice(&span.nanos().to_be_bytes());
        }
        ValueRef::Bytes(raw) => {
            bytes.push(b'r');
            part(bytes, raw);
        }
        ValueRef::StringMap(map) => {
            bytes.push(b'm');
            bytes.extend_from_slice(&(map.iter().len() as u64).to_be_bytes());
            for (key, value) in map.iter() {
                part(bytes, key.as_bytes());
                part(bytes, value.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use attributes::{Duration, StringMap, Timestamp};

    use super::*;

    fn labels(pairs: &[(&str, Value)]) -> Vec<(Arc<str>, Value)> {
        pairs.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect()
    }

    #[test]
    fn what_differs_has_keys_that_differ() {
        let map = |pairs: &[(&'static str, &'static str)]| {
            Value::from(pairs.iter().copied().collect::<StringMap>())
        };
        let all = [
            ("q", labels(&[])),
            ("q;a=1", labels(&[])),
            ("q", labels(&[("a", "1".into())])),
            ("q", labels(&[("a", 1.into())])),
            ("q", labels(&[("a", Value::Double(1.0))])),
            ("q", labels(&[("a", true.into())])),
            ("q", labels(&[("a", Value::Bytes(b"1".as_slice().into()))])),
            ("q", labels(&[("a", Value::Duration(Duration::from_nanos(1)))])),
            ("q", labels(&[("a", Value::Timestamp(Timestamp::from_unix_nanos(1)))])),
            ("q", labels(&[("a", map(&[]))])),
            ("q", labels(&[("a", map(&[("k", "v")]))])),
            ("q", labels(&[("a", map(&[("kv", "")]))])),
            ("q", labels(&[("a", "x".into()), ("b", "y".into())])),
            ("q", labels(&[("a", "x;b=y".into())])),
            ("q", labels(&[("a", "".into()), ("b", "xy".into())])),
            ("q", labels(&[("a", "y".repeat(1000).as_str().into())])),
            ("q", labels(&[("a", "z".repeat(1000).as_str().into())])),
        ];
        let keys: BTreeSet<_> = all.iter().map(|(quota, labels)| Key::new(quota, labels)).collect();
        assert_eq!(keys.len(), all.len());
        assert!(keys.iter().all(|key| key.as_bytes().len() <= limits::KEY_BYTES));
    }

    #[test]
    fn what_is_equal_has_equal_keys() {
        let zeros = [0.0, -0.0].map(|zero| Key::new("q", &labels(&[("a", Value::Double(zero))])));
        assert_eq!(zeros[0], zeros[1]);
    }
}
