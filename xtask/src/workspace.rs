//! Where things lie: the root of the checkout and the folders below its target folder.

use std::env;
use std::path::PathBuf;

/// The target triple of the module that Envoy loads.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    // Cargo names the folder when it runs us; the one of the build serves when the binary is started by hand.
    let own =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    own.parent().map_or_else(|| own.clone(), PathBuf::from)
}

/// Cargo's target folder for host code.
pub(crate) fn target() -> PathBuf {
    // An absolute CARGO_TARGET_DIR replaces the root when joined, a relative one is below it.
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The target folder of the wasm builds: they may use another compiler than host code does, and must not evict it.
pub(crate) fn wasm_target() -> PathBuf {
    target().join("wasm")
}

/// Where fetched programs are kept.
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}

/// The filter's source files with their text, for tests that hold what automation takes for granted of them.
#[cfg(test)]
pub(crate) fn filter_sources() -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    let mut folders = vec![root().join("filter")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the filter") {
            let path = entry.expect("an entry of the folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("source text");
                sources.push((path, text));
            }
        }
    }
    assert!(!sources.is_empty(), "the filter has source files");
    sources
}
