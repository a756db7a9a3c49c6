//! telemetry: what the server says about itself, in numbers and in log lines.
//!
//! Every metric of the server's own and every log line is written here and nowhere else, so that names and wording
//! have one home. What the `prometheus` adapter measures for the operator is not here but in [`crate::adapters`].

mod families;
mod l2;
mod lines;
mod outcomes;
mod series;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use checkcache::{Revision, Statistics};

pub use self::families::ConfigTelemetry;
use self::families::{ListFamilies, WorkloadFamilies};
pub use self::lines::*;
pub use self::outcomes::{CacheUse, CallResult, CheckResult, ListRefresh};
pub use self::series::{Counter, Gauge};
use self::series::{Families, count, counter};
use crate::exposition::{Family, Format, Kind};
use crate::limits;

/// The server's own metrics. Shared by everything that counts.
#[derive(Debug)]
pub struct Telemetry {
    families: Vec<Arc<Family>>,
    /// By [`CheckResult`] and [`CacheUse`], looked up once: this is on every request's way.
    checks_by: [[Counter; 3]; 3],
    refusals: Arc<Family>,
    adapter_calls: Arc<Family>,
    evaluation_errors: Arc<Family>,
    drops: Arc<Family>,
    lists: ListFamilies,
    quota_exceptions: Arc<Family>,
    revision: Arc<Family>,
    workloads: WorkloadFamilies,
    check_seconds: Counter,
    last_adapter_failure: Mutex<Option<Instant>>,
    /// Report RPCs.
    pub reports: Counter,
    /// Messages in them.
    pub report_messages: Counter,
    /// Messages that could not be read.
    pub report_messages_undecodable: Counter,
    /// Checks that brought too little to be decided about.
    pub check_stale_demands: Counter,
    /// Messages in reports that may have brought too little.
    pub report_stale_demands: Counter,
    /// Clients that listen to the feed.
    pub feed_watchers: Gauge,
    /// Updates sent to them.
    pub feed_updates: Counter,
    /// Checks that waited for the decision about an equal one.
    pub l2_joined_flights: Counter,
    /// Verdicts in L2 that were renewed before they expired.
    pub l2_renewals: Counter,
    /// Verdicts that L2 did not have and that must not be stored in it.
    pub l2_not_cacheable: Counter,
    /// How the configuration comes and goes.
    pub config: ConfigTelemetry,
    /// Request tasks that panicked.
    pub panics: Counter,
}

// === impl Telemetry ===

impl Telemetry {
    /// All metrics at zero.
    pub fn new() -> Self {
        let mut all = Families::default();
        let checks = all.counters(
            "mixer_checks_total",
            "Checks answered with a verdict, by its result and by what L2 did.",
            &["result", "cache"],
        );
        let checks_by = [CheckResult::Ok, CheckResult::Denied, CheckResult::Error].map(|result| {
            [CacheUse::Hit, CacheUse::Miss, CacheUse::Off]
                .map(|cache| counter(&checks, &[result.as_str(), cache.as_str()]))
        });
        let check_seconds = counter(
            &all.family(
                "mixer_check_duration_seconds",
                "Time from a decoded check to its answer.",
                Kind::Histogram(vec![
                    1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.1, 1.0,
                ]),
                &[],
            ),
            &[],
        );
        let refusals = all.counters(
            "mixer_requests_refused_total",
            "Requests answered with a gRPC error instead of a verdict.",
            &["method", "code"],
        );
        let adapter_calls = all.counters(
            "mixer_adapter_calls_total",
            "Calls of adapters, by the block that configures them.",
            &["handler", "impl", "result"],
        );
        let evaluation_errors = all.counters(
            "mixer_evaluation_errors_total",
            "Selectors and parameters that could not be evaluated.",
            &["phase"],
        );
        let drops = all.counters(
            "mixer_adapter_dropped_total",
            "Log entries and measurements that an adapter had to drop.",
            &["handler", "reason"],
        );
        let quota_exceptions = all.counters(
            "mixer_quota_exceptions_total",
            "Quota requests that were not simply counted, by what happened instead.",
            &["handler", "reason"],
        );
        let lists = ListFamilies::new(&mut all);
        let revision = all.family(
            "mixer_config_revision_info",
            "The configuration in force, as a label.",
            Kind::Gauge,
            &["revision"],
        );
        let workloads = WorkloadFamilies::new(&mut all);
        Self {
            workloads,
            checks_by,
            refusals,
            adapter_calls,
            evaluation_errors,
            drops,
            lists,
            quota_exceptions,
            revision,
            check_seconds,
            last_adapter_failure: Mutex::new(None),
            reports: all.counter("mixer_reports_total", "Report RPCs."),
            report_messages: all.counter("mixer_report_messages_total", "Messages in reports."),
            report_messages_undecodable: all.counter(
                "mixer_report_messages_undecodable_total",
                "Messages in reports that could not be read.",
            ),
            check_stale_demands: all.counter(
                "mixer_check_stale_demand_total",
                "Checks made for another configuration that left out too much, and so were asked for again.",
            ),
            report_stale_demands: all.counter(
                "mixer_report_stale_demand_total",
                "Messages in reports made for another configuration that may have left out too much.",
            ),
            feed_watchers: all.gauge("mixer_feed_watchers", "Clients that listen to the feed."),
            feed_updates: all.counter("mixer_feed_updates_total", "Updates sent to them."),
            l2_joined_flights: all.counter(
                "mixer_l2_joined_flights_total",
                "Checks that waited for the decision about an equal one.",
            ),
            l2_renewals: all
                .counter("mixer_l2_renewals_total", "Verdicts in L2 that were renewed before they expired."),
            l2_not_cacheable: all.counter(
                "mixer_l2_not_cacheable_total",
                "Verdicts that L2 did not have and that must not be stored in it.",
            ),
            config: ConfigTelemetry::new(&mut all),
            panics: all.counter("mixer_panics_total", "Requests and adapter calls that ended in a panic."),
            families: all.0,
        }
    }

