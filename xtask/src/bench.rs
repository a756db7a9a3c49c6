//! Benchmarks: everything in release, and the load generators.
//!
//! What is measured and how lies in package `bench`; it learns from the environment where the pieces are and replaces this
//! process, so that its standard output is all that there is.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::process::{cargo, replace, run, step, succeeds};
use crate::{debian, envoy, wasm, workspace};

/// The load generators, each with Debian's package.
const GENERATORS: [(&str, &str); 2] = [("h2load", "nghttp2-client"), ("wrk", "wrk")];

/// Builds everything and becomes the benchmark.
pub(crate) fn bench(arguments: &[OsString]) -> Result<()> {
    generators()?;
    profiler();
    let (envoy, filter) = (envoy::binary()?, wasm::build()?);
    let [nothing, calling, reading] = ["nothing", "calling", "reading"].map(wasm::build_measured);
    step("building the Mixer server and the benchmark in release", || {
        // Standard output belongs to the figures.
        run(cargo().args(["build", "--release", "--package", "cache-server", "--package", "bench", "--bins"]))
    })?;
    let binary = |name: &str| -> PathBuf { workspace::target().join("release").join(name) };
    let mut bench = Command::new(binary("bench"));
    bench.current_dir(workspace::root()).args(arguments);
    bench.env("MIXER_ENVOY", envoy).env("MIXER_FILTER_WASM", filter).env("MIXER_SERVER", binary("mixer"));
    bench.env("MIXER_NOTHING_WASM", nothing?).env("MIXER_CALLING_WASM", calling?);
    replace(bench.env("MIXER_READING_WASM", reading?))
}

/// Counts instructions: of what has no need of servers, so that it is built quickly.
pub(crate) fn guard(record: bool) -> Result<()> {
    if !succeeds(Command::new("which").arg("valgrind").stdout(Stdio::null())) {
        if !debian::is_here() {
            bail!("install valgrind so that it is on the path; it counts the instructions");
        }
        debian::install(&["valgrind"]).context("valgrind counts the instructions")?;
    }
    step("building what is counted in release", || {
        run(cargo().args(["build", "--release", "--package", "pieces", "--bins"]))
    })?;
    let mut pieces = Command::new(workspace::target().join("release/pieces"));
    step("counting instructions", || run(pieces.args(record.then_some("--record"))))
}

/// Installs `perf`, if it can be had: without it everything is measured but the profiles.
fn profiler() {
    let is_here = succeeds(Command::new("perf").arg("version").stdout(Stdio::null()));
    if !is_here
        && debian::is_here()
        && let Err(error) = debian::install(&["linux-perf"])
    {
        eprintln!("  {error:#}");
    }
}

/// Installs those that are missing.
fn generators() -> Result<()> {
    let is_missing =
        |(program, _): &&(&str, &str)| !succeeds(Command::new("which").arg(program).stdout(Stdio::null()));
    let missing: Vec<&str> = GENERATORS.iter().filter(is_missing).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let programs = GENERATORS.map(|(program, _)| program).join(" and ");
    if !debian::is_here() {
        bail!("install {programs} so that they are on the path; the benchmark takes its load from them");
    }
    debian::install(&missing).with_context(|| format!("the benchmark needs {programs}"))
}
