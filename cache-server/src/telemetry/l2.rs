//! What L2 counts itself, as families.

use checkcache::Statistics;

use crate::exposition::{Definition, Family, Format, Kind};

/// Writes it in a format.
pub(super) fn write(format: Format, l2: Statistics, out: &mut String) {
    let counters = [
        ("mixer_l2_hits_total", "Lookups in L2 that found a verdict.", l2.hits),
        ("mixer_l2_misses_total", "Lookups in L2 that did not.", l2.misses()),
        ("mixer_l2_misses_cold_total", "Those that found nothing.", l2.misses_cold),
        (
            "mixer_l2_misses_revision_total",
            "Those that found nothing yet under a new configuration.",
            l2.misses_revision,
        ),
        ("mixer_l2_misses_expired_total", "Those that found an expired one.", l2.misses_expired),
        ("mixer_l2_insertions_total", "Verdicts stored in L2.", l2.insertions),
        (
            "mixer_l2_refusals_total",
            "Verdicts not stored in L2, since everything like them was dropped while they were reached.",
            l2.refusals,
        ),
        ("mixer_l2_evictions_total", "Verdicts taken out of L2 to make room.", l2.evictions),
        (
            "mixer_l2_replaced_trees_total",
            "Trees of L2 thrown away because a trace fitted none.",
            l2.replaced_trees,
        ),
    ];
    let gauges = [
        ("mixer_l2_entries", "Verdicts in L2.", l2.leaves),
        ("mixer_l2_nodes", "Nodes of the trees that they hang on.", l2.nodes),
        ("mixer_l2_bytes", "Bytes of memory that L2 takes, estimated.", l2.bytes),
    ];
    let counters = counters.map(|(name, help, value)| (name, help, Kind::Counter, value));
    let gauges = gauges.map(|(name, help, value)| (name, help, Kind::Gauge, value as u64));
    let all = counters.into_iter().chain(gauges);
    for (name, help, kind, value) in all {
        let definition =
            Definition { name: name.to_owned(), help: help.to_owned(), kind, labels: Vec::new() };
        let family = Family::new(definition, 1);
        if let Some(series) = family.series(&[]) {
            series.set(value as f64);
        }
        family.write(format, out);
    }
}
