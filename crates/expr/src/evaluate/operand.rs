//! A value in the middle of an evaluation or at its end, copied only where it must be.

use attributes::{Value, ValueRef, ValueType, Word};

use crate::EvalError;

/// A value: the request's, the program's, or one that the evaluation made.
#[derive(Debug, Clone)]
pub enum Operand<'e> {
    /// As the request has it.
    Looked(ValueRef<'e>),
    /// As it stands in the program.
    Constant(&'e Value),
    /// As it came out.
    Made(Value),
}

impl Operand<'_> {
    /// The value, borrowed.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Looked(value) => *value,
            Self::Constant(value) => value.as_ref(),
            Self::Made(value) => value.as_ref(),
        }
    }

    /// A copy of the value that is the caller's.
    pub fn into_value(self) -> Value {
        match self {
            Self::Looked(value) => value.to_value(),
            Self::Constant(value) => value.clone(),
            Self::Made(value) => value,
        }
    }

    pub(super) fn text(&self) -> Result<&str, EvalError> {
        match self.as_ref() {
            ValueRef::String(text) => Ok(text),
            value => Err(EvalError::wrong_kind(ValueType::String, value)),
        }
    }

    pub(super) fn shared_text(&self) -> Result<Word, EvalError> {
        match self {
            Self::Constant(Value::String(text)) | Self::Made(Value::String(text)) => Ok(text.clone()),
            Self::Looked(_) | Self::Constant(_) | Self::Made(_) => self.text().map(Word::from),
        }
    }

    pub(super) fn truth(&self) -> Result<bool, EvalError> {
        match self.as_ref() {
            ValueRef::Bool(truth) => Ok(truth),
            value => Err(EvalError::wrong_kind(ValueType::Bool, value)),
        }
    }
}
