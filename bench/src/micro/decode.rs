//! A message of thirty attributes becomes a bag, beside what decoding the message alone costs with generated code.

use anyhow::{Result, ensure};
use pieces::{decode, request};

use crate::row::{Goal, Row};
use crate::sample::{in_turn, nanos};

pub(crate) fn beside_prost(rounds: usize) -> Result<Vec<Row>> {
    let (dictionary, sent) = (request::dictionary()?, request::bag());
    let bytes = decode::bytes(&dictionary, &sent)?;
    ensure!(decode::bag(&bytes, &dictionary) == Some(sent), "the bag is the one that was sent");
    let both = in_turn(
        rounds,
        || Ok(nanos(|| decode::bag(&bytes, &dictionary))),
        || Ok(nanos(|| decode::generated(&bytes))),
    )?;
    let what = ["a bag of 30 attributes", "prost decoding the message, no bag yet"];
    Ok(vec![Row::pair("micro/decode", what, "ns", &both, Goal::AtMost(1.3))])
}
