//! What holds for every text, every program and every request.

use std::collections::BTreeMap;

use attributes::{Bag, Duration, Kind, StringMap, Timestamp, Value, ValueType};
use checkcache::{Recorder, Target, Test};
use proptest::prelude::*;

use crate::{EvalError, Program, Tuning, can_all_hold, compile, parser, pattern};

/// One attribute of every type, named after its first letters, and a second one of some.
fn manifest() -> BTreeMap<String, ValueType> {
    [
        ("s", ValueType::String),
        ("s2", ValueType::String),
        ("i", ValueType::Int64),
        ("d", ValueType::Double),
        ("b", ValueType::Bool),
        ("t", ValueType::Timestamp),
        ("ip", ValueType::IpAddress),
        ("mail", ValueType::EmailAddress),
        ("uri", ValueType::Uri),
        ("dns", ValueType::DnsName),
        ("span", ValueType::Duration),
        ("m", ValueType::StringMap),
        ("m2", ValueType::StringMap),
    ]
    .map(|(name, value_type)| (name.to_owned(), value_type))
    .into()
}

/// Texts that are somewhat like expressions.
fn soup() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "a", "b.c", "true", "1", "2.5", "\"x\"", "\"5s\"", "`r`", "'c'", "(", ")", "[", "]", ".", ",", "==",
        "!=", "<", "<=", ">", ">=", "&&", "||", "|", "+", "-", "!", "*", "/", "%", "^", "&", "&^", "<<",
        ">>", "=", "{", " ", "\n", "//", "/*", "*/", "\"", "\\", "f(", "é", "0x1", "1e9",
    ]);
    prop::collection::vec(word, 0..24).prop_map(|words| words.concat())
}

/// Expressions by their grammar, of a type or of nearly one.
fn expression() -> impl Strategy<Value = String> {
    let names: Vec<String> = manifest().into_keys().collect();
    let leaf = prop_oneof![
        4 => prop::sample::select(names),
        1 => prop::sample::select(vec!["true", "FALSE", "0", "42", "1.5", "\"\"", "\"k\"", "\"*\"", "\"a.b\"", "\"2s\""])
            .prop_map(str::to_owned),
        1 => any::<u16>().prop_map(|number| number.to_string()),
        1 => "[a-z\\\\\"\n\u{1}é]{0,4}".prop_map(|text| format!("{text:?}").replace("\\u{1}", "\\x01")),
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let operator = prop::sample::select(vec![
            "==", "!=", "<", "<=", ">", ">=", "&&", "||", "|", "|", "+", "-", "*", "&^",
        ]);
        let function = prop::sample::select(vec![
            "ip",
            "timestamp",
            "dnsName",
            "email",
            "uri",
            "size",
            "toLower",
            "match",
            "conditional",
            "EQ",
            "OR",
        ]);
        let method = prop::sample::select(vec!["matches", "startsWith", "endsWith"]);
        prop_oneof![
            6 => (inner.clone(), operator, inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            2 => inner.clone().prop_map(|a| format!("({a})")),
            1 => inner.clone().prop_map(|a| format!("!{a}")),
            3 => (inner.clone(), inner.clone()).prop_map(|(m, k)| format!("({m})[{k}]")),
            3 => prop::sample::select(vec!["m[\"k\"]", "m[s]", "(m | m2)[\"k\"]"]).prop_map(str::to_owned),
            3 => (function, prop::collection::vec(inner.clone(), 0..4))
                .prop_map(|(f, arguments)| format!("{f}({})", arguments.join(", "))),
            3 => (inner.clone(), method, inner).prop_map(|(a, f, b)| format!("({a}).{f}({b})")),
        ]
    })
}

