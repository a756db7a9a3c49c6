//! Counters, under the names that operators know from Mixer's own filter.

use checkcache::Statistics;

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// What is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Counter {
            $($(#[$doc])* $variant,)*
        }

        impl Counter {
            /// Every counter, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Whether the statistic goes up and down.
            pub fn is_gauge(self) -> bool {
                matches!(self, Self::Entries | Self::Nodes | Self::Bytes | Self::QuotaPools)
            }

            /// The counter's name as a statistic of Envoy.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!("mixer_filter.", $name),)*
                }
            }
        }
    };
}

counters! {
    /// Requests that were checked.
    CheckCalls => "total_check_calls",
    /// Checks that the cache answered.
    CheckCacheHits => "total_check_cache_hits",
    /// Checks that it did not.
    CheckCacheMisses => "total_check_cache_misses",
    /// Checks that the cache allowed.
    CheckCacheHitAccepts => "total_check_cache_hit_accepts",
    /// Checks that the cache refused.
    CheckCacheHitDenies => "total_check_cache_hit_denies",
    /// Checks that went to the server.
    RemoteCheckCalls => "total_remote_check_calls",
    /// Checks that the server allowed, or that failed open.
    RemoteCheckAccepts => "total_remote_check_accepts",
    /// Checks that the server refused, or that failed closed.
    RemoteCheckDenies => "total_remote_check_denies",
    /// Calls to the server for checks, tries again included.
    RemoteCalls => "total_remote_calls",
    /// Those that it answered.
    RemoteCallSuccesses => "total_remote_call_successes",
    /// Those that took too long.
    RemoteCallTimeouts => "total_remote_call_timeouts",
    /// Those that did not get to it.
    RemoteCallSendErrors => "total_remote_call_send_errors",
    /// Those that failed in another way.
    RemoteCallOtherErrors => "total_remote_call_other_errors",
    /// Calls made again.
    RemoteCallRetries => "total_remote_call_retries",
    /// Calls that nobody waited for any more.
    RemoteCallCancellations => "total_remote_call_cancellations",
    /// Those that were made on a stream with others.
    LineQuestions => "total_check_stream_questions",
    /// Times that the stream was opened on which many checks are asked.
    LineOpens => "total_check_stream_opens",
    /// Times that it ended otherwise than planned, or could not be opened.
    LineLosses => "total_check_stream_losses",
    /// Requests that were reported.
    ReportCalls => "total_report_calls",
    /// Reports that were sent, each with a batch of requests.
    RemoteReportCalls => "total_remote_report_calls",
    /// Those that the server took.
    RemoteReportSuccesses => "total_remote_report_successes",
    /// Those that took too long.
    RemoteReportTimeouts => "total_remote_report_timeouts",
    /// Those that did not get to it.
    RemoteReportSendErrors => "total_remote_report_send_errors",
    /// Those that failed in another way.
    RemoteReportOtherErrors => "total_remote_report_other_errors",
    /// Requests whose report was lost, because too many waited or because its batch failed.
    ReportsDropped => "total_reports_dropped",
    /// Requests that a failed check let through.
    FailedOpen => "total_check_failed_open",
    /// Requests that a failed check refused.
    FailedClosed => "total_check_failed_closed",
    /// Verdicts that could be used but not stored.
    Uncacheable => "total_check_uncacheable",
    /// Cache misses: there was no verdict for such a request.
    MissesCold => "total_check_cache_misses_cold",
    /// Cache misses: there was one, and its time was up.
    MissesExpired => "total_check_cache_misses_expired",
    /// Cache misses: there was one, and its uses were spent.
    MissesUsedUp => "total_check_cache_misses_used_up",
    /// Cache misses: there was none under this revision, and there were some under another.
    MissesRevision => "total_check_cache_misses_revision",
    /// Verdicts taken out of the cache to make room.
    Evictions => "total_check_cache_evictions",
    /// Verdicts not stored, since what they rest on was dropped in the meantime.
    Refusals => "total_check_cache_refusals",
    /// Trees of the cache thrown away because a trace fitted none of them.
    ReplacedTrees => "total_check_cache_replaced_trees",
    /// Verdicts in the cache: a gauge.
    Entries => "check_cache_entries",
    /// Nodes of the cache: a gauge.
    Nodes => "check_cache_nodes",
    /// Bytes of the cache, estimated: a gauge.
    Bytes => "check_cache_bytes",
    /// Verdicts that were asked for again before they expired.
    Renewals => "total_check_renewals",
    /// Checks that were answered by what the policy reads now, and asked again.
    StaleDemand => "total_check_stale_demand",
    /// Times that the stream was opened on which the server says what changed.
    FeedOpens => "total_feed_opens",
    /// Times that it ended or could not be opened; open streams are opens less losses.
    FeedLosses => "total_feed_losses",
    /// Updates that came on it.
    FeedUpdates => "total_feed_updates",
    /// Changes of the revision that verdicts are looked up under.
    RevisionChanges => "total_revision_changes",
    /// Times that all verdicts were dropped because the operator asked for it, or may have.
    CacheDrops => "total_check_cache_drops",
    /// Routes whose metadata could not be read.
    InvalidRouteOverrides => "total_invalid_route_overrides",
    /// Requests that were charged.
    QuotaCalls => "total_quota_calls",
    /// Those that pools answered.
    QuotaCacheHits => "total_quota_cache_hits",
    /// Those that the server was asked about.
    QuotaCacheMisses => "total_quota_cache_misses",
    /// Requests that pools had tokens for.
    QuotaCacheHitAccepts => "total_quota_cache_hit_accepts",
    /// Requests that they had none for.
    QuotaCacheHitDenies => "total_quota_cache_hit_denies",
    /// Checks that asked the server for tokens: misses and fetches.
    RemoteQuotaCalls => "total_remote_quota_calls",
    /// Requests that the server gave tokens to, or that passed because it did not answer.
    RemoteQuotaAccepts => "total_remote_quota_accepts",
    /// Requests that it gave none to, or that did not pass because it did not answer.
    RemoteQuotaDenies => "total_remote_quota_denies",
    /// Checks that asked the server for tokens ahead of need.
    RemoteQuotaPrefetchCalls => "total_remote_quota_prefetch_calls",
    /// Quotas of requests that the server said nothing of, or failed at: the failure policy says what became of them.
    QuotaFailures => "total_quota_failures",
    /// Fetches of tokens that failed.
    QuotaFetchesFailed => "total_quota_fetches_failed",
    /// Tokens given back unused.
    QuotaReturned => "total_quota_returned",
    /// Pools of tokens: a gauge.
    QuotaPools => "quota_pools",
}

