//! limits: every bound of this crate, in one place.

use std::time::Duration;

// === gRPC ===

/// Bytes of one request message; a larger one is refused before it is decoded.
pub const MESSAGE_BYTES: usize = 1024 * 1024;

/// Requests at a time on one connection.
pub const CONNECTION_STREAMS: u32 = 1024;

/// Questions of one stream of checks that are at work or whose answers were not read yet; further ones are read when there
/// are fewer.
pub const STREAM_QUESTIONS: usize = CONNECTION_STREAMS as usize;

/// Bytes of one question; a larger one ends its stream, and filters make a call of it.
pub const QUESTION_BYTES: usize = MESSAGE_BYTES / 8;

/// How often a stream of checks says that questions are at work. Filters take one that is silent for [`client::limits::LINE_SILENCE`] for dead.
pub const STREAM_BEAT: Duration = Duration::from_millis(50);

/// Checks and reports at work at a time over all connections; what comes on top is turned away as overload.
pub const REQUESTS_IN_FLIGHT: usize = 4096;

/// How often an idle connection is asked for a sign of life, and how long it may take to give one.
pub const KEEPALIVE: Duration = Duration::from_secs(30);

/// Quotas in one check.
pub const CHECK_QUOTAS: usize = 64;

/// Bytes of a message for people in a status.
pub const STATUS_MESSAGE_BYTES: usize = 1024;

/// Bytes of a request's text that a message for people repeats.
pub const QUOTED_BYTES: usize = 128;

/// Messages of a report that its error tells about one by one.
pub const REPORT_ERRORS: usize = 8;

/// Messages of a report after which the task lets others have the thread.
pub const REPORT_YIELD: usize = 64;

/// Instances for one handler after which a report hands over what it has.
pub const REPORT_INSTANCES: usize = 4096;

/// Bytes of log entries after which a report hands over what it has.
pub const REPORT_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of the attributes that the messages of one report may stand for. Messages share words and build on each
/// other, so a small report can stand for very much; what would come on top is not told, and the client hears of it.
pub const REPORT_BYTES: usize = 256 * MESSAGE_BYTES;

// === L2 ===

/// Requests that are being decided about and that equal ones may wait for. One on top is decided about all the same, by
/// itself.
pub const FLIGHTS: usize = REQUESTS_IN_FLIGHT + RENEWALS;

/// Verdicts that are being renewed before they expire. One on top expires.
pub const RENEWALS: usize = 64;

// === Demand and the feed ===

/// Configurations whose demand is remembered: a request that was made under one of them may be answered at once.
pub const REMEMBERED_DEMANDS: usize = 8;

/// Keys of one attribute that are asked for one by one; of an attribute of which more are read all is asked for.
pub const DEMAND_KEYS: usize = 64;

/// Clients that listen to the feed at a time; one on top is turned away.
pub const WATCHERS: usize = 16_384;

// === Verdicts ===

/// How long a verdict holds when nothing that was asked set a bound: no aspect applied, or the list is inline. Also
/// how long a proxy may act on an old configuration that does not hear of the new one.
pub const VERDICT_TTL: Duration = Duration::from_secs(60);

/// How long a quota that is not configured, and so is granted in full, holds.
pub const UNCONFIGURED_QUOTA_TTL: Duration = Duration::from_secs(10);

// === Adapters ===

/// How long one call of an adapter may take.
pub const ADAPTER_CALL: Duration = Duration::from_secs(1);

/// Calls of one handler at a time; one on top fails at once, so that a backend that hangs does not hold all requests.
pub const HANDLER_CALLS: usize = 1024;

/// Bytes of the body that a refusal may have.
pub const DIRECT_RESPONSE_BYTES: usize = 16 * 1024;

/// Entries of one list.
pub const LIST_ENTRIES: usize = 1_000_000;

/// Bytes of one entry; a longer one is passed over and counted.
pub const LIST_ENTRY_BYTES: usize = 4096;

/// Regular expressions of one list.
pub const LIST_PATTERNS: usize = 4096;

/// Bytes of memory that the regular expressions of one list may take together.
pub const LIST_PATTERNS_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of memory that each thread may take to look for them.
pub const LIST_SEARCH_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of a list's text, from a file or from a provider.
pub const LIST_BYTES: usize = 64 * 1024 * 1024;

/// How often a list's file is read again though nothing tells that it changed, unless its block says otherwise.
pub const LIST_FILE_REFRESH: Duration = Duration::from_secs(10);

