//! `mixer schema`: the shape of configuration files as JSON Schema, for editors.
//!
//! A schema says what a single file can say about itself: fields in both of their spellings, words, types, and which
//! params go with which kind. What lies between files – whether an adapter block, a descriptor or an attribute is
//! there, what an expression means, an adapter's own parameters – `mixer validate` says. Whatever the schema refuses,
//! validation refuses or warns of; the other way round that is not so.

mod documents;
mod parts;

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::print;

#[derive(Debug, Args)]
pub(super) struct Schema {
    /// Which of the files.
    #[arg(value_name = "FILE")]
    document: Document,
}

/// A file of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Document {
    /// adapters.yml: the blocks that rules call by name.
    Adapters,
    /// descriptors.yml: the attributes, and the shapes of what is told.
    Descriptors,
    /// rules.yml: what is done for which requests.
    Rules,
}

/// Runs the command.
pub(super) fn run(arguments: &Schema) -> Result<ExitCode, String> {
    print(&format!("{:#}\n", arguments.document.schema()))?;
    Ok(ExitCode::SUCCESS)
}

impl Document {
    fn schema(self) -> serde_json::Value {
        match self {
            Self::Adapters => documents::adapters(),
            Self::Descriptors => documents::descriptors(),
            Self::Rules => documents::rules(),
        }
    }
}

#[cfg(test)]
mod tests;
