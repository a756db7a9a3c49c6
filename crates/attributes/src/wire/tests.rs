//! Tests of the wire: round trips, what is refused, and what hostile messages cost.

use std::sync::Arc;

use proptest::prelude::*;
use prost::Message as _;
use proto::v1;
use proto::v1::CompressedValue;
use proto::v1::report_request::RepeatedAttributesSemantics as Semantics;

use super::*;
use crate::{Bag, Dictionary, Duration, StringMap, Timestamp, Value};

pub(super) fn dictionary() -> Dictionary {
    Dictionary::new(["source.ip", "target.service", "request.headers", "x", "GET"]).expect("valid")
}

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn expand(message: v1::CompressedAttributes, own: &[&str]) -> Result<Bag, String> {
    Expander::new(&dictionary(), 5, words(own)).bag(message).map_err(|error| error.to_string())
}

fn message<const N: usize>(values: [(i32, CompressedValue); N]) -> v1::CompressedAttributes {
    v1::CompressedAttributes { values: values.into(), ..v1::CompressedAttributes::default() }
}

fn value() -> impl Strategy<Value = Value> {
    let word = prop_oneof![Just(String::from("GET")), Just(String::from("x")), ".{0,8}"];
    let entries = prop::collection::btree_map(word.clone(), word.clone(), 0..4);
    prop_oneof![
        word.prop_map(|text| Value::from(text.as_str())),
        any::<i64>().prop_map(Value::Int64),
        any::<f64>().prop_map(Value::Double),
        any::<bool>().prop_map(Value::Bool),
        (any::<i64>(), 0..1_000_000_000u32)
            .prop_map(|(seconds, nanos)| Value::Timestamp(Timestamp { seconds, nanos })),
        any::<i64>().prop_map(|nanos| Value::Duration(Duration::from_nanos(nanos.into()))),
        prop::collection::vec(any::<u8>(), 0..17).prop_map(|bytes| Value::Bytes(bytes.into())),
        entries.prop_map(|map| map.into_iter().collect::<StringMap>().into()),
    ]
}

pub(super) fn bag() -> impl Strategy<Value = Bag> {
    let name = prop_oneof![Just(String::from("source.ip")), Just(String::from("x")), "[a-z.]{1,6}"];
    prop::collection::btree_map(name, value(), 0..12).prop_map(|map| map.into_iter().collect())
}

proptest! {
    #[test]
    fn bags_come_back_as_they_went(bag in bag(), word_count in 0..7usize) {
        let dictionary = dictionary();
        let mut compressor = Compressor::new(&dictionary, word_count);
        let message = compressor.add(&bag);
        let count = compressor.word_count();
        let bytes = message.encode_to_vec();
        let message = v1::CompressedAttributes::decode(bytes.as_slice()).expect("decodes");
        let back = Expander::new(&dictionary, count, compressor.into_words::<String>()).bag(message);
        prop_assert_eq!(back, Ok(bag));
    }

    #[test]
    fn reports_come_back_as_they_went_in_both_semantics(bags in prop::collection::vec(bag(), 0..5)) {
        let dictionary = dictionary();
        let mut compressor = Compressor::new(&dictionary, 5);
        let attributes: Vec<_> = bags.iter().map(|bag| compressor.add(bag)).collect();
        let mut report = v1::ReportRequest {
            attributes,
            default_words: compressor.into_words(),
            global_word_count: 5,
            repeated_attributes_semantics: Semantics::IndependentEncoding.into(),
            ..v1::ReportRequest::default()
        };
        let read = |report| ReportDecoder::new(report, &dictionary).expect("read").collect::<Result<Vec<_>, _>>();
        prop_assert_eq!(read(report.clone()), Ok(bags.clone()));

        // As deltas the same messages build on each other.
        report.repeated_attributes_semantics = Semantics::DeltaEncoding.into();
        let mut built = Bag::new();
        let deltas: Vec<_> = bags.iter().map(|bag| {
            built.extend(bag.iter().map(|(name, value)| (name.clone(), value.clone())));
            built.clone()
        }).collect();
        prop_assert_eq!(read(report), Ok(deltas));
    }

    #[test]
    fn hostile_messages_are_refused_or_read_but_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = v1::CompressedAttributes::decode(bytes.as_slice()) {
            let own = message.words.clone();
            let _ = Expander::new(&dictionary(), 5, own).bag(message);
        }
        if let Ok(report) = v1::ReportRequest::decode(bytes.as_slice())
            && let Ok(decoder) = ReportDecoder::new(report, &dictionary())
        {
            decoder.for_each(drop);
        }
    }
}

#[test]
fn every_index_is_checked() {
    let strings = |name, text| message([(name, CompressedValue::String(text))]);
    assert_eq!(
        expand(strings(1, -1), &["reviews"]),
        Ok([("target.service", "reviews")].into_iter().collect())
    );
    for (name, text) in [(5, -1), (-2, -1), (1, -2), (1, 5), (i32::MIN, -1), (i32::MAX, -1), (1, i32::MIN)] {
        let error = expand(strings(name, text), &["reviews"]).expect_err("no such word");
        assert!(error.contains("is in no dictionary: 5 words of the deployment-wide one"), "{error}");
    }
    // The dictionary is only used as far as the message claims to.
    assert!(Expander::new(&dictionary(), 1, words(&["reviews"])).bag(strings(1, -1)).is_err());
}

