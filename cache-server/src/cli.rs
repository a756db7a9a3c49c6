//! cli: the `mixer` command line.
//!
//! The only place that prints and that decides how the process ends: 0 for success, 1 for a failure or an invalid
//! configuration, 2 for a command line that means nothing.

mod explain;
mod remote;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use attributes::Dictionary;
use clap::{Args, Parser, Subcommand};
use policy::{Diagnostic, Loaded, Severity, SourceFile};
use tokio::signal::unix::{SignalKind, signal};

use self::explain::Given;
use crate::runtime::{self, read_tree};
use crate::serve::{Options, Server};
use crate::{DEFAULT_DICTIONARY, VERSION, adapters, limits, telemetry};

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

    /// Prints the version.
    Version,
}

#[derive(Debug, Args)]
struct Serve {
    /// The folder of the configuration, laid out as scopes/SCOPE/subjects/SUBJECT/rules.yml.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,

    /// Where checks and reports come in. Port 0 lets the system choose; the log line "serving" says what it chose.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9091")]
    listen: SocketAddr,

    /// Where health, metrics and the caches are served over HTTP, to whoever asks: not for the open network.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9093")]
    admin: SocketAddr,

    /// How many verdicts the second-level cache holds. 0 turns it off.
    #[arg(long, value_name = "N", default_value_t = 1_500_000)]
    l2_entries: usize,

    /// The deployment-wide dictionary, one word a line: the one that proxies other than our filter use, such as Istio's.
    /// Without it, clients that do not say which words they mean by number are refused. [default: built in]
    #[arg(long, value_name = "FILE")]
    dictionary: Option<PathBuf>,

    #[command(flatten)]
    identity: Identity,
}

#[derive(Debug, Subcommand)]
enum Cache {
    /// Forgets every verdict: the server's, and those of every filter that listens to it. Prints how many there were
    /// and how many filters are told, as JSON.
    ///
    /// For when something changed that the server cannot know of. A change of the configuration needs no drop.
    Drop(Remote),

    /// Prints what the server's cache has seen and holds, as JSON.
    Show(Remote),
}

#[derive(Debug, Args)]
struct Remote {
    /// The admin address of the server.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9093")]
    admin: String,
}

#[derive(Debug, Args)]
struct Validate {
    /// The folder of the configuration.
    #[arg(value_name = "DIR")]
    config: PathBuf,

    /// Prints the findings as a JSON array.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    identity: Identity,
}

#[derive(Debug, Args)]
struct Explain {
    /// The folder of the configuration.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,

    /// An attribute of the request; an entry of a map is NAME[KEY]=VALUE. What is not given is absent.
    #[arg(short, long = "attribute", value_name = "NAME=VALUE")]
    attributes: Vec<Given>,

    /// Prints the explanation as JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    identity: Identity,
}

#[derive(Debug, Args)]
struct Identity {
    /// The attribute whose value says which subject's rules a request is under.
    #[arg(long, value_name = "NAME", default_value_t = policy::Options::default().identity_attribute)]
    identity_attribute: String,

    /// The domain that the values of that attribute end with; others are under the global rules alone.
    #[arg(long, value_name = "DOMAIN", default_value_t = policy::Options::default().identity_domain)]
    identity_domain: String,
}

/// Runs the command line that the process was given.
pub fn main() -> ExitCode {
    let done = match Command::parse().action {
        Action::Serve(arguments) => serve(arguments),
        Action::Cache(Cache::Drop(Remote { admin })) => ask(&admin, "POST", "/cache/drop"),
        Action::Cache(Cache::Show(Remote { admin })) => ask(&admin, "GET", "/cache"),
        Action::Validate(arguments) => validate(arguments),
        Action::Explain(arguments) => explain(arguments),
        Action::Version => print(&format!("mixer {VERSION}\n")).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|reason| {
        // Standard error is all that there is to complain to.
        let _ = writeln!(std::io::stderr(), "mixer: {reason}");
        ExitCode::FAILURE
    })
}

// === serve ===

fn serve(arguments: Serve) -> Result<ExitCode, String> {
    telemetry::start_logging();
    let options = Options {
        config: arguments.config,
        listen: arguments.listen,
        admin: arguments.admin,
        l2_entries: arguments.l2_entries,
        dictionary: dictionary(arguments.dictionary.as_deref())?,
        is_dictionary_given: arguments.dictionary.is_some(),
        policy: arguments.identity.into(),
    };
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let threads = threads.map_err(|error| format!("cannot start threads: {error}"))?;
    let served = threads.block_on(serve_until_signal(options));
    // Whatever still blocks a thread, such as a list on a disk that hangs, must not keep the process.
    threads.shutdown_timeout(limits::FLUSH);
    served.map(|()| ExitCode::SUCCESS)
}

