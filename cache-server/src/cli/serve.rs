//! `mixer serve`: the server as a process, until a signal ends it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::dictionary::dictionary;
use super::identity::Identity;
use super::store::Configuration;
use crate::serve::{Options, Server};
use crate::{limits, telemetry};

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    config: Configuration,

    /// Where checks and reports come in. Port 0 lets the system choose; the log line "serving" says what it chose.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9091")]
    listen: SocketAddr,

    /// Where health, metrics and the caches are served over HTTP, to whoever asks: not for the open network.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9093")]
    admin: SocketAddr,

    /// Lets whoever reaches this address change the configuration over HTTP, without credentials. Off unless given;
    /// without a value it is 127.0.0.1:9094.
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:9094")]
    config_api: Option<SocketAddr>,

    /// How many verdicts the second-level cache holds. 0 turns it off.
    #[arg(long, value_name = "N", default_value_t = 1_500_000)]
    l2_entries: usize,

    /// The deployment-wide dictionary, one word a line: the one that proxies other than our filter use, such as Istio's.
    /// Without it, clients that do not say which words they mean by number are refused. [default: built in]
    #[arg(long, value_name = "FILE")]
    dictionary: Option<PathBuf>,

    /// The folder that `fileLogger` adapters write below. Without it a configuration that has one is refused.
    #[arg(long, value_name = "DIR")]
    log_root: Option<PathBuf>,

    #[command(flatten)]
    identity: Identity,
}

/// Runs the command.
pub(super) fn run(arguments: Serve) -> Result<ExitCode, String> {
    telemetry::start_logging();
    let options = Options {
        config: arguments.config.address()?,
        listen: arguments.listen,
        admin: arguments.admin,
        config_api: arguments.config_api,
        l2_entries: arguments.l2_entries,
        dictionary: dictionary(arguments.dictionary.as_deref())?,
        is_dictionary_given: arguments.dictionary.is_some(),
        policy: arguments.identity.into(),
        log_root: arguments.log_root,
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
