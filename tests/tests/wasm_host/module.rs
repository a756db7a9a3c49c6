//! The module, compiled once for all tests of the process.

use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow};
use wasmtime::{Config, Engine, InstancePre, Linker, Module, OptLevel};

use super::World;
use super::imports;
use tests::programs;

static FILTER: OnceLock<Result<InstancePre<World>, String>> = OnceLock::new();

/// The filter that the environment names, ready to be instantiated; `None` if it names none.
///
/// # Errors
/// When the file is not a module that this host can run.
pub(super) fn filter() -> Result<Option<&'static InstancePre<World>>> {
    let Some(path) = std::env::var_os(programs::FILTER) else { return Ok(None) };
    let compiled = FILTER.get_or_init(|| compile(path.as_ref()).map_err(|error| format!("{error:#}")));
    compiled.as_ref().map(Some).map_err(|error| anyhow!("{error}"))
}

fn compile(path: &std::path::Path) -> Result<InstancePre<World>> {
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut config = Config::new();
    // Compiled quickly rather than well: a test runs each path a few times.
    config.cranelift_opt_level(OptLevel::None);
    // Fuel is how instructions are counted.
    config.consume_fuel(true);
    let engine = Engine::new(&config)?;
    let module = Module::new(&engine, bytes)?;
    let mut linker = Linker::new(&engine);
    imports::define(&mut linker)?;
    // The SDK imports the whole ABI. What the filter has no use for must not be called, so it may well trap.
    linker.define_unknown_imports_as_traps(&module)?;
    Ok(linker.instantiate_pre(&module)?)
}
