//! What comparisons with constants leave in the trace, and that it decides.

use std::collections::{BTreeMap, HashMap, HashSet};

use attributes::{Bag, StringMap, Value, ValueType};
use checkcache::{Recorder, Trace};
use expect_test::expect;

use super::check;
use crate::{EvalError, Program, Tuning, compile};

#[test]
fn only_the_outcome_of_a_comparison_counts() {
    check(
        r#"s == "x" || s != "y""#,
        "s=z",
        expect![[r#"
            = "true"
            s == "x"? no
            s == "y"? no
        "#]],
    );
    check(
        r#""x" == s"#,
        "s=x",
        expect![[r#"
            = "true"
            s == "x"? yes
        "#]],
    );
    check(
        r#"s.startsWith("/a/") && s.endsWith("z") && match(s, "*yz") && match(s, "/a*") && match(s, "/a/yz")"#,
        "s=/a/yz",
        expect![[r#"
            = "true"
            s starts with "/a/"? yes
            s ends with "z"? yes
            s ends with "yz"? yes
            s == "/a/yz"? yes
        "#]],
    );
    check(
        r#""^/v[0-9]+/".matches(s)"#,
        "s=/v12/x",
        expect![[r#"
            = "true"
            s matches "^/v[0-9]+/"? yes
        "#]],
    );
    check(
        r#"5 < i && i <= 9 && i != 8 && b == true"#,
        "i=7 b=true",
        expect![[r#"
            = "true"
            i > 5? yes
            i <= 9? yes
            i == 8? no
            b == true? yes
        "#]],
    );
    check(
        r#"t >= timestamp("2017-01-02T03:04:05Z") && t == timestamp("2017-01-02T03:04:05+01:00")"#,
        "t=2017-01-02T03:04:05Z",
        expect![[r#"
            = "false"
            t >= 2017-01-02T03:04:05Z? yes
        "#]],
    );
}

#[test]
fn entries_of_maps_are_tested_alone() {
    check(
        r#"m["k"] == "x""#,
        "m=k:y",
        expect![[r#"
            = "false"
            m["k"] == "x"? no
        "#]],
    );
    // An absent key is the empty text, and absent it stays in the trace.
    check(
        r#"m["k"] == "" && m["k"] < "a" && m["l"] != """#,
        "m=l:y",
        expect![[r#"
            = "true"
            m["k"] == ""? absent
            m["l"] == ""? no
        "#]],
    );
    check(
        r#"m["k"] == """#,
        "",
        expect![[r#"
            error: lookup failed: 'm'
            m["k"] == ""? absent, as its whole map is
        "#]],
    );
    check(
        r#"(m | m2)[s] == "x""#,
        "m2=k:x s=k",
        expect![[r#"
            = "true"
            m present? no
            m2 present? yes
            s is "k"
            m2["k"] == "x"? yes
        "#]],
    );
}

#[test]
fn a_comparison_goes_through_alternatives_and_branches() {
    check(
        r#"(s | "d") == "d""#,
        "",
        expect![[r#"
            = "true"
            s == "d"? absent
        "#]],
    );
    check(
        r#"(m["k"] | s | "").startsWith("x")"#,
        "m= s=xy",
        expect![[r#"
            = "true"
            m["k"] starts with "x"? absent
            s starts with "x"? yes
        "#]],
    );
    check(
        r#"(m["k"] | s) == "x""#,
        "",
        expect![[r#"
            error: lookup failed: 's'
            m["k"] == "x"? absent, as its whole map is
            s == "x"? absent
        "#]],
    );
    check(
        r#"conditional(b, s, s2) == "x""#,
        "b=true s=x s2=y",
        expect![[r#"
            = "true"
            b is true
            s == "x"? yes
        "#]],
    );
    // What is made of a value is made of the value.
    check(
        r#"(s | toLower(s2)) == "x""#,
        "s2=X",
        expect![[r#"
            = "true"
            s == "x"? absent
            s2 is "X"
        "#]],
    );
}

#[test]
fn values_count_where_they_are_used() {
    check(
        r#"s == s2 && s == "x""#,
        "s=x s2=x",
        expect![[r#"
            = "true"
            s is "x"
            s2 is "x"
        "#]],
    );
    for (text, attributes, observed) in [
        ("f == 1.5", "f=1.5", "f is 1.5\n"),
        ("a == ip(\"1.2.3.4\")", "a=::ffff:1.2.3.4", "a is 1.2.3.4\n"),
        ("d == dnsName(\"a.b\")", "d=A.B", "d is \"A.B\"\n"),
        ("e == email(\"a@b\")", "e=a@b", "e is \"a@b\"\n"),
        ("u == uri(\"http://a\")", "u=http://a", "u is \"http://a\"\n"),
    ] {
        let (manifest, bag) = super::manifest_and_bag(attributes);
        let outcome = super::outcome(text, &manifest, &bag);
        assert_eq!(outcome, format!("= \"true\"\n{observed}"), "{text}");
    }
}

#[test]
fn a_large_regular_expression_reads_the_value() {
    check(
        r#""^\\pL{2}$".matches(s)"#,
        "s=ab",
        expect![[r#"
            = "true"
            s is "ab"
        "#]],
    );
}

#[test]
fn what_is_tuned_is_read_by_value() {
    let (manifest, bag) = super::manifest_and_bag("s=x m=k:x");
    let text = r#"s == "x" && m["k"] == "x" && m["l"] != "x""#;
    let observed = |tuning: Option<Tuning>| {
        let mut program = compile(text, &manifest).unwrap();
        if let Some(tuning) = &tuning {
            program.tune(tuning);
        }
        let mut recorder = Recorder::new(&bag);
        program.evaluate(&mut recorder).unwrap();
        let looks: Vec<_> = program.looks().into_iter().map(|look| (look.target, look.test)).collect();
        let trace = recorder.into_trace();
        let seen: Vec<_> =
            trace.observations().iter().map(|seen| (seen.target().clone(), seen.test().clone())).collect();
        assert_eq!(looks, seen, "where everything is looked at, this is where");
        trace.to_string()
    };
    let program = compile(text, &manifest).unwrap();
    let key = program.reads().into_iter().nth(1);
    expect![[r#"
        s == "x"? yes
        m["k"] == "x"? yes
        m["l"] == "x"? absent

        s == "x"? yes
        m["k"] is "x"
        m["l"] == "x"? absent

        s is "x"
        m["k"] is "x"
        m["l"] is absent
    "#]]
    .assert_eq(
        &[observed(None), observed(Some(key.into_iter().collect())), observed(Some(Tuning::by_value()))]
            .join("\n"),
    );
}

// === the law, exhaustively ===

/// Comparisons of every subject with every test.
fn comparisons() -> Vec<String> {
    let subjects = [
        r"a",
        r#"m["k"]"#,
        r#"(a | "x")"#,
        r#"(m["k"] | "x")"#,
        r#"(a | m["k"])"#,
        r#"(m["k"] | a | "")"#,
        r#"(m | n)["k"]"#,
        r"m[a]",
        r#"(m[a] | "")"#,
        r#"conditional(i == 1, a, m["k"])"#,
    ];
    let mut texts = Vec::new();
    for subject in subjects {
        for constant in ["", "x", "xy"] {
            texts.push(format!("{subject} == {constant:?}"));
            texts.push(format!("{constant:?} != {subject}"));
            texts.push(format!("{subject} < {constant:?}"));
            texts.push(format!("{constant:?} <= {subject}"));
            texts.push(format!("{subject}.startsWith({constant:?})"));
            texts.push(format!("{subject}.endsWith({constant:?})"));
            texts.push(format!("match({subject}, \"{constant}*\")"));
            texts.push(format!("match({subject}, \"*{constant}\")"));
        }
        texts.push(format!("\"^.y*$\".matches({subject})"));
        texts.push(format!("{subject} == a"));
    }
    texts.extend(["i == 1", "i != 1", "i < 2", "1 < i", "(i | 2) == 2"].map(str::to_owned));
    texts
}

fn bags() -> Vec<Bag> {
    let map = |entries: &[(&str, &str)]| Value::from(entries.iter().copied().collect::<StringMap>());
    let choices: [(&str, Vec<Value>); 4] = [
        ("a", vec!["".into(), "x".into(), "xy".into(), "k".into(), 1.into()]),
        (
            "m",
            vec![map(&[]), map(&[("k", "")]), map(&[("k", "x")]), map(&[("k", "y"), ("x", "x")]), "m".into()],
        ),
        ("n", vec![map(&[("k", "xy")])]),
        ("i", vec![1.into(), 2.into(), "1".into()]),
    ];
    let mut bags = vec![Bag::new()];
    for (name, values) in choices {
        let mut with = bags.clone();
        for bag in &bags {
            with.extend(values.iter().map(|value| {
                let mut bag = bag.clone();
                bag.insert(name, value.clone());
                bag
            }));
        }
        bags = with;
    }
    bags
}

fn manifest() -> BTreeMap<String, ValueType> {
    let types = [
        ("a", ValueType::String),
        ("i", ValueType::Int64),
        ("m", ValueType::StringMap),
        ("n", ValueType::StringMap),
    ];
    types.map(|(name, value_type)| (name.to_owned(), value_type)).into()
}

fn run(program: &Program, bag: &Bag) -> (Result<Value, EvalError>, Trace) {
    let mut recorder = Recorder::new(bag);
    (program.evaluate(&mut recorder), recorder.into_trace())
}

/// Checks a program with every bag: whatever has the trace has the result, and reading by value has the same results.
/// Returns how many traces there are, and how many when everything is read by value.
fn check_law(text: &str, bags: &[Bag]) -> (usize, usize) {
    let program = compile(text, &manifest()).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut by_value = program.clone();
    by_value.tune(&Tuning::by_value());
    let mut results: HashMap<Trace, Result<Value, EvalError>> = HashMap::new();
    let mut value_traces = HashSet::new();
    let mut fresh = Vec::with_capacity(bags.len());
    for bag in bags {
        let (result, trace) = run(&program, bag);
        let (read, value_trace) = run(&by_value, bag);
        assert_eq!(result, read, "{text} by value, for {bag:?}");
        results.entry(trace).or_insert(result);
        value_traces.insert(value_trace);
        fresh.push(read);
    }
    for (bag, fresh) in bags.iter().zip(&fresh) {
        let holding: Vec<_> = results.iter().filter(|(trace, _)| trace.holds_for(bag)).collect();
        // What a lookup walks along is the request's own trace and no other: they are one tree.
        let [(trace, result)] = holding.as_slice() else { panic!("{text} for {bag:?}: {holding:?}") };
        assert_eq!(*result, fresh, "{text} for {bag:?} after\n{trace}");
    }
    (results.len(), value_traces.len())
}

#[test]
fn a_trace_decides_for_all_small_programs_and_all_bags() {
    let (comparisons, bags) = (comparisons(), bags());
    let mut programs = comparisons.clone();
    // Pairs of a sample that has every subject and every test in it.
    let sample: Vec<_> = comparisons.iter().step_by(7).collect();
    for first in &sample {
        for second in &sample {
            programs.push(format!("{first} && {second}"));
            programs.push(format!("{first} || {second}"));
        }
    }
    let (mut by_test, mut by_value) = (0, 0);
    for text in &programs {
        let (tests, values) = check_law(text, &bags);
        by_test += tests;
        by_value += values;
    }
    println!(
        "{} programs for {} bags: {by_test} traces of tests, {by_value} of values",
        programs.len(),
        bags.len()
    );
    assert!(by_test < by_value);
}
