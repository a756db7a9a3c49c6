//! The `mixer` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    cache_server::cli::main()
}
