//! A message of thirty attributes becomes a bag, beside what decoding the message costs anyway.

use std::hint::black_box;

use anyhow::{Context as _, Result, ensure};
use attributes::wire::Expander;
use attributes::{Bag, Dictionary};
use prost::Message as _;
use proto::v1::CompressedAttributes;

use crate::request;
use crate::row::{Goal, Row};
use crate::sample::{in_turn, nanos};

/// The message, as it comes.
pub(crate) fn bytes(dictionary: &Dictionary) -> Result<Vec<u8>> {
    Ok(request::check(dictionary)?.attributes.context("a check has attributes")?.encode_to_vec())
}

fn message(bytes: &[u8]) -> CompressedAttributes {
    CompressedAttributes::decode(black_box(bytes)).unwrap_or_default()
}

/// All that the server does to have a bag.
pub(crate) fn bag(bytes: &[u8], dictionary: &Dictionary) -> Option<Bag> {
    let mut message = message(bytes);
    let words = std::mem::take(&mut message.words);
    Expander::new(dictionary, dictionary.len() as u32, words).bag(message).ok()
}

pub(crate) fn beside_prost(rounds: usize) -> Result<Vec<Row>> {
    let dictionary = request::dictionary()?;
    let bytes = bytes(&dictionary)?;
    ensure!(bag(&bytes, &dictionary) == Some(request::bag()), "the bag is the one that was sent");
    let both = in_turn(rounds, || Ok(nanos(|| bag(&bytes, &dictionary))), || Ok(nanos(|| message(&bytes))))?;
    // What the bag costs in addition to the message.
    let pair = both.map(|bag, message| bag - message);
    let what = ["a bag of 30 attributes, in addition", "prost decoding the message"];
    Ok(vec![Row::pair("micro/decode", what, "ns", &pair, Goal::AtMost(1.3))])
}
