//! Taking an action apart into tokens.

use std::ops::Range;

use attributes::Value;

use super::{InvalidTemplate, invalid};

/// A word or sign of an action.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// `.name` or `.name.name`
    Field(Vec<String>),
    Word(String),
    Constant(Value),
    Open,
    Close,
    Pipe,
}

/// A token and its bytes in the template.
pub(super) type Spanned = (Token, Range<usize>);

/// Takes an action apart. `start` is where it begins in the template.
pub(super) fn tokens(text: &str, start: usize) -> Result<Vec<Spanned>, InvalidTemplate> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..)
        && let Some(first) = rest.chars().next()
    {
        let (token, len) = match first {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '|' => (Token::Pipe, 1),
            '.' => field(rest)
                .ok_or_else(|| invalid("a name is expected behind `.`", start + at..start + at + 1))?,
            '"' | '`' => {
                string(rest).ok_or_else(|| invalid("the text has no end", start + at..start + text.len()))?
            }
            c if c.is_ascii_digit() || matches!(c, '-' | '+') => number(rest)
                .ok_or_else(|| invalid("this is not a number", start + at..start + at + first.len_utf8()))?,
            c if is_name(c) => word(rest),
            c => {
                return Err(invalid(
                    format!("`{c}` is not supported in log templates"),
                    start + at..start + at + c.len_utf8(),
                ));
            }
        };
        tokens.push((token, start + at..start + at + len));
        at += len;
    }
    Ok(tokens)
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn name_len(text: &str) -> usize {
    text.find(|c| !is_name(c)).unwrap_or(text.len())
}

fn field(text: &str) -> Option<(Token, usize)> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(behind) = rest.strip_prefix('.') {
        let (name, behind) = behind.split_at(name_len(behind));
        if name.is_empty() {
            return None;
        }
        names.push(name.to_owned());
        rest = behind;
    }
    Some((Token::Field(names), text.len() - rest.len()))
}

fn word(text: &str) -> (Token, usize) {
    let len = name_len(text);
    let word = text.get(..len).unwrap_or_default();
    let token = match word {
        "true" => Token::Constant(true.into()),
        "false" => Token::Constant(false.into()),
        _ => Token::Word(word.to_owned()),
    };
    (token, len)
}

fn number(text: &str) -> Option<(Token, usize)> {
    let len = text
        .find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '+' | '_')))
        .unwrap_or(text.len());
    let digits = text.get(..len)?;
    let value = digits.parse().map(Value::Int64).or_else(|_| digits.parse().map(Value::Double)).ok()?;
    Some((Token::Constant(value), len))
}

/// A text in double quotes with Go's escapes, or in back quotes as it is.
fn string(text: &str) -> Option<(Token, usize)> {
    if let Some(raw) = text.strip_prefix('`') {
        let (inner, _) = raw.split_once('`')?;
        return Some((Token::Constant(inner.into()), inner.len() + 2));
    }
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        match c {
            '"' => return Some((Token::Constant(value.as_str().into()), index + 1)),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                same @ ('"' | '\\' | '\'') => same,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}
