//! What is known of expressions without a request, and that it is so.

use std::collections::BTreeMap;

use attributes::ValueType;
use expect_test::expect;

use super::*;
use crate::compile;
use crate::testing::check_each;

fn manifest() -> BTreeMap<String, ValueType> {
    [
        ("s", ValueType::String),
        ("s2", ValueType::String),
        ("i", ValueType::Int64),
        ("d", ValueType::Double),
        ("b", ValueType::Bool),
        ("t", ValueType::Timestamp),
        ("ip", ValueType::IpAddress),
        ("dns", ValueType::DnsName),
        ("m", ValueType::StringMap),
    ]
    .map(|(name, value_type)| (name.to_owned(), value_type))
    .into()
}

fn program(text: &str) -> Program {
    compile(text, &manifest()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn what_never_holds() {
    for text in [
        "false",
        "b && false",
        "false || false == true",
        r#"s == "a" && s == "b""#,
        r#"s == "a" && "b" == s"#,
        r#"s == "a" && s != "a""#,
        r#"s == "a" && (i == 1 && s == "b")"#,
        r#"s == "a" && (s == "b" || s == "c")"#,
        r#"(s == "a" || s == "b") && (s == "c" || s == "d")"#,
        r#"(s == "a") == false && s == "a""#,
        r#"(s | "x") == "a" && s == "b""#,
        r#"(s | "a") != "a" && s == "a""#,
        r#"m["k"] == "a" && m["k"] == "b""#,
        r#"(m["k"] | "") == "a" && m["k"] != "a""#,
        "b && b == false",
        "b != true && b",
        "b != true && b != false",
        "conditional(b, b == false, b)",
        "i < 5 && i > 5",
        "i < 5 && i >= 5",
        "5 <= i && 4 >= i",
        "i < 5 && i == 5",
        "d < 1.5 && d > 2.5",
        "(i < 5) == false && (i > 4) == false",
        r#"t < timestamp("2017-01-02T03:04:05Z") && t == timestamp("2018-01-02T03:04:05Z")"#,
        r#"ip == ip("1.2.3.4") && ip == ip("1.2.3.5")"#,
        r#"dns == dnsName("a.b") && dns == dnsName("a.c")"#,
        r#"s.startsWith("/a") && s.startsWith("/b")"#,
        r#"s.startsWith("/a") && s == "/b""#,
        r#"s.startsWith("/a/b") && s.startsWith("/a") == false"#,
        r#"s.endsWith(".a") && match(s, "*.b")"#,
        r#"match(s, "x") && match(s, "y*")"#,
        r#""^[0-9]+$".matches(s) && s == "a""#,
        r#""^a".matches(s) && "^a".matches(s) == false"#,
        r#"b && ip == ip("x")"#,
    ] {
        assert_eq!(program(text).foregone(), Some(false), "{text}");
    }
}

#[test]
fn what_may_hold() {
    for text in [
        "b",
        "b || false",
        r#"s == "a" && s2 == "b""#,
        r#"s == "a" && s.startsWith("a")"#,
        r#"s == "a" || s == "b""#,
        r#"s != "a" && s != "b""#,
        r#"(s | "a") == "a" && (s | "b") == "b""#,
        r#"m["k"] == "a" && m["j"] == "b""#,
        r#"m["k"] == "" && (m["k"] | "x") == "x""#,
        r#"s.startsWith("/a") && s.startsWith("/a/b")"#,
        r#"s.startsWith("/a") && s.startsWith("/a/b") == false"#,
        r#"s.startsWith("/a") && s.endsWith("/b")"#,
        "i >= 5 && i <= 5",
        "(d < 1.5) == false && (d > 0.5) == false",
        r#"dns == dnsName("a.b") && dns == dnsName("A.B.")"#,
        r#"ip == ip("1.2.3.4") && ip == ip("::ffff:1.2.3.4")"#,
        "conditional(b, b == false, true)",
        // Never, but that takes more than single comparisons with constants.
        "s == s2 && s != s2",
    ] {
        assert_eq!(program(text).foregone(), None, "{text}");
    }
}

#[test]
fn what_always_holds() {
    for text in ["true", "1 == 1", "true || b", "false || true", "conditional(true, true, b)"] {
        assert_eq!(program(text).foregone(), Some(true), "{text}");
    }
    // An attribute may be absent, and that is an error.
    for text in ["b || true", "b || b == false", r#"s == "a" || s != "a""#] {
        assert_eq!(program(text).foregone(), None, "{text}");
    }
}

#[test]
fn requirements_are_what_every_way_has_in_common() {
    check_each(
        &[
            r#"s == "a" && i < 5 && (b || s2 == "b")"#,
            r#"(m["k"] | "-") != "-" && dns == dnsName("a.b") && ip != ip("1.2.3.4")"#,
            r#"(s.startsWith("a") || match(s, "*b") || "^c".matches(s)) == false"#,
            r#"b && t >= timestamp("2017-01-02T03:04:05Z")"#,
            r#"s == "a" || s == "b""#,
        ],
        |text| {
            let requirements = program(text).requirements();
            let line = |r: &Requirement| format!("{r} at {}", &text[r.span.clone()]);
            requirements.iter().map(line).collect::<Vec<_>>().join("\n")
        },
        expect![[r#"
            s == "a" && i < 5 && (b || s2 == "b")
                s == "a" at s
                i < 5 at i
            (m["k"] | "-") != "-" && dns == dnsName("a.b") && ip != ip("1.2.3.4")
                m["k"] != "-" at m["k"]
                dns == dnsName("a.b") at dns
                ip != ip("1.2.3.4") at ip
            (s.startsWith("a") || match(s, "*b") || "^c".matches(s)) == false
                (s.startsWith("a")) == false at s
                (match(s, "*b")) == false at s
                ("^c".matches(s)) == false at s
            b && t >= timestamp("2017-01-02T03:04:05Z")
                b == true at b
                t >= timestamp("2017-01-02T03:04:05Z") at t
            s == "a" || s == "b"
        "#]],
    );
}

#[test]
fn programs_that_cannot_hold_together() {
    let both = |a: &str, b: &str| can_all_hold([&program(a), &program(b)]);
    assert!(!both(r#"s == "a""#, r#"s == "b" && b"#));
    assert!(!both(r#"s == "a" || s == "c""#, r#"s == "b""#));
    assert!(both(r#"s == "a""#, r#"s == "b" || b"#));
    assert!(both("b", "b"));
}

#[test]
fn the_search_ends() {
    // Each of these has two ways, and no two of them hold together.
    let all: Vec<_> = (0..200).map(|n| format!("(i == {n} || i == {})", n + 1000)).collect();
    assert_eq!(program(&all.join(" && ")).foregone(), Some(false));
    // A thousand ways each, all of them good.
    let one: Vec<_> = (0..100).map(|n| format!("i != {n}")).collect();
    let all = vec![format!("({})", one.join(" || ")); 8].join(" && ");
    assert_eq!(program(&all).foregone(), None);
}
