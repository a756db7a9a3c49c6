//! A message of attributes becomes a bag.

use std::hint::black_box;

use anyhow::{Context as _, Result};
use attributes::wire::Expander;
use attributes::{Bag, Dictionary};
use prost::Message as _;
use proto::reference::Generated;
use proto::v1::CompressedAttributes;

use crate::request;

/// The message with a request's attributes, as it comes.
pub fn bytes(dictionary: &Dictionary, bag: &Bag) -> Result<Vec<u8>> {
    let check = request::check(dictionary, bag)?;
    Ok(check.attributes.context("a check has attributes")?.encode_to_vec())
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
