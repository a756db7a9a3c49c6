//! URIs, absolute and relative.
//!
//! Checked as far as it takes to tell the parts apart. Two URIs are equal if they are written the same, but for the case
//! of the scheme and, with HTTP, the notation of the host.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::dns;
use crate::EvalError;
use crate::error::quoted;

/// Checks that a text is a URI.
pub(crate) fn validate(uri: &str) -> Result<(), EvalError> {
    parse(uri).map(drop)
}

/// Whether two URIs are the same.
pub(crate) fn equal(a: &str, b: &str) -> Result<bool, EvalError> {
    let (a, b) = (parse(a)?, parse(b)?);
    if a.scheme != b.scheme || a.user != b.user || a.rest != b.rest {
        return Ok(false);
    }
    match (&a.authority, &b.authority) {
        (Some(x), Some(y)) if matches!(&*a.scheme, "http" | "https") => {
            Ok(host(x.host)? == host(y.host)? && x.port.unwrap_or_default() == y.port.unwrap_or_default())
        }
        (x, y) => Ok(x == y),
    }
}

/// The parts of a URI. They are slices of it, so nothing is lost in taking it apart.
struct Parts<'u> {
    /// In lower case, without its colon; empty if the URI is relative.
    scheme: Cow<'u, str>,
    user: Option<&'u str>,
    authority: Option<Authority<'u>>,
    /// Path, query and fragment.
    rest: &'u str,
}

#[derive(PartialEq)]
struct Authority<'u> {
    /// With the brackets of an IPv6 address.
    host: &'u str,
    port: Option<&'u str>,
}

fn parse(uri: &str) -> Result<Parts<'_>, EvalError> {
    if uri.is_empty() {
        return Err(EvalError::EmptyUri);
    }
    split(uri).map_err(|reason| EvalError::InvalidUri { text: quoted(uri), reason })
}

fn split(uri: &str) -> Result<Parts<'_>, &'static str> {
    if uri.chars().any(|c| c.is_ascii_control()) {
        return Err("a control character");
    }
    let (scheme, after) = split_scheme(uri)?;
    // An empty fragment is none.
    let rest = match after.split_once('#') {
        Some((rest, "")) => rest,
        Some(_) | None => after,
    };
    let path_end = rest.find(['?', '#']).unwrap_or(rest.len());
    let path = rest.get(..path_end).unwrap_or_default();
    if scheme.is_empty() && path.split('/').next().is_some_and(|segment| segment.contains(':')) {
        return Err("the first segment of a relative path cannot contain a colon");
    }
    let opaque = !scheme.is_empty() && !path.starts_with('/');
    if !opaque && (!escapes_are_valid(path) || !escapes_are_valid(fragment(rest))) {
        return Err("an invalid %-escape");
    }

    let Some(after_slashes) = rest.strip_prefix("//") else {
        return Ok(Parts { scheme, user: None, authority: None, rest });
    };
    let end = after_slashes.find(['/', '?', '#']).unwrap_or(after_slashes.len());
    let (authority, rest) = after_slashes.split_at(end);
    let (user, host_port) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    Ok(Parts { scheme, user, authority: Some(split_port(host_port)?), rest })
}

/// The scheme in lower case, and what follows its colon.
fn split_scheme(uri: &str) -> Result<(Cow<'_, str>, &str), &'static str> {
    if uri.starts_with(':') {
        return Err("no scheme before the colon");
    }
    let scheme_len = uri.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)).count();
    let (scheme, rest) = uri.split_at(scheme_len);
    match rest.strip_prefix(':') {
        Some(rest) if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            let lower = if scheme.bytes().any(|b| b.is_ascii_uppercase()) {
                Cow::Owned(scheme.to_ascii_lowercase())
            } else {
                Cow::Borrowed(scheme)
            };
            Ok((lower, rest))
        }
        _ => Ok((Cow::Borrowed(""), uri)),
    }
}

fn fragment(rest: &str) -> &str {
    rest.split_once('#').map_or("", |(_, fragment)| fragment)
}

fn split_port(authority: &str) -> Result<Authority<'_>, &'static str> {
    let host_len = if authority.starts_with('[') {
        authority.find(']').ok_or("no `]` after the host")? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at(host_len);
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits),
        None if port.is_empty() => None,
        Some(_) | None => return Err("an invalid port after the host"),
    };
    if host.contains([' ', '<', '>', '"', '\\', '^', '`', '{', '|', '}']) {
        return Err("an invalid character in the host");
    }
    if !escapes_are_valid(host) {
        return Err("an invalid %-escape");
    }
    Ok(Authority { host, port })
}

/// Whether every `%` has two hexadecimal digits after it.
fn escapes_are_valid(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|after| after.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)))
}

/// The one form of a host: an address in its shortest notation, or a DNS name in its own one form.
fn host(host: &str) -> Result<Cow<'_, str>, EvalError> {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => Ok(match address.parse::<Ipv6Addr>() {
            Ok(address) => Cow::Owned(format!("[{address}]")),
            // With a zone.
            Err(_) => Cow::Owned(host.to_ascii_lowercase()),
        }),
        // `http://` has no host at all, and is equal to itself.
        None if host.is_empty() => Ok(Cow::Borrowed("")),
        None => dns::canonical(host),
    }
}
