//! The demo's application on its own, as `docker-compose.yml` runs it: `demo-upstream [ADDRESS]`.

use std::process::ExitCode;

use tests::Upstream;
use tokio::signal::unix::{SignalKind, signal};

/// Where it listens unless told otherwise.
const DEFAULT_ADDRESS: &str = "127.0.0.1:8080";

#[tokio::main]
async fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
    let Ok(address) = address.parse() else {
        eprintln!("demo-upstream: `{address}` is not an address such as {DEFAULT_ADDRESS}");
        return ExitCode::from(2);
    };
    match run(address).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo-upstream: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(address: std::net::SocketAddr) -> anyhow::Result<()> {
    let upstream = Upstream::start_at(address).await?;
    println!("listening on {}", upstream.address());
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}
