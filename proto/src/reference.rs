//! What prost generates for `CompressedAttributes`: what is written by hand is compared with it, on the wire by tests and
//! in cost by benchmarks. No program uses it.

use std::collections::BTreeMap;

use crate::v1::{CompressedAttributes, CompressedValue};
use crate::{Duration, Timestamp};

/// What is generated from `attributes.proto`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Generated {
    #[prost(string, repeated, tag = "1")]
    words: Vec<String>,
    #[prost(btree_map = "sint32, sint32", tag = "2")]
    strings: BTreeMap<i32, i32>,
    #[prost(btree_map = "sint32, int64", tag = "3")]
    int64s: BTreeMap<i32, i64>,
    #[prost(btree_map = "sint32, double", tag = "4")]
    doubles: BTreeMap<i32, f64>,
    #[prost(btree_map = "sint32, bool", tag = "5")]
    bools: BTreeMap<i32, bool>,
    #[prost(btree_map = "sint32, message", tag = "6")]
    timestamps: BTreeMap<i32, Timestamp>,
    #[prost(btree_map = "sint32, message", tag = "7")]
    durations: BTreeMap<i32, Duration>,
    #[prost(btree_map = "sint32, bytes", tag = "8")]
    bytes: BTreeMap<i32, Vec<u8>>,
    #[prost(btree_map = "sint32, message", tag = "9")]
    string_maps: BTreeMap<i32, GeneratedMap>,
    #[prost(sint32, repeated, tag = "100")]
    removed: Vec<i32>,
}

/// What is generated for a string map.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GeneratedMap {
    #[prost(btree_map = "sint32, sint32", tag = "1")]
    entries: BTreeMap<i32, i32>,
}

impl From<&CompressedAttributes> for Generated {
    fn from(ours: &CompressedAttributes) -> Self {
        let words = ours.words.iter().map(ToString::to_string).collect();
        let mut all = Self { words, removed: ours.removed.clone(), ..Self::default() };
        for (name, value) in ours.values.iter().cloned() {
            match value {
                CompressedValue::String(word) => drop(all.strings.insert(name, word)),
                CompressedValue::Int64(number) => drop(all.int64s.insert(name, number)),
                CompressedValue::Double(number) => drop(all.doubles.insert(name, number)),
                CompressedValue::Bool(truth) => drop(all.bools.insert(name, truth)),
                CompressedValue::Timestamp(time) => drop(all.timestamps.insert(name, time)),
                CompressedValue::Duration(span) => drop(all.durations.insert(name, span)),
                CompressedValue::Bytes(content) => drop(all.bytes.insert(name, content)),
                CompressedValue::StringMap(map) => {
                    let entries = map.entries.into_iter().collect();
                    all.string_maps.insert(name, GeneratedMap { entries });
                }
            }
        }
        all
    }
}