/// Programs that compile, of a type, by construction.
fn typed(value_type: ValueType) -> BoxedStrategy<String> {
    let attributes = manifest().into_iter().filter(move |(_, t)| *t == value_type).map(|(name, _)| name);
    let attribute = prop::sample::select(attributes.collect::<Vec<_>>());
    let constants: &[&str] = match value_type {
        ValueType::String => &["\"\"", "\"k\"", "\"a.b\"", "\"1.2.3.4\"", "\"^a\"", "\"*b\"", "\"[\""],
        ValueType::Int64 => &["0", "7", "9223372036854775807"],
        ValueType::Double => &["0.0", "1.5", "1e300"],
        ValueType::Bool => &["true", "false"],
        ValueType::Timestamp => &["timestamp(\"2017-01-02T03:04:05Z\")"],
        ValueType::IpAddress => &["ip(\"1.2.3.4\")", "ip(\"::ffff:1.2.3.4\")", "ip(\"x\")"],
        ValueType::EmailAddress => &["email(\"a@b\")"],
        ValueType::Uri => &["uri(\"http://a\")"],
        ValueType::DnsName => &["dnsName(\"a.b\")"],
        ValueType::Duration => &["\"5s\""],
        ValueType::StringMap => &["emptyStringMap()"],
    };
    prop_oneof![3 => attribute, 1 => prop::sample::select(constants.to_vec()).prop_map(str::to_owned)].boxed()
}

fn typed_deep(value_type: ValueType, depth: u32) -> BoxedStrategy<String> {
    if depth == 0 {
        return typed(value_type);
    }
    let of = move |value_type| typed_deep(value_type, depth - 1);
    let or = (of(value_type), of(value_type)).prop_map(|(a, b)| format!("({a} | {b})"));
    let conditional = (of(ValueType::Bool), of(value_type), of(value_type))
        .prop_map(|(c, a, b)| format!("conditional({c}, {a}, {b})"));
    let text = move || of(ValueType::String);
    let own = match value_type {
        ValueType::String => prop_oneof![
            (of(ValueType::StringMap), text()).prop_map(|(m, k)| format!("{m}[{k}]")),
            (text(), text()).prop_map(|(a, b)| format!("({a} + {b})")),
            text().prop_map(|a| format!("toLower({a})")),
        ]
        .boxed(),
        ValueType::Int64 => prop_oneof![
            text().prop_map(|a| format!("size({a})")),
            (of(ValueType::Int64), of(ValueType::Int64)).prop_map(|(a, b)| format!("({a} + {b})")),
        ]
        .boxed(),
        ValueType::Bool => prop_oneof![
            (of(ValueType::Bool), of(ValueType::Bool)).prop_map(|(a, b)| format!("({a} && {b})")),
            (of(ValueType::Bool), of(ValueType::Bool)).prop_map(|(a, b)| format!("({a} || {b})")),
            (text(), text()).prop_map(|(a, b)| format!("{a}.startsWith({b})")),
            (text(), text()).prop_map(|(a, b)| format!("{a}.matches({b})")),
            (text(), text()).prop_map(|(a, b)| format!("match({a}, {b})")),
            any_with_order()
                .prop_flat_map(move |t| (of(t), prop::sample::select(vec!["<", "<=", ">", ">="]), of(t)))
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (text(), text()).prop_map(|(a, b)| format!("{a}.endsWith({b})")),
            any_with_equality()
                .prop_flat_map(move |t| (of(t), prop::sample::select(vec!["==", "!="]), of(t)))
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        ]
        .boxed(),
        ValueType::IpAddress => text().prop_map(|a| format!("ip({a})")).boxed(),
        ValueType::Timestamp => text().prop_map(|a| format!("timestamp({a})")).boxed(),
        ValueType::DnsName => text().prop_map(|a| format!("dnsName({a})")).boxed(),
        ValueType::EmailAddress => text().prop_map(|a| format!("email({a})")).boxed(),
        ValueType::Uri => text().prop_map(|a| format!("uri({a})")).boxed(),
        ValueType::Double | ValueType::Duration | ValueType::StringMap => typed(value_type),
    };
    prop_oneof![2 => typed(value_type), 2 => or, 1 => conditional, 3 => own].boxed()
}

