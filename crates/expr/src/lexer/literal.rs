//! Numbers and texts.

use std::ops::Range;

use super::{Cursor, InvalidSyntax, Token};

impl<'t> Cursor<'t> {
    /// A number. Integers are decimal, whatever their first digit; there are no negative ones.
    pub(super) fn number(&mut self) -> Result<Token<'t>, InvalidSyntax> {
        let start = self.at;
        self.take_while(|c| c.is_ascii_digit());
        let point = self.take(".");
        self.take_while(|c| c.is_ascii_digit());
        let exponent = self.take("e") || self.take("E");
        if exponent && !self.take("-") {
            self.take("+");
        }
        self.take_while(|c| c.is_ascii_digit());
        if self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            self.take_while(|c| c.is_alphanumeric() || c == '_');
            return Err(InvalidSyntax::broken(start..self.at, "expected a decimal number"));
        }

        let text = self.text.get(start..self.at).unwrap_or_default();
        let number = if point || exponent {
            text.parse().ok().filter(|number: &f64| number.is_finite()).map(Token::Double)
        } else {
            text.parse().ok().map(Token::Int64)
        };
        number.ok_or_else(|| InvalidSyntax::broken(start..self.at, "the number is malformed or out of range"))
    }

    /// A text in quotes, or the single character in apostrophes.
    pub(super) fn quoted(&mut self) -> Result<String, InvalidSyntax> {
        let start = self.at;
        let Some(quote) = self.next() else { return Err(self.endless(start)) };
        if quote == '`' {
            let raw = self.take_while(|c| c != '`');
            return if self.take("`") { Ok(raw.replace('\r', "")) } else { Err(self.endless(start)) };
        }

        // Bytes, since `\x` and `\377` write bytes and not characters.
        let mut bytes = Vec::new();
        loop {
            let at = self.at;
            match self.next() {
                None | Some('\n') => return Err(self.endless(start)),
                Some(c) if c == quote => break,
                Some('\\') => self.escape(at, quote, &mut bytes)?,
                Some(c) => push(c, &mut bytes),
            }
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| InvalidSyntax::broken(start..self.at, "the text is not valid UTF-8"))?;
        if quote == '\'' && text.chars().count() != 1 {
            return Err(InvalidSyntax::broken(
                start..self.at,
                "expected one character between apostrophes; longer texts are written in \"quotes\"",
            ));
        }
        Ok(text)
    }

    fn endless(&self, start: usize) -> InvalidSyntax {
        InvalidSyntax::broken(start..self.at, "the text has no closing quote")
    }

    /// What follows a backslash.
    fn escape(&mut self, start: usize, quote: char, bytes: &mut Vec<u8>) -> Result<(), InvalidSyntax> {
        match self.next() {
            Some('a') => bytes.push(0x07),
            Some('b') => bytes.push(0x08),
            Some('f') => bytes.push(0x0c),
            Some('n') => bytes.push(b'\n'),
            Some('r') => bytes.push(b'\r'),
            Some('t') => bytes.push(b'\t'),
            Some('v') => bytes.push(0x0b),
            Some('\\') => bytes.push(b'\\'),
            Some(c) if c == quote => push(c, bytes),
            Some('x') => bytes.push(self.code(start, 2, 16)?),
            Some('u') => push(self.character(start, 4)?, bytes),
            Some('U') => push(self.character(start, 8)?, bytes),
            Some('0'..='7') => {
                self.at -= 1;
                bytes.push(self.code(start, 3, 8)?);
            }
            _ => return Err(unknown_escape(start..self.at)),
        }
        Ok(())
    }

    fn character(&mut self, start: usize, digits: usize) -> Result<char, InvalidSyntax> {
        let code = self.code(start, digits, 16)?;
        char::from_u32(code)
            .ok_or_else(|| InvalidSyntax::broken(start..self.at, "the escape names no character"))
    }

    /// A number of exactly so many digits.
    fn code<N: TryFrom<u32>>(&mut self, start: usize, digits: usize, radix: u32) -> Result<N, InvalidSyntax> {
        let mut left = digits;
        let code = self.take_while(|c| {
            let take = left > 0 && c.is_digit(radix);
            left = left.saturating_sub(1);
            take
        });
        let number = if code.len() == digits { u32::from_str_radix(code, radix).ok() } else { None };
        number.and_then(|number| N::try_from(number).ok()).ok_or_else(|| unknown_escape(start..self.at))
    }
}

fn push(c: char, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn unknown_escape(span: Range<usize>) -> InvalidSyntax {
    InvalidSyntax::broken(span, "unknown escape; a backslash itself is written as `\\\\`")
}
