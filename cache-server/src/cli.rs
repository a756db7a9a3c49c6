//! cli: the `mixer` command line.
//!
//! The only place that prints and that decides how the process ends: 0 for success, 1 for a failure or an invalid
//! configuration, 2 for a command line that means nothing. Each command is a file below, with its flags.

mod dictionary;
mod identity;
mod page;
mod request;

mod cache;
mod eval;
mod explain;
mod serve;
mod validate;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::cache::Cache;
use self::eval::Eval;
use self::explain::Explain;
use self::serve::Serve;
use self::validate::Validate;
use crate::VERSION;

/// Mixer: decides about the requests of a mesh, remembers what it decided, and tells what happened.
#[derive(Debug, Parser)]
#[command(name = "mixer", version)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Answers checks and takes reports, over gRPC, until SIGTERM or SIGINT.
    ///
    /// The configuration is read again when its files change, and at once on SIGHUP. One that is wrong is refused and
    /// the one before stays in force; without any the server runs, is not ready, and refuses every check. Logs are
    /// JSON, one object a line, on standard error; the environment variable `MIXER_LOG` chooses what is logged.
    Serve(Serve),

    /// Looks at the caches of a running server, or drops them.
    #[command(subcommand)]
    Cache(Cache),

    /// Checks a configuration and prints everything that is wrong with it. Ends with 1 if it would be refused.
    Validate(Validate),

    /// Says what a configuration would decide about a request, and why. Needs no server and tells nobody.
    Explain(Explain),

    /// Evaluates an expression: its type, its result, and what it looks at.
    Eval(Eval),

    /// Prints the version.
    Version,
}

/// Runs the command line that the process was given.
pub fn main() -> ExitCode {
    let done = match Command::parse().action {
        Action::Serve(arguments) => serve::run(arguments),
        Action::Cache(command) => cache::run(command),
        Action::Validate(arguments) => validate::run(arguments),
        Action::Explain(arguments) => explain::run(arguments),
        Action::Eval(arguments) => eval::run(arguments),
        Action::Version => print(&format!("mixer {VERSION}\n")).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|reason| {
        // Standard error is all that there is to complain to.
        let _ = writeln!(std::io::stderr(), "mixer: {reason}");
        ExitCode::FAILURE
    })
}

fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn print(text: &str) -> Result<(), String> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("cannot print: {error}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Command::command().debug_assert();
    }
}
