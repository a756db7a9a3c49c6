//! The flags that say where a configuration comes from.

use std::path::PathBuf;

use clap::Args;

use crate::runtime::{Pair, StoreAddress};

/// A store, or two files.
#[derive(Debug, Args)]
pub(super) struct Configuration {
    /// Where the configuration comes from: a folder, laid out as scopes/SCOPE/subjects/SUBJECT/rules.yml, which is also
    /// `fs:///DIR`; or `redis://[:PASSWORD@]HOST:PORT/DB`, with keys such as /scopes/global/adapters.
    #[arg(
        long,
        value_name = "STORE",
        required_unless_present = "global_config_file",
        aliases = ["configStoreURL", "config-store-url"]
    )]
    config: Option<StoreAddress>,

    #[command(flatten)]
    files: Files,
}

/// A configuration as the first Mixers took it.
#[derive(Debug, Args)]
pub(super) struct Files {
    /// In place of a store: the file with adapters and descriptors, for the rules of --service-config-file.
    #[arg(
        long,
        value_name = "FILE",
        requires = "service_config_file",
        conflicts_with = "config",
        alias = "globalConfigFile"
    )]
    global_config_file: Option<PathBuf>,

    /// The file with the rules for every request, for the adapters and descriptors of --global-config-file.
    #[arg(long, value_name = "FILE", requires = "global_config_file", alias = "serviceConfigFile")]
    service_config_file: Option<PathBuf>,
}

impl Configuration {
    /// Which store it is.
    pub(super) fn address(self) -> Result<StoreAddress, String> {
        self.files.or(self.config)
    }
}

impl Files {
    /// The two files if they are given, else the store.
    pub(super) fn or(self, store: Option<StoreAddress>) -> Result<StoreAddress, String> {
        match (self.global_config_file, self.service_config_file) {
            (Some(global), Some(service)) => Ok(StoreAddress::Files(Pair { global, service })),
            // The parser of the command line does not let one of them through alone, nor nothing at all.
            (Some(_), None) | (None, Some(_)) => Err("the two files belong together".to_owned()),
            (None, None) => store.ok_or_else(|| "no store is given".to_owned()),
        }
    }
}

/// A runtime for commands that do one thing and end.
pub(super) fn threads() -> Result<tokio::runtime::Runtime, String> {
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build();
    threads.map_err(|error| format!("cannot start: {error}"))
}
