//! cli: the `mixer` command line.
//!
//! The only place that prints and that decides how the process ends: 0 for success, 1 for a failure or an invalid
//! configuration, 2 for a command line that means nothing, 3 for a check that was denied. Each command is a file below, with its flags.

mod attributes;
mod identity;
mod page;
mod request;
mod rpc;
mod store;

mod cache;
mod check;
mod dictionary;
mod eval;
mod explain;
mod report;
mod schema;
mod serve;
mod test;
mod validate;
mod version;
mod vocabulary;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::cache::Cache;
use self::check::Check;
use self::eval::Eval;
use self::explain::Explain;
use self::report::Report;
use self::schema::Schema;
use self::serve::Serve;
use self::test::Test;
use self::validate::Validate;
use self::vocabulary::Vocabulary;

/// How the process ends when a server says no.
const DENIED: u8 = 3;

/// Mixer: decides about the requests of a mesh, remembers what it decided, and tells what happened.
#[derive(Debug, Parser)]
#[command(name = "mixer", version, max_term_width = 100)]
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

    /// Checks a configuration and prints everything that is wrong with it.
    ///
    /// Ends with 1 if it would be refused.
    Validate(Validate),

    /// Runs the `*.test.yml` files of a configuration: requests, and what should become of them.
    ///
    /// Ends with 1 if a case fails, or if there is none.
    Test(Test),

    /// Says what a configuration would decide about a request, and why.
    ///
    /// Needs no server and tells nobody: adapters that log or measure are not called.
    Explain(Explain),

    /// Evaluates an expression: its type, its result, and what it looks at.
    Eval(Eval),

    /// Asks a running server about a request, as a proxy would.
    ///
    /// Ends with 0 if the request may go ahead, with 3 if it may not or a quota is not granted, and with 1 if there is no
    /// answer.
    Check(Check),

    /// Tells a running server of a request that is over, as a proxy would.
    Report(Report),

    /// Prints the words that a deployment knows by number.
    Dictionary(dictionary::Arguments),

    /// Prints the attributes that there are, their types, and when a proxy knows them.
    Vocabulary(Vocabulary),

    /// Prints the JSON Schema of a configuration file, for editors.
    Schema(Schema),

    /// Prints the version, and what this binary speaks.
    Version,
}

/// Runs the command line that the process was given.
pub fn main() -> ExitCode {
    let done = match Command::parse().action {
        Action::Serve(arguments) => serve::run(arguments),
        Action::Cache(command) => cache::run(command),
        Action::Validate(arguments) => validate::run(arguments),
        Action::Test(arguments) => test::run(arguments),
        Action::Explain(arguments) => explain::run(arguments),
        Action::Eval(arguments) => eval::run(arguments),
        Action::Check(arguments) => check::run(&arguments),
        Action::Report(arguments) => report::run(&arguments),
        Action::Dictionary(arguments) => dictionary::run(&arguments),
        Action::Vocabulary(arguments) => vocabulary::run(&arguments),
        Action::Schema(arguments) => schema::run(&arguments),
        Action::Version => version::run(),
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