fn value_of(value_type: ValueType) -> BoxedStrategy<Value> {
    match value_type.carrier() {
        Kind::String => prop::sample::select(vec![
            "",
            "k",
            "a.b",
            "A.B.",
            "x@y.z",
            "http://A/",
            "1.2.3.4",
            "[",
            "*",
            "ab",
            "2017-01-02T03:04:05Z",
        ])
        .prop_map(Value::from)
        .boxed(),
        Kind::Int64 => prop_oneof![Just(7), any::<i64>()].prop_map(Value::Int64).boxed(),
        Kind::Double => any::<f64>().prop_map(Value::Double).boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Timestamp => {
            any::<i32>().prop_map(|s| Value::Timestamp(Timestamp { seconds: s.into(), nanos: 0 })).boxed()
        }
        Kind::Duration => any::<i64>().prop_map(|n| Value::Duration(Duration::from_nanos(n.into()))).boxed(),
        Kind::Bytes => prop_oneof![
            Just(vec![1, 2, 3, 4]),
            Just(vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4]),
            prop::collection::vec(any::<u8>(), 0..18),
        ]
        .prop_map(|bytes| Value::Bytes(bytes.into()))
        .boxed(),
        Kind::StringMap => prop::sample::subsequence(vec![("k", "v"), ("a.b", ""), ("", "*")], 0..=3)
            .prop_map(|entries| Value::from(entries.into_iter().collect::<StringMap>()))
            .boxed(),
    }
}

fn any_type() -> impl Strategy<Value = ValueType> {
    prop::sample::select(ValueType::ALL.to_vec())
}

/// Spans and maps have no equality.
fn any_with_equality() -> impl Strategy<Value = ValueType> {
    let has_equality = |t: &ValueType| !matches!(t, ValueType::Duration | ValueType::StringMap);
    prop::sample::select(ValueType::ALL.into_iter().filter(has_equality).collect::<Vec<_>>())
}

fn any_with_order() -> impl Strategy<Value = ValueType> {
    let ordered = [ValueType::String, ValueType::Int64, ValueType::Double, ValueType::Timestamp];
    prop::sample::select(ordered.to_vec())
}

/// Any attribute may be absent, and now and then one has a value of any kind.
fn bag() -> impl Strategy<Value = Bag> {
    let attribute = |(name, value_type): (String, ValueType)| {
        prop_oneof![
            4 => Just(None),
            8 => value_of(value_type).prop_map(Some),
            1 => any_type().prop_flat_map(value_of).prop_map(Some),
        ]
        .prop_map(move |value| value.map(|value| (name.clone(), value)))
    };
    let attributes: Vec<_> = manifest().into_iter().map(attribute).collect();
    attributes.prop_map(|attributes| attributes.into_iter().flatten().collect())
}

fn program() -> impl Strategy<Value = String> {
    any_type().prop_flat_map(|value_type| typed_deep(value_type, 3))
}

