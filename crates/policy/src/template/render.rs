//! Rendering compiled templates.

use std::fmt::{self, Write};
use std::sync::Arc;

use attributes::Value;

use super::{Expression, FormatPart, Function, Piece, RenderError};
use crate::PayloadFormat;
use crate::limits::LOG_TEXT_BYTES_MAX;

/// What the original prints for a variable that has no value.
const NO_VALUE: &str = "<no value>";

pub(super) fn render(
    pieces: &[Piece],
    variables: &[(Arc<str>, Value)],
    format: PayloadFormat,
) -> Result<String, RenderError> {
    let mut renderer = Renderer { variables, format, text: String::new() };
    renderer.pieces(pieces)?;
    Ok(renderer.text)
}

struct Renderer<'v> {
    variables: &'v [(Arc<str>, Value)],
    format: PayloadFormat,
    text: String,
}

impl Renderer<'_> {
    fn pieces(&mut self, pieces: &[Piece]) -> Result<(), RenderError> {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.push(text)?,
                Piece::Print(expression) => {
                    let value = self.evaluate(expression)?;
                    let printed = printed(value.as_ref());
                    match self.format {
                        PayloadFormat::Text => self.push(&printed)?,
                        PayloadFormat::Json => self.push(inside_json_string(&printed).as_str())?,
                    }
                }
                Piece::If { branches, otherwise } => {
                    let chosen = self.choose(branches)?.unwrap_or(otherwise);
                    self.pieces(chosen)?;
                }
            }
        }
        Ok(())
    }

    fn choose<'p>(
        &self,
        branches: &'p [(Expression, Vec<Piece>)],
    ) -> Result<Option<&'p [Piece]>, RenderError> {
        for (condition, pieces) in branches {
            if is_true(self.evaluate(condition)?.as_ref()) {
                return Ok(Some(pieces));
            }
        }
        Ok(None)
    }

    fn push(&mut self, text: &str) -> Result<(), RenderError> {
        if self.text.len() + text.len() > LOG_TEXT_BYTES_MAX {
            return Err(RenderError::TooLong);
        }
        self.text.push_str(text);
        Ok(())
    }

    /// The value of an expression; `None` if it has none.
    fn evaluate(&self, expression: &Expression) -> Result<Option<Value>, RenderError> {
        match expression {
            Expression::Variable(name) => {
                let index = self.variables.binary_search_by(|(known, _)| known.cmp(name)).ok();
                Ok(index.and_then(|index| self.variables.get(index)).map(|(_, value)| value.clone()))
            }
            Expression::Constant(value) => Ok(Some(value.clone())),
            Expression::Format(time, layout) => match self.evaluate(time)? {
                None => Ok(None),
                Some(Value::Timestamp(time)) => Ok(Some(Value::String(layout.format(time).into()))),
                Some(other) => Err(RenderError::NotATime(other.kind())),
            },
            Expression::Call(function, arguments) => {
                let arguments = self.evaluate_all(arguments)?;
                Ok(call(*function, arguments))
            }
            Expression::Printf(parts, arguments) => {
                let arguments = self.evaluate_all(arguments)?;
                Ok(Some(Value::String(formatted(parts, &arguments).into())))
            }
        }
    }

    fn evaluate_all(&self, expressions: &[Expression]) -> Result<Vec<Option<Value>>, RenderError> {
        expressions.iter().map(|expression| self.evaluate(expression)).collect()
    }
}

/// The parser saw to it that there are enough arguments.
fn call(function: Function, arguments: Vec<Option<Value>>) -> Option<Value> {
    match function {
        Function::Or => choose(arguments, true),
        Function::And => choose(arguments, false),
        Function::Not => Some(Value::Bool(!is_true(arguments.first().and_then(Option::as_ref)))),
        // Equal to any of the others, as in Go.
        Function::Eq => {
            let (first, rest) = arguments.split_first()?;
            Some(Value::Bool(rest.iter().any(|other| first == other)))
        }
        Function::Ne => Some(Value::Bool(arguments.first() != arguments.get(1))),
        Function::Print => {
            let text: String = arguments.iter().map(|argument| printed(argument.as_ref())).collect();
            Some(Value::String(text.into()))
        }
    }
}

/// The first argument whose truth is the wanted one, else the last.
fn choose(arguments: Vec<Option<Value>>, wanted: bool) -> Option<Value> {
    let mut last = None;
    for argument in arguments {
        if is_true(argument.as_ref()) == wanted {
            return argument;
        }
        last = argument;
    }
    last
}

fn formatted(parts: &[FormatPart], arguments: &[Option<Value>]) -> String {
    let mut arguments = arguments.iter().map(|argument| printed(argument.as_ref()));
    let mut text = String::new();
    for part in parts {
        match part {
            FormatPart::Text(literal) => text.push_str(literal),
            FormatPart::Plain => text.extend(arguments.next()),
            FormatPart::Quoted => {
                // Writing to a string does not fail.
                let _ = write!(text, "{:?}", arguments.next().unwrap_or_default());
            }
        }
    }
    text
}

fn printed(value: Option<&Value>) -> String {
    value.map_or_else(|| NO_VALUE.to_owned(), ToString::to_string)
}

/// Empty text, zero, "false", and what has no entries are not true; nor is what is not there.
fn is_true(value: Option<&Value>) -> bool {
    match value {
        None => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Int64(number)) => *number != 0,
        Some(Value::Double(number)) => *number != 0.0,
        Some(Value::Bool(truth)) => *truth,
        Some(Value::Timestamp(_)) => true,
        Some(Value::Duration(span)) => span.nanos() != 0,
        Some(Value::Bytes(bytes)) => !bytes.is_empty(),
        Some(Value::StringMap(map)) => !map.is_empty(),
    }
}

/// A text as it is written between the quotes of a JSON string.
fn inside_json_string(text: &str) -> String {
    let quoted = Quoted(text).to_string();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

struct Quoted<'t>(&'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        serde_json::Value::from(self.0).fmt(f)
    }
}
