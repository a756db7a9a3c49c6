//! The real Redis, for the tests of quotas that servers share: one that is named, one that is installed, or Debian's.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::debian;
use crate::process::output;

/// What to do where Redis cannot be had.
const ADVICE: &str = "install Redis 5 or later so that `redis-server` is on the path (macOS: `brew install redis`), \
                      or name a binary in MIXER_REDIS";

/// A `redis-server` that runs on this machine, installed if there is none.
pub(crate) fn binary() -> Result<PathBuf> {
    if let Some(named) = env::var_os("MIXER_REDIS").filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        version(&named).context("MIXER_REDIS does not name a Redis that runs here")?;
        return std::path::absolute(&named).context("MIXER_REDIS");
    }
    if let Some(installed) = on_path() {
        return Ok(installed);
    }
    if !debian::is_here() {
        bail!("no Redis here; {ADVICE}");
    }
    debian::install(&["redis-server"]).with_context(|| format!("no Redis here; {ADVICE}"))?;
    on_path().with_context(|| format!("Debian's redis-server is not on the path; {ADVICE}"))
}

/// The Redis that `PATH` leads to.
fn on_path() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join("redis-server")).find(|found| version(found).is_ok())
}

/// What a Redis says of its version; an error if it does not run.
fn version(binary: &Path) -> Result<String> {
    output(Command::new(binary).arg("--version"))
}