/// Programs of type BOOL, most of them made of comparisons with few constants, so that many contradict each other.
fn conditions() -> impl Strategy<Value = String> {
    let texts = || prop::sample::select(vec!["s", "m[\"k\"]", "(s | \"k\")", "(m[\"k\"] | \"ab\")"]);
    let constants = || prop::sample::select(vec!["\"\"", "\"k\"", "\"ab\"", "\"a.b\"", "\"*\"", "\"v\""]);
    let relation = || prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        4 => (texts(), relation(), constants()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        2 => (texts(), prop::sample::select(vec!["startsWith", "endsWith"]), constants())
            .prop_map(|(a, f, b)| format!("{a}.{f}({b})")),
        1 => (texts(), prop::sample::select(vec!["a*", "*b", "ab", "*"])).prop_map(|(a, p)| format!("match({a}, \"{p}\")")),
        1 => (prop::sample::select(vec!["^a", "b$", "^$"]), texts()).prop_map(|(p, a)| format!("\"{p}\".matches({a})")),
        2 => (prop::sample::select(vec!["i", "(i | 7)"]), relation(), prop::sample::select(vec!["6", "7", "8"]))
            .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        1 => (relation(), prop::sample::select(vec!["0.0", "1.5"])).prop_map(|(op, b)| format!("(d {op} {b})")),
        1 => prop::sample::select(vec!["dns == dnsName(\"A.b\")", "dns != dnsName(\"a.b.\")", "ip == ip(\"1.2.3.4\")",
            "ip == ip(\"::ffff:1.2.3.4\")", "uri == uri(\"http://a\")", "mail == email(\"x@Y.z\")"]).prop_map(|condition| format!("({condition})")),
        1 => prop::sample::select(vec!["b", "true", "false"]).prop_map(str::to_owned),
        1 => typed_deep(ValueType::Bool, 1),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        let operator = prop::sample::select(vec!["&&", "&&", "||", "==", "!="]);
        prop_oneof![
            4 => (inner.clone(), operator, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            1 => inner.clone().prop_map(|a| format!("({a} == false)")),
            1 => (inner.clone(), inner.clone(), inner).prop_map(|(c, a, b)| format!("conditional({c}, {a}, {b})")),
        ]
    })
}

/// Regular expressions, most of them well-formed.
fn regular_expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a",
        "b",
        "é",
        "ſ",
        "K",
        ".",
        "^",
        "$",
        "[ab]",
        "[^a]",
        "[a-é]",
        r"\d",
        r"\w",
        r"\W",
        r"\s",
        r"\b",
        r"\B",
        r"\pL",
        "[[:alpha:]]",
        r"\.",
        "/",
        r"\A",
        r"\z",
        r"\Qa.\E",
        "\n",
        "",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 16, 3, |inner| {
        let suffix = prop::sample::select(vec!["*", "+", "?", "{2}", "{1,3}", "*?", "+?"]);
        let flags = prop::sample::select(vec!["", "?:", "?i:", "?s:", "?m:", "?im:", "?U:"]);
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            2 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}|{b}")),
            2 => (inner.clone(), suffix).prop_map(|(a, suffix)| format!("(?:{a}){suffix}")),
            2 => (flags, inner).prop_map(|(flags, a)| format!("({flags}{a})")),
        ]
    })
}

