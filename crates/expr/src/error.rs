//! What can go wrong with an expression: when it is compiled, and when it is evaluated.

use std::ops::Range;

use attributes::{Name, ValueRef, ValueType};
use thiserror::Error;

use crate::limits;

/// Why a text is not a program.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct CompileError {
    /// What is wrong and what was expected.
    pub message: String,
    /// Where: the bytes of the text that it is about.
    pub span: Range<usize>,
    /// What to do about it, as a phrase: ``did you mean `request.path`?``
    pub suggestion: Option<String>,
}

/// Something that compiles but may not mean what its author thinks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What may be misunderstood, and what to write instead.
    pub message: String,
    /// Where: the bytes of the text that it is about.
    pub span: Range<usize>,
}

/// Why an evaluation has no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvalError {
    /// An attribute is absent, and no `|` says what to take instead.
    #[error("lookup failed: '{0}'")]
    LookupFailed(Name),
    /// A value is not of the type that the manifest promises.
    #[error("error converting value to {expected}: '{value}'")]
    WrongKind {
        /// The promised type.
        expected: ValueType,
        /// The value, shortened.
        value: String,
    },
    /// An attribute of which an entry is wanted is not a map. Its value was not looked at.
    #[error("error converting value to STRING_MAP: '{0}' is of another kind")]
    NotAMap(Name),
    /// `ip` of something else.
    #[error("could not convert {0} to IP_ADDRESS")]
    InvalidIp(String),
    /// `timestamp` of something else.
    #[error("could not convert '{0}' to TIMESTAMP. expected format: '2006-01-02T15:04:05Z07:00'")]
    InvalidTimestamp(String),
    /// `dnsName` of something else, or a comparison with it.
    #[error("error converting '{text}' to dns name: '{reason}'")]
    InvalidDnsName {
        /// The text, shortened.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `email` of something else, or a comparison with it.
    #[error("error converting '{text}' to e-mail: '{reason}'")]
    InvalidEmail {
        /// The text, shortened.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `uri` of nothing.
    #[error("error converting string to uri: empty string")]
    EmptyUri,
    /// `uri` of something else, or a comparison with it.
    #[error("error converting string to uri '{text}': '{reason}'")]
    InvalidUri {
        /// The text, shortened.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The receiver of `matches` is not a regular expression, or is too large a one.
    #[error("error parsing regexp '{pattern}': {reason}")]
    InvalidPattern {
        /// The pattern, shortened.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `+` would make a text of more than [`limits::MADE_TEXT_BYTES`].
    #[error("the result of + is longer than {} bytes", limits::MADE_TEXT_BYTES)]
    TextTooLong,
}

impl EvalError {
    /// A value is not of the type that it should be of. The message quotes it, so it has to have been looked at.
    pub(crate) fn wrong_kind(expected: ValueType, value: ValueRef<'_>) -> Self {
        Self::WrongKind { expected, value: quoted(&value.to_string()) }
    }
}

/// A text as an error quotes it: at most [`limits::QUOTED_BYTES`] of it.
pub(crate) fn quoted(text: &str) -> String {
    if text.len() <= limits::QUOTED_BYTES {
        return text.to_owned();
    }
    let start: String = text.chars().scan(0, |bytes, c| within(bytes, c).then_some(c)).collect();
    format!("{start}…")
}

fn within(bytes: &mut usize, c: char) -> bool {
    *bytes += c.len_utf8();
    *bytes <= limits::QUOTED_BYTES
}
