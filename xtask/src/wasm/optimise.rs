//! `wasm-opt`, after the linker: it sees the whole module, and takes a seventh off it.
//!
//! Then the module is weighed, so that it does not grow unnoticed.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::debian;
use crate::process::{run, succeeds};

/// What Debian calls the package that has it.
const PACKAGE: &str = "binaryen";

/// The features that the compiler uses for this target, all of which Envoy's engine has.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// For size, until nothing changes any more, after the compiler's branches have been arranged anew and with the functions
/// that are called most often first, since low numbers are short. The lowest addresses are the far end of the stack, where
/// nothing is that an address is counted from.
const PASSES: [&str; 7] =
    ["--flatten", "--rereloop", "-Oz", "--reorder-functions", "-Oz", "--converge", "--low-memory-unused"];

/// Bytes that an optimised module may have, 400 KiB. Every worker of every proxy compiles and keeps the module, so whoever
/// needs more says so here.
const BYTES_MAX: u64 = 409_600;

/// Optimises a module into another file. Where the tool is not and does not come, says so and answers `false`.
pub(super) fn optimise(module: &Path, into: &Path) -> Result<bool> {
    if !is_here() && debian::is_here() {
        // Without it the module is whole and works.
        if let Err(error) = debian::install(&[PACKAGE]) {
            eprintln!("  {error:#}");
        }
    }
    if !is_here() {
        eprintln!(
            "  without wasm-opt (package {PACKAGE}) the module is larger than it need be, and is not weighed"
        );
        return Ok(false);
    }
    run(Command::new("wasm-opt").args(PASSES).args(FEATURES).arg(module).arg("-o").arg(into))?;
    Ok(true)
}

/// Refuses a module that has grown, if it could be optimised: for who works on it. One that another compiler made larger
/// works as well.
pub(crate) fn weigh(module: &Path) -> Result<()> {
    let bytes = fs::metadata(module)?.len();
    if is_here() && bytes > BYTES_MAX {
        bail!(
            "filter.wasm has {bytes} bytes, and {BYTES_MAX} are allowed: see BYTES_MAX in xtask/src/wasm/optimise.rs"
        );
    }
    Ok(())
}

fn is_here() -> bool {
    succeeds(Command::new("wasm-opt").arg("--version"))
}
