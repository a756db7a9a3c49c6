//! Where the files of this repository are, seen from the tests.

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The configuration tree `config/NAME`.
pub fn config(name: &str) -> PathBuf {
    root().join("config").join(name)
}

/// The Envoy bootstrap `envoy/NAME.yaml`.
pub fn bootstrap(name: &str) -> PathBuf {
    root().join("envoy").join(format!("{name}.yaml"))
}

/// The deployment-wide dictionary, one word a line.
pub fn dictionary() -> PathBuf {
    root().join("config").join("dictionary.txt")
}
