//! Automation of this workspace: `cargo xtask <command>`.
//!
//! Everything that a fresh machine lacks is fetched by the command that needs it, once, and announced before it
//! happens. What is already there is used as it is. The modules in reading order: [`workspace`] knows where things
//! lie, [`process`] runs programs and shows progress, [`debian`] installs packages, [`envoy`] and [`wasm`] provide
//! the proxy and the module that runs inside it, [`redis`] the Redis of the tests, [`stack`] builds our own binaries and
//! hands everything to the demo and to the tests, [`mod@bench`] does the same in release for what measures.
//!
//! This is the one crate that uses `anyhow`: its errors are read by a person at a terminal, so each says what was
//! wanted, what happened, and what to do.

mod bench;
mod debian;
mod envoy;
mod process;
mod prometheus;
mod redis;
mod stack;
mod wasm;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Automation of this workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Get what this machine lacks: the wasm target, Envoy and Redis. The other commands do it as they need it.
    Setup,
    /// Build filter.wasm, the module that Envoy loads.
    Wasm {
        /// Check instead that every core crate compiles for wasm32-unknown-unknown.
        #[arg(long)]
        core: bool,
    },
    /// Start the whole stack on loopback ports and walk through it in the terminal.
    Demo {
        /// Check each step of the tour and exit, instead of staying up until Ctrl-C.
        #[arg(long)]
        once: bool,
    },
    /// Run every test, those with a real Envoy too.
    Test {
        /// Passed on to `cargo test`; `-p NAME` narrows it to one package.
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Measure Mixer beside what one would use instead. Names choose, `--json` is for machines, `--help` says more.
    #[command(disable_help_flag = true)]
    Bench {
        /// Passed on to the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Count the instructions of the parts and compare them with bench/instructions.json.
    Guard {
        /// Record the counts instead.
        #[arg(long)]
        record: bool,
    },
    /// Regenerate proto/src/generated from the .proto files.
    Codegen,
    /// What the build server runs: format, lints, documentation, `guard`, then `test`.
    Ci,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Setup => setup(),
        Task::Wasm { core: false } => wasm::build().map(|module| println!("{}", module.display())),
        Task::Wasm { core: true } => wasm::check_core(),
        Task::Demo { once } => stack::demo(once),
        Task::Test { arguments } => stack::test(&arguments),
        Task::Bench { arguments } => bench::bench(&arguments),
        Task::Guard { record } => bench::guard(record),
        Task::Codegen => codegen(),
        Task::Ci => process::replace(&mut std::process::Command::new(workspace::root().join(".ci/run"))),
    }
}

/// The test that compares the generated code writes it if it is told to.
fn codegen() -> Result<()> {
    let mut cargo = process::cargo();
    cargo.args(["test", "--package", "proto", "--test", "generated"]).env("UPDATE_GENERATED", "1");
    process::replace(&mut cargo)
}

fn setup() -> Result<()> {
    println!("wasm:  {}", wasm::toolchain()?);
    println!("envoy: {}", envoy::binary()?.display());
    println!("redis: {}", redis::binary()?.display());
    prometheus::ensure();
    Ok(())
}
