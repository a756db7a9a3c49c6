//! Tests of what a program becomes: which attributes and keys are left to be read.

use std::collections::BTreeMap;

use attributes::ValueType;
use expect_test::{Expect, expect};

use crate::compile;
use crate::testing::check_each;

fn check_reads(texts: &[&str], expected: Expect) {
    check_each(texts, outcome, expected);
}

fn outcome(text: &str) -> String {
    let manifest: BTreeMap<_, _> = [
        ("s", ValueType::String),
        ("s2", ValueType::String),
        ("i", ValueType::Int64),
        ("b", ValueType::Bool),
        ("m", ValueType::StringMap),
        ("m2", ValueType::StringMap),
    ]
    .map(|(name, value_type)| (name.to_owned(), value_type))
    .into();
    let program = compile(text, &manifest).unwrap();
    let reads: Vec<_> = program.reads().iter().map(ToString::to_string).collect();
    reads.join(", ")
}

#[test]
fn attributes_and_keys_are_read() {
    check_reads(
        &[
            "1 + 2 == 3",
            "s == s2 && s != \"x\"",
            "m[\"k\"] == m[\"l\"] || b",
            "m[s] == \"x\"",
            "m[toLower(\"K\")] == \"x\"",
            "(m | m2)[\"k\"] | s",
            "conditional(b, m, m2)[\"k\"]",
            "m | emptyStringMap()",
            "emptyStringMap()[s]",
        ],
        expect![[r#"
            1 + 2 == 3
            s == s2 && s != "x"
                s, s2
            m["k"] == m["l"] || b
                m["k"], m["l"], b
            m[s] == "x"
                m, s
            m[toLower("K")] == "x"
                m["k"]
            (m | m2)["k"] | s
                m["k"], m2["k"], s
            conditional(b, m, m2)["k"]
                b, m["k"], m2["k"]
            m | emptyStringMap()
                m
            emptyStringMap()[s]
                s
        "#]],
    );
}

#[test]
fn what_is_never_reached_is_not_read() {
    check_reads(
        &["\"x\" | s", "s | toLower(s2) | m[\"k\"]"],
        expect![[r#"
        "x" | s
        s | toLower(s2) | m["k"]
            s, s2
    "#]],
    );
}

#[test]
fn programs_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<crate::Program>();
}
