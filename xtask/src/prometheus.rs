//! The real Prometheus, for the test that it understands what the server shows: one that is installed, or Debian's.

use std::process::Command;

use crate::debian;
use crate::process::output;

/// Installs Prometheus where Debian has it. Without it the one test that needs it says that it was skipped.
pub(crate) fn ensure() {
    if output(Command::new("prometheus").arg("--version")).is_ok() {
        return;
    }
    if let Err(error) = debian::install(&["prometheus"]) {
        eprintln!("» no Prometheus here, so the test with a real one will be skipped: {error:#}");
    }
}
