//! E-mail addresses: a local part, `@`, a domain. No display name, no comment, no angle brackets.

use std::borrow::Cow;

use super::dns;
use crate::EvalError;
use crate::error::quoted;

/// Checks that a text is an e-mail address.
pub(crate) fn validate(address: &str) -> Result<(), EvalError> {
    parse(address).map(drop)
}

/// Whether two addresses are the same: the local parts to the letter, quoted or not, the domains as DNS names.
pub(crate) fn equal(a: &str, b: &str) -> Result<bool, EvalError> {
    Ok(parse(a)? == parse(b)?)
}

/// The local part without quotes, and the domain in its one form.
fn parse(address: &str) -> Result<(Cow<'_, str>, Cow<'_, str>), EvalError> {
    let invalid = |reason: &str| EvalError::InvalidEmail { text: quoted(address), reason: reason.to_owned() };
    if address.is_empty() {
        return Err(invalid("mail: no address"));
    }
    let (local, rest) = if address.starts_with('"') {
        unquote(address).ok_or_else(|| invalid("mail: malformed quoted local part"))?
    } else {
        let end = address.find('@').unwrap_or(address.len());
        let (local, rest) = address.split_at(end);
        if !is_dot_atom(local) {
            return Err(invalid("mail: malformed local part"));
        }
        (Cow::Borrowed(local), rest)
    };
    let domain = rest.strip_prefix('@').ok_or_else(|| invalid("mail: no @ after the local part"))?;
    if !is_dot_atom(domain) {
        return Err(invalid("mail: malformed domain"));
    }
    let domain = dns::canonical(domain).map_err(|error| invalid(&error.to_string()))?;
    Ok((local, domain))
}

/// Words with single dots between them.
fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(|atom| {
        !atom.is_empty()
            && atom
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii())
    })
}

/// A text in quotes at the start of another, without its quotes and backslashes, and what follows it.
fn unquote(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut unquoted = String::new();
    let mut chars = text.strip_prefix('"')?.chars();
    loop {
        match chars.next()? {
            '"' if unquoted.is_empty() => return None,
            '"' => return Some((Cow::Owned(unquoted), chars.as_str())),
            '\\' => unquoted.push(chars.next().filter(|c| *c == '\t' || !c.is_control())?),
            c if c != '\t' && c.is_control() => return None,
            c => unquoted.push(c),
        }
    }
}
