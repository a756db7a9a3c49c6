//! DNS names, also international ones, which are compared in the form that is looked up (`xn--…`).

use std::borrow::Cow;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use crate::error::quoted;
use crate::{EvalError, limits};

/// Checks that a text is a DNS name. One dot at the end is fine.
pub(crate) fn validate(name: &str) -> Result<(), EvalError> {
    canonical(name).map(drop)
}

/// Whether two DNS names are the same, neither case nor a dot at the end counting.
pub(crate) fn equal(a: &str, b: &str) -> Result<bool, EvalError> {
    Ok(canonical(a)? == canonical(b)?)
}

/// The one form of a name: lower case, ASCII, without a dot at the end.
pub(super) fn canonical(name: &str) -> Result<Cow<'_, str>, EvalError> {
    let bare = match name.strip_suffix('.') {
        Some(bare) if !bare.is_empty() => bare,
        _ => name,
    };
    if bare.split('.').all(is_canonical) {
        return Ok(Cow::Borrowed(bare));
    }
    let invalid = |label: &str| EvalError::InvalidDnsName {
        text: quoted(name),
        reason: format!("idna: invalid label {:?}", quoted(label)),
    };
    if let Some(label) = bare.split('.').find(|label| to_ascii(label).is_none()) {
        return Err(invalid(label));
    }
    // A rule about writing directions holds for the name as a whole.
    to_ascii(bare).ok_or_else(|| invalid(bare))
}

/// Whether a label is in its one form already, so that no table needs to be asked.
fn is_canonical(label: &str) -> bool {
    let label = label.as_bytes();
    !label.is_empty()
        && label.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
        && !label.starts_with(b"-")
        && !label.ends_with(b"-")
        && label.get(2..4) != Some(b"--")
}

fn to_ascii(name: &str) -> Option<Cow<'_, str>> {
    if name.len() > limits::DNS_NAME_BYTES {
        return None;
    }
    Uts46::new()
        .to_ascii(name.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Ignore)
        .ok()
        .filter(|ascii| ascii.split('.').all(|label| !label.is_empty()))
}
