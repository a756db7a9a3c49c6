//! The limits of this crate.

/// Observations in a trace that comes over the wire or is to be stored.
pub const TRACE_OBSERVATIONS: usize = 256;

/// Trees for one revision and quota. Traces of one snapshot fit into one tree; answers of a server that does not send
/// traces may need several.
pub const TREES: usize = 8;

/// The longest time for which a verdict with a time limit is stored.
pub const TTL_MAX: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);