/// How often a list's file is looked at. One that changed is read when it was the same twice.
pub const LIST_FILE_POLL: Duration = Duration::from_millis(500);

/// How often a list's provider is asked again, unless its block says otherwise.
pub const LIST_URL_REFRESH: Duration = Duration::from_secs(60);

/// How long a provider may take for a list, from the connection to the last byte.
pub const LIST_FETCH: Duration = Duration::from_secs(10);

/// Redirections on the way to a list.
pub const LIST_REDIRECTS: usize = 5;

/// How soon a list that could not be had is tried again, at first; each failure doubles it, up to how often the list is
/// asked for at all.
pub const LIST_RETRY: Duration = Duration::from_secs(1);

/// How long the last good list stands in for one that cannot be had, unless its block says otherwise.
pub const LIST_TTL: Duration = Duration::from_secs(300);

/// How long a check waits for a list that is being had for the first time.
pub const LIST_WAIT: Duration = Duration::from_millis(900);

/// The least time between two drops of the caches that handlers ask for.
pub const RECALL_PAUSE: Duration = Duration::from_secs(1);

/// Log lines that wait for standard output or standard error; a line on top is dropped and counted.
pub const LOG_QUEUE: usize = 8192;

/// Bytes of those lines.
pub const LOG_QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of what goes into one log line, before it is written as JSON; a larger entry is dropped and counted.
pub const LOG_ENTRY_BYTES: usize = 1024 * 1024;

/// Bytes of lines that go to a log's thread, or are written, at a time; and what was the last to come.
pub const LOG_WRITE_BYTES: usize = 1024 * 1024;

/// Old files of one log that are kept.
pub const LOG_FILES: u32 = 1000;

/// Series of one metric; a new combination of label values on top is dropped and counted.
pub const METRIC_SERIES: usize = 10_000;

/// Bytes of one label's value in a metric; the rest is cut off.
pub const METRIC_LABEL_BYTES: usize = 256;

/// Sets of labels that one quota block counts in memory at a time. One on top is refused and counted until what another
/// holds has expired or is given back.
pub const QUOTA_CELLS: usize = 65_536;

/// Answers that one quota block remembers in memory for requests that name themselves. One on top is not remembered and
/// counted, so that such a request counts again when it is asked again.
pub const QUOTA_ANSWERS: usize = 262_144;

/// Parts that the above are kept in, each with a lock of its own.
pub const QUOTA_SHARDS: usize = 16;

/// How long the answer to a quota request is remembered at least, unless its block says otherwise.
pub const QUOTA_DEDUPLICATION: Duration = Duration::from_secs(1);

/// Connections that a `redisQuota` block keeps, unless it says otherwise. Each serves many requests at a time.
pub const REDIS_CONNECTIONS: u32 = 10;

/// Connections that such a block may ask for.
pub const REDIS_CONNECTIONS_MAX: u32 = 256;

/// How long Redis may take to answer, connecting included, unless the block says otherwise.
pub const REDIS_DEADLINE: Duration = Duration::from_millis(100);

/// How long a block may let it take.
pub const REDIS_DEADLINE_MAX: Duration = Duration::from_millis(500);

/// Failures in a row after which Redis is not asked for a while.
pub const REDIS_FAILURES: u32 = 3;

/// That while. At its end one request finds out.
pub const REDIS_RETRY: Duration = Duration::from_secs(1);

/// Characters of a quota's name that its keys in Redis show.
pub const REDIS_KEY_NAME: usize = 64;
/// Workloads that one block knows; one on top is not known, which is counted.
pub const WORKLOADS: usize = 200_000;

/// Bytes of an inventory's file.
pub const INVENTORY_BYTES: u64 = 4 * 1024 * 1024;

/// Problems of an inventory's file that a log line tells.
pub const INVENTORY_PROBLEMS: usize = 8;

/// How often an inventory's file is read again, unless its block says otherwise.
pub const INVENTORY_REFRESH: Duration = Duration::from_secs(5);

/// How long what was derived of a workload holds, unless its block says otherwise. A workload that changes is taken for
/// what it was for so long.
pub const DERIVED_TTL: Duration = Duration::from_secs(10);

/// How long it holds at most that a workload is not known: it may have begun just now.
pub const UNKNOWN_WORKLOAD_TTL: Duration = Duration::from_secs(1);

/// How long a request may wait for the pods to be listed for the first time.
pub const KUBERNETES_FIRST_LIST: Duration = Duration::from_millis(900);

