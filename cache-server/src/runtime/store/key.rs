//! The name of a document, the same in every store.

use std::fmt;

use thiserror::Error;

use crate::{limits, text};

/// The scope whose adapters and descriptors count, and the subject that every request is under.
const GLOBAL: &str = "global";

/// The name of a document, such as `/scopes/global/adapters`. It has no element that a file's name could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

/// The name of a scope or a subject is not one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{name}` is not the name of a {what}: expected at most {} letters, digits, `-`, `.` and `_`, the first no `-` or `.`",
    limits::NAME_BYTES
)]
pub struct InvalidName {
    what: &'static str,
    name: String,
}

impl Key {
    /// The adapter blocks.
    pub fn adapters() -> Self {
        Self(format!("/scopes/{GLOBAL}/adapters"))
    }

    /// The descriptors.
    pub fn descriptors() -> Self {
        Self(format!("/scopes/{GLOBAL}/descriptors"))
    }

    /// The rules of a scope for a subject.
    pub fn rules(scope: &str, subject: &str) -> Result<Self, InvalidName> {
        let scope = name("scope", scope)?;
        let subject = name("subject", subject)?;
        Ok(Self(format!("/scopes/{scope}/subjects/{subject}/rules")))
    }

    /// Whether the file at a path is the document.
    pub(super) fn is_at(&self, path: &str) -> bool {
        let path = path.strip_prefix('/').unwrap_or(path);
        let stem = path.strip_suffix(".yml").or_else(|| path.strip_suffix(".yaml")).unwrap_or(path);
        stem == self.below_root()
    }

    /// The key without the slash that it begins with.
    pub(super) fn below_root(&self) -> &str {
        self.0.trim_start_matches('/')
    }
}

/// Names become files' names: none may lead anywhere else, or be hidden.
fn name<'n>(what: &'static str, name: &'n str) -> Result<&'n str, InvalidName> {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_name = name.len() <= limits::NAME_BYTES
        && name.bytes().all(is_fit)
        && name.bytes().next().is_some_and(|first| !matches!(first, b'-' | b'.'));
    if is_name { Ok(name) } else { Err(InvalidName { what, name: text::quoted(name).into_owned() }) }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lead_nowhere_else() {
        let key = Key::rules("global", "a.ns.svc.cluster.local").unwrap();
        assert_eq!(key.to_string(), "/scopes/global/subjects/a.ns.svc.cluster.local/rules");
        assert!(key.is_at("scopes/global/subjects/a.ns.svc.cluster.local/rules.yaml"));
        assert!(key.is_at(&key.to_string()));
        assert!(!key.is_at("scopes/global/subjects/a.ns.svc.cluster.local/rules.txt"));
        let long = "a".repeat(limits::NAME_BYTES + 1);
        for wrong in ["", ".", "..", ".hidden", "-a", "a/b", "a\\b", "a\0", "ä", "a b", "*", &long] {
            assert!(Key::rules(wrong, "global").is_err(), "{wrong}");
            assert!(Key::rules("global", wrong).is_err(), "{wrong}");
        }
    }
}
