//! Rendering compiled templates.
//!
//! What is printed is written where it belongs; a value is copied only if a function makes a new one of it.

use std::fmt::{self, Write};

use attributes::ValueRef;
use expr::Operand;

use super::{Expression, FormatPart, Function, Piece, RenderError, Variables};
use crate::PayloadFormat;
use crate::limits::LOG_TEXT_BYTES_MAX;

/// What the original prints for a variable that has no value.
const NO_VALUE: &str = "<no value>";

pub(super) fn render(
    pieces: &[Piece],
    variables: Variables<'_>,
    format: PayloadFormat,
) -> Result<String, RenderError> {
    let mut text = Bounded(String::new());
    Renderer { variables, format }.pieces(pieces, &mut text)?;
    Ok(text.0)
}

struct Renderer<'v> {
    variables: Variables<'v>,
    format: PayloadFormat,
}

/// Text that does not grow beyond its limit, which is the only way that writing to it fails.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > LOG_TEXT_BYTES_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

impl From<fmt::Error> for RenderError {
    fn from(_: fmt::Error) -> Self {
        Self::TooLong
    }
}

impl<'v> Renderer<'v> {
    fn pieces(&self, pieces: &'v [Piece], text: &mut Bounded) -> Result<(), RenderError> {
        for piece in pieces {
            match piece {
                Piece::Text(literal) => text.write_str(literal)?,
                Piece::Print(expression) => {
                    let value = self.evaluate(expression)?;
                    let printed = Printed(value.as_ref().map(Operand::as_ref));
                    match self.format {
                        PayloadFormat::Text => write!(text, "{printed}")?,
                        PayloadFormat::Json => text.write_str(&inside_json_string(&printed.to_string()))?,
                    }
                }
                Piece::If { branches, otherwise } => {
                    let chosen = self.choose(branches)?.unwrap_or(otherwise);
                    self.pieces(chosen, text)?;
                }
            }
        }
        Ok(())
    }

    fn choose(&self, branches: &'v [(Expression, Vec<Piece>)]) -> Result<Option<&'v [Piece]>, RenderError> {
        for (condition, pieces) in branches {
            if is_true(self.evaluate(condition)?.as_ref().map(Operand::as_ref)) {
                return Ok(Some(pieces));
            }
        }
        Ok(None)
    }

    /// The value of an expression; `None` if it has none.
    fn evaluate(&self, expression: &'v Expression) -> Result<Option<Operand<'v>>, RenderError> {
        match expression {
            Expression::Variable(name) => {
                let index = self.variables.binary_search_by(|(known, _)| (*known).cmp(name)).ok();
                Ok(index
                    .and_then(|index| self.variables.get(index))
                    .map(|(_, value)| Operand::Looked(*value)))
            }
            Expression::Constant(value) => Ok(Some(Operand::Constant(value))),
            Expression::Format(time, layout) => match self.evaluate(time)? {
                None => Ok(None),
                Some(time) => match time.as_ref() {
                    ValueRef::Timestamp(time) => Ok(Some(Operand::Made(layout.format(time).as_str().into()))),
                    other => Err(RenderError::NotATime(other.kind())),
                },
            },
            Expression::First(wanted, arguments) => self.first(arguments, *wanted),
            Expression::Call(function, arguments) => Ok(call(*function, &self.evaluate_all(arguments)?)),
            Expression::Printf(parts, arguments) => {
                let arguments = self.evaluate_all(arguments)?;
                Ok(Some(Operand::Made(formatted(parts, &arguments).as_str().into())))
            }
        }
    }

    /// The first argument whose truth is the wanted one, else the last. All of them are evaluated: one that cannot be is an
    /// error, wherever it stands.
    fn first(&self, arguments: &'v [Expression], wanted: bool) -> Result<Option<Operand<'v>>, RenderError> {
        let mut chosen = None;
        let mut is_chosen = false;
        for argument in arguments {
            let value = self.evaluate(argument)?;
            if !is_chosen {
                is_chosen = is_true(value.as_ref().map(Operand::as_ref)) == wanted;
                chosen = value;
            }
        }
        Ok(chosen)
    }

    fn evaluate_all(&self, expressions: &'v [Expression]) -> Result<Vec<Option<Operand<'v>>>, RenderError> {
        expressions.iter().map(|expression| self.evaluate(expression)).collect()
    }
}

/// The parser saw to it that there are enough arguments.
fn call<'v>(function: Function, arguments: &[Option<Operand<'_>>]) -> Option<Operand<'v>> {
    let mut seen = arguments.iter().map(|argument| argument.as_ref().map(Operand::as_ref));
    Some(Operand::Made(match function {
        Function::Not => (!is_true(seen.next().flatten())).into(),
        // Equal to any of the others, as in Go.
        Function::Eq => {
            let first = seen.next()?;
            seen.any(|other| other == first).into()
        }
        Function::Ne => (seen.next() != seen.next()).into(),
        Function::Print => seen.map(|value| Printed(value).to_string()).collect::<String>().as_str().into(),
    }))
}

fn formatted(parts: &[FormatPart], arguments: &[Option<Operand<'_>>]) -> String {
    let mut arguments = arguments.iter().map(|argument| Printed(argument.as_ref().map(Operand::as_ref)));
    let mut text = String::new();
    for part in parts {
        // Writing to a string does not fail.
        let _ = match part {
            FormatPart::Text(literal) => text.write_str(literal),
            FormatPart::Plain => arguments.next().map_or(Ok(()), |argument| write!(text, "{argument}")),
            FormatPart::Quoted => {
                let argument = arguments.next().map(|argument| argument.to_string());
                write!(text, "{:?}", argument.unwrap_or_default())
            }
        };
    }
    text
}

/// A value as it prints.
struct Printed<'v>(Option<ValueRef<'v>>);

impl fmt::Display for Printed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str(NO_VALUE),
        }
    }
}

/// Empty text, zero, "false", and what has no entries are not true; nor is what is not there.
fn is_true(value: Option<ValueRef<'_>>) -> bool {
    match value {
        None => false,
        Some(ValueRef::String(text)) => !text.is_empty(),
        Some(ValueRef::Int64(number)) => number != 0,
        Some(ValueRef::Double(number)) => number != 0.0,
        Some(ValueRef::Bool(truth)) => truth,
        Some(ValueRef::Timestamp(_)) => true,
        Some(ValueRef::Duration(span)) => span.nanos() != 0,
        Some(ValueRef::Bytes(bytes)) => !bytes.is_empty(),
        Some(ValueRef::StringMap(map)) => !map.is_empty(),
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