async fn serve_until_signal(options: Options) -> Result<(), String> {
    let listen_to = |kind| signal(kind).map_err(|error| format!("cannot listen to signals: {error}"));
    // Before anything else, so that none is missed.
    let mut terminate = listen_to(SignalKind::terminate())?;
    let mut interrupt = listen_to(SignalKind::interrupt())?;
    let mut hang_up = listen_to(SignalKind::hangup())?;
    let server = Server::start(options).await.map_err(|error| error.to_string())?;
    let ended_by = loop {
        tokio::select! {
            _ = terminate.recv() => break "SIGTERM",
            _ = interrupt.recv() => break "SIGINT",
            _ = hang_up.recv() => server.reload(),
        }
    };
    telemetry::stopping(ended_by);
    server.stop().await;
    Ok(())
}

fn dictionary(file: Option<&Path>) -> Result<Dictionary, String> {
    let Some(file) = file else {
        return Dictionary::parse(DEFAULT_DICTIONARY)
            .map_err(|error| format!("the built-in dictionary: {error}"));
    };
    let text = runtime::read_bounded(file, limits::DICTIONARY_BYTES).map_err(|error| error.to_string())?;
    Dictionary::parse(&text).map_err(|error| format!("{}: {error}", file.display()))
}

// === cache ===

fn ask(admin: &str, method: &str, path: &str) -> Result<ExitCode, String> {
    let page = remote::request(admin, method, path).map_err(|error| format!("{admin}: {error}"))?;
    print(&format!("{}\n", page.trim_end()))?;
    Ok(ExitCode::SUCCESS)
}

// === explain ===

fn explain(arguments: Explain) -> Result<ExitCode, String> {
    let Explain { config, attributes, json, identity } = arguments;
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let threads = threads.map_err(|error| format!("cannot start: {error}"))?;
    let explanation = threads.block_on(explain::explain(&config, identity.into(), &attributes));
    let explanation = explanation.map_err(|error| error.to_string())?;
    let page = if json {
        serde_json::to_string_pretty(&explanation).map_err(|error| error.to_string())? + "\n"
    } else {
        explanation.to_string()
    };
    print(&page)?;
    Ok(ExitCode::SUCCESS)
}

// === validate ===

fn validate(arguments: Validate) -> Result<ExitCode, String> {
    let files = read_tree(&arguments.config).map_err(|error| error.to_string())?;
    let loaded = policy::load(&files, &adapters::infos(), &arguments.identity.into());
    let page = if arguments.json {
        let findings: Vec<_> = loaded.diagnostics.iter().map(json).collect();
        format!("{:#}\n", serde_json::Value::from(findings))
    } else {
        let findings: Vec<_> =
            loaded.diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n\n")).collect();
        format!("{}{}\n", findings.concat(), summary(&files, &loaded))
    };
    print(&page)?;
    Ok(if loaded.snapshot.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn summary(files: &[SourceFile], loaded: &Loaded) -> String {
    let errors = loaded.errors().count();
    let warnings = many(loaded.diagnostics.len() - errors, "warning");
    match &loaded.snapshot {
        Some(snapshot) => {
            format!("valid: {}, revision {}, {warnings}", many(files.len(), "file"), snapshot.revision())
        }
        None => format!("invalid: {}, {warnings}", many(errors, "error")),
    }
}

fn json(diagnostic: &Diagnostic) -> serde_json::Value {
    let Diagnostic { severity, file, line, column, width, source_line: _, message, help } = diagnostic;
    let severity = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    serde_json::json!({
        "severity": severity, "file": file, "line": line, "column": column, "width": width,
        "message": message, "help": help,
    })
}

fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn print(text: &str) -> Result<(), String> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("cannot print: {error}"))
}

impl From<Identity> for policy::Options {
    fn from(identity: Identity) -> Self {
        Self {
            identity_attribute: identity.identity_attribute,
            identity_domain: identity.identity_domain,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Command::command().debug_assert();
    }

    #[test]
    fn the_built_in_dictionary_is_one() {
        assert!(dictionary(None).unwrap().len() > 200);
    }
}
