//! Families of metrics that belong together.

use std::sync::Arc;

use super::series::{Counter, Families, Gauge};
use crate::exposition::{Family, Kind};

/// What is counted about lists.
#[derive(Debug)]
pub(super) struct ListFamilies {
    pub(super) refreshes: Arc<Family>,
    pub(super) skipped: Arc<Family>,
}

/// What is counted of workloads that attributes are derived of.
#[derive(Debug)]
pub(super) struct WorkloadFamilies {
    pub(super) known: Arc<Family>,
    pub(super) lookups: Arc<Family>,
    pub(super) source_failures: Arc<Family>,
    pub(super) stale_answers: Arc<Family>,
}

/// Metrics of how the configuration comes and goes.
#[derive(Debug)]
pub struct ConfigTelemetry {
    /// Configurations that came into force.
    pub loads: Counter,
    /// Configurations that were refused.
    pub load_errors: Counter,
    /// Whether the last reading of the store went well.
    pub store_up: Gauge,
    /// Readings of the store that failed.
    pub store_errors: Counter,
}

// === impl ListFamilies ===

impl ListFamilies {
    pub(super) fn new(all: &mut Families) -> Self {
        Self {
            refreshes: all.family(
                "mixer_list_refreshes_total",
                "Times that lists were asked for again, by the block that configures them.",
                Kind::Counter,
                &["handler", "result"],
            ),
            skipped: all.family(
                "mixer_list_skipped_entries_total",
                "Entries of lists that were passed over because they mean nothing.",
                Kind::Counter,
                &["handler"],
            ),
        }
    }
}

// === impl WorkloadFamilies ===

impl WorkloadFamilies {
    pub(super) fn new(all: &mut Families) -> Self {
        Self {
            known: all.family(
                "mixer_workloads",
                "Workloads that are known, by the block that knows them.",
                Kind::Gauge,
                &["handler"],
            ),
            lookups: all.family(
                "mixer_workload_lookups_total",
                "Workloads that attributes were to be derived of, by whether they are known.",
                Kind::Counter,
                &["handler", "result"],
            ),
            source_failures: all.family(
                "mixer_workload_source_failures_total",
                "Attempts to learn of workloads that failed; what was known before stays in use.",
                Kind::Counter,
                &["handler"],
            ),
            stale_answers: all.family(
                "mixer_workload_stale_answers_total",
                "Derivations from what was last known while the source of the workloads was away.",
                Kind::Counter,
                &["handler"],
            ),
        }
    }
}

// === impl ConfigTelemetry ===

impl ConfigTelemetry {
    pub(super) fn new(all: &mut Families) -> Self {
        Self {
            loads: all.counter("mixer_config_loads_total", "Configurations that came into force."),
            load_errors: all.counter(
                "mixer_config_load_errors_total",
                "Configurations that were refused; the one before stays in force.",
            ),
            store_up: all.gauge(
                "mixer_config_store_up",
                "Whether the store of the configuration could be read the last time: 1 if it could.",
            ),
            store_errors: all.counter(
                "mixer_config_store_errors_total",
                "Readings of the store of the configuration that failed.",
            ),
        }
    }
}
