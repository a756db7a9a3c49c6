//! Tests of reports whose messages build on each other: round trips, what is refused, and what is left alone.

use proptest::prelude::*;
use prost::Message as _;
use proto::v1;
use proto::v1::CompressedValue;

use super::super::tests::{bag, dictionary, words};
use super::*;
use crate::{Bag, limits};

fn encoded(bags: &[Bag], word_count: usize, encoding: ReportEncoding) -> v1::ReportRequest {
    let dictionary = dictionary();
    let mut encoder = ReportEncoder::new(&dictionary, word_count, encoding);
    for bag in bags {
        encoder.add(bag);
    }
    let bytes = encoder.finish().encode_to_vec();
    v1::ReportRequest::decode(bytes.as_slice()).expect("decodes")
}

/// The bags of a report, or what is wrong with one.
fn decoded(report: v1::ReportRequest) -> Vec<Result<Bag, String>> {
    let dictionary = dictionary();
    let decoder = ReportDecoder::new(report, &dictionary).expect("read");
    decoder.map(|bag| bag.map_err(|error| error.to_string())).collect()
}

fn changes(changes: Vec<v1::CompressedAttributes>) -> v1::ReportRequest {
    v1::ReportRequest {
        changes,
        default_words: words(&["own"]),
        global_word_count: 5,
        ..v1::ReportRequest::default()
    }
}

/// Sets some names to a number and removes others.
fn change(set: &[i32], removed: &[i32]) -> v1::CompressedAttributes {
    let values = set.iter().map(|name| (*name, CompressedValue::Int64(7))).collect();
    v1::CompressedAttributes { words: Vec::new(), values, removed: removed.to_vec() }
}

fn named<const N: usize>(names: [&str; N]) -> Bag {
    names.map(|name| (name, 7)).into_iter().collect()
}

proptest! {
    #[test]
    fn bags_come_back_as_they_went(bags in prop::collection::vec(bag(), 0..8), word_count in 0..7usize) {
        for encoding in [ReportEncoding::Independent, ReportEncoding::Changes] {
            let report = encoded(&bags, word_count, encoding);
            prop_assert_eq!(report.attributes.len() + report.changes.len(), bags.len(), "a message each");
            let whole: Vec<_> = bags.iter().cloned().map(Ok).collect();
            prop_assert_eq!(decoded(report), whole);
        }
    }

    #[test]
    fn a_server_that_does_not_know_changes_finds_no_messages(bags in prop::collection::vec(bag(), 1..4)) {
        let mut report = encoded(&bags, 5, ReportEncoding::Changes);
        // What its decoder skips.
        report.changes.clear();
        prop_assert_eq!(decoded(report), []);
    }

    #[test]
    fn whatever_is_removed_nothing_panics(
        messages in prop::collection::vec(
            (prop::collection::vec(-3..7i32, 0..4), prop::collection::vec(-3..7i32, 0..4)), 0..6)
    ) {
        let messages = messages.iter().map(|(set, removed)| change(set, removed)).collect();
        for bag in decoded(changes(messages)).into_iter().flatten() {
            let again: Bag = bag.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            prop_assert_eq!(again, bag, "in order, each name once");
        }
    }
}

#[test]
fn what_is_the_same_is_not_sent_again() {
    let bags = [
        [("source.ip", 1), ("target.service", 2), ("x", 3)].into_iter().collect::<Bag>(),
        [("source.ip", 1), ("x", 4)].into_iter().collect(),
        [("source.ip", 1), ("x", 4)].into_iter().collect(),
    ];
    let report = encoded(&bags, 5, ReportEncoding::Changes);
    let values = vec![(3, CompressedValue::Int64(4))];
    let second = v1::CompressedAttributes { words: Vec::new(), values, removed: vec![1] };
    assert_eq!(report.changes.get(1..), Some(&[second, v1::CompressedAttributes::default()][..]));
    assert_eq!(report.attributes, []);
}

#[test]
fn what_is_gone_can_come_back() {
    let messages = vec![change(&[0, 3], &[]), change(&[], &[0]), change(&[0], &[3]), change(&[], &[0])];
    assert_eq!(
        decoded(changes(messages)),
        [named(["source.ip", "x"]), named(["x"]), named(["source.ip"]), named([])].map(Ok)
    );
}

#[test]
fn a_removal_has_to_make_sense() {
    let there = || change(&[0, -1], &[]);
    for (removed, error) in [
        (change(&[], &[3]), "attribute `x` is removed and was not there"),
        (change(&[], &[0, 0]), "attribute `source.ip` is removed and was not there"),
        (change(&[0], &[0]), "attribute `source.ip` occurs twice"),
        (change(&[3], &[3]), "attribute `x` occurs twice"),
        (change(&[], &[9]), "index 9 is in no dictionary"),
        (change(&[], &[-2]), "index -2 is in no dictionary"),
    ] {
        // The error is the last item: what follows would build on it.
        let outcomes = decoded(changes(vec![there(), removed.clone(), there()]));
        let [Ok(_), Err(message)] = outcomes.as_slice() else { panic!("{outcomes:?}") };
        assert!(message.starts_with(error), "{message}");
        // Nothing is there before the first message, or an independent one.
        let report = v1::ReportRequest { attributes: vec![removed], ..changes(Vec::new()) };
        for semantics in [0, 1] {
            let report = v1::ReportRequest { repeated_attributes_semantics: semantics, ..report.clone() };
            assert!(matches!(decoded(report).as_slice(), [Err(_)]));
        }
    }
}

#[test]
fn a_report_has_messages_in_one_field() {
    let both = v1::ReportRequest { attributes: vec![change(&[0], &[])], ..changes(vec![change(&[0], &[])]) };
    let error = ReportDecoder::new(both, &dictionary()).expect_err("both");
    assert_eq!(error.to_string(), "messages in `attributes` and in `changes`, one of them is allowed");
    let many = changes(vec![v1::CompressedAttributes::default(); limits::REPORT_MESSAGES + 1]);
    assert!(ReportDecoder::new(many, &dictionary()).is_err());
}

#[test]
fn many_messages_amount_to_no_more_than_one_may_have() {
    let half = limits::MESSAGE_ATTRIBUTES as i32 / 2;
    let names: Vec<String> = (0..3 * half).map(|number| format!("a{number}")).collect();
    let message = |from: i32| change(&(from..from + half).map(|name| -1 - name).collect::<Vec<_>>(), &[]);
    let report = v1::ReportRequest {
        default_words: names,
        ..changes(vec![message(0), message(half), message(2 * half)])
    };
    let counts: Vec<_> = decoded(report).into_iter().map(|bag| bag.map(|bag| bag.len())).collect();
    let error = format!("{} attributes, at most {} are allowed", 3 * half, 2 * half);
    assert_eq!(counts, [Ok(half as usize), Ok(2 * half as usize), Err(error)]);
}
