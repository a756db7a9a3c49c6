//! Tests of evaluation: expression and attributes, then the result and what was observed.

mod observed;

use std::collections::BTreeMap;

use attributes::{Bag, StringMap, Value, ValueType};
use checkcache::Recorder;
use expect_test::{Expect, expect};

use crate::compile;

/// Attributes are written as `name=value`, with spaces between them; the first letter of a name tells its type.
fn manifest_and_bag(attributes: &str) -> (BTreeMap<String, ValueType>, Bag) {
    let types = [
        ('s', ValueType::String),
        ('i', ValueType::Int64),
        ('f', ValueType::Double),
        ('b', ValueType::Bool),
        ('t', ValueType::Timestamp),
        ('a', ValueType::IpAddress),
        ('e', ValueType::EmailAddress),
        ('u', ValueType::Uri),
        ('d', ValueType::DnsName),
        ('w', ValueType::Duration),
        ('m', ValueType::StringMap),
    ];
    let names = types.iter().flat_map(|(letter, value_type)| {
        ["", "2", "3"].map(|number| (format!("{letter}{number}"), *value_type))
    });
    let manifest: BTreeMap<_, _> = names.collect();
    let value = |assignment: &str| {
        let (name, text) = assignment.split_once('=').unwrap();
        (name.to_owned(), Value::parse(manifest[name], text).unwrap())
    };
    let bag = attributes.split_whitespace().map(value).collect();
    (manifest, bag)
}

fn outcome(text: &str, manifest: &BTreeMap<String, ValueType>, bag: &Bag) -> String {
    let program = compile(text, manifest).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut recorder = Recorder::new(bag);
    let result = match program.evaluate(&mut recorder) {
        Ok(value) => format!("= {:?}\n", value.to_string()),
        Err(error) => format!("error: {error}\n"),
    };
    format!("{result}{}", recorder.into_trace())
}

#[expect(clippy::needless_pass_by_value)] // So that tests read `expect![…]` and not `&expect![…]`.
fn check(text: &str, attributes: &str, expected: Expect) {
    let (manifest, bag) = manifest_and_bag(attributes);
    expected.assert_eq(&outcome(text, &manifest, &bag));
}

/// Checks truths for which what is observed is not the point.
fn check_truths(attributes: &str, truths: &[(&str, bool)]) {
    let (manifest, bag) = manifest_and_bag(attributes);
    for (text, expected) in truths {
        let result = outcome(text, &manifest, &bag);
        assert_eq!(result.lines().next(), Some(format!("= \"{expected}\"").as_str()), "{text}");
    }
}