/// Pods that the Kubernetes API is asked for at a time.
pub const KUBERNETES_PAGE: u32 = 500;

/// How long the Kubernetes API may take to answer, or to begin to tell of changes.
pub const KUBERNETES_ANSWER: Duration = Duration::from_secs(10);

/// The longest time that one watch lasts, unless its block says otherwise.
pub const KUBERNETES_REFRESH: Duration = Duration::from_secs(300);

/// The longest time that one watch may last, whatever its block says: API servers end them after five minutes.
pub const KUBERNETES_WATCH: Duration = Duration::from_secs(290);

/// The least time between two attempts to learn of the pods.
pub const KUBERNETES_RETRY_MIN: Duration = Duration::from_millis(200);

/// The most time, when one after the other fails.
pub const KUBERNETES_RETRY_MAX: Duration = Duration::from_secs(10);

/// The least time between two log lines that say the same about requests.
pub const REPEATED_LOG: Duration = Duration::from_secs(1);

// === Configuration ===

/// Files of a configuration tree.
pub const CONFIG_FILES: usize = 10_000;

/// Bytes of one file.
pub const CONFIG_FILE_BYTES: u64 = 1024 * 1024;

/// Bytes of all files.
pub const CONFIG_BYTES: u64 = 64 * 1024 * 1024;

/// Folders below each other.
pub const CONFIG_DEPTH: usize = 16;

/// Bytes of a dictionary's file.
pub const DICTIONARY_BYTES: u64 = 16 * 1024 * 1024;

/// Folders of a configuration tree that are watched.
pub const CONFIG_FOLDERS: usize = 10_000;

/// How often the tree is looked at for changes that the operating system did not tell of, as it does not on some
/// network file systems.
pub const CONFIG_POLL: Duration = Duration::from_secs(2);

/// How often the tree is looked at while the operating system tells of nothing.
pub const CONFIG_POLL_UNWATCHED: Duration = Duration::from_millis(500);

/// How long a changed tree must lie still before it is loaded, so that it is not read half written. Also the least
/// time between two looks.
pub const CONFIG_SETTLE: Duration = Duration::from_millis(100);

/// How often a tree that somebody asked to load is looked at to see whether it lies still.
pub const CONFIG_SETTLE_TRIES: usize = 50;

/// How often a configuration in Redis is looked at, which may have changed without a word.
pub const STORE_POLL: Duration = Duration::from_secs(5);

/// The first pause before a Redis that did not answer is asked again; each further one is twice as long, up to the
/// usual one.
pub const STORE_RETRY: Duration = Duration::from_millis(250);

/// How long reading a configuration from Redis, or writing to it, may take.
pub const STORE_CALL: Duration = Duration::from_secs(5);

/// Texts that Redis is asked for at a time.
pub const STORE_CALLS: usize = 16;

/// Keys that Redis is asked to look through at a time.
pub const STORE_SCAN: usize = 1000;

/// Loads that somebody asked for and that were not begun.
pub const CONFIG_LOADS: usize = 16;

// === The configuration API ===

/// Calls at a time; one on top is turned away.
pub const CONFIG_API_CALLS: usize = 16;

/// How long a call may take.
pub const CONFIG_API_CALL: Duration = Duration::from_secs(30);

/// Bytes of the name of a scope or a subject, which is the longest that a name of the DNS can be.
pub const NAME_BYTES: usize = 253;

// === The admin address, as its client sees it ===

/// How long an answer may take.
pub const ADMIN_CALL: Duration = Duration::from_secs(10);

/// Bytes of an answer.
pub const ADMIN_ANSWER_BYTES: usize = 1024 * 1024;

// === The command line ===

/// Bytes of one case that `mixer eval --json` reads.
pub const EVAL_LINE_BYTES: usize = 1024 * 1024;

/// How long `mixer check` and `mixer report` wait for a connection, and for each answer.
pub const CLIENT_CALL: Duration = Duration::from_secs(10);

// === End ===

/// How long requests at work may take to end once the server was told to.
pub const DRAIN: Duration = Duration::from_secs(10);

/// How long handlers may take to write out what they hold.
pub const FLUSH: Duration = Duration::from_secs(5);

// === Backends of adapters ===

/// Records that wait for one backend, unless its block says otherwise; one on top is dropped and counted.
pub const OUTBOX_RECORDS: usize = 65_536;

/// Bytes of those records.
pub const OUTBOX_BYTES: usize = 64 * 1024 * 1024;

/// Records that are sent at a time, at most.
pub const OUTBOX_BATCH_RECORDS: usize = 8192;

