//! The limits of this crate.

/// Observations in a trace that comes over the wire or is to be stored.
pub const TRACE_OBSERVATIONS: usize = 256;

/// Trees for one revision and quota. Traces of one snapshot fit into one tree; answers of a server that does not send
/// traces may need several.
pub const TREES: usize = 8;

/// The longest time for which a verdict with a time limit is stored.
pub const TTL_MAX: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// In the last of so many parts of its life a verdict is worth renewing.
pub const LAST_PART: u32 = 10;

/// Verdicts that were used lately which one eviction passes over; the next goes even so.
pub const SECOND_CHANCES: usize = 64;

/// How many observations there are before a walk through the shared cache asks ahead of itself. The first is of what the
/// request is for, as a rule, and what that is decides about the others.
pub const TRAIL_FROM: usize = 1;

/// How many questions such a walk asks at once.
pub const TRAIL_QUESTIONS: usize = 8;

/// Of the bytes that the shared cache may hold it may take one in so many more, for answers in the form in which they are
/// sent.
pub const WRITTEN_PART: usize = 8;

/// Bytes of the table of a regular expression. Usual patterns take one to three thousand.
pub const MATCHER_BYTES: usize = 16 * 1024;

/// Bytes of the tables of one trace that comes over the wire.
pub const TRACE_MATCHER_BYTES: usize = 64 * 1024;

const _: () = assert!(MATCHER_BYTES <= TRACE_MATCHER_BYTES);