/// Counts that the shell has not been told of yet.
#[derive(Debug)]
pub(crate) struct Counters {
    counts: [i64; Counter::ALL.len()],
    /// What the shell knows of the cache.
    told: Statistics,
    /// How many pools it knows of.
    told_pools: usize,
}

impl Default for Counters {
    fn default() -> Self {
        Self { counts: [0; Counter::ALL.len()], told: Statistics::default(), told_pools: 0 }
    }
}

impl Counters {
    pub(crate) fn count(&mut self, counter: Counter) {
        self.add(counter, 1);
    }

    pub(crate) fn add(&mut self, counter: Counter, many: usize) {
        self.change(counter, many as i64);
    }

    fn change(&mut self, counter: Counter, by: i64) {
        if let Some(count) = self.counts.get_mut(counter as usize) {
            *count += by;
        }
    }

    /// What was counted since the last time, here and in the cache. A gauge's change may be negative.
    pub(crate) fn take(
        &mut self,
        cache: Statistics,
        pools: usize,
    ) -> impl Iterator<Item = (Counter, i64)> + use<> {
        let told = std::mem::replace(&mut self.told, cache);
        let told_pools = std::mem::replace(&mut self.told_pools, pools);
        for (counter, now, before) in [
            (Counter::MissesCold, cache.misses_cold, told.misses_cold),
            (Counter::MissesExpired, cache.misses_expired, told.misses_expired),
            (Counter::MissesUsedUp, cache.misses_used_up, told.misses_used_up),
            (Counter::MissesRevision, cache.misses_revision, told.misses_revision),
            (Counter::Evictions, cache.evictions, told.evictions),
            (Counter::Refusals, cache.refusals, told.refusals),
            (Counter::ReplacedTrees, cache.replaced_trees, told.replaced_trees),
            (Counter::Entries, cache.leaves as u64, told.leaves as u64),
            (Counter::Nodes, cache.nodes as u64, told.nodes as u64),
            (Counter::Bytes, cache.bytes as u64, told.bytes as u64),
            (Counter::QuotaPools, pools as u64, told_pools as u64),
        ] {
            self.change(counter, now as i64 - before as i64);
        }
        let counts = std::mem::replace(&mut self.counts, [0; Counter::ALL.len()]);
        Counter::ALL.iter().copied().zip(counts).filter(|(_, count)| *count != 0)
    }
}
