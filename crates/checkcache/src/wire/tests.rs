//! Tests of the wire: traces and verdicts come back as they went, and nothing that is not understood is stored.

use std::sync::Arc;
use std::time::Duration;

use attributes::{Bag, Dictionary, Duration as Span, StringMap, Timestamp, Value};
use proto::v1::referenced_attributes::{AttributeMatch, Condition};
use proto::v1::{ReferencedAttributes, trace};

use super::*;
use crate::{
    Code, HeaderOperation, Matcher, Observation, Operation, Outcome, Recorder, RouteDirective, Status,
    Target, Test, Trace, Validity, Verdict, limits,
};

fn dictionary() -> Dictionary {
    Dictionary::new(["source.ip", "target.service", "request.headers", "x"]).expect("valid")
}

fn matcher(pattern: &str) -> Matcher {
    let automaton = regex_automata::dfa::sparse::DFA::new(pattern).expect("a pattern");
    Matcher::new(pattern, &automaton.to_bytes_little_endian()).expect("a table")
}

fn headers(entries: &[(&str, &str)]) -> Value {
    entries.iter().copied().collect::<StringMap>().into()
}

fn request() -> Bag {
    [
        ("target.service", Value::from("reviews")),
        ("request.headers", headers(&[("x", ""), ("y", "1")])),
        ("source.ip", Value::Bytes([127, 0, 0, 1].as_slice().into())),
        ("n", 3.into()),
        ("d", Value::Double(f64::NAN)),
        ("t", Value::Timestamp(Timestamp { seconds: -1, nanos: 5 })),
        ("s", Value::Duration(Span { seconds: -1, nanos: -5 })),
    ]
    .into_iter()
    .collect()
}

fn every_kind_of_look(bag: &Bag) -> Trace {
    let mut r = Recorder::new(bag);
    let key = |key: &str| Target::Key("request.headers".into(), key.into());
    for name in ["target.service", "n", "d", "t", "s", "source.ip", "absent"] {
        r.value(&name.into());
    }
    r.present(&"absent2".into());
    r.entry(&"request.headers".into(), &"z".into());
    r.entry(&"nomap".into(), &"z".into());
    r.entry(&"n2".into(), &"z".into());
    for test in [
        Test::Matches(matcher("[0-9]")),
        Test::Prefix("2".into()),
        Test::Suffix("2".into()),
        Test::GreaterOrEqual(Value::Int64(1)),
        Test::Less("x".into()),
        Test::LessOrEqual("a".into()),
        Test::Greater("3".into()),
        Test::GreaterOrEqual("2".into()),
        Test::Equals("1".into()),
    ] {
        r.perform(&key("y"), &test);
    }
    r.value(&"request.headers".into());
    r.into_trace()
}

#[test]
fn traces_come_back_as_they_went() {
    let (dictionary, bag) = (dictionary(), request());
    let trace = every_kind_of_look(&bag);
    assert_eq!(trace.observations().len(), 21, "{trace}");
    for word_count in 0..=4 {
        let wire = encode_trace(&trace, &dictionary, word_count);
        let back = decode_trace(wire, &dictionary, word_count).expect("understood");
        assert_eq!(back, trace);
        assert!(back.holds_for(&bag));
    }
}

#[test]
fn what_is_not_understood_is_an_error() {
    let observation = trace::Observation { name: 0, test: 77, ..trace::Observation::default() };
    let message =
        |observation| proto::v1::Trace { words: vec!["[0-9]".into()], observations: vec![observation] };
    let error = decode_trace(message(observation.clone()), &dictionary(), 4).expect_err("an unknown test");
    assert_eq!(error.to_string(), "observation 0: test 77 with outcome 0 is not understood");
    let no_word = trace::Observation { name: -2, ..observation };
    let error = decode_trace(message(no_word), &dictionary(), 4).expect_err("no such word");
    assert!(error.to_string().starts_with("observation 0: index -2 is in no dictionary"), "{error}");
}

