//! Tests of patterns: what matches what, as RE2 has it.

use super::{Wildcard, matcher, regex};
use crate::limits;

fn check(pattern: &str, matching: &[&str], others: &[&str]) {
    let regex = regex(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let matcher = matcher(pattern).unwrap_or_else(|| panic!("{pattern} has no table"));
    for text in matching {
        assert!(regex.is_match(text), "{pattern} should match {text:?}, as {regex}");
        assert_eq!(matcher.is_match(text), Some(true), "the table of {pattern} should match {text:?}");
    }
    for text in others {
        assert!(!regex.is_match(text), "{pattern} should not match {text:?}, as {regex}");
        assert_eq!(matcher.is_match(text), Some(false), "the table of {pattern} should not match {text:?}");
    }
}

#[test]
fn patterns_are_not_anchored() {
    check("b+", &["abbc"], &["ac"]);
    check("^b+$", &["b", "bb"], &["ab", "b\n"]);
    check("", &["", "x"], &[]);
}

#[test]
fn classes_are_ascii() {
    check(r"^\d$", &["7"], &["٧", "x"]);
    check(r"^\D$", &["٧", "x"], &["7"]);
    check(r"^[\d.]+$", &["7.7"], &["٧"]);
    check(r"^[^\d.]+$", &["x٧"], &["7"]);
    check(r"^[\D]$", &["x"], &["7"]);
    check(r"^\w+$", &["a_B9"], &["é"]);
    check(r"^\s$", &[" ", "\t"], &["\u{a0}", "\u{b}"]);
    check(r"\bx\b", &["éx", "x"], &["ax"]);
    check(r"a\Bb", &["ab"], &["a b"]);
}

#[test]
fn sets_are_flat() {
    check(r"^[a[b]$", &["a", "[", "b"], &["c"]);
    check(r"^[a&&b]$", &["a", "&", "b"], &["c"]);
    check(r"^[a~~b#]$", &["~", "#"], &["c"]);
    check(r"^[]a]$", &["]", "a"], &["b"]);
    check(r"^[^]a]$", &["b"], &["]", "a"]);
    check(r"^[a-]$", &["a", "-"], &["b"]);
    check(r"^[+--]$", &["+", ",", "-"], &["."]);
    check(r"^[[:digit:]x]$", &["5", "x"], &[":", "d"]);
    check(r"^[[:^digit:]]$", &["x"], &["5"]);
    check(r"^[[:x]$", &["[", ":", "x"], &["y"]);
    check(r"^[a-c\]\-]$", &["b", "]", "-"], &["d"]);
    check(r"^[\x41-\x{43}\pN]$", &["B", "5"], &["D"]);
}

#[test]
fn escapes_are_those_of_re2() {
    check(r"\<x\>", &["<x>"], &["x"]);
    check(r"^\Qa.b*\E$", &["a.b*"], &["axb"]);
    check(r"^\101\x42\x{43}$", &["ABC"], &[]);
    check(r"^\pL+\p{Greek}$", &["éω"], &["5"]);
    check(r"^\.\/\*$", &["./*"], &["x/*"]);
    check(r"^[\n\t\.]$", &["\n", "."], &["x"]);
}

#[test]
fn a_brace_is_a_repetition_only_where_it_can_be_one() {
    check(r"^a{2}$", &["aa"], &["a"]);
    check(r"^a{2,3}$", &["aaa"], &["a"]);
    check(r"^/v1/{id}$", &["/v1/{id}"], &[]);
    check(r"^a{,2}$", &["a{,2}"], &["a"]);
}

#[test]
fn what_is_malformed_or_too_large_is_refused() {
    for pattern in ["[", "(", "*", r"\", r"\1", r"\C", "[b-a]", r"a{99999}{99999}", "(?<=a)b"] {
        regex(pattern).expect_err(pattern);
    }
    regex(&"a".repeat(limits::PATTERN_BYTES + 1)).unwrap_err();
    regex(r"\pL{900}\pL{900}").unwrap_err();
}

#[test]
fn one_star_counts_and_the_last_one_first() {
    for (text, pattern, expected) in [
        ("abc", "ab*", true),
        ("abc", "*bc", true),
        ("abc", "abc", true),
        ("abc", "*", true),
        ("", "*", true),
        ("abc", "ab", false),
        ("abc", "a*c", false),
        // The star at the start is a character here.
        ("xabc", "*abc*", false),
        ("*abcd", "*abc*", true),
    ] {
        assert_eq!(Wildcard::of(pattern).matches(text), expected, "{text} {pattern}");
    }
}

#[test]
fn tables_of_usual_patterns_are_small() {
    let usual = [
        r"^/api/v[0-9]+/users/[^/]+$",
        r"(?i)^mozilla/.*bot",
        r"^[a-z0-9-]{1,63}$",
        r"^/(a|b|c)/.*\.(css|js|png)$",
        r"^[^@]+@example\.com$",
    ];
    for pattern in usual {
        let size = matcher(pattern).map(|matcher| matcher.table().len());
        assert!(size.is_some_and(|size| size < 3_000), "{pattern}: {size:?}");
    }
    // One that takes more than its limit is there without.
    assert!(regex(r"^\pL{2}$").is_ok() && matcher(r"^\pL{2}$").is_none());
}
