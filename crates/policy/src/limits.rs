//! Limits of what configuration may be. Whoever writes it is trusted with policy, not with the server's memory.

/// The longest text of one file that is read.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How deeply YAML may nest.
pub const YAML_DEPTH_MAX: usize = 48;

/// How many nodes one file may have, aliases expanded.
pub const YAML_NODES_MAX: usize = 200_000;

/// How deeply rules may nest in rules.
pub const RULE_DEPTH_MAX: usize = 16;

/// How many diagnostics one load reports; beyond them only their number.
pub const DIAGNOSTICS_MAX: usize = 1_000;

/// How many finite buckets a distribution may have.
pub const BUCKETS_MAX: usize = 1_000;

/// How deeply a log template's expressions and conditionals may nest.
pub const TEMPLATE_DEPTH_MAX: usize = 32;

/// The longest text that one log template renders; what would go beyond is an error.
pub const LOG_TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Among how many of the latest groups of samples of a metric those with a request's labels are looked for; else they begin
/// again.
pub const RECENT_LABELS: usize = 16;

/// How many constants the checks of one subject may compare with an attribute that has few values before its value is
/// read instead. The module `tuning` argues both numbers.
pub const EQUALITIES_MAX: usize = 16;

/// How many constants they may compare with any other attribute, or with this one if not all by equality.
pub const COMPARISONS_MAX: usize = 128;

// A trace with as many observations as these can still be stored.
const _: () =
    assert!(EQUALITIES_MAX <= COMPARISONS_MAX && COMPARISONS_MAX < checkcache::limits::TRACE_OBSERVATIONS);

// A rule's nesting costs two levels of YAML, a list and a map, below the document's own.
const _: () = assert!(2 * RULE_DEPTH_MAX + 8 <= YAML_DEPTH_MAX);
