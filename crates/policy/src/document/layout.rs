//! Where files belong in a configuration tree.
//!
//! ```text
//! scopes/global/descriptors.yml
//! scopes/global/adapters.yml
//! scopes/<scope>/subjects/<subject>/rules.yml
//! ```
//!
//! Stores without files have the same places under keys: `/scopes/global/adapters`, with a slash before it and no
//! suffix.

use crate::is_suite;
use crate::subject::GLOBAL;
use crate::suggest::nearest;

/// What a file is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Descriptors,
    Adapters,
    Rules { scope: String, subject: String },
}

/// Why a file is for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// It is something else: a note, a script.
    NotConfiguration,
    /// Adapters or descriptors of another scope.
    NotGlobal,
    /// It looks like configuration, but nothing is read from there.
    NoPlace { help: String },
}

pub(super) const DESCRIPTORS: &str = "descriptors";
pub(super) const ADAPTERS: &str = "adapters";
pub(super) const RULES: &str = "rules";

impl Place {
    pub(super) fn of(path: &str) -> Result<Self, Misplaced> {
        let key = path.strip_prefix('/');
        let path = key.unwrap_or(path);
        let stem = path.strip_suffix(".yml").or_else(|| path.strip_suffix(".yaml")).or(key);
        let Some(stem) = stem.filter(|_| !is_suite(path)) else { return Err(Misplaced::NotConfiguration) };
        let elements: Vec<_> = stem.split('/').collect();
        match elements.as_slice() {
            ["scopes", GLOBAL, DESCRIPTORS] => Ok(Self::Descriptors),
            ["scopes", GLOBAL, ADAPTERS] => Ok(Self::Adapters),
            ["scopes", _, DESCRIPTORS | ADAPTERS] => Err(Misplaced::NotGlobal),
            ["scopes", scope, "subjects", subject, RULES] if !scope.is_empty() && !subject.is_empty() => {
                Ok(Self::Rules { scope: (*scope).to_owned(), subject: (*subject).to_owned() })
            }
            ["scopes", ..] | [.., DESCRIPTORS | ADAPTERS | RULES] => {
                let last = elements.last().copied().unwrap_or_default();
                Err(Misplaced::NoPlace { help: help(last) })
            }
            _ => Err(Misplaced::NotConfiguration),
        }
    }

    /// What tells the file's place from others: its path without the suffix.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Descriptors => format!("scopes/{GLOBAL}/{DESCRIPTORS}"),
            Self::Adapters => format!("scopes/{GLOBAL}/{ADAPTERS}"),
            Self::Rules { scope, subject } => format!("scopes/{scope}/subjects/{subject}/{RULES}"),
        }
    }
}

fn help(last: &str) -> String {
    match nearest(last, [DESCRIPTORS, ADAPTERS, RULES]) {
        Some(RULES) => "rules belong at `scopes/<scope>/subjects/<subject>/rules.yml`".to_owned(),
        Some(near) => format!("did you mean `scopes/{GLOBAL}/{near}.yml`?"),
        None => places(),
    }
}

/// Where files are read from.
pub(super) fn places() -> String {
    format!(
        "files are read from `scopes/{GLOBAL}/{DESCRIPTORS}.yml`, `scopes/{GLOBAL}/{ADAPTERS}.yml` and \
         `scopes/<scope>/subjects/<subject>/{RULES}.yml` below the folder"
    )
}
