//! What validation needs to know of an adapter, and the blocks that use one.

use std::collections::BTreeMap;

use attributes::ValueType;

use crate::AspectKind;

/// An implementation of adapters, as far as configuration is concerned. What it does lives with whoever runs it.
#[derive(Debug, Clone)]
pub struct AdapterInfo {
    /// The name that blocks call it by under `impl`.
    pub name: &'static str,
    /// The kinds of aspects that it serves.
    pub kinds: &'static [AspectKind],
    /// What it does, in a sentence.
    pub description: &'static str,
    /// Checks a block's parameters without acting on them. Absent parameters come as an empty object; field names
    /// come as they were written, in `snake_case` or `camelCase`.
    pub validate: fn(&serde_json::Value) -> Result<(), Vec<ParamProblem>>,
    /// What a block with valid parameters derives, by name: what `attributes` aspects can bind.
    pub outputs: fn(&serde_json::Value) -> Outputs,
}

/// What an adapter block derives, by name, with the types of the values.
pub type Outputs = BTreeMap<String, ValueType>;

/// The outputs of an adapter that derives nothing.
pub fn no_outputs(_: &serde_json::Value) -> Outputs {
    Outputs::new()
}

/// Something wrong with an adapter's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamProblem {
    /// The parameter, as a path such as `refreshInterval`, `error.code` or `entries[2]`, in either notation; empty for
    /// all of them.
    pub path: String,
    /// What of it is wrong.
    pub part: ParamPart,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// The part of a parameter that a problem is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamPart {
    /// Its name: there is no such parameter, or it may not be given here.
    Name,
    /// Its value.
    Value,
}

impl ParamProblem {
    /// A value that does not do.
    pub fn of_value(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), part: ParamPart::Value, message: message.into(), help: None }
    }

    /// A parameter that should not be there.
    pub fn of_name(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { part: ParamPart::Name, ..Self::of_value(path, message) }
    }

    /// The same, of a part of some parameter: its path begins there, with a name or an index.
    #[must_use]
    pub fn below(self, parameter: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        Self { path: format!("{parameter}{dot}{}", self.path), ..self }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// One adapter block: an adapter with a name and parameters. Blocks are independent of each other, whatever
/// adapter they use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerConfig {
    /// The name that aspects call it by; unique among the blocks that serve a kind.
    pub name: String,
    /// The adapter's name.
    pub impl_name: &'static str,
    /// The kinds of aspects that it serves.
    pub kinds: &'static [AspectKind],
    /// The validated parameters; an empty object if there are none.
    pub params: serde_json::Value,
    /// What it derives.
    pub outputs: Outputs,
}
