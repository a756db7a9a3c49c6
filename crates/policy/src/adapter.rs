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
    /// The parameter, as a path such as `refreshInterval`, `error.code` or `entries[2]`; empty for all of them.
    pub path: String,
    /// What is wrong.
    pub message: String,
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