#[test]
fn operands_are_looked_at_only_as_far_as_they_count() {
    check(
        "b && b2",
        "b=false b2=true",
        expect![[r#"
            = "false"
            b is false
        "#]],
    );
    check(
        "b || b2 || b3",
        "b=false b2=true",
        expect![[r#"
            = "true"
            b is false
            b2 is true
        "#]],
    );
    check(
        "s | s2",
        "s=x s2=y",
        expect![[r#"
            = "x"
            s is "x"
        "#]],
    );
    check(
        "s | s2",
        "s2=y",
        expect![[r#"
            = "y"
            s is absent
            s2 is "y"
        "#]],
    );
    check(
        "conditional(b, s, s2)",
        "b=true s=x s2=y",
        expect![[r#"
            = "x"
            b is true
            s is "x"
        "#]],
    );
    check(
        "i < 5 && i > 2",
        "i=3",
        expect![[r#"
            = "true"
            i < 5? yes
            i > 2? yes
        "#]],
    );
}

#[test]
fn absence_is_an_error_unless_an_alternative_is_given() {
    check(
        "s == \"x\"",
        "",
        expect![[r#"
            error: lookup failed: 's'
            s == "x"? absent
        "#]],
    );
    check(
        "s | s2",
        "",
        expect![[r#"
        error: lookup failed: 's2'
        s is absent
        s2 is absent
    "#]],
    );
    check(
        "b || s == \"x\"",
        "b=false",
        expect![[r#"
            error: lookup failed: 's'
            b is false
            s == "x"? absent
        "#]],
    );
    // Inside of a function absence is an error again.
    check(
        "toLower(s) | \"x\"",
        "",
        expect![[r#"
        error: lookup failed: 's'
        s is absent
    "#]],
    );
    check(
        "toLower(s | \"X\")",
        "",
        expect![[r#"
            = "x"
            s is absent
        "#]],
    );
}

#[test]
fn an_absent_key_is_the_empty_text_unless_an_alternative_is_given() {
    check(
        "m[\"k\"]",
        "m=k:v",
        expect![[r#"
            = "v"
            m["k"] is "v"
        "#]],
    );
    check(
        "m[\"k\"]",
        "m=l:v",
        expect![[r#"
            = ""
            m["k"] is absent
        "#]],
    );
    check(
        "m[\"k\"]",
        "",
        expect![[r#"
            error: lookup failed: 'm'
            m["k"] is absent, as its whole map is
        "#]],
    );
    check(
        "m[\"k\"] | m[\"l\"]",
        "m=",
        expect![[r#"
            = ""
            m["k"] is absent
            m["l"] is absent
        "#]],
    );
    check(
        "m[\"k\"] | \"x\"",
        "m=l:v",
        expect![[r#"
            = "x"
            m["k"] is absent
        "#]],
    );
    check(
        "m[\"k\"] | \"x\"",
        "",
        expect![[r#"
            = "x"
            m["k"] is absent, as its whole map is
        "#]],
    );
    check(
        "m[\"k\"] | \"x\"",
        "m=k:",
        expect![[r#"
            = ""
            m["k"] is ""
        "#]],
    );
    check(
        "emptyStringMap()[\"k\"] | \"x\"",
        "",
        expect![[r#"
            = "x"
        "#]],
    );
    check(
        "emptyStringMap()[\"k\"]",
        "",
        expect![[r#"
            = ""
        "#]],
    );
}

#[test]
fn a_computed_key_is_looked_at_only_if_there_is_a_map() {
    check(
        "m[s]",
        "m=k:v s=k",
        expect![[r#"
            = "v"
            m present? yes
            s is "k"
            m["k"] is "v"
        "#]],
    );
    check(
        "m[s]",
        "s=k",
        expect![[r#"
        error: lookup failed: 'm'
        m present? no
    "#]],
    );
    check(
        "m[s]",
        "m=k:v",
        expect![[r#"
        error: lookup failed: 's'
        m present? yes
        s is absent
    "#]],
    );
    check(
        "m[s] | \"x\"",
        "m=k:v",
        expect![[r#"
            = "x"
            m present? yes
            s is absent
        "#]],
    );
}

#[test]
fn the_first_map_that_is_there_counts() {
    check(
        "(m | m2)[\"k\"]",
        "m2=k:v",
        expect![[r#"
            = "v"
            m present? no
            m2 present? yes
            m2["k"] is "v"
        "#]],
    );
    check(
        "(m | m2)[\"k\"] | \"x\"",
        "m=l:v m2=k:v",
        expect![[r#"
            = "x"
            m present? yes
            m["k"] is absent
        "#]],
    );
    check(
        "(m | m2)[\"k\"]",
        "",
        expect![[r#"
        error: lookup failed: 'm2'
        m present? no
        m2 present? no
    "#]],
    );
    check(
        "(m | emptyStringMap())[\"k\"] | \"x\"",
        "",
        expect![[r#"
            = "x"
            m present? no
        "#]],
    );
    check(
        "conditional(b, m, m2)[\"k\"]",
        "b=false m2=k:v",
        expect![[r#"
            = "v"
            b is false
            m2 present? yes
            m2["k"] is "v"
        "#]],
    );
}

#[test]
fn values_of_another_kind_than_declared_are_errors() {
    let (manifest, mut bag) = manifest_and_bag("b=true");
    bag.insert("i", "one");
    bag.insert("m", 1);
    bag.insert("s", StringMap::from_iter([("k", "v")]));
    let texts = ["i == 1", "m[\"k\"]", "m[\"k\"] | \"x\"", "s | \"x\"", "b"];
    let outcomes = texts.map(|text| outcome(text, &manifest, &bag)).concat();
    expect![[r#"
        error: error converting value to INT64: 'one'
        i == 1? of another kind
        i is "one"
        error: error converting value to STRING_MAP: 'm' is of another kind
        m["k"] is of another kind
        error: error converting value to STRING_MAP: 'm' is of another kind
        m["k"] is of another kind
        error: error converting value to STRING: '{k: v}'
        s is {k: v}
        = "true"
        b is true
    "#]]
    .assert_eq(&outcomes);
}

#[test]
fn comparisons() {
    check_truths(
        "i=3 f=-0.0 f2=NaN s=b t=2017-01-02T03:04:05Z a=::ffff:1.2.3.4 a2=1.2.3.4",
        &[
            ("i == 3", true),
            ("i != 3", false),
            ("i >= 3 && i <= 3 && i < 4 && i > 2", true),
            ("f == 0.0", true),
            ("f2 == f2", false),
            ("f2 != f2", true),
            ("f2 < 1.0 || f2 >= 1.0", false),
            ("s > \"a\" && s < \"ba\"", true),
            ("s == \"*\"", false),
            ("t == timestamp(\"2017-01-02T04:04:05+01:00\")", true),
            ("t <= timestamp(\"2017-01-02T04:04:05+01:00\")", true),
            ("t > timestamp(\"2017-01-02T03:04:04.9Z\")", true),
            ("a == a2", true),
            ("a == ip(\"1.2.3.4\") && a2 == ip(\"::ffff:1.2.3.4\")", true),
            ("a == ip(\"1.2.3.5\")", false),
        ],
    );
}

#[test]
fn notations_are_compared_by_their_meaning() {
    check_truths(
        "d=bücher.example d2=A.example. e=Joe@EXAMPLE.com e2=\"Joe\"@example.com u=HTTP://Host:80/A u2=urn:A",
        &[
            ("d == dnsName(\"xn--bcher-kva.example.\")", true),
            ("d == dnsName(\"BÜCHER.example\")", true),
            ("d2 == dnsName(\"a.EXAMPLE\")", true),
            ("d2 != dnsName(\"b.example\")", true),
            ("e == e2", true),
            ("e == email(\"joe@example.com\")", false),
            ("u == uri(\"http://hOST.:80/A\")", true),
            ("u == uri(\"http://host/A\")", false),
            ("u == uri(\"http://host:80/a\")", false),
            ("u == uri(\"http://user@host:80/A\")", false),
            ("u2 == uri(\"URN:A\")", true),
            ("u2 == uri(\"urn:a\")", false),
            ("uri(\"http://[::1]:80\") == uri(\"http://[0:0::1]:80\")", true),
            ("uri(\"http://\") == uri(\"http://\")", true),
            ("uri(\"/a?b#\") == uri(\"/a?b\")", true),
        ],
    );
}

#[test]
fn notations_are_checked() {
    for text in [
        "dnsName(\"a_b\")",
        "dnsName(\"a b\")",
        "dnsName(\"ab--c.d\")",
        "dnsName(\"xn--\u{fc}\")",
        "email(\"a@b@c\")",
        "email(\"a b@c\")",
        "email(\"\\\"\\\"@c\")",
        "email(\"a@b..c\")",
        "email(\"<a@b>\")",
        "uri(\"http://a b/\")",
        "uri(\"http://a:b/\")",
        "uri(\"/%zz\")",
        "uri(\"a\\x7f\")",
        "uri(\"1:a\")",
        "ip(\"01.2.3.4\")",
        "ip(\"1.2.3.4/8\")",
        "timestamp(\"2017-13-02T03:04:05Z\")",
    ] {
        let (manifest, bag) = manifest_and_bag("");
        let outcome = outcome(text, &manifest, &bag);
        assert!(outcome.starts_with("error: "), "{text} is {outcome}");
    }
}

#[test]
fn functions_of_text() {
    check_truths(
        "s=Straße s2=^S s3=Str*",
        &[
            ("toLower(s) == \"straße\"", true),
            ("size(s) == 7", true),
            ("s2.matches(s)", true),
            ("\"^str\".matches(s)", false),
            ("\"(?i)^str\".matches(s)", true),
            ("s.startsWith(\"Str\") && s.endsWith(\"e\")", true),
            ("match(s, s3) && match(s, \"*ße\") && match(s, \"Straße\")", true),
            ("match(s, \"S*e\")", false),
            ("s + \"n\" == \"Straßen\"", true),
            ("\"5\" + \"s\" == \"5\" + \"s\"", true),
        ],
    );
    check(
        "\"(\" + s",
        "s=x",
        expect![[r#"
            = "(x"
            s is "x"
        "#]],
    );
    check(
        "(\"(\" + s).matches(s)",
        "s=x",
        expect![[r#"
        error: error parsing regexp '(x': unclosed group
        s is "x"
    "#]],
    );
}

#[test]
fn sums() {
    check(
        "i + 1",
        "i=9223372036854775807",
        expect![[r#"
            = "-9223372036854775808"
            i is 9223372036854775807
        "#]],
    );
    check(
        "f + 0.5",
        "f=1",
        expect![[r#"
            = "1.5"
            f is 1
        "#]],
    );
    let long = "x".repeat(700_000);
    let (manifest, bag) = manifest_and_bag(&format!("s={long} s2={long}"));
    let error = compile("s + s2", &manifest).unwrap().evaluate(&mut Recorder::new(&bag)).unwrap_err();
    expect!["the result of + is longer than 1048576 bytes"].assert_eq(&error.to_string());
}

#[test]
fn only_booleans_are_truths() {
    let (manifest, bag) = manifest_and_bag("s=x");
    let program = compile("s", &manifest).unwrap();
    let error = program.evaluate_bool(&mut Recorder::new(&bag)).unwrap_err();
    expect!["error converting value to BOOL: 'x'"].assert_eq(&error.to_string());
}
