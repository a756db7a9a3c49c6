//! The limits of this crate.

use std::time::Duration;

/// The shortest and the longest time that a check may be given.
pub const CHECK_TIMEOUT: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(60);

/// Verdicts in the first-level cache, at most.
pub const CACHE_ENTRIES: usize = 1_000_000;

/// The longest time for which a verdict is used again, however long the server says: so long can a change of policy go
/// unnoticed by a filter that is cut off from the feed and answers all requests from its cache.
pub const VERDICT_TTL: Duration = Duration::from_secs(300);

/// Checks within a tick from which a line is worth opening.
pub const LINE_CHECKS: usize = 8;

/// Questions on a line that wait for an answer; one more is asked by a call. When a line is lost, so many calls are made at
/// once, and Envoy lets 1024 be under way to a cluster unless it is told otherwise.
pub const LINE_QUESTIONS: usize = 256;

/// Bytes of a question; a larger one is asked by a call. A server takes twice as many.
pub const LINE_QUESTION_BYTES: usize = 64 * 1024;

/// The shortest time of a check with which there are lines: on a line that works something comes every 50 ms.
pub const LINE_CHECK_TIMEOUT: Duration = Duration::from_millis(400);

/// For how long nothing may come on a line while somebody waits, or half of a check's time if that is less. A server
/// remembers for at least twice as long what it has charged a request.
pub const LINE_SILENCE: Duration = Duration::from_millis(500);

/// How old a question may be that charges a request and is asked again: a server remembers what it charged for a second, and
/// the way there and the check come before it counts.
pub const CHARGED_ONCE: Duration = Duration::from_millis(700);

/// After so long a line is opened anew, or up to half as long again.
pub const LINE_AGE: Duration = Duration::from_secs(60);

/// Verdicts that are being renewed; one more expires in its time.
pub const RENEWALS: usize = 64;

/// Reports in a batch, at most; the server's own limit is above it.
pub const BATCH_MAX: usize = 1_000;

/// The shortest and the longest time for which a batch may wait.
pub const BATCH_INTERVAL: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(60);

/// The shortest and the longest time between two reports of a connection.
pub const TCP_REPORT_INTERVAL: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(3_600);

/// Reports that wait to be sent; one more is dropped and counted.
pub const REPORTS_WAITING: usize = 10_000;

/// What the reports of one batch weigh in memory, at most; one that weighs more alone is dropped and counted. On the wire
/// they weigh less, and the server takes 1 MiB.
pub const BATCH_BYTES: usize = 512 * 1024;

/// What the reports that wait weigh; one more is dropped and counted.
pub const REPORT_BYTES_WAITING: usize = 16 << 20;

/// Report calls on their way; while there are so many, batches wait.
pub const REPORTS_IN_FLIGHT: usize = 4;

/// How long a report may take.
pub const REPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an answer of the server.
pub const ANSWER_BYTES: usize = 1 << 20;

/// Bytes of the explanation of a decision; what is longer is cut off.
pub const EXPLANATION_BYTES: usize = 4_096;

/// Networks that decisions are explained to.
pub const EXPLAIN_NETWORKS: usize = 64;

/// Attributes in the filter's configuration or in a route's.
pub const CONFIGURED_ATTRIBUTES: usize = 256;

/// Fetches of tokens that are on their way for one pool; while there are so many, it makes do with what it has.
pub const POOL_FETCHES: usize = 16;

/// Grants that a pool tells apart by when they end; one more counts as part of the last.
pub const POOL_GRANTS: usize = 32;

/// Pools of tokens: the least and the most that can be configured.
pub const QUOTA_POOLS: std::ops::RangeInclusive<usize> = 16..=10_000;

/// Rules that say what is charged.
pub const QUOTA_RULES: usize = 64;

/// Matches of one rule, and clauses of all of them.
pub const QUOTA_MATCHES: usize = 16;

/// Quotas that requests are charged, by configuration or by a route; a server takes 64 in one check.
pub const QUOTAS: usize = 16;

/// What a rule charges for a quota.
pub const QUOTA_CHARGE: u64 = 1_000_000;

/// Fetches and returns of tokens that wait or are on their way; while there are so many, pools make do with what they
/// have.
pub const ALLOCATIONS: usize = 256;

/// After so long without a request a pool's unused tokens go back to the server.
pub const TOKENS_IDLE: Duration = Duration::from_secs(5);

/// After so long without a request a pool is forgotten.
pub const POOL_IDLE: Duration = Duration::from_secs(600);

/// What the attributes weigh that a pool keeps to give tokens back with; with heavier ones it lets them expire.
pub const RETURN_BYTES: usize = 4_096;

const _: () = assert!(LINE_SILENCE.as_millis() < CHARGED_ONCE.as_millis());
const _: () = assert!(QUOTAS <= *QUOTA_POOLS.start());
const _: () = assert!(BATCH_MAX <= REPORTS_WAITING);
const _: () = assert!(BATCH_MAX <= attributes::limits::REPORT_MESSAGES);
const _: () = assert!(BATCH_BYTES <= REPORT_BYTES_WAITING);
