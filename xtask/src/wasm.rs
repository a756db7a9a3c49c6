//! Builds of `wasm32-unknown-unknown`: the filter that ships, and the proof that the core crates know no host.

mod exports;
mod optimise;
mod toolchain;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process::{run, step};
use crate::workspace;

pub(crate) use optimise::weigh;
pub(crate) use toolchain::{Toolchain, toolchain};

/// The crates that must compile for a target without clock, socket and file.
const CORE: [&str; 7] = ["proto", "attributes", "checkcache", "expr", "policy", "client", "quota"];

/// Builds `filter.wasm` and tells where it is.
pub(crate) fn build() -> Result<PathBuf> {
    build_module("filter.wasm", &["--package", "filter"])
}

/// Builds the filter of a name that ours is measured beside.
pub(crate) fn build_measured(name: &str) -> Result<PathBuf> {
    build_module(&format!("examples/{name}.wasm"), &["--package", "measured-filters", "--example", name])
}

/// Builds what makes a module, which is then in a file of the profile's folder.
fn build_module(file: &str, what: &[&str]) -> Result<PathBuf> {
    let toolchain = toolchain()?;
    step(&format!("building {file} ({toolchain})"), || {
        run(cargo(&toolchain, "build").args(["--profile", "wasm"]).args(what))?;
        let module = workspace::wasm_target().join(workspace::WASM_TARGET).join("wasm").join(file);
        let built = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
        let slim =
            exports::without_unused(&built).with_context(|| format!("cannot read the exports of {file}"))?;

        // Cargo's file is a link to one that it keeps: a new file in its place leaves that one as it was.
        let partial = module.with_extension("partial");
        fs::write(&partial, &slim)?;
        let optimised = module.with_extension("optimised");
        if optimise::optimise(&partial, &optimised)? {
            fs::rename(&optimised, &partial)?;
            eprintln!("  {} bytes, from {} before wasm-opt", fs::metadata(&partial)?.len(), slim.len());
        } else {
            eprintln!("  {} bytes", slim.len());
        }
        fs::rename(&partial, &module)?;
        Ok(module)
    })
}

/// Checks that the core crates compile for the target.
pub(crate) fn check_core() -> Result<()> {
    let toolchain = toolchain()?;
    step(&format!("checking the core crates for {} ({toolchain})", workspace::WASM_TARGET), || {
        run(cargo(&toolchain, "check").args(CORE.iter().flat_map(|name| ["--package", name])))
    })
}

/// Cargo for the target, with the compiler that knows it.
fn cargo(toolchain: &Toolchain, verb: &str) -> Command {
    let mut command = crate::process::cargo();
    command
        .arg(verb)
        .args(["--target", workspace::WASM_TARGET, "--target-dir"])
        .arg(workspace::wasm_target());
    toolchain.apply_to(&mut command);

    // Flags that someone sets for host code (a CPU, a sanitizer) are wrong here. Panic messages name source files:
    // they should be the same whoever builds, and not tell where that was.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let mut flags = vec![format!("--remap-path-prefix={}=mixer", workspace::root().display())];
    if let Some(home) = cargo_home() {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    command
}

fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
}
