//! Tests of the written forms.

use crate::{Duration, StringMap, Timestamp, Value, ValueType};

#[test]
fn durations_are_read_and_written_as_go_does() {
    let cases = [
        ("300ms", 300_000_000, "300ms"),
        ("1m30s", 90_000_000_000, "1m30s"),
        ("1.5h", 5_400_000_000_000, "1h30m0s"),
        ("-1s", -1_000_000_000, "-1s"),
        ("0", 0, "0s"),
        ("+5us", 5_000, "5\u{b5}s"),
        ("1\u{3bc}s", 1_000, "1\u{b5}s"),
        (".5s", 500_000_000, "500ms"),
        ("1.000000001s", 1_000_000_001, "1.000000001s"),
        ("1h0.5s", 3_600_500_000_000, "1h0m0.5s"),
        ("7ns", 7, "7ns"),
    ];
    for (text, nanos, written) in cases {
        let span = Duration::parse_go(text).unwrap_or_else(|| panic!("{text} is a duration"));
        assert_eq!((span.nanos(), span.to_string().as_str()), (nanos, written), "{text}");
        assert_eq!(Duration::parse_go(written), Some(span), "{written}");
    }
    for text in ["", "-", "1", "s", "1x", "1s ", "--1s", ".s", "300000h1", "9999999999999h", "1e3s"] {
        assert_eq!(Duration::parse_go(text), None, "{text}");
    }
}

#[test]
fn times_are_read_and_written_as_rfc_3339() {
    let cases = [
        ("2017-04-29T02:11:54.989466058Z", 1_493_431_914, 989_466_058, "2017-04-29T02:11:54.989466058Z"),
        ("2017-04-29T04:11:54+02:00", 1_493_431_914, 0, "2017-04-29T02:11:54Z"),
        ("1969-12-31T23:59:59.5Z", -1, 500_000_000, "1969-12-31T23:59:59.5Z"),
    ];
    for (text, seconds, nanos, written) in cases {
        let time = Timestamp::parse_rfc3339(text).expect(text);
        assert_eq!((time, time.to_string().as_str()), (Timestamp { seconds, nanos }, written));
    }
    for text in ["", "2017-04-29", "2017-13-29T02:11:54Z", "now"] {
        assert_eq!(Timestamp::parse_rfc3339(text), None, "{text}");
    }
    // Farther than any calendar goes, it is still printed.
    let far = Timestamp { seconds: i64::MAX, nanos: 1 };
    assert_eq!(far.to_string(), "9223372036854775807.000000001");
}

#[test]
fn values_are_read_by_type() {
    let ok = |value_type, text: &str| Value::parse(value_type, text).expect(text).to_string();
    assert_eq!(ok(ValueType::IpAddress, "::ffff:10.0.0.1"), "10.0.0.1");
    assert_eq!(ok(ValueType::IpAddress, "::1"), "::1");
    assert_eq!(ok(ValueType::StringMap, "b:2;a:1"), "{a: 1, b: 2}");
    assert_eq!(ok(ValueType::StringMap, ""), "{}");
    assert_eq!(ok(ValueType::Int64, "-7"), "-7");
    assert_eq!(ok(ValueType::Duration, "1.5s"), "1.5s");
    let error = Value::parse(ValueType::Bool, "yes").expect_err("not a bool");
    assert_eq!(error.to_string(), "`yes` is not `true` or `false`");
    assert_eq!(Value::Bytes([1, 2].as_slice().into()).to_string(), "0102");
}

#[test]
fn the_same_address_in_two_forms_is_one_address() {
    let [four, sixteen] =
        ["10.0.0.1", "::ffff:10.0.0.1"].map(|text| Value::parse(ValueType::IpAddress, text));
    let (four, sixteen) = (four.expect("read"), sixteen.expect("read"));
    assert_eq!(four.to_ip(), sixteen.to_ip());
    assert_ne!(four, sixteen, "as values they differ: the cache compares bytes");
}

#[test]
fn of_equal_keys_the_last_counts() {
    let map: StringMap = [("b", "1"), ("a", "1"), ("b", "2")].into_iter().collect();
    assert_eq!(map.iter().map(|(k, v)| format!("{k}{v}")).collect::<Vec<_>>(), ["a1", "b2"]);
}

#[test]
fn types_have_the_numbers_and_names_of_the_api() {
    for (index, value_type) in ValueType::ALL.into_iter().enumerate() {
        assert_eq!(ValueType::from_number(index as i64 + 1), Some(value_type));
        assert_eq!(value_type.as_str().parse(), Ok(value_type));
    }
    assert_eq!((ValueType::from_number(0), ValueType::from_number(12)), (None, None));
    assert!("STRNG".parse::<ValueType>().is_err());
}
