//! The language against the outcomes of the one that came before, where its vectors are at hand.
//!
//! What differs on purpose differs by a rule, and the rules are in [`Decision`]: cases that are added to the vectors are
//! held to them as well.

mod extra;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use attributes::{Bag, Value, ValueType};
use checkcache::{Recorder, Trace};
use serde_json::Value as Json;

use crate::json::{self, Reference};
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
        .map(|(name, value)| (name.as_str(), json::parse_value(value).unwrap()))
        .collect();
    let mut recorder = Recorder::new(&bag);
    match (program.evaluate(&mut recorder), case.get("error_prefix")) {
        (Ok(value), None) => same(&normal(&value), &normal(&json::parse_value(&case["result"]).unwrap()))?,
        (Err(error), Some(prefix)) if error.to_string().starts_with(prefix.as_str().unwrap()) => {}
        (Err(EvalError::WrongKind { .. } | EvalError::NotAMap(_)), Some(prefix))
            if prefix.as_str().unwrap().starts_with("error converting value to") =>
        {
            return Ok(Some(Decision::TypeWording));
        }
        (result, _) => return Err(format!("evaluates to {result:?}")),
    }
    if let Some(references) = case.get("referenced") {
        same(&references_of(&recorder.into_trace(), &bag), &expected_references(references))?;
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

/// A value as text, addresses being equal in both of their lengths.
fn normal(value: &Value) -> String {
    format!("{:?} {value}", value.kind())
}

fn references_of(trace: &Trace, bag: &Bag) -> BTreeSet<Reference> {
    without_maps(json::references(trace, bag))
}

fn expected_references(references: &Json) -> BTreeSet<Reference> {
    let reference = |json: &Json| Reference {
        name: json["name"].as_str().unwrap().to_owned(),
        key: json.get("key").and_then(Json::as_str).map(str::to_owned),
        present: json["present"] == true,
    };
    without_maps(references.as_array().unwrap().iter().map(reference).collect())
}

/// That a map is there goes without saying where one of its keys is referenced.
fn without_maps(references: BTreeSet<Reference>) -> BTreeSet<Reference> {
    let maps: BTreeSet<_> = references.iter().filter(|r| r.key.is_some()).map(|r| r.name.clone()).collect();
    let is_implied = |r: &Reference| r.key.is_none() && r.present && maps.contains(&r.name);
    references.into_iter().filter(|r| !is_implied(r)).collect()
}