    /// Counts a check that got a verdict.
    pub fn check(&self, result: CheckResult, cache: CacheUse, took: Duration) {
        self.checks_by[result as usize][cache as usize].increment();
        self.check_seconds.add(took.as_secs_f64());
    }

    /// Counts a request that got a gRPC error.
    pub fn refused(&self, method: &str, status: &tonic::Status) {
        count(&self.refusals, &[method, &format!("{:?}", status.code())], 1);
        tracing::debug!(method, code = ?status.code(), reason = status.message(), "request refused");
    }

    /// Counts a call of an adapter.
    pub fn adapter_call(&self, handler: &str, adapter: &str, result: CallResult) {
        count(&self.adapter_calls, &[handler, adapter, result.as_str()], 1);
    }

    /// Says that an adapter's call failed. What fails for one request fails for many, so only now and then.
    pub fn adapter_failed(&self, handler: &str, reason: &str) {
        let now = Instant::now();
        let mut last = self.last_adapter_failure.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| now.duration_since(last) >= limits::REPEATED_LOG) {
            *last = Some(now);
            drop(last);
            tracing::warn!(handler, reason, "adapter call failed, others may have too: see the metrics");
        }
    }

    /// Counts what could not be evaluated and says which.
    pub fn evaluation_error(&self, phase: &str, location: &str, error: &str) {
        count(&self.evaluation_errors, &[phase], 1);
        tracing::debug!(phase, location, error, "cannot evaluate");
    }

    /// Counts what an adapter had to drop.
    pub fn dropped(&self, handler: &str, reason: &str, number: u64) {
        if number > 0 {
            count(&self.drops, &[handler, reason], number);
        }
    }

    /// Counts that a list was asked for again.
    pub fn list_refreshed(&self, handler: &str, result: ListRefresh) {
        count(&self.lists.refreshes, &[handler, result.as_str()], 1);
    }

    /// Entries of a list mean nothing.
    pub fn list_skipped(&self, handler: &str, origin: &str, entries: usize, first: &str) {
        count(&self.lists.skipped, &[handler], entries as u64);
        tracing::warn!(handler, origin, entries, first, "entries of a list are passed over");
    }

    /// Counts a quota request that was not simply counted.
    pub fn quota_exception(&self, handler: &str, reason: &str) {
        count(&self.quota_exceptions, &[handler, reason], 1);
    }

    /// Counts lookups of workloads by what came of them: `found`, `unknown` or `ambiguous`.
    pub fn workload_lookups(&self, handler: &str, result: &str, number: u64) {
        if number > 0 {
            count(&self.workloads.lookups, &[handler, result], number);
        }
    }

    /// Says how many workloads are known.
    pub fn workloads_known(&self, handler: &str, number: usize) {
        if let Some(series) = self.workloads.known.series(&[handler.to_owned()]) {
            series.set(number as f64);
        }
    }

    /// Counts a derivation from what was last known.
    pub fn workload_stale_answer(&self, handler: &str) {
        count(&self.workloads.stale_answers, &[handler], 1);
    }

    /// A source of workloads failed, and what was known before stays in use.
    pub fn workload_source_failed(&self, handler: &str, source: &str, reason: &str) {
        count(&self.workloads.source_failures, &[handler], 1);
        tracing::warn!(
            handler,
            source,
            reason,
            "cannot learn of workloads, what was known before stays in use"
        );
    }

    /// The store of the configuration was read, or could not be.
    pub fn config_read(&self, is_read: bool) {
        self.config.store_up.set(f64::from(u8::from(is_read)));
        if !is_read {
            self.config.store_errors.increment();
        }
    }

    /// A configuration came into force.
    pub fn config_loaded(&self, revision: Revision, files: usize, warnings: usize) {
        self.config.loads.increment();
        self.revision.clear();
        if let Some(series) = self.revision.series(&[revision.to_string()]) {
            series.set(1.0);
        }
        tracing::info!(%revision, files, warnings, "configuration in force");
    }

    /// A configuration was refused.
    pub fn config_refused(&self, reason: &str, kept: Option<Revision>) {
        self.config.load_errors.increment();
        match kept {
            Some(revision) => {
                tracing::error!(reason, %revision, "configuration refused, the one before stays in force");
            }
            None => tracing::error!(reason, "configuration refused, there is none in force"),
        }
    }

    /// All of the server's own metrics in the text format.
    pub fn write(&self, l2: Option<Statistics>, out: &mut String) {
        self.write_as(Format::Text, l2, out);
    }

    /// The same in a format.
    pub fn write_as(&self, format: Format, l2: Option<Statistics>, out: &mut String) {
        for family in &self.families {
            family.write(format, out);
        }
        l2::write(format, l2.unwrap_or_default(), out);
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}
