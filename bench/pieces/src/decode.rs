//! A message of attributes becomes a bag.

use std::collections::BTreeMap;
use std::hint::black_box;

use anyhow::{Context as _, Result};
use attributes::wire::Expander;
use attributes::{Bag, Dictionary};
use prost::Message as _;
use proto::v1::CompressedAttributes;

use crate::request;

/// The message with a request's attributes, as it comes.
pub fn bytes(dictionary: &Dictionary, bag: &Bag) -> Result<Vec<u8>> {
    let check = request::check(dictionary, bag)?;
    Ok(check.attributes.context("a check has attributes")?.encode_to_vec())
}

/// What prost generates for the message.
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
    timestamps: BTreeMap<i32, proto::Timestamp>,
    #[prost(btree_map = "sint32, message", tag = "7")]
    durations: BTreeMap<i32, proto::Duration>,
    #[prost(btree_map = "sint32, bytes", tag = "8")]
    bytes: BTreeMap<i32, Vec<u8>>,
    #[prost(btree_map = "sint32, message", tag = "9")]
    string_maps: BTreeMap<i32, GeneratedMap>,
}

/// What prost generates for a string map.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GeneratedMap {
    #[prost(btree_map = "sint32, sint32", tag = "1")]
    entries: BTreeMap<i32, i32>,
}

/// What decoding the message costs with what prost generates for it, and there is no bag yet.
pub fn generated(bytes: &[u8]) -> Generated {
    Generated::decode(black_box(bytes)).unwrap_or_default()
}

/// All that the server does to have a bag.
pub fn bag(bytes: &[u8], dictionary: &Dictionary) -> Option<Bag> {
    let mut message = CompressedAttributes::decode(black_box(bytes)).ok()?;
    let words = std::mem::take(&mut message.words);
    Expander::new(dictionary, dictionary.len() as u32, words).bag(message).ok()
}