#[test]
fn a_name_in_two_maps_is_refused_by_whatever_index() {
    let twice = |second| message([(1, CompressedValue::String(3)), (second, CompressedValue::Int64(7))]);
    for index in [1, -1] {
        let error = expand(twice(index), &["target.service"]).expect_err("twice");
        assert_eq!(error, "attribute `target.service` occurs twice");
    }
    let map =
        |entries: Vec<(i32, i32)>| message([(2, CompressedValue::StringMap(v1::StringMap { entries }))]);
    assert_eq!(
        expand(map(vec![(3, 4), (-1, 4)]), &["x"]),
        Err("a string map has the key `x` twice".to_owned())
    );
}

#[test]
fn of_a_maps_entries_with_one_key_the_last_counts() {
    let number = CompressedValue::Int64;
    let bag = expand(message([(3, number(1)), (0, number(2)), (3, number(3))]), &[]);
    assert_eq!(bag, Ok([("source.ip", 2), ("x", 3)].into_iter().collect()));
    let map = |entries: &[(i32, i32)]| {
        let map = v1::StringMap { entries: entries.to_vec() };
        expand(message([(2, CompressedValue::StringMap(map))]), &["x"])
    };
    let expected: StringMap = [("GET", "x"), ("x", "GET")].into_iter().collect();
    assert_eq!(map(&[(3, 3), (4, 3), (3, 4)]), Ok([("request.headers", expected)].into_iter().collect()));
    assert!(map(&[(3, 3), (4, 3), (3, 4), (-1, 4)]).is_err());
}

#[test]
fn times_that_break_their_rules_are_refused() {
    let time = |nanos| message([(3, CompressedValue::Timestamp(proto::Timestamp { seconds: 1, nanos }))]);
    assert!(expand(time(999_999_999), &[]).is_ok());
    assert_eq!(expand(time(-1), &[]), Err("1 s and -1 ns are no timestamp".to_owned()));
    let span = message([(3, CompressedValue::Duration(proto::Duration { seconds: 1, nanos: -1 }))]);
    assert_eq!(expand(span, &[]), Err("1 s and -1 ns are no duration".to_owned()));
}

#[test]
fn one_bad_message_ends_deltas_but_not_independent_ones() {
    let message = |name| message([(name, CompressedValue::Int64(1))]);
    let report = |semantics: Semantics| v1::ReportRequest {
        attributes: vec![message(0), message(9), message(3)],
        global_word_count: 5,
        repeated_attributes_semantics: semantics.into(),
        ..v1::ReportRequest::default()
    };
    let outcomes = |semantics| {
        let dictionary = dictionary();
        let decoder = ReportDecoder::new(report(semantics), &dictionary).expect("read");
        decoder.map(|bag| bag.map(|bag| bag.len()).ok()).collect::<Vec<_>>()
    };
    assert_eq!(outcomes(Semantics::IndependentEncoding), [Some(1), None, Some(1)]);
    assert_eq!(outcomes(Semantics::DeltaEncoding), [Some(1), None]);
}

#[test]
fn a_message_with_words_of_its_own_does_not_use_the_reports() {
    let with_words = |own: &[&str]| v1::CompressedAttributes {
        words: own.iter().copied().map(Arc::from).collect(),
        ..message([(3, CompressedValue::String(-1))])
    };
    let report = v1::ReportRequest {
        attributes: vec![with_words(&[]), with_words(&["own"])],
        default_words: words(&["shared"]),
        global_word_count: 5,
        repeated_attributes_semantics: Semantics::IndependentEncoding.into(),
        ..v1::ReportRequest::default()
    };
    let dictionary = dictionary();
    let bags: Vec<_> = ReportDecoder::new(report, &dictionary).expect("read").collect();
    let expected = ["shared", "own"].map(|text| Ok([("x", text)].into_iter().collect()));
    assert_eq!(bags, expected);
}

#[test]
fn a_mismatch_is_understood_in_every_wording() {
    let mismatch = DictionaryMismatch { server_word_count: 3, client_word_count: 5 };
    assert_eq!(DictionaryMismatch::parse(&mismatch.to_string()), Some(mismatch));
    let old = "Request could not be processed due to invalid attributes.";
    assert_eq!(DictionaryMismatch::parse(old).map(|m| m.server_word_count), Some(0));
    assert_eq!(DictionaryMismatch::parse("no healthy upstream"), None);
}

#[test]
fn dictionaries_have_no_word_twice() {
    let error = Dictionary::parse("a\nb\na\n").expect_err("twice");
    assert_eq!(error.to_string(), "line 3: word `a` is on line 1 already");
    let ours = include_str!("../../../../config/dictionary.txt");
    let dictionary = Dictionary::parse(ours).expect("the shipped dictionary");
    assert_eq!(dictionary.index("source.ip"), Some(0));
}

#[test]
fn equal_lists_have_equal_digests_and_others_have_not() {
    let dictionary = |words: &[&str]| Dictionary::new(words.iter().copied()).expect("valid");
    let abc = dictionary(&["a", "b", "c"]);
    assert_eq!(abc.digest(2), dictionary(&["a", "b"]).digest(2));
    assert_eq!(abc.digest(0), Dictionary::default().digest(0));
    assert_eq!(abc.digest(4), None);
    for other in [&["b", "a", "c"][..], &["a", "bc", ""], &["ab", "", "c"], &["a", "b", "d"]] {
        assert_ne!(abc.digest(3), dictionary(other).digest(3), "{other:?}");
    }
}
