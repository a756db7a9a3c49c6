//! RE2's notation of regular expressions in that of the `regex` crate.
//!
//! Policies were written for RE2, and the two notations look alike and differ in what matters to a policy: `\d`, `\w`, `\s`
//! and `\b` mean ASCII in RE2 and all of Unicode in the crate, `[a[b]` and `[a&&b]` are ordinary sets of characters in
//! RE2 and nested sets in the crate, `\<` is a character in RE2 and the start of a word in the crate. What is translated
//! here means the same in both. What RE2 refuses may be accepted; what is malformed is passed on for the crate to refuse.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// Translates a pattern.
pub(super) fn translate(pattern: &str) -> String {
    let mut translator = Translator { rest: pattern.chars().peekable(), out: String::new() };
    while let Some(c) = translator.rest.next() {
        match c {
            '\\' => translator.escape(),
            '[' => translator.class(),
            '{' if !translator.is_repetition() => translator.out.push_str(r"\{"),
            c => translator.out.push(c),
        }
    }
    translator.out
}

struct Translator<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
}

/// The characters of a class such as `\d`, as they are written between brackets.
fn members(class: char) -> Option<&'static str> {
    match class.to_ascii_lowercase() {
        'd' => Some("0-9"),
        'w' => Some("0-9A-Za-z_"),
        's' => Some(r"\t\n\x0C\r "),
        _ => None,
    }
}

impl Translator<'_> {
    fn literal(&mut self, c: char) {
        self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
    }

    /// After a backslash that is not in a set.
    fn escape(&mut self) {
        match self.rest.next() {
            Some(boundary @ ('b' | 'B')) => {
                self.out.push_str(r"(?-u:\");
                self.out.push(boundary);
                self.out.push(')');
            }
            Some('Q') => self.quote(),
            Some(class) => match members(class) {
                Some(members) => self.set(class, members),
                None => self.character(class),
            },
            None => self.out.push('\\'),
        }
    }

    /// `\d`, or `\D`, as a set.
    fn set(&mut self, class: char, members: &str) {
        self.out.push_str(if class.is_ascii_uppercase() { "[^" } else { "[" });
        self.out.push_str(members);
        self.out.push(']');
    }

    /// `\Q…\E`: everything up to the end is as it is written.
    fn quote(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(c);
        }
    }

    /// After a backslash, what stands for one character or for a Unicode class.
    fn character(&mut self, c: char) {
        match c {
            // A zero begins a number in base eight. So do other digits, but only if another follows: alone they would be
            // references, which neither side has.
            '0'..='7' if c == '0' || self.rest.peek().is_some_and(|next| next.is_digit(8)) => {
                let mut code = c.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    let Some(digit) = self.rest.next_if(|next| next.is_digit(8)) else { break };
                    code = code * 8 + digit.to_digit(8).unwrap_or_default();
                }
                // Writing to a string cannot fail.
                let _ = write!(self.out, r"\x{{{code:x}}}");
            }
            c if c.is_ascii_punctuation() => self.literal(c),
            c => {
                self.out.push('\\');
                self.out.push(c);
                // What belongs to the escape is neither a repetition nor members of a set.
                match c {
                    'x' | 'p' | 'P' if self.rest.peek() == Some(&'{') => self.copy_through('}'),
                    'x' => {
                        self.out.extend(self.rest.next_if(char::is_ascii_hexdigit));
                        self.out.extend(self.rest.next_if(char::is_ascii_hexdigit));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Copies what follows, up to and with a character.
    fn copy_through(&mut self, last: char) {
        for c in self.rest.by_ref() {
            self.out.push(c);
            if c == last {
                return;
            }
        }
    }

    /// After the opening bracket of a set.
    fn class(&mut self) {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        // A bracket that comes first closes nothing.
        let mut first = true;
        while let Some(c) = self.rest.next() {
            if c == ']' && !first {
                self.out.push(']');
                return;
            }
            first = false;
            if self.member(c) && self.is_range() {
                self.rest.next();
                self.out.push('-');
                if let Some(end) = self.rest.next() {
                    self.member(end);
                }
            }
        }
    }

    /// One member of a set; whether a range can begin with it.
    fn member(&mut self, c: char) -> bool {
        match c {
            '[' if self.is_named_class() => {
                // `[:alpha:]`
                self.out.push('[');
                self.copy_through(']');
                false
            }
            '\\' => match self.rest.next() {
                Some(class) => match members(class) {
                    Some(members) if class.is_ascii_lowercase() => {
                        self.out.push_str(members);
                        false
                    }
                    Some(members) => {
                        self.set(class, members);
                        false
                    }
                    None => {
                        self.character(class);
                        !matches!(class, 'p' | 'P')
                    }
                },
                None => {
                    self.out.push('\\');
                    false
                }
            },
            c => {
                self.literal(c);
                true
            }
        }
    }

    /// Whether `-` and the end of a range come next.
    fn is_range(&self) -> bool {
        let mut ahead = self.rest.clone();
        ahead.next() == Some('-') && ahead.next().is_some_and(|end| end != ']')
    }

    fn is_named_class(&self) -> bool {
        let mut ahead = self.rest.clone();
        ahead.next() == Some(':')
            && ahead.find(|c| *c != '^' && !c.is_ascii_alphabetic()) == Some(':')
            && ahead.next() == Some(']')
    }

    /// Whether what follows an opening brace makes it a repetition: `{2}`, `{2,}`, `{2,3}`.
    fn is_repetition(&self) -> bool {
        let inner: String = self.rest.clone().take_while(|c| c.is_ascii_digit() || *c == ',').collect();
        let closed = self.rest.clone().nth(inner.len()) == Some('}');
        let (min, max) = inner.split_once(',').unwrap_or((&inner, ""));
        closed && !min.is_empty() && !max.contains(',')
    }
}
