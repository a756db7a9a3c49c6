//! The `mixer` binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// With it a full second-level cache takes less memory than with glibc's, and is looked up faster.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cache_server::cli::main()
}