#[test]
fn a_regular_expression_that_cannot_be_used_is_an_error() {
    let good = matcher("[0-9]").table();
    let message = |tables: &[&[u8]]| {
        let observation = |table: &&[u8]| trace::Observation {
            test: trace::Test::Matches.into(),
            constant: Some(trace::Operand { kind: Some(trace::operand::Kind::String(-1)) }),
            outcome: trace::Outcome::Yes.into(),
            automaton: table.to_vec(),
            ..trace::Observation::default()
        };
        proto::v1::Trace {
            words: vec!["[0-9]".into()],
            observations: tables.iter().map(observation).collect(),
        }
    };
    let decode = |tables: &[&[u8]]| decode_trace(message(tables), &dictionary(), 4);
    let error = |tables: &[&[u8]]| decode(tables).expect_err("not usable").to_string();
    assert_eq!(decode(&[&good]).expect("understood").observations().len(), 1);

    assert!(error(&[b""]).starts_with("observation 0: the table of `[0-9]` cannot be read: "));
    let other_format: Vec<u8> = good.iter().map(|byte| byte.wrapping_add(1)).collect();
    assert!(
        error(&[&good, &other_format]).starts_with("observation 1: the table of `[0-9]` cannot be read: ")
    );
    for length in 0..good.len() {
        assert!(decode(&[good.get(..length).expect("shorter")]).is_err(), "cut to {length} bytes");
    }
    let large = vec![0; limits::MATCHER_BYTES + 1];
    assert!(error(&[&large]).ends_with("at most 16384 are allowed"));
    let many = vec![good.as_slice(); limits::TRACE_MATCHER_BYTES / good.len() + 1];
    assert!(error(&many).ends_with("at most 65536 are allowed"));
}

/// Whatever bytes come instead of a table: they are refused, or they are walked and no more.
#[test]
fn a_broken_table_does_no_harm() {
    let good = matcher("(a|bc)*[0-9]$").table();
    let mut usable = 0;
    for at in 0..good.len() {
        for change in [1, 0x80, 0xff] {
            let mut table = good.clone();
            if let Some(byte) = table.get_mut(at) {
                *byte ^= change;
            }
            if let Ok(matcher) = Matcher::new("broken", &table) {
                usable += 1;
                for text in ["", "a", "abc1", "\u{10ffff}é"] {
                    matcher.is_match(text);
                }
            }
        }
    }
    assert!(usable > 0);
}

#[test]
fn references_of_a_trace_are_read_back_as_one_that_holds() {
    let (dictionary, bag) = (dictionary(), request());
    let trace = every_kind_of_look(&bag);
    let references = encode_references(&trace, &dictionary, 4);
    let back = decode_references(references, &dictionary, 4, &bag).expect("understood");
    assert!(back.holds_for(&bag));
    // Narrower, never wider: all that the trace looked at is in there.
    for seen in trace.observations() {
        let whole = Target::Attribute(seen.target().attribute().clone());
        let covers = |other: &Observation| [seen.target(), &whole].contains(&other.target());
        assert!(back.observations().iter().any(covers), "{seen}");
    }
}

#[test]
fn a_map_that_was_absent_as_a_whole_is_remembered_so() {
    let references = ReferencedAttributes {
        words: vec!["request.query_params".into()],
        attribute_matches: vec![AttributeMatch {
            name: -1,
            condition: Condition::Absence.into(),
            ..AttributeMatch::default()
        }],
    };
    let trace = decode_references(references, &dictionary(), 4, &Bag::new()).expect("understood");
    let with: Bag = [("request.query_params", headers(&[("a", "1")]))].into_iter().collect();
    assert!(trace.holds_for(&Bag::new()) && !trace.holds_for(&with));
}

#[test]
fn references_that_cannot_be_tested_or_are_not_so_are_errors() {
    let reference = |name, condition: Condition, map_key| ReferencedAttributes {
        words: Vec::new(),
        attribute_matches: vec![AttributeMatch {
            name,
            condition: condition.into(),
            regex: String::new(),
            map_key,
        }],
    };
    let read = |references| decode_references(references, &dictionary(), 4, &request());
    let message = |references| read(references).expect_err("of no use").to_string();
    assert_eq!(
        message(reference(2, Condition::Regex, 3)),
        "`request.headers[\"x\"]` is referenced under condition 3, which cannot be tested"
    );
    assert_eq!(
        message(reference(1, Condition::Absence, 0)),
        "`target.service` is not in the request as the references say"
    );
    assert!(message(reference(4, Condition::Exact, 0)).contains("index 4 is in no dictionary"));
    // No key looks like index 0: then the whole map counts.
    let whole = read(reference(2, Condition::Exact, 0)).expect("understood");
    assert_eq!(whole.observations()[0].target(), &Target::Attribute("request.headers".into()));
}

