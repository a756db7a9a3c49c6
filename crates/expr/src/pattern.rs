//! Patterns of text: regular expressions and wildcards.

mod re2;

use checkcache::Matcher;
use regex::{Regex, RegexBuilder};
use regex_automata::dfa::{StartKind, dense};
use regex_automata::nfa::thompson;

use crate::error::quoted;
use crate::node::TextTest;
use crate::{EvalError, limits};

/// Compiles a regular expression in RE2's notation. It matches in time that is linear in the text.
pub(crate) fn regex(pattern: &str) -> Result<Regex, EvalError> {
    let invalid = |reason: String| EvalError::InvalidPattern { pattern: quoted(pattern), reason };
    if pattern.len() > limits::PATTERN_BYTES {
        return Err(invalid(format!("it is longer than {} bytes", limits::PATTERN_BYTES)));
    }
    RegexBuilder::new(&re2::translate(pattern)).size_limit(limits::REGEX_BYTES).build().map_err(|error| {
        let reason = match error {
            regex::Error::CompiledTooBig(_) => {
                format!("it takes more than {} bytes of memory", limits::REGEX_BYTES)
            }
            // The error draws the pattern over several lines; the last one says what is wrong.
            other => {
                let text = other.to_string();
                let reason = text.lines().last().unwrap_or_default().trim();
                reason.strip_prefix("error: ").unwrap_or(reason).to_owned()
            }
        };
        invalid(reason)
    })
}

/// Checks a regular expression in RE2's notation, within the limits of this crate, and gives it in the notation of the
/// `regex` crate: for who looks for many at once.
pub fn regex_source(pattern: &str) -> Result<String, EvalError> {
    Ok(regex(pattern)?.as_str().to_owned())
}

/// A regular expression in RE2's notation as the table that a trace carries. `None` if it would be too large.
///
/// It finds what [`regex()`] finds: the same parser and the same library make it, of the same translation.
pub(crate) fn matcher(pattern: &str) -> Option<Matcher> {
    let table = dense::Config::new()
        .start_kind(StartKind::Unanchored)
        .accelerate(false)
        .minimize(true)
        .dfa_size_limit(Some(limits::AUTOMATON_BYTES))
        .determinize_size_limit(Some(limits::AUTOMATON_BYTES));
    let automaton = dense::Builder::new()
        .configure(table)
        .thompson(thompson::Config::new().nfa_size_limit(Some(limits::REGEX_BYTES)))
        .build(&re2::translate(pattern))
        .ok()?;
    Matcher::new(pattern, &automaton.to_sparse().ok()?.to_bytes_little_endian()).ok()
}

/// What a wildcard pattern says: a `*` at its end stands for anything, else one at its start does, else the text must
/// be equal. There is no escape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wildcard<'p> {
    Prefix(&'p str),
    Suffix(&'p str),
    Exact(&'p str),
}

impl<'p> Wildcard<'p> {
    pub(crate) fn of(pattern: &'p str) -> Self {
        if let Some(prefix) = pattern.strip_suffix('*') {
            Self::Prefix(prefix)
        } else if let Some(suffix) = pattern.strip_prefix('*') {
            Self::Suffix(suffix)
        } else {
            Self::Exact(pattern)
        }
    }

    fn matches(self, text: &str) -> bool {
        match self {
            Self::Prefix(prefix) => text.starts_with(prefix),
            Self::Suffix(suffix) => text.ends_with(suffix),
            Self::Exact(exact) => text == exact,
        }
    }
}

/// Tests one text with another.
pub(crate) fn test(how: TextTest, left: &str, right: &str) -> Result<bool, EvalError> {
    match how {
        TextTest::StartsWith => Ok(left.starts_with(right)),
        TextTest::EndsWith => Ok(left.ends_with(right)),
        TextTest::Wildcard => Ok(Wildcard::of(right).matches(left)),
        TextTest::Matches => Ok(regex(left)?.is_match(right)),
    }
}

#[cfg(test)]
mod tests;
