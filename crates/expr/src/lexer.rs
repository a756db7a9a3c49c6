//! Text to tokens.
//!
//! The tokens are those of Go's expressions, with two liberties: a line may end anywhere between two tokens, and no
//! word is reserved, so an attribute may be called `source.type`.

mod literal;

use std::ops::Range;

use crate::ast::OPERATORS;

/// A token. Operators and brackets are the text that they are written as.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token<'t> {
    Identifier(&'t str),
    Int64(i64),
    Double(f64),
    Text(String),
    Symbol(&'static str),
    /// After the last one.
    End,
}

/// A place where a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidSyntax {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    /// The text is a construct of Go that has no meaning here, rather than a broken one.
    pub(crate) unexpected: bool,
}

impl InvalidSyntax {
    pub(crate) fn broken(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), unexpected: false }
    }

    pub(crate) fn unexpected(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), unexpected: true }
    }
}

/// What is not an operator. `!` is one, but only before an operand.
const PUNCTUATION: [&str; 7] = ["(", ")", "[", "]", ".", ",", "!"];

/// Splits a text into tokens and where they stand. The last one is [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<(Token<'_>, Range<usize>)>, InvalidSyntax> {
    let mut cursor = Cursor { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        cursor.skip_space()?;
        let start = cursor.at;
        let token = cursor.token()?;
        let end = token == Token::End;
        tokens.push((token, start..cursor.at));
        if end {
            return Ok(tokens);
        }
    }
}

/// A place in a text.
struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Steps over everything that a condition holds for.
    fn take_while(&mut self, mut condition: impl FnMut(char) -> bool) -> &'t str {
        let rest = self.rest();
        let len = rest.find(|c| !condition(c)).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    /// Steps over a text if it stands here.
    fn take(&mut self, expected: &str) -> bool {
        let here = self.rest().starts_with(expected);
        if here {
            self.at += expected.len();
        }
        here
    }

    fn skip_space(&mut self) -> Result<(), InvalidSyntax> {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
            let start = self.at;
            if self.take("//") {
                self.take_while(|c| c != '\n');
            } else if self.take("/*") {
                match self.rest().find("*/") {
                    Some(len) => self.at += len + 2,
                    None => {
                        return Err(InvalidSyntax::broken(start..self.text.len(), "the comment has no end"));
                    }
                }
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Token<'t>, InvalidSyntax> {
        match self.peek() {
            None => Ok(Token::End),
            Some(c) if c.is_alphabetic() || c == '_' => {
                Ok(Token::Identifier(self.take_while(|c| c.is_alphanumeric() || c == '_')))
            }
            Some(c) if c.is_ascii_digit() || (c == '.' && self.digit_follows()) => self.number(),
            Some('"' | '\'' | '`') => self.quoted().map(Token::Text),
            Some(c) => self.symbol(c),
        }
    }

    fn digit_follows(&self) -> bool {
        self.rest().as_bytes().get(1).is_some_and(u8::is_ascii_digit)
    }

    fn symbol(&mut self, c: char) -> Result<Token<'t>, InvalidSyntax> {
        let start = self.at;
        let longest = OPERATORS
            .iter()
            .map(|operator| operator.symbol)
            .chain(PUNCTUATION)
            .filter(|symbol| self.rest().starts_with(symbol))
            .max_by_key(|symbol| symbol.len());
        if let Some(symbol) = longest {
            self.at += symbol.len();
            return Ok(Token::Symbol(symbol));
        }
        self.next();
        let span = start..self.at;
        Err(match c {
            '=' => InvalidSyntax::broken(span, "expected `==`, found `=`"),
            '{' | '}' | ':' | ';' => InvalidSyntax::unexpected(span, format!("`{c}`")),
            c => InvalidSyntax::broken(span, format!("illegal character {c:?} (U+{:04X})", u32::from(c))),
        })
    }
}

#[cfg(test)]
mod tests;
