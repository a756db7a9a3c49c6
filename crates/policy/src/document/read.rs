//! Reading scalars and collections of expected types from nodes.

use std::ops::Range;

use super::{Content, Entry, Node};
use crate::diagnostic::{At, Findings};
use crate::suggest::{did_you_mean, listed};

/// A text and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) at: At,
    pub(crate) value: String,
}

impl Text {
    /// Where a part of the text stands, if the file has the text as it is; else where all of it does.
    pub(crate) fn locate(&self, part: &Range<usize>, findings: &Findings<'_>) -> At {
        let written = findings.text(self.at);
        let quotes = usize::from(written != self.value);
        let verbatim = written.get(quotes..written.len().saturating_sub(quotes)) == Some(self.value.as_str());
        if !verbatim {
            return self.at;
        }
        let start = self.at.start + quotes;
        let end = (start + part.end.min(self.value.len())).max(start + part.start + 1);
        At { file: self.at.file, start: start + part.start, end }
    }
}

impl Node {
    /// Text; numbers and booleans are taken as they are written.
    pub(crate) fn coerced_text(&self, what: &str, findings: &mut Findings<'_>) -> Option<Text> {
        match &self.content {
            Content::Text(value) => Some(Text { at: self.at, value: value.clone() }),
            Content::Bool(_) | Content::Int(_) | Content::Float(_) => {
                Some(Text { at: self.at, value: findings.text(self.at).trim().to_owned() })
            }
            Content::Null | Content::List(_) | Content::Map(_) => self.unexpected("text", what, findings),
        }
    }

    /// Text; numbers and booleans have to be quoted to be it.
    pub(crate) fn text(&self, what: &str, findings: &mut Findings<'_>) -> Option<Text> {
        match &self.content {
            Content::Text(value) => Some(Text { at: self.at, value: value.clone() }),
            Content::Bool(_) | Content::Int(_) | Content::Float(_) => {
                let written = findings.text(self.at).trim().to_owned();
                findings
                    .error(self.at, format!("expected text for {what}, found {}", self.describe()))
                    .help(format!("write `\"{written}\"`, in quotes"));
                None
            }
            Content::Null | Content::List(_) | Content::Map(_) => self.unexpected("text", what, findings),
        }
    }

    pub(crate) fn boolean(&self, what: &str, findings: &mut Findings<'_>) -> Option<bool> {
        match self.content {
            Content::Bool(truth) => Some(truth),
            _ => self.unexpected("`true` or `false`", what, findings),
        }
    }

    /// An integer, also one in quotes.
    pub(crate) fn integer(&self, what: &str, findings: &mut Findings<'_>) -> Option<i64> {
        let number = match &self.content {
            Content::Int(number) => Some(*number),
            Content::Text(text) => text.parse().ok(),
            _ => None,
        };
        number.or_else(|| self.unexpected("an integer", what, findings))
    }

    /// A span of time in Go's notation that is longer than none.
    pub(crate) fn span(&self, what: &str, findings: &mut Findings<'_>) -> Option<std::time::Duration> {
        let text = self.coerced_text(what, findings)?;
        let span = attributes::Duration::parse_go(&text.value).filter(|span| span.nanos() > 0);
        if span.is_none() {
            findings
                .error(text.at, format!("expected a duration above 0 for {what}, found `{}`", text.value))
                .help(duration_help(&text.value));
        }
        span.map(attributes::Duration::to_std)
    }

    /// A span of time in Go's notation that is not negative.
    pub(crate) fn duration(&self, what: &str, findings: &mut Findings<'_>) -> Option<std::time::Duration> {
        let text = self.coerced_text(what, findings)?;
        let span = attributes::Duration::parse_go(&text.value).filter(|span| span.nanos() >= 0);
        if span.is_none() {
            findings
                .error(text.at, format!("expected a duration for {what}, found `{}`", text.value))
                .help(duration_help(&text.value));
        }
        span.map(attributes::Duration::to_std)
    }

    /// A number, also one in quotes.
    pub(crate) fn number(&self, what: &str, findings: &mut Findings<'_>) -> Option<f64> {
        let number = match &self.content {
            Content::Int(number) => Some(*number as f64),
            Content::Float(number) => Some(*number),
            Content::Text(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        };
        number.or_else(|| self.unexpected("a number", what, findings))
    }

    /// One of several words, or its number.
    pub(crate) fn enumeration<T: Copy>(
        &self,
        what: &str,
        words: &[(&str, i64, T)],
        findings: &mut Findings<'_>,
    ) -> Option<T> {
        let (found, written) = match &self.content {
            Content::Text(text) => (words.iter().find(|(word, _, _)| word == text), text.clone()),
            Content::Int(number) => (words.iter().find(|(_, n, _)| n == number), number.to_string()),
            _ => return self.unexpected("a name", what, findings),
        };
        if found.is_none() {
            // To say nothing is not among what one may want to say.
            let names = words.iter().map(|(word, _, _)| *word).filter(|word| !word.ends_with("UNSPECIFIED"));
            let help = did_you_mean(&written, names.clone())
                .unwrap_or_else(|| format!("the values are {}", listed(names)));
            findings.error(self.at, format!("unknown value `{written}` for {what}")).help(help);
        }
        found.map(|(_, _, value)| *value)
    }

    /// The items of a list; null is an empty one.
    pub(crate) fn list(&self, what: &str, findings: &mut Findings<'_>) -> &[Self] {
        match &self.content {
            Content::Null => &[],
            Content::List(items) => items,
            Content::Map(entries) => {
                let first = entries.first().map_or("", |entry| entry.key.as_str());
                let at = super::fields::absent(self);
                findings
                    .error(at, format!("expected a list for {what}, found a map"))
                    .help(format!("each item of a list begins with a dash: `- {first}:`"));
                &[]
            }
            Content::Bool(_) | Content::Int(_) | Content::Float(_) | Content::Text(_) => {
                self.unexpected::<()>("a list", what, findings);
                &[]
            }
        }
    }

    /// The entries of a map; null is an empty one.
    pub(crate) fn map(&self, what: &str, findings: &mut Findings<'_>) -> &[Entry] {
        match &self.content {
            Content::Null => &[],
            Content::Map(entries) => entries,
            Content::Bool(_) | Content::Int(_) | Content::Float(_) | Content::Text(_) | Content::List(_) => {
                self.unexpected::<()>("a map", what, findings);
                &[]
            }
        }
    }

    fn unexpected<T>(&self, expected: &str, what: &str, findings: &mut Findings<'_>) -> Option<T> {
        findings.error(self.at, format!("expected {expected} for {what}, found {}", self.describe()));
        None
    }
}

/// What to do about a text that is no duration.
fn duration_help(text: &str) -> String {
    if text.parse().is_ok_and(|number: f64| number > 0.0) {
        format!("give a unit, such as `{text}s`")
    } else {
        "durations look like `250ms`, `30s` or `1m30s`".to_owned()
    }
}
