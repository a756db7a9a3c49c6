//! `mixer cache`: the caches of a running server, over its admin address.

mod remote;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::print;

#[derive(Debug, Subcommand)]
pub(super) enum Cache {
    /// Forgets every verdict: the server's, and those of every filter that listens to it. Prints how many there were
    /// and how many filters are told, as JSON.
    ///
    /// For when something changed that the server cannot know of. A change of the configuration needs no drop.
    Drop(Remote),

    /// Prints what the server's cache has seen and holds, as JSON.
    Show(Remote),
}

#[derive(Debug, Args)]
pub(super) struct Remote {
    /// The admin address of the server.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9093")]
    admin: String,
}

/// Runs the command.
pub(super) fn run(command: Cache) -> Result<ExitCode, String> {
    match command {
        Cache::Drop(Remote { admin }) => ask(&admin, "POST", "/cache/drop"),
        Cache::Show(Remote { admin }) => ask(&admin, "GET", "/cache"),
    }
}

fn ask(admin: &str, method: &str, path: &str) -> Result<ExitCode, String> {
    let page = remote::request(admin, method, path).map_err(|error| format!("{admin}: {error}"))?;
    print(&format!("{}\n", page.trim_end()))?;
    Ok(ExitCode::SUCCESS)
}
