//! What is written by hand is on the wire what would be generated.

use proptest::prelude::*;

use super::*;
use crate::reference::Generated;

fn index() -> impl Strategy<Value = i32> {
    prop_oneof![Just(0), -70..200i32, any::<i32>()]
}

fn value() -> impl Strategy<Value = CompressedValue> {
    let pairs = prop::collection::vec((index(), index()), 0..4);
    prop_oneof![
        index().prop_map(CompressedValue::String),
        prop_oneof![Just(0), any::<i64>()].prop_map(CompressedValue::Int64),
        prop_oneof![Just(0.0), -1e9..1e9].prop_map(CompressedValue::Double),
        any::<bool>().prop_map(CompressedValue::Bool),
        (any::<i64>(), any::<i32>())
            .prop_map(|(seconds, nanos)| CompressedValue::Timestamp(Timestamp { seconds, nanos })),
        (any::<i64>(), any::<i32>())
            .prop_map(|(seconds, nanos)| CompressedValue::Duration(Duration { seconds, nanos })),
        prop::collection::vec(any::<u8>(), 0..5).prop_map(CompressedValue::Bytes),
        pairs.prop_map(|pairs| CompressedValue::StringMap(pairs.into_iter().collect())),
    ]
}

fn message() -> impl Strategy<Value = CompressedAttributes> {
    let words = prop::collection::vec(".{0,200}", 0..4);
    let values = prop::collection::vec((index(), value()), 0..12);
    let removed = prop::collection::vec(index(), 0..3);
    (words, values, removed).prop_map(|(words, values, removed)| CompressedAttributes {
        words: words.into_iter().map(Arc::from).collect(),
        values,
        removed,
    })
}

/// Bytes in pieces of a size, as they may come from a connection.
struct Pieces<'b>(&'b [u8], usize);

impl Buf for Pieces<'_> {
    fn remaining(&self) -> usize {
        self.0.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.0[..self.1.min(self.0.len())]
    }

    fn advance(&mut self, count: usize) {
        self.0 = &self.0[count..];
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_by_generated_code_and_the_other_way_round(ours in message()) {
        let bytes = ours.encode_to_vec();
        prop_assert_eq!(bytes.len(), ours.encoded_len());
        prop_assert_eq!(&CompressedAttributes::decode(bytes.as_slice()).unwrap(), &ours);
        for size in [1, 7] {
            prop_assert_eq!(&CompressedAttributes::decode(Pieces(&bytes, size)).unwrap(), &ours);
        }
        let theirs = Generated::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(&theirs, &Generated::from(&ours));
        let back = CompressedAttributes::decode(theirs.encode_to_vec().as_slice()).unwrap();
        prop_assert_eq!(Generated::from(&back), theirs);
    }

    #[test]
    fn what_generated_code_refuses_is_refused(mut bytes in message().prop_map(|ours| ours.encode_to_vec()),
            place in any::<prop::sample::Index>(), with in any::<u8>(), cut in any::<prop::sample::Index>()) {
        if !bytes.is_empty() {
            *place.get_mut(&mut bytes) = with;
            bytes.truncate(1 + cut.index(bytes.len()));
        }
        let theirs = Generated::decode(bytes.as_slice()).map_err(drop);
        let ours = CompressedAttributes::decode(bytes.as_slice()).map_err(drop);
        prop_assert_eq!(ours.clone().map(|ours| Generated::from(&ours)), theirs);
        if let Ok(ours) = ours {
            prop_assert_eq!(CompressedAttributes::decode(ours.encode_to_vec().as_slice()).unwrap(), ours);
        }
    }
}
