//! Tests of looking at messages: whatever a message has, it is what its bag has.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::tests::dictionary;
use super::*;

fn index() -> impl Strategy<Value = i32> {
    prop_oneof![9 => -3..5i32, 1 => Just(5), 1 => Just(-4)]
}

fn value() -> impl Strategy<Value = CompressedValue> {
    let nanos = prop_oneof![9 => 0..9i32, 1 => Just(-1)];
    let entries = prop::collection::vec((index(), index()), 0..4);
    prop_oneof![
        index().prop_map(CompressedValue::String),
        any::<i64>().prop_map(CompressedValue::Int64),
        any::<bool>().prop_map(CompressedValue::Bool),
        any::<f64>().prop_map(CompressedValue::Double),
        nanos.clone().prop_map(|nanos| CompressedValue::Timestamp(proto::Timestamp { seconds: 1, nanos })),
        nanos.prop_map(|nanos| CompressedValue::Duration(proto::Duration { seconds: 1, nanos })),
        prop::collection::vec(any::<u8>(), 0..5).prop_map(CompressedValue::Bytes),
        entries.prop_map(|entries| CompressedValue::StringMap(v1::StringMap { entries })),
    ]
}

proptest! {
    #[test]
    fn a_message_is_its_bag(
        mut values in prop::collection::vec((index(), value()), 0..6),
        removed in prop_oneof![9 => Just(Vec::new()), 1 => prop::collection::vec(index(), 0..2)],
        is_sorted in any::<bool>(),
    ) {
        let dictionary = dictionary();
        // One of them is in the dictionary too.
        let words: Vec<Arc<str>> = ["x", "own", "other"].map(Arc::from).into();
        let expander = Expander::new(&dictionary, 5, words.clone());
        if is_sorted {
            values.sort_by(|(a, _), (b, _)| {
                by_length(expander.text(*a).unwrap_or_default(), expander.text(*b).unwrap_or_default())
            });
        }
        let message = v1::CompressedAttributes { words, values, removed };
        let bag = expander.bag(message.clone());
        let compressed = CompressedBag::new(message, &dictionary, 5);
        prop_assert_eq!(compressed.as_ref().err(), bag.as_ref().err());
        if let (Ok(compressed), Ok(bag)) = (compressed, bag) {
            let names = (0..dictionary.len() as i32).chain(-3..0).map(|word| expander.text(word).unwrap_or_default());
            let names: Vec<&str> = names.chain([""]).collect();
            // Keys before maps as wholes, and after them.
            for _ in 0..2 {
                for name in &names {
                    for key in &names {
                        prop_assert_eq!(compressed.entry(name, key), bag.entry(name, key), "{}[{}]", name, key);
                    }
                }
                for name in &names {
                    prop_assert_eq!(compressed.get(name), AttributeSource::get(&bag, name), "{}", name);
                }
            }
            prop_assert_eq!(compressed.to_bag(), Ok(bag));
        }
    }
}

#[test]
fn a_map_is_looked_at_by_its_last_entry() {
    let dictionary = dictionary();
    let map = |entries: &[(i32, i32)]| {
        let map = CompressedValue::StringMap(v1::StringMap { entries: entries.to_vec() });
        v1::CompressedAttributes { values: vec![(2, map)], ..v1::CompressedAttributes::default() }
    };
    let message = CompressedBag::new(map(&[(4, 0), (3, 1), (4, 3)]), &dictionary, 5).expect("whole");
    assert_eq!(message.entry("request.headers", "GET"), MapEntry::Found("x"));
    assert_eq!(message.entry("request.headers", "source.ip"), MapEntry::NoKey);
    assert_eq!(message.entry("x", "GET"), MapEntry::NoMap);
}
