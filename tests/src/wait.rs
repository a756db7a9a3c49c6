//! Waiting for something to become true, with a deadline and a name for what was waited for.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

/// How long anything on loopback may take before a wait gives up. Generous: it is only ever spent on failure.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often a wait looks.
pub const PACE: Duration = Duration::from_millis(15);

/// Asks `attempt` again and again until it gives a value, at most [`PATIENCE`] long.
///
/// # Errors
/// When the time is up; the message names `what`.
pub async fn until<T>(what: &str, attempt: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    until_within(PATIENCE, what, attempt).await
}

/// [`until`] with a deadline of its own.
///
/// # Errors
/// When the time is up; the message names `what`.
pub async fn until_within<T>(
    patience: Duration,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = attempt().await {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("waited {patience:?} in vain for {what}");
        }
        tokio::time::sleep(PACE).await;
    }
}