/// Texts of the characters that patterns are made of.
fn haystack() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[ab./ \\nékKſS0_\u{10ffff}]{0,8}", 1 => "\\PC{0,8}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,64}") {
        let _ = compile(&text, &manifest());
    }

    #[test]
    fn almost_expressions_are_parsed_or_refused_where_they_are(text in soup()) {
        if let Err(error) = compile(&text, &manifest()) {
            prop_assert!(text.get(error.span.clone()).is_some(), "{error:?} is not about a part of the text");
        }
    }

    #[test]
    fn what_is_printed_parses_to_the_same(text in prop_oneof![expression(), soup()]) {
        if let Ok(expr) = parser::parse(&text) {
            let printed = expr.to_string();
            match parser::parse(&printed) {
                Ok(again) => prop_assert_eq!(expr, again, "printed as {}", printed),
                Err(error) => prop_assert!(false, "printed as {printed}: {error}"),
            }
        }
    }

    #[test]
    fn a_program_has_values_of_its_type(text in prop_oneof![1 => expression(), 3 => program()], bag in bag()) {
        if let Ok(program) = compile(&text, &manifest()) {
            let result = program.evaluate(&mut Recorder::new(&bag));
            if let Ok(value) = &result {
                prop_assert_eq!(value.kind(), program.result_type().carrier());
            }
            if program.result_type() == ValueType::Bool {
                let truth = program.evaluate_bool(&mut Recorder::new(&bag)).map(Value::Bool);
                prop_assert_eq!(result, truth);
            }
        }
    }

    #[test]
    fn typed_programs_compile(text in program()) {
        if let Err(error) = compile(&text, &manifest()) {
            prop_assert!(false, "{error}");
        }
    }

    /// The law that the check cache stands on.
    #[test]
    fn what_is_seen_decides(text in program(), first in bag(), second in bag(), mask in any::<u16>()) {
        let program = compile(&text, &manifest()).unwrap();
        let mut recorder = Recorder::new(&first);
        let result = program.evaluate(&mut recorder);
        let trace = recorder.into_trace();

        // Another request that shares some attributes with the first, so that the trace often holds for it.
        let mut other = first.clone();
        for (_, name) in manifest().keys().enumerate().filter(|(index, _)| mask >> index & 1 == 1) {
            match second.value(name) {
                Some(value) => other.insert(name.as_str(), value.clone()),
                None => other.remove(name),
            };
        }
        if trace.holds_for(&other) {
            prop_assert_eq!(&result, &program.evaluate(&mut Recorder::new(&other)), "after\n{}", trace);
        }

        // And nothing is seen that was not announced.
        let reads = program.reads();
        for seen in trace.observations() {
            let whole = Target::Attribute(seen.target().attribute().clone());
            // Whoever has one entry of a map knows that the map is there.
            let by_key = *seen.test() == Test::Present
                && reads.iter().any(|read| read.attribute() == seen.target().attribute());
            let announced = reads.contains(seen.target()) || reads.contains(&whole) || by_key;
            prop_assert!(announced, "{} is not in {reads:?}", seen.target());
        }
    }

    /// Whether attributes are tested or read makes no difference to any result.
    #[test]
    fn tests_and_values_lead_to_the_same(text in program(), bag in bag()) {
        let mut program = compile(&text, &manifest()).unwrap();
        let tested = program.evaluate(&mut Recorder::new(&bag));
        program.tune(&Tuning::by_value());
        let mut recorder = Recorder::new(&bag);
        prop_assert_eq!(&tested, &program.evaluate(&mut recorder));
        for seen in recorder.into_trace().observations() {
            prop_assert!(matches!(seen.test(), Test::Value | Test::Present), "{}", seen);
        }
    }

    /// What never holds does not, and what always does does.
    #[test]
    fn what_is_known_beforehand_is_so(first in conditions(), second in conditions(), bags in prop::collection::vec(bag(), 16)) {
        let programs = [compile(&first, &manifest()).unwrap(), compile(&second, &manifest()).unwrap()];
        let [one, other] = &programs;
        for bag in &bags {
            let truth = |program: &Program| program.evaluate_bool(&mut Recorder::new(bag));
            for program in &programs {
                match program.foregone() {
                    Some(true) => prop_assert_eq!(truth(program), Ok(true), "{}", program.text()),
                    Some(false) => prop_assert_ne!(truth(program), Ok(true), "{}", program.text()),
                    None => {}
                }
            }
            if truth(one) == Ok(true) && truth(other) == Ok(true) {
                prop_assert!(can_all_hold(&programs), "{first} and {second} for {bag:?}");
                for a in one.requirements() {
                    for b in other.requirements() {
                        prop_assert!(!a.contradicts(&b), "{a} and {b} for {bag:?}");
                    }
                }
            }
        }
    }

    /// A pattern's table finds what the pattern finds.
    #[test]
    fn tables_match_what_patterns_match(pattern in regular_expression(), texts in prop::collection::vec(haystack(), 8)) {
        if let (Ok(regex), Some(matcher)) = (pattern::regex(&pattern), pattern::matcher(&pattern)) {
            for text in texts {
                prop_assert_eq!(matcher.is_match(&text), Some(regex.is_match(&text)), "{:?} in {:?}", pattern, text);
            }
        }
    }

    #[test]
    fn without_attributes_nothing_but_a_lookup_fails(text in prop::sample::select(vec!["s", "m[\"k\"]", "s | s2", "(m | m2)[s]"])) {
        let program = compile(text, &manifest()).unwrap();
        let nothing = Bag::new();
        let result = program.evaluate(&mut Recorder::new(&nothing));
        prop_assert!(matches!(result, Err(EvalError::LookupFailed(_))), "{result:?}");
    }
}
