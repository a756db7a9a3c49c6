//! `mixer eval`: one expression on one request, or very many, a line each.

mod lines;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use attributes::{Bag, Value, ValueType};
use checkcache::{Recorder, Trace};
use clap::Args;
use expr::json::{self, Reference};
use expr::{EvalError, Program};
use policy::{Diagnostic, Severity};

use super::page::write_list;
use super::print;
use super::request::{self, Given};
use super::rpc;
use crate::text;

#[derive(Debug, Args)]
pub(super) struct Eval {
    /// The expression.
    #[arg(value_name = "EXPR", required_unless_present = "json", conflicts_with = "json")]
    expression: Option<String>,

    /// Takes the attributes and their types from the manifests of a configuration.
    #[arg(long, value_name = "DIR", conflicts_with = "json")]
    config: Option<PathBuf>,

    /// Declares an attribute, such as `request.size=INT64`. Goes before the configuration's manifests.
    #[arg(short, long = "type", value_name = "NAME=TYPE", conflicts_with = "json")]
    types: Vec<Declared>,

    /// An attribute of the request; an entry of a map is NAME[KEY]=VALUE. What is not given is absent.
    #[arg(short, long = "attribute", value_name = "NAME=VALUE", conflicts_with = "json")]
    attributes: Vec<Given>,

    /// Reads cases from standard input, one JSON object a line, and answers each with one.
    ///
    /// A case is `{"id", "expr", "manifest": {NAME: TYPE}, "attrs": {NAME: {"t": KIND, "v": VALUE}}}`. Kinds are `string`,
    /// `int64`, `double`, `bool`, `timestamp` (RFC 3339), `duration` (1m30s), `ip`, `bytes` (hexadecimal) and `stringmap`
    /// (an object). The answer has the case's `id`, and either `type` and `result`, or `error`, both with `referenced`; or
    /// `compile_error`.
    #[arg(long)]
    json: bool,
}

/// An attribute declared as `NAME=TYPE`.
#[derive(Debug, Clone)]
struct Declared {
    name: String,
    value_type: ValueType,
}

/// What an evaluation came to.
struct Evaluation {
    value_type: ValueType,
    result: Result<Value, EvalError>,
    trace: Trace,
    references: Vec<Reference>,
    /// What may not mean what its author thinks.
    warnings: Vec<Diagnostic>,
}

/// Runs the command.
pub(super) fn run(arguments: Eval) -> Result<ExitCode, String> {
    let Eval { expression, config, types, attributes, json: _ } = arguments;
    let Some(expression) = expression else {
        lines::answer_all(&mut std::io::stdin().lock(), &mut std::io::stdout().lock())
            .map_err(|error| format!("cannot go on: {error}"))?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut manifest = match &config {
        Some(_) => rpc::vocabulary(config.as_deref())?,
        None => BTreeMap::new(),
    };
    manifest.extend(types.into_iter().map(|declared| (declared.name, declared.value_type)));
    let bag = request::bag(&manifest, &attributes).map_err(|error| match (&error, &config) {
        (request::InvalidRequest::Unknown { name, .. }, None) => {
            format!("{error} (declare it with --type {name}=TYPE, or give --config)")
        }
        _ => error.to_string(),
    })?;
    match expr::compile(&expression, &manifest) {
        Ok(program) => {
            let evaluation = Evaluation::of(&program, &bag);
            print(&evaluation.to_string())?;
            Ok(if evaluation.result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(error) => {
            let suggestion = error.suggestion.clone();
            let finding =
                finding(Severity::Error, &expression, &error.span, error.message.clone(), suggestion);
            print(&format!("{finding}\n"))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// A finding about an expression, as the findings about a configuration's files are.
fn finding(
    severity: Severity,
    expression: &str,
    span: &Range<usize>,
    message: String,
    help: Option<String>,
) -> Diagnostic {
    let before = expression.get(..span.start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let source_line = expression.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let column = before.get(line_start..).map_or(0, |text| text.chars().count()) + 1;
    let meant = expression.get(span.clone()).and_then(|text| text.lines().next()).unwrap_or_default();
    Diagnostic {
        severity,
        file: "expression".to_owned(),
        line: before.matches('\n').count() + 1,
        column,
        width: meant.chars().count().max(1),
        source_line: source_line.to_owned(),
        message,
        help,
    }
}

// === impl Evaluation ===

impl Evaluation {
    fn of(program: &Program, bag: &Bag) -> Self {
        let mut recorder = Recorder::new(bag);
        let result = program.evaluate(&mut recorder);
        let trace = recorder.into_trace();
        let references = json::references(&trace, bag).into_iter().collect();
        let warning = |warning: &expr::Warning| {
            finding(Severity::Warning, program.text(), &warning.span, warning.message.clone(), None)
        };
        let warnings = program.warnings().iter().map(warning).collect();
        Self { value_type: program.result_type(), result, trace, references, warnings }
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value_type, result, trace, references, warnings } = self;
        warnings.iter().try_for_each(|warning| writeln!(f, "{warning}\n"))?;
        writeln!(f, "type    {value_type}")?;
        match result {
            Ok(Value::String(text)) => writeln!(f, "result  {text:?}")?,
            Ok(value) => writeln!(f, "result  {value}")?,
            Err(error) => writeln!(f, "error   {}", text::chain(error))?,
        }
        let reference = |reference: &Reference| {
            let Reference { name, key, present } = reference;
            let mut line = name.clone();
            if let Some(key) = key {
                let _ = write!(line, "[{key:?}]");
            }
            line + if *present { ", present" } else { ", absent" }
        };
        write_list(f, "looked at, in order", trace.observations())?;
        write_list(f, "referenced", references.iter().map(reference))
    }
}

// === impl Declared ===

impl FromStr for Declared {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value_type) =
            text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
                format!("write NAME=TYPE, such as request.size=INT64; the types are {}", type_names())
            })?;
        let value_type =
            value_type.parse().map_err(|error| format!("{error}; the types are {}", type_names()))?;
        Ok(Self { name: name.to_owned(), value_type })
    }
}

fn type_names() -> String {
    ValueType::ALL.map(ValueType::as_str).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_marked_where_it_stands() {
        let manifest = BTreeMap::from([("request.path".to_owned(), ValueType::String)]);
        let text = "request.path == \"ü\" ||\n  request.pth == \"x\"";
        let error = expr::compile(text, &manifest).unwrap_err();
        let finding = finding(Severity::Error, text, &error.span, error.message, error.suggestion);
        assert_eq!(
            finding.to_string(),
            "error: unknown attribute request.pth\n --> expression:2:3\n  |\n2 |   request.pth == \"x\"\n  |   \
             ^^^^^^^^^^^\n  = help: did you mean `request.path`?"
        );
    }

    #[test]
    fn declarations_name_a_type() {
        assert_eq!("a.b=INT64".parse::<Declared>().unwrap().value_type, ValueType::Int64);
        for wrong in ["a.b", "=INT64", "a.b=int64"] {
            assert!(wrong.parse::<Declared>().unwrap_err().contains("STRING_MAP"), "{wrong}");
        }
    }
}
