//! `mixer version`: what this binary is, and what it speaks.

use std::process::ExitCode;

use super::dictionary::dictionary;
use super::print;
use crate::{VERSION, adapters};

/// The revision of the sources, if whoever built the binary said it in the environment variable `MIXER_REVISION`: a
/// build needs no repository.
const SOURCES: Option<&str> = option_env!("MIXER_REVISION");

/// Runs the command.
pub(super) fn run() -> Result<ExitCode, String> {
    let sources = SOURCES.map_or(String::new(), |revision| format!(" ({revision})"));
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    let words = dictionary(None)?;
    let digest = words.digest(words.len()).unwrap_or_default();
    let adapters: Vec<_> = adapters::infos().iter().map(|info| info.name).collect();
    print(&format!(
        "mixer {VERSION}{sources}\nbuild       {profile}, {}-{}\nprotocol    {}, {}, {}\ndictionary  {} words, digest \
         {digest:016x}\nadapters    {}\n",
        std::env::consts::ARCH,
        std::env::consts::OS,
        proto::path::SERVICE,
        proto::path::FEED_SERVICE,
        proto::path::CHECKS_SERVICE,
        words.len(),
        adapters.join(", "),
    ))?;
    Ok(ExitCode::SUCCESS)
}
