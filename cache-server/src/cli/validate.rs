//! `mixer validate`: everything that is wrong with a configuration.

mod rehearsal;

use std::process::ExitCode;

use clap::Args;
use policy::{Loaded, SourceFile};

use super::identity::Identity;
use super::store::{Files, threads};
use super::{many, print};
use crate::runtime::{Store, StoreAddress};
use crate::{adapters, text};

#[derive(Debug, Args)]
pub(super) struct Validate {
    /// The folder of the configuration, or the address of another store, as `mixer serve` takes it.
    #[arg(value_name = "STORE", required_unless_present = "global_config_file")]
    config: Option<StoreAddress>,

    #[command(flatten)]
    files: Files,

    /// Prints the findings as a JSON array.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    identity: Identity,
}

/// Runs the command.
pub(super) fn run(arguments: Validate) -> Result<ExitCode, String> {
    let address = arguments.files.or(arguments.config)?;
    let options = policy::Options { layout: address.layout(), ..arguments.identity.into() };
    let root = address.root();
    let files = threads()?.block_on(Store::open(address).read()).map_err(|error| error.to_string())?;
    let mut loaded = policy::load(&files, &adapters::infos(), &options);
    if let Some(snapshot) = &loaded.snapshot {
        let found = rehearsal::rehearse(&root, &files, snapshot.handlers());
        loaded.diagnostics.extend(found);
        if loaded.errors().next().is_some() {
            loaded.snapshot = None;
        }
    }
    let page = if arguments.json {
        let findings: Vec<_> = loaded.diagnostics.iter().map(text::diagnostic).collect();
        format!("{:#}\n", serde_json::Value::from(findings))
    } else {
        let findings: Vec<_> =
            loaded.diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n\n")).collect();
        format!("{}{}\n", findings.concat(), summary(&files, &loaded))
    };
    print(&page)?;
    Ok(if loaded.snapshot.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn summary(files: &[SourceFile], loaded: &Loaded) -> String {
    let errors = loaded.errors().count();
    let warnings = many(loaded.diagnostics.len() - errors, "warning");
    match &loaded.snapshot {
        Some(snapshot) => {
            format!("valid: {}, revision {}, {warnings}", many(files.len(), "file"), snapshot.revision())
        }
        None => format!("invalid: {}, {warnings}", many(errors, "error")),
    }
}
