//! The three programs under test, named by environment variables that `cargo xtask` sets.

use std::path::PathBuf;

/// The Envoy binary.
pub const ENVOY: &str = "MIXER_ENVOY";
/// The filter, `filter.wasm`.
pub const FILTER: &str = "MIXER_FILTER_WASM";
/// The `mixer` binary.
pub const SERVER: &str = "MIXER_SERVER";

/// Where they are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The Envoy binary.
    pub envoy: PathBuf,
    /// The filter.
    pub filter: PathBuf,
    /// The `mixer` binary.
    pub server: PathBuf,
}

impl Programs {
    /// The programs of the environment, or the name of the variable that is missing.
    ///
    /// # Errors
    /// The first variable that is not set.
    pub fn from_env() -> Result<Self, &'static str> {
        let path = |name: &'static str| std::env::var_os(name).map(PathBuf::from).ok_or(name);
        Ok(Self { envoy: path(ENVOY)?, filter: path(FILTER)?, server: path(SERVER)? })
    }

    /// For a test: the programs, or a printed line that says why the test did not run.
    ///
    /// # Panics
    /// When some are named and some are not: that is a slip, and tests that pass because of it prove nothing.
    pub fn or_skip() -> Option<Self> {
        let missing = match Self::from_env() {
            Ok(programs) => return Some(programs),
            Err(missing) => missing,
        };
        let named = [ENVOY, FILTER, SERVER].into_iter().find(|name| std::env::var_os(name).is_some());
        assert!(named.is_none(), "{} is set and {missing} is not", named.unwrap_or_default());
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        println!("skipped {test}: {missing} is not set; `cargo xtask test` sets it");
        None
    }
}
