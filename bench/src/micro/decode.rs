//! A message of thirty attributes becomes a bag: what that costs in addition to decoding the message with generated code.

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
    // What the bag costs in addition to the message.
    let pair = both.map(|bag, message| bag - message);
    let what = ["a bag of 30 attributes, in addition", "prost decoding the message"];
    Ok(vec![Row::pair("micro/decode", what, "ns", &pair, Goal::AtMost(1.3))])
}
