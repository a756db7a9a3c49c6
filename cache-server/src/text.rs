//! text: other people's text, cut to a size at which it can be repeated, and findings for programs.

use std::borrow::Cow;

use policy::{Diagnostic, Severity};

use crate::limits;

/// A text from a request, short enough to stand in a message for people.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    cut(text, limits::QUOTED_BYTES)
}

/// A message for people, short enough for a status.
pub(crate) fn message(text: &str) -> Cow<'_, str> {
    cut(text, limits::STATUS_MESSAGE_BYTES)
}

/// At most so many bytes of a text, and an ellipsis if there were more.
pub(crate) fn cut(text: &str, bytes: usize) -> Cow<'_, str> {
    if text.len() <= bytes {
        return Cow::Borrowed(text);
    }
    let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    Cow::Owned(format!("{}…", &text[..end]))
}

/// An error with everything that caused it, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A finding, for programs.
pub(crate) fn diagnostic(diagnostic: &Diagnostic) -> serde_json::Value {
    let Diagnostic { severity, file, line, column, width, source_line: _, message, help } = diagnostic;
    let severity = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    serde_json::json!({
        "severity": severity, "file": file, "line": line, "column": column, "width": width,
        "message": message, "help": help,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("grün", 3), "gr…");
        assert_eq!(cut("grün", 5), "grün");
        assert_eq!(cut("", 0), "");
    }
}
