//! Cases from one stream, answers to another: a line of JSON each, every answer flushed before the next case is read.
//!
//! Whatever a line is, it is answered with a line, so the two sides never lose step. No line is held that is longer than
//! the limit; the rest of it is passed over.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use attributes::{Bag, ValueType};
use expr::json::{self, Reference};
use serde_json::{Value as Json, json};

use super::Evaluation;
use crate::{limits, text};

/// A line of the input.
enum Line {
    Text(Vec<u8>),
    TooLong,
}

/// A case: an expression, what it is compiled against, and what it is evaluated on.
struct Case {
    expression: String,
    manifest: BTreeMap<String, ValueType>,
    bag: Bag,
}

/// Answers every line until the input ends.
pub(super) fn answer_all(input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    while let Some(line) = next_line(input)? {
        let answer = match line {
            Line::Text(line) => answer(&line),
            Line::TooLong => {
                let error = format!("expected a line of at most {} bytes", limits::EVAL_LINE_BYTES);
                json!({ "id": null, "error": error })
            }
        };
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

fn next_line(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let mut is_too_long = false;
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            let is_end = line.is_empty() && !is_too_long;
            return Ok((!is_end).then_some(if is_too_long { Line::TooLong } else { Line::Text(line) }));
        }
        let (part, is_whole) = match available.iter().position(|byte| *byte == b'\n') {
            Some(newline) => (&available[..newline], true),
            None => (available, false),
        };
        is_too_long |= line.len() + part.len() > limits::EVAL_LINE_BYTES;
        if !is_too_long {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(is_whole);
        input.consume(used);
        if is_whole {
            return Ok(Some(if is_too_long { Line::TooLong } else { Line::Text(line) }));
        }
    }
}

fn answer(line: &[u8]) -> Json {
    let json: Json = match serde_json::from_slice(line) {
        Ok(json) => json,
        Err(error) => return json!({ "id": null, "error": format!("expected a JSON object: {error}") }),
    };
    let id = json.get("id").cloned().unwrap_or(Json::Null);
    match Case::parse(&json) {
        Ok(case) => case.answer(&id),
        Err(error) => json!({ "id": id, "error": error }),
    }
}

// === impl Case ===

impl Case {
    /// Reads a case. Fields that a case does not have are passed over: whoever keeps cases may note more about them.
    fn parse(json: &Json) -> Result<Self, String> {
        let fields =
            json.as_object().ok_or("expected an object with `id`, `expr`, `manifest` and `attrs`")?;
        let expression = fields.get("expr").and_then(Json::as_str).ok_or("expected `expr`, a text")?;
        let types = fields.get("manifest").and_then(Json::as_object);
        let types = types.ok_or("expected `manifest`, an object of attributes' types")?;
        let attributes = fields.get("attrs").and_then(Json::as_object);
        let attributes = attributes.ok_or("expected `attrs`, an object of attributes' values")?;
        Ok(Self {
            expression: expression.to_owned(),
            manifest: types
                .iter()
                .map(|(name, found)| Ok((name.clone(), value_type(name, found)?)))
                .collect::<Result<_, String>>()?,
            bag: attributes
                .iter()
                .map(|(name, value)| match json::parse_value(value) {
                    Ok(value) => Ok((name.as_str(), value)),
                    Err(error) => Err(format!("`attrs`: `{name}`: {error}")),
                })
                .collect::<Result<_, String>>()?,
        })
    }

    fn answer(&self, id: &Json) -> Json {
        let program = match expr::compile(&self.expression, &self.manifest) {
            Ok(program) => program,
            Err(error) => return json!({ "id": id, "compile_error": error.message }),
        };
        let Evaluation { value_type, result, references, .. } = Evaluation::of(&program, &self.bag);
        let references: Vec<_> = references.iter().map(Reference::to_json).collect();
        let value_type = value_type.as_str();
        match result {
            Ok(value) => json!({
                "id": id, "type": value_type, "result": json::write_value(&value), "referenced": references,
            }),
            Err(error) => json!({
                "id": id, "type": value_type, "error": text::chain(&error), "referenced": references,
            }),
        }
    }
}

fn value_type(name: &str, found: &Json) -> Result<ValueType, String> {
    found.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
        format!("`manifest`: `{name}`: expected one of {}, found {found}", super::type_names())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(input: &[u8]) -> Vec<Json> {
        let mut output = Vec::new();
        // A small buffer, so that lines come in pieces.
        answer_all(&mut io::BufReader::with_capacity(16, input), &mut output).unwrap();
        output
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|l| serde_json::from_slice(l).unwrap())
            .collect()
    }

    #[test]
    fn each_line_has_its_answer() {
        let input = br#"{"id": 1, "expr": "a == 5", "manifest": {"a": "INT64"}, "attrs": {"a": {"t": "int64", "v": 5}}}
{"id": "x", "expr": "a + b", "manifest": {"a": "INT64"}, "attrs": {}}
{"id": 2, "expr": "m[\"k\"]", "manifest": {"m": "STRING_MAP"}, "attrs": {}}"#;
        assert_eq!(
            answers(input),
            [
                json!({ "id": 1, "type": "BOOL", "result": { "t": "bool", "v": true },
                        "referenced": [{ "name": "a", "present": true }] }),
                json!({ "id": "x", "compile_error": "unknown attribute b" }),
                json!({ "id": 2, "type": "STRING", "error": "lookup failed: 'm'",
                        "referenced": [{ "name": "m", "present": false }] }),
            ]
        );
    }

    #[test]
    fn what_is_no_case_is_answered_all_the_same() {
        for (line, id, reason) in [
            ("", json!(null), "expected a JSON object: "),
            ("{", json!(null), "expected a JSON object: "),
            ("\u{0}\u{ff}", json!(null), "expected a JSON object: "),
            ("[1]", json!(null), "expected an object with `id`, `expr`, `manifest` and `attrs`"),
            (r#"{"id": 7}"#, json!(7), "expected `expr`, a text"),
            (r#"{"id": 7, "expr": "a"}"#, json!(7), "expected `manifest`, an object"),
            (r#"{"id": 7, "expr": "a", "manifest": {}}"#, json!(7), "expected `attrs`, an object"),
            (
                r#"{"id": 7, "expr": "a", "manifest": {"a": "INT"}, "attrs": {}}"#,
                json!(7),
                "`manifest`: `a`: expected one of STRING, INT64",
            ),
            (
                r#"{"id": 7, "expr": "a", "manifest": {}, "attrs": {"a": {"t": "int64", "v": "1"}}}"#,
                json!(7),
                "`attrs`: `a`: expected a 64-bit integer, found \"1\"",
            ),
        ] {
            let answers = answers(format!("{line}\n").as_bytes());
            assert_eq!(answers.len(), 1, "{line}");
            assert_eq!(answers[0]["id"], id, "{line}");
            assert!(answers[0]["error"].as_str().unwrap().starts_with(reason), "{line}: {answers:?}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let mut input = vec![b' '; limits::EVAL_LINE_BYTES + 1];
        input.extend_from_slice(b"\n{\"id\": 3}\n");
        let answers = answers(&input);
        assert_eq!(answers.len(), 2);
        assert!(answers[0]["error"].as_str().unwrap().starts_with("expected a line of at most"));
        assert_eq!(answers[1]["id"], 3);
    }
}
