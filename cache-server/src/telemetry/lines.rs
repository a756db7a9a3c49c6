//! Log lines that no metric belongs to.

use std::net::SocketAddr;
use std::time::Duration;

use tracing_subscriber::filter::LevelFilter;

/// The environment variable with the log filter, such as `info` or `cache_server=debug`.
pub const LOG_VARIABLE: &str = "MIXER_LOG";

/// Sends log lines to standard error, one JSON object each, from now on.
pub fn start_logging() {
    let wanted = std::env::var(LOG_VARIABLE).ok();
    let known = wanted.as_deref().map(str::parse::<LevelFilter>).and_then(Result::ok);
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_max_level(known.unwrap_or(LevelFilter::INFO))
        .with_writer(std::io::stderr)
        .finish();
    // Fails when logging was started before, as by another server in the same process: then it goes on as it is.
    let _ = tracing::subscriber::set_global_default(subscriber);
    if let (None, Some(wanted)) = (known, wanted) {
        tracing::warn!(
            variable = LOG_VARIABLE,
            wanted,
            "no such level; expected error, warn, info, debug or trace"
        );
    }
}

/// All sockets listen.
pub fn serving(listen: SocketAddr, admin: SocketAddr, config_api: Option<SocketAddr>, version: &str) {
    let config_api = config_api.map(tracing::field::display);
    tracing::info!(%listen, %admin, config_api, version, "serving");
}

/// The server was told to end.
pub fn stopping(signal: &str) {
    tracing::info!(signal, "stopping: no new requests, those at work may finish");
}

/// Requests did not end in time.
pub fn drain_timed_out() {
    tracing::warn!("some requests did not end in time and were cut off");
}

/// Everything is written out.
pub fn stopped() {
    tracing::info!("stopped");
}

/// A diagnostic of a configuration that did come into force.
pub fn config_warning(diagnostic: &str) {
    tracing::warn!(diagnostic, "configuration has a warning");
}

/// The operating system does not tell of changes to the configuration.
pub fn config_unwatched(folder: &str, reason: &str) {
    tracing::warn!(
        folder,
        reason,
        "changes are not told of, the configuration is looked at more often instead"
    );
}

/// A Redis with the configuration is listened to. Whether it tells of changes may be unknown.
pub fn config_listening(store: &str, tells: Option<bool>, poll: Duration) {
    let poll = format!("{poll:?}");
    match tells {
        Some(true) => tracing::info!(store, poll, "changes of keys are told of"),
        Some(false) => tracing::info!(
            store,
            poll,
            "changes of keys are not told of, the configuration is looked at now and then; \
             `CONFIG SET notify-keyspace-events K$gx` turns it on"
        ),
        None => tracing::info!(
            store,
            poll,
            "it is not known whether changes of keys are told of, the configuration is looked at now and then"
        ),
    }
}

/// The caches were dropped: the operator asked for it, or a handler recalled its answers.
pub fn caches_dropped(verdicts: usize, watchers: usize) {
    tracing::info!(verdicts, watchers, "caches dropped");
}

/// A list is there for the first time, or changed.
pub fn list_loaded(handler: &str, origin: &str, entries: usize) {
    tracing::info!(handler, origin, entries, "list loaded");
}

/// A list cannot be had.
pub fn list_failed(handler: &str, origin: &str, reason: &str) {
    tracing::warn!(handler, origin, reason, "list cannot be had, the one before stays in force for a while");
}

/// Redis does not answer any more.
pub fn redis_lost(handler: &str, address: &str, reason: &str) {
    tracing::warn!(
        handler,
        address,
        reason,
        "Redis does not answer, quotas go by `whenUnavailable` until it does"
    );
}

/// Redis answers again.
pub fn redis_found(handler: &str, address: &str) {
    tracing::info!(handler, address, "Redis answers again");
}

/// All workloads of a source were read.
pub fn workloads_loaded(handler: &str, source: &str, workloads: usize) {
    tracing::info!(handler, source, workloads, "workloads loaded");
}

/// A descriptor cannot be exposed as a metric.
pub fn metric_refused(descriptor: &str, reason: &str) {
    tracing::warn!(descriptor, reason, "metric cannot be exposed");
}

/// A request's task panicked.
pub fn panicked(what: &str, message: &str) {
    tracing::error!(what, panic = message, "panic");
}

/// A connection or a listener failed in a way that the server survives.
pub fn listener_failed(listener: &str, reason: &str) {
    tracing::error!(listener, reason, "listener failed");
}

/// What an adapter writes to cannot be reached.
pub fn backend_away(handler: &str, reason: &str) {
    tracing::warn!(
        handler,
        reason,
        "the adapter's backend is away: what waits is kept as far as there is room"
    );
}

/// A template names what its metric does not have.
pub fn metric_name_skipped(handler: &str, metric: &str) {
    tracing::warn!(
        handler,
        metric,
        "the name's template uses a label that the metric does not have: not used"
    );
}
