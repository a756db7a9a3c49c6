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

/// The folder with recorded configurations and cases: `MIXER_VECTORS`, or `../shared/vectors` beside the checkout.
/// Prints that the test does not run and gives nothing if it is not there.
pub fn vectors_or_skip() -> Option<PathBuf> {
    let named = std::env::var_os("MIXER_VECTORS").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| root().join("../shared/vectors"));
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there; MIXER_VECTORS names another place", folder.display());
    None
}

/// Copies a folder with everything below it.
///
/// # Errors
/// When something cannot be read or written.
pub fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
