//! `mixer eval` as a process: every case of the vectors through its standard input, and one expression by flags.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// The vectors: where the environment says, else beside the checkout.
fn vectors() -> Option<Value> {
    let folder = std::env::var_os("MIXER_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join("expressions.json")) else {
        eprintln!("skipped: no vectors for expressions (set MIXER_VECTORS to their folder)");
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// What the command answers to each line, in step: the next line goes in when the answer is there.
fn converse(lines: &[String]) -> Vec<Value> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mixer"))
        .args(["eval", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let answers = lines
        .iter()
        .map(|line| {
            writeln!(input, "{line}").unwrap();
            serde_json::from_str(&output.next().unwrap().unwrap()).unwrap()
        })
        .collect();
    drop(input);
    assert!(output.next().is_none());
    assert!(child.wait().unwrap().success());
    answers
}

/// The rule by which an answer differs from the case's outcome on purpose, if it does. Each is argued where the language
/// is tested.
fn compare(case: &Value, answer: &Value) -> Result<Option<&'static str>, String> {
    let wrong = || Err(format!("{} {}: {answer}", case["id"], case["expr"]));
    if let Some(expected) = case.get("compile_error").and_then(Value::as_str) {
        let Some(error) = answer["compile_error"].as_str() else { return wrong() };
        let quote_end = expected.find("':").unwrap_or(expected.len());
        return match () {
            () if error == expected => Ok(None),
            () if expected.starts_with("internal compiler error") => Ok(Some("not an internal error")),
            () if case.get("compile_error_has_go_parser_text").is_some()
                && error.starts_with(&expected[..quote_end]) =>
            {
                Ok(Some("the parser's words"))
            }
            () => wrong(),
        };
    }
    if case.get("custom_functions").is_some() {
        return Ok(Some("a function of the other system's test"));
    }
    if answer["type"] != case["type"] {
        return wrong();
    }
    if let Some(prefix) = case.get("error_prefix").and_then(Value::as_str) {
        let error = answer["error"].as_str().unwrap_or_default();
        return if error.starts_with(prefix) { Ok(None) } else { wrong() };
    }
    let is_same = ["t", "v"].iter().all(|field| answer["result"][field] == case["result"][field]);
    let references_differ = case
        .get("referenced")
        .is_some_and(|expected| references(expected) != references(&answer["referenced"]));
    if is_same && !references_differ { Ok(None) } else { wrong() }
}

/// References without those to maps that are there, which go without saying beside their keys.
fn references(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().unwrap();
    let is_implied = |reference: &Value| {
        reference.get("key").is_none()
            && reference["present"] == true
            && list.iter().any(|other| other["name"] == reference["name"] && other.get("key").is_some())
    };
    list.iter().filter(|reference| !is_implied(reference)).map(ToString::to_string).collect()
}

#[test]
fn every_case_of_the_vectors_has_its_outcome() {
    let Some(vectors) = vectors() else { return };
    let cases = vectors["cases"].as_array().unwrap();
    let line = |case: &Value| {
        let manifest = &vectors["manifests"][case["manifest"].as_str().unwrap()];
        json!({ "id": case["id"], "expr": case["expr"], "manifest": manifest, "attrs": case["attrs"] })
            .to_string()
    };
    let answers = converse(&cases.iter().map(line).collect::<Vec<_>>());
    let (mut decided, mut failures) = (BTreeMap::<_, Vec<_>>::new(), Vec::new());
    for (case, answer) in cases.iter().zip(&answers) {
        assert_eq!(answer["id"], case["id"]);
        match compare(case, answer) {
            Ok(None) => {}
            Ok(Some(rule)) => decided.entry(rule).or_default().push(case["id"].as_i64().unwrap()),
            Err(failure) => failures.push(failure),
        }
    }
    eprintln!("{} cases, by decision otherwise: {decided:?}", cases.len());
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_line_that_is_no_case_is_answered_and_the_next_one_too() {
    let answers = converse(&[
        "nonsense".to_owned(),
        json!({ "id": "a", "expr": "1" }).to_string(),
        json!({ "id": "b", "expr": "1 + 1", "manifest": {}, "attrs": {} }).to_string(),
    ]);
    assert_eq!(answers[0]["id"], Value::Null);
    assert!(answers[0]["error"].as_str().unwrap().starts_with("expected a JSON object"));
    assert_eq!(
        answers[1],
        json!({ "id": "a", "error": "expected `manifest`, an object of attributes' types" })
    );
    let expected = json!({
        "id": "b", "type": "INT64", "result": { "t": "int64", "v": 2 }, "referenced": [],
    });
    assert_eq!(answers[2], expected);
}

fn eval(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mixer")).arg("eval").args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn one_expression_by_flags() {
    let path = ["--type", "request.path=STRING", "-a", "request.path=/admin/users"];
    let (code, page) = eval(&[&["request.path.startsWith(\"/admin\")"][..], &path].concat());
    assert_eq!(code, Some(0), "{page}");
    assert_eq!(
        page,
        "type    BOOL\nresult  true\n\nlooked at, in order:\n  request.path starts with \"/admin\"? yes\n\n\
         referenced:\n  request.path, present\n"
    );
    let (code, page) = eval(&[&["request.pth == \"x\""][..], &path].concat());
    assert_eq!(code, Some(1), "{page}");
    assert!(page.contains("\n1 | request.pth == \"x\"\n  | ^^^^^^^^^^^\n"), "{page}");
    assert!(page.contains("did you mean `request.path`?"), "{page}");
    let (code, page) = eval(&["request.path", "--type", "request.path=STRING"]);
    assert_eq!(code, Some(1), "{page}");
    assert!(page.contains("error   lookup failed: 'request.path'"), "{page}");

    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/default");
    let (code, page) = eval(&["request.size | 5", "--config", config.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{page}");
    assert!(page.contains("result  5\n"), "{page}");
    for (wrong, reason) in [
        (&["a", "-a", "a=1"][..], "declare it with --type a=TYPE"),
        (&["a", "--type", "a=INT64", "-a", "a=1", "-a", "a=2"], "`a` is given twice"),
    ] {
        let (code, page) = eval(wrong);
        assert_eq!(code, Some(1), "{page}");
        assert!(page.contains(reason), "{page}");
    }
    for wrong in [&["a", "--json"][..], &[], &["a", "--type", "a=NUMBER"]] {
        assert_eq!(eval(wrong).0, Some(2), "{wrong:?}");
    }
}
