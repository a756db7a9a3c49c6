//! Our own binaries, and what is started with them: the demo and the tests.
//!
//! Both learn from the environment where the pieces are (`MIXER_ENVOY`, `MIXER_FILTER_WASM`, `MIXER_SERVER`, and for the
//! tests `MIXER_REDIS`), and both replace this process: a Ctrl-C or a signal reaches them directly, and they alone have
//! to clean up.
//!
//! The filter's package is left out of host builds that link: its host calls exist only inside Envoy. It is still
//! linted and documented for the host, and what can be tested without Envoy lies in `client`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::process::{cargo, replace, run, step};
use crate::{envoy, prometheus, redis, wasm, workspace};

/// All packages but those that link only for Envoy.
const HOST_PACKAGES: [&str; 5] = ["--workspace", "--exclude", "filter", "--exclude", "measured-filters"];

/// Those that have what a demo runs: the server, an application, and the tour.
const DEMO_PACKAGES: [&str; 4] = ["--package", "cache-server", "--package", "tests"];

/// Builds what the demo runs and becomes the demo.
pub(crate) fn demo(once: bool) -> Result<()> {
    let pieces = Pieces::gather()?;
    step("building the Mixer server and the demo", || {
        run(cargo().arg("build").args(DEMO_PACKAGES).arg("--bins"))
    })?;
    let mut demo = Command::new(workspace::target().join("debug/demo"));
    demo.current_dir(workspace::root()).args(once.then_some("--once"));
    replace(pieces.name_to(&mut demo))
}

/// Builds everything and becomes `cargo test`.
pub(crate) fn test(arguments: &[OsString]) -> Result<()> {
    let pieces = Pieces::gather()?;
    wasm::weigh(&pieces.filter)?;
    let redis = redis::binary()?;
    prometheus::ensure();
    wasm::check_core()?;

    let narrowed = arguments.iter().any(|argument| {
        let argument = argument.to_string_lossy();
        argument.starts_with("-p") || argument.starts_with("--package")
    });
    // Tests are built together with the binaries that they start: one set of features, so everything is built once.
    let mut binaries = cargo();
    if narrowed {
        binaries.args(["build", "--package", "cache-server", "--bins"]);
    } else {
        binaries.arg("build").args(HOST_PACKAGES).args(["--bins", "--tests"]);
    }
    step("building the Mixer server and the tests", || run(&mut binaries))?;

    let mut tests = cargo();
    tests.arg("test");
    if !narrowed {
        tests.args(HOST_PACKAGES).arg("--no-fail-fast");
    }
    eprintln!("» running the tests …");
    replace(pieces.name_to(tests.args(arguments)).env("MIXER_REDIS", redis))
}

/// What the end-to-end stack is made of, besides the demo and the tests themselves.
struct Pieces {
    envoy: PathBuf,
    filter: PathBuf,
}

impl Pieces {
    fn gather() -> Result<Self> {
        Ok(Self { envoy: envoy::binary()?, filter: wasm::build()? })
    }

    /// Tells a program where the pieces are.
    fn name_to<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("MIXER_ENVOY", &self.envoy)
            .env("MIXER_FILTER_WASM", &self.filter)
            .env("MIXER_SERVER", workspace::target().join("debug/mixer"))
    }
}

#[cfg(test)]
mod tests {
    use crate::workspace;

    #[test]
    fn the_filter_has_no_tests_that_would_not_run() {
        for (path, source) in workspace::filter_sources() {
            assert!(
                !source.contains("#[test]"),
                "{}: a test here never runs; move it to `client`",
                path.display()
            );
        }
    }
}
