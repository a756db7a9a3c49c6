//! Log templates: the part of Go's `text/template` that access logs are written in.
//!
//! A template is compiled when it is loaded and rendered once for each report. It knows text; `{{.name}}`; constants;
//! `or`, `and`, `not`, `eq`, `ne`, `print`, `printf`; parentheses and pipes; `if`, `else if`, `else`, `end`; comments
//! and trim markers; and `.Format` of times with a layout in Go's notation. Whatever else the notation has is refused
//! at load.
//!
//! # Where it differs
//!
//! Addresses print as people write them and not as lists of bytes. `.Format` of an absent time is absent, so that
//! `or (.timestamp.Format "15:04") "-"` prints `-` where the original fails. In a template that renders JSON, what is
//! printed is escaped to stand inside of a JSON string, so that no request can break out of one.

mod layout;
mod name;
mod parse;
mod render;
mod segments;
mod tokens;

use std::ops::Range;
use std::sync::Arc;

use attributes::{Value, ValueRef};
use thiserror::Error;

pub(crate) use self::layout::Layout;
pub use self::name::NameTemplate;
use crate::{AspectError, LogDescriptor, LogPayload, PayloadFormat};

/// What a template's variables are for one request, sorted by name.
pub(crate) type Variables<'v> = &'v [(&'v str, ValueRef<'v>)];

/// A compiled template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
    uses: Vec<VariableUse>,
}

/// A variable where a template uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VariableUse {
    pub(crate) name: Arc<str>,
    /// Bytes of the template's text.
    pub(crate) span: Range<usize>,
    /// Whether `.Format` is applied, so that it has to be a time.
    pub(crate) is_time: bool,
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct InvalidTemplate {
    pub(crate) message: String,
    /// Bytes of the template's text.
    pub(crate) span: Range<usize>,
}

/// Why a template cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RenderError {
    /// `.Format` was applied to something that is no time.
    #[error("only times can be formatted, not {0}")]
    NotATime(attributes::Kind),
    /// The text would be too long.
    #[error("the text is longer than {} bytes", crate::limits::LOG_TEXT_BYTES_MAX)]
    TooLong,
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Print(Expression),
    If {
        /// Conditions with what is rendered under the first that holds.
        branches: Vec<(Expression, Vec<Piece>)>,
        otherwise: Vec<Piece>,
    },
}

#[derive(Debug, Clone, PartialEq)]
enum Expression {
    Variable(Arc<str>),
    Constant(Value),
    Format(Box<Expression>, Layout),
    /// `or` and `and`: the first whose truth is this, else the last.
    First(bool, Vec<Expression>),
    Call(Function, Vec<Expression>),
    /// `printf` with its constant format: text, and the positions of arguments in it.
    Printf(Vec<FormatPart>, Vec<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Not,
    Eq,
    Ne,
    Print,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum FormatPart {
    Text(String),
    /// The next argument as it prints.
    Plain,
    /// The next argument in double quotes.
    Quoted,
}

impl Template {
    /// Compiles a text.
    pub(crate) fn compile(text: &str) -> Result<Self, InvalidTemplate> {
        parse::parse(text)
    }

    /// The variables, in the order of their use.
    pub(crate) fn uses(&self) -> &[VariableUse] {
        &self.uses
    }

    /// Renders what a log entry says.
    pub(crate) fn payload(
        &self,
        descriptor: &LogDescriptor,
        variables: Variables<'_>,
    ) -> Result<LogPayload, AspectError> {
        let rendered = render::render(&self.pieces, variables, descriptor.payload_format)
            .map_err(|source| AspectError::Render { descriptor: Arc::clone(&descriptor.name), source })?;
        match descriptor.payload_format {
            PayloadFormat::Text => Ok(LogPayload::Text(rendered)),
            PayloadFormat::Json => serde_json::from_str(&rendered).map(LogPayload::Json).map_err(|error| {
                AspectError::NotAnObject {
                    descriptor: Arc::clone(&descriptor.name),
                    reason: error.to_string(),
                }
            }),
        }
    }
}

fn invalid(message: impl Into<String>, span: Range<usize>) -> InvalidTemplate {
    InvalidTemplate { message: message.into(), span }
}

#[cfg(test)]
mod tests;
