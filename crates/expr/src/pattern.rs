//! Patterns of text: regular expressions and wildcards.

mod re2;

use regex::{Regex, RegexBuilder};

use crate::error::quoted;
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

/// Whether a text is what a pattern says: a `*` at its end stands for anything, else one at its start does, else the
/// text must be equal. There is no escape.
pub(crate) fn wildcard(text: &str, pattern: &str) -> bool {
    if let Some(prefix) = pattern.strip_suffix('*') {
        text.starts_with(prefix)
    } else if let Some(suffix) = pattern.strip_prefix('*') {
        text.ends_with(suffix)
    } else {
        text == pattern
    }
}

#[cfg(test)]
mod tests;