/// Bytes that are sent at a time, at most, unless the block says otherwise.
pub const OUTBOX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// The longest wait after the first failure to send. It doubles with each further one.
pub const OUTBOX_RETRY: Duration = Duration::from_millis(100);

/// The longest wait after any.
pub const OUTBOX_RETRY_MAX: Duration = Duration::from_secs(30);

/// How long what waits for a backend may take to be sent when the server or the handler ends.
pub const OUTBOX_FLUSH: Duration = Duration::from_secs(4);

/// How long sending to a statsd backend may take, the look-up of its address included.
pub const STATSD_SEND: Duration = Duration::from_secs(5);

/// How often the address of a statsd backend is looked up again.
pub const STATSD_LOOKUP: Duration = Duration::from_secs(60);

/// Bytes of a metric's name in statsd; the rest is cut off.
pub const STATSD_NAME_BYTES: usize = 256;

/// Bytes of a fluentd receiver's acknowledgement.
pub const FLUENTD_ANSWER_BYTES: usize = 4096;

/// Bytes of measurements or entries that are sent to an OpenTelemetry collector at a time: collectors take messages of
/// up to 4 MiB unless they are told otherwise.
pub const OTLP_BATCH_BYTES: usize = 3 * 1024 * 1024;

/// Bytes of one datagram.
pub const DATAGRAM_BYTES: u32 = 65_507;

const _: () = assert!(CONFIG_FILE_BYTES <= CONFIG_BYTES);
const _: () = assert!(0 < HANDLER_CALLS && HANDLER_CALLS < REQUESTS_IN_FLIGHT);
const _: () = assert!(KUBERNETES_FIRST_LIST.as_millis() < ADAPTER_CALL.as_millis());
const _: () = assert!(NAME_BYTES < 255, "files' names are not longer");
const _: () = assert!(QUOTED_BYTES < STATUS_MESSAGE_BYTES);
const _: () = assert!(REPORT_INSTANCES <= LOG_QUEUE, "one report alone must not overflow the log's queue");
const _: () = assert!(REPORT_BATCH_BYTES < REPORT_BYTES);
const _: () = assert!(LOG_ENTRY_BYTES < LOG_QUEUE_BYTES);
const _: () = assert!(QUOTA_SHARDS > 0 && QUOTA_CELLS >= QUOTA_SHARDS && QUOTA_ANSWERS >= QUOTA_SHARDS);
const _: () = assert!(REDIS_DEADLINE.as_millis() <= REDIS_DEADLINE_MAX.as_millis());
const _: () = assert!(REDIS_DEADLINE_MAX.as_millis() < ADAPTER_CALL.as_millis());
const _: () = assert!(0 < REDIS_CONNECTIONS && REDIS_CONNECTIONS <= REDIS_CONNECTIONS_MAX);
const _: () = assert!(CONFIG_SETTLE.as_millis() < CONFIG_POLL_UNWATCHED.as_millis());
const _: () = assert!(STORE_RETRY.as_millis() < STORE_POLL.as_millis());
const _: () = assert!(CONFIG_POLL_UNWATCHED.as_millis() < CONFIG_POLL.as_millis());
const _: () = assert!(OUTBOX_FLUSH.as_millis() < FLUSH.as_millis());
const _: () = assert!(OUTBOX_BATCH_RECORDS < OUTBOX_RECORDS && OUTBOX_BATCH_BYTES < OUTBOX_BYTES);
const _: () =
    assert!(REPORT_INSTANCES <= OUTBOX_RECORDS, "one report alone must not overflow a backend's queue");
const _: () = assert!(LIST_WAIT.as_millis() < ADAPTER_CALL.as_millis());
const _: () = assert!(LIST_URL_REFRESH.as_millis() <= LIST_TTL.as_millis());

// What filters send, this server takes; and what they build on, it does.
const _: () = {
    use client::limits as filter;
    assert!(QUESTION_BYTES >= 2 * filter::LINE_QUESTION_BYTES);
    assert!(STREAM_QUESTIONS >= filter::LINE_QUESTIONS);
    assert!(MESSAGE_BYTES >= 2 * filter::BATCH_BYTES);
    assert!(CHECK_QUOTAS >= filter::QUOTAS);
    assert!(STREAM_BEAT.as_millis() * 4 <= filter::LINE_SILENCE.as_millis());
    assert!(QUOTA_DEDUPLICATION.as_millis() > filter::CHARGED_ONCE.as_millis());
};
