//! The language against the outcomes of the one that came before, where its vectors are at hand.
//!
//! What differs on purpose differs by a rule, and the rules are in [`Decision`]: cases that are added to the vectors are
//! held to them as well.

mod extra;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use attributes::{Bag, Duration, StringMap, Timestamp, Value, ValueType};
use checkcache::{Observation, Outcome, Recorder, Target, Test, Trace};
use serde_json::{Map, Value as Json};

use crate::{EvalError, compile};

/// Why a case's outcome is not ours to the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Decision {
    /// It needs a function that the test of the other system adds to the language.
    CustomFunction,
    /// It is refused, as it was; but how a text is broken is said in our words and not in those of Go's parser.
    ParserWording,
    /// It is refused, as it was; but an operator that its operands' type does not have is the author's mistake and not
    /// the compiler's.
    NotAnInternalError,
    /// It fails, as it did, because an attribute is not of its type; the types are called by their names in manifests.
    TypeWording,
}

/// The vectors: where the environment says, else beside the checkout.
fn vectors() -> Option<Json> {
    let folder = std::env::var_os("MIXER_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"), PathBuf::from);
    let Ok(text) = fs::read_to_string(folder.join("expressions.json")) else {
        eprintln!("skipped: no vectors for expressions (set MIXER_VECTORS to their folder)");
        return None;
    };
    Some(serde_json::from_str(&text).expect("the vectors are JSON"))
}

#[test]
fn every_case_has_its_outcome() {
    let Some(vectors) = vectors() else { return };
    let (mut passed, mut decided, mut failures) = (0, BTreeMap::<_, Vec<i64>>::new(), Vec::new());
    let cases = vectors["cases"].as_array().unwrap();
    for case in cases {
        let manifest = manifest(&vectors["manifests"][case["manifest"].as_str().unwrap()]);
        match run(case, &manifest) {
            Ok(None) => passed += 1,
            Ok(Some(decision)) => decided.entry(decision).or_default().push(case["id"].as_i64().unwrap()),
            Err(failure) => failures.push(format!("{} {}: {failure}", case["id"], case["expr"])),
        }
    }
    eprintln!("{passed} of {} cases to the letter, by decision otherwise: {decided:?}", cases.len());
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

fn manifest(types: &Json) -> BTreeMap<String, ValueType> {
    let types = types.as_object().unwrap();
    types.iter().map(|(name, t)| (name.clone(), t.as_str().unwrap().parse().unwrap())).collect()
}

fn run(case: &Json, manifest: &BTreeMap<String, ValueType>) -> Result<Option<Decision>, String> {
    if case.get("custom_functions").is_some() {
        return Ok(Some(Decision::CustomFunction));
    }
    let program = match (compile(case["expr"].as_str().unwrap(), manifest), case.get("compile_error")) {
        (Ok(program), None) => program,
        (Err(error), Some(expected)) => return refusal(&error.message, expected.as_str().unwrap(), case),
        (Ok(_), Some(expected)) => return Err(format!("compiles, expected {expected}")),
        (Err(error), None) => return Err(format!("does not compile: {error}")),
    };
    same(program.result_type().as_str(), case["type"].as_str().unwrap())?;

    let bag: Bag = case["attrs"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), self::value(value)))
        .collect();
    let mut recorder = Recorder::new(&bag);
    match (program.evaluate(&mut recorder), case.get("error_prefix")) {
        (Ok(value), None) => same(&normal(&value), &normal(&self::value(&case["result"])))?,
        (Err(error), Some(prefix)) if error.to_string().starts_with(prefix.as_str().unwrap()) => {}
        (Err(EvalError::WrongKind { .. } | EvalError::NotAMap(_)), Some(prefix))
            if prefix.as_str().unwrap().starts_with("error converting value to") =>
        {
            return Ok(Some(Decision::TypeWording));
        }
        (result, _) => return Err(format!("evaluates to {result:?}")),
    }
    if let Some(references) = case.get("referenced") {
        same(&references_of(&recorder.into_trace()), &expected_references(references))?;
    }
    Ok(None)
}

fn refusal(message: &str, expected: &str, case: &Json) -> Result<Option<Decision>, String> {
    if expected.starts_with("internal compiler error") {
        return Ok(Some(Decision::NotAnInternalError));
    }
    if case.get("compile_error_has_go_parser_text").is_some() {
        let quote_end = expected.find("':").unwrap_or(expected.len());
        return if message.starts_with(&expected[..quote_end]) {
            Ok(Some(Decision::ParserWording))
        } else {
            Err(format!("refused with {message}"))
        };
    }
    same(message, expected).map(|()| None)
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(got: &T, expected: &T) -> Result<(), String> {
    if got == expected { Ok(()) } else { Err(format!("got {got:?}, expected {expected:?}")) }
}

fn value(json: &Json) -> Value {
    let v = &json["v"];
    match json["t"].as_str().unwrap() {
        "string" => v.as_str().unwrap().into(),
        "int64" => Value::Int64(v.as_i64().unwrap()),
        "double" => Value::Double(v.as_f64().unwrap()),
        "bool" => Value::Bool(v.as_bool().unwrap()),
        "timestamp" => Value::Timestamp(Timestamp::parse_rfc3339(v.as_str().unwrap()).unwrap()),
        "duration" => Value::Duration(Duration::from_nanos(json["ns"].as_i64().unwrap().into())),
        "ip" => Value::Bytes(bytes(json["bytes"].as_str().unwrap()).into()),
        "stringmap" => strings(v.as_object().unwrap()).into(),
        // A value of a kind that no attribute has, which is the wrong kind everywhere. Bytes without a notation are the
        // nearest thing.
        "go_int" => Value::Bytes(Vec::new().into()),
        other => panic!("values of the kind {other}"),
    }
}

fn strings(map: &Map<String, Json>) -> StringMap {
    map.iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap())).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A value as text, addresses being equal in both of their lengths.
fn normal(value: &Value) -> String {
    format!("{:?} {value}", value.kind())
}

fn references_of(trace: &Trace) -> BTreeSet<String> {
    let reference = |seen: &Observation| match (&seen.outcome, &seen.test) {
        (Outcome::NoMap, _) => format!("{} absent", seen.target.attribute()),
        (Outcome::Absent, _) | (Outcome::No, Test::Present) => format!("{} absent", seen.target),
        (Outcome::Yes | Outcome::No | Outcome::Value(_) | Outcome::WrongKind, _) => {
            format!("{} present", seen.target)
        }
    };
    without_maps(&trace.observations().iter().map(reference).collect())
}

fn expected_references(references: &Json) -> BTreeSet<String> {
    let reference = |json: &Json| {
        let name = json["name"].as_str().unwrap();
        let target = match json.get("key").and_then(Json::as_str) {
            Some(key) => Target::Key(name.into(), key.into()),
            None => Target::Attribute(name.into()),
        };
        format!("{target} {}", if json["present"] == true { "present" } else { "absent" })
    };
    without_maps(&references.as_array().unwrap().iter().map(reference).collect())
}

/// That a map is there goes without saying where one of its keys is referenced.
fn without_maps(references: &BTreeSet<String>) -> BTreeSet<String> {
    let implied = |reference: &String| {
        let Some(name) = reference.strip_suffix(" present") else { return false };
        references.iter().any(|other| other.starts_with(&format!("{name}[")))
    };
    references.iter().filter(|reference| !implied(reference)).cloned().collect()
}
