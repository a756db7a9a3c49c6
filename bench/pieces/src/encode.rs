//! A bag becomes the bytes of a message.

use std::hint::black_box;

use attributes::wire::Compressor;
use attributes::{Bag, Dictionary};
use prost::Message as _;
use proto::v1::CompressedAttributes;

/// All that the filter does to have bytes.
pub fn bytes(bag: &Bag, dictionary: &Dictionary) -> Vec<u8> {
    let mut compressor = Compressor::new(dictionary, dictionary.len());
    let message = compressor.add(black_box(bag));
    CompressedAttributes { words: compressor.into_words(), ..message }.encode_to_vec()
}
