//! The smaller tables: the parser, the type checker and the notations by themselves.

use std::collections::BTreeMap;

use attributes::{Bag, Value, ValueType};
use checkcache::Recorder;
use serde_json::Value as Json;

use super::{manifest, vectors};
use crate::ast::Prefix;
use crate::functions::signature;
use crate::{EvalError, compile, parser};

#[test]
fn texts_parse_to_the_same_trees() {
    let Some(vectors) = vectors() else { return };
    for case in vectors["extra"]["parse_ok"].as_array().unwrap() {
        let text = case["expr"].as_str().unwrap();
        let expr = parser::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(Prefix(&expr).to_string(), case["postfix"].as_str().unwrap(), "{text}");
    }
    for case in vectors["extra"]["parse_error"].as_array().unwrap() {
        let text = case["expr"].as_str().unwrap();
        let error = parser::parse(text).expect_err(text).to_string();
        assert!(error.contains(case["error_contains"].as_str().unwrap()), "{text}: {error}");
    }
}

#[test]
fn types_are_the_same() {
    let Some(vectors) = vectors() else { return };
    let extra = &vectors["extra"];
    let of_all = &extra["type_check_all_types"];
    let all = of_all["cases"].as_array().unwrap().iter().map(|case| (case, manifest(&of_all["manifest"])));
    let own = extra["type_check"].as_array().unwrap().iter().map(|case| (case, manifest(&case["attrs"])));
    for (case, manifest) in own.chain(all) {
        let text = case["expr"].as_str().unwrap();
        // Functions that only the other system's test has.
        let functions = case.get("functions").and_then(Json::as_array).into_iter().flatten();
        if functions.into_iter().any(|function| signature(function["Name"].as_str().unwrap()).is_none()) {
            continue;
        }
        match (compile(text, &manifest), case.get("error_contains").and_then(Json::as_str)) {
            (Ok(program), None) => assert_eq!(program.result_type().as_str(), case["type"], "{text}"),
            // A text that is no expression is refused by the parser, in its words.
            (Err(error), Some("failed to parse")) => {
                assert!(error.message.contains("unable to parse"), "{text}: {error}");
            }
            (Err(error), Some(expected)) => assert!(error.message.contains(expected), "{text}: {error}"),
            (result, expected) => panic!("{text}: {result:?}, expected error: {expected:?}"),
        }
    }
}

#[test]
fn notations_mean_the_same() {
    let Some(vectors) = vectors() else { return };
    let functions = &vectors["extra"]["functions"];
    for name in ["dnsName", "email", "uri", "ip", "timestamp"] {
        for (table, valid) in [("ok", true), ("error", false)] {
            for text in functions[name][table].as_array().unwrap() {
                let text = text.as_str().unwrap();
                let result = convert(name, text);
                assert_eq!(result.is_ok(), valid, "{name}({text:?}) is {result:?}");
            }
        }
    }
    let equalities = [
        ("dnsName_equal", ValueType::DnsName),
        ("email_equal", ValueType::EmailAddress),
        ("uri_equal", ValueType::Uri),
    ];
    for (table, value_type) in equalities {
        for (outcome, expected) in [("true", Some(true)), ("false", Some(false)), ("error", None)] {
            for pair in functions[table][outcome].as_array().unwrap() {
                let result = equal(value_type, pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
                assert_eq!(result.clone().ok(), expected, "{table} {pair}: {result:?}");
            }
        }
    }
}

fn convert(function: &str, text: &str) -> Result<Value, EvalError> {
    let manifest = BTreeMap::from([("text".to_owned(), ValueType::String)]);
    let program = compile(&format!("{function}(text)"), &manifest).unwrap();
    let bag: Bag = [("text", text)].into_iter().collect();
    program.evaluate(&mut Recorder::new(&bag))
}

fn equal(value_type: ValueType, a: &str, b: &str) -> Result<bool, EvalError> {
    let manifest = BTreeMap::from([("a".to_owned(), value_type), ("b".to_owned(), value_type)]);
    let program = compile("a == b", &manifest).unwrap();
    let bag: Bag = [("a", a), ("b", b)].into_iter().collect();
    program.evaluate_bool(&mut Recorder::new(&bag))
}