#[test]
fn verdicts_come_back_as_they_went() {
    let (dictionary, bag) = (dictionary(), request());
    let verdict = Verdict {
        status: Status::new(Code::PermissionDenied, "no"),
        directive: Some(RouteDirective {
            request_headers: vec![HeaderOperation { name: "a".into(), operation: Operation::Remove }],
            response_headers: vec![
                HeaderOperation { name: "b".into(), operation: Operation::Append("1".into()) },
                HeaderOperation { name: "b".into(), operation: Operation::Replace("2".into()) },
            ],
            direct_response_code: Some(302),
            direct_response_body: "moved".into(),
        }),
        attributes: [("source.name", "pod")].into_iter().collect(),
        refused_by: Some(Arc::from("global/global rules[0].aspects[0]")),
        validity: Validity::For { ttl: Duration::from_millis(1500), uses: Some(3) },
    };
    let trace = every_kind_of_look(&bag);
    let wire = encode_precondition(&verdict, verdict.validity, &trace, &dictionary, 4, true);
    let back = decode_precondition(wire, &dictionary, 4, &bag);
    assert_eq!((back.verdict, back.trace.expect("holds")), (verdict.clone(), trace.clone()));

    for validity in [Validity::Never, Validity::Revision] {
        let wire = encode_precondition(&verdict, validity, &trace, &dictionary, 4, true);
        assert_eq!(decode_precondition(wire, &dictionary, 4, &bag).verdict.validity, validity);
    }
}

#[test]
fn a_trace_that_does_not_hold_for_its_own_request_is_not_stored() {
    let (dictionary, bag) = (dictionary(), request());
    let verdict = Verdict::new(Status::default(), Validity::Revision);
    let target = Target::Attribute("target.service".into());
    let trace: Trace = [Observation::new(target, Test::Value, Outcome::Absent)].into_iter().collect();
    let wire = encode_precondition(&verdict, verdict.validity, &trace, &dictionary, 4, true);
    let back = decode_precondition(wire, &dictionary, 4, &bag);
    assert_eq!(back.trace, Err(Uncacheable::TraceDoesNotHold));
}

#[test]
fn a_client_that_would_take_an_absent_map_for_less_keeps_nothing() {
    let (dictionary, bag) = (dictionary(), request());
    let verdict = Verdict::new(Status::default(), Validity::Revision);
    let looked_at = |map: &str| {
        let mut r = Recorder::new(&bag);
        r.entry(&map.into(), &"sub".into());
        r.into_trace()
    };
    for (map, foreign, kept) in
        [("nomap", true, false), ("nomap", false, true), ("request.headers", true, true)]
    {
        let trace = looked_at(map);
        let wire = encode_precondition(&verdict, verdict.validity, &trace, &dictionary, 4, !foreign);
        assert_eq!(wire.valid_use_count != 0, kept, "{map}");
    }
}

#[test]
fn a_foreign_server_says_how_long_by_leaving_out() {
    let (dictionary, bag) = (dictionary(), request());
    let validity = |valid_duration, valid_use_count| {
        let result = proto::v1::check_response::PreconditionResult {
            valid_duration,
            valid_use_count,
            ..proto::v1::check_response::PreconditionResult::default()
        };
        decode_precondition(result, &dictionary, 4, &bag).verdict.validity
    };
    let second = Some(proto::Duration { seconds: 1, nanos: 0 });
    let of = |seconds, uses| Validity::For { ttl: Duration::from_secs(seconds), uses };
    assert_eq!(validity(second, -1), of(1, None));
    assert_eq!(validity(second, 5), of(1, Some(5)));
    assert_eq!(validity(second, 0), Validity::Never);
    assert_eq!(validity(None, 5), of(24 * 60 * 60, Some(5)));
    assert_eq!(validity(Some(proto::Duration { seconds: -1, nanos: 0 }), 5), Validity::Never);
    assert_eq!(validity(Some(proto::Duration { seconds: 1, nanos: -7 }), 5), Validity::Never);
}
