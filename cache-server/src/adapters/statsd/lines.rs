//! What statsd understands: lines such as `requests:3|c`, several in a datagram.
//!
//! Pure: measurements in, datagrams out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits;

/// One measured value, with the name that the backend knows it by.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measurement {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) value: f64,
}

/// How a value adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `c`: added.
    Count,
    /// `g`: the last one counts.
    Gauge,
    /// `ms`: distributed, a span of time in milliseconds.
    Timing,
    /// `h`: distributed, any number.
    Histogram,
}

/// A name as statsd allows it: what has a meaning in its lines, and whatever is not plain, becomes an underscore. Dots
/// stay; they make a hierarchy.
pub(super) fn name(prefix: &str, name: &str) -> String {
    let dot = if prefix.is_empty() || prefix.ends_with('.') { "" } else { "." };
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
    format!("{prefix}{dot}{name}")
        .chars()
        .map(|character| if is_plain(character) { character } else { '_' })
        .take(limits::STATSD_NAME_BYTES)
        .collect()
}

/// Datagrams of at most so many bytes – more only for a line that has more by itself. Counts of one name are one line,
/// as are gauges; `rate` is the share of distributed values that was kept.
pub(super) fn datagrams(measurements: &[Measurement], rate: f64, bytes_max: usize) -> Vec<String> {
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    let mut gauges: BTreeMap<&str, f64> = BTreeMap::new();
    let mut lines = Vec::new();
    let rate = if rate < 1.0 { format!("|@{rate}") } else { String::new() };
    for Measurement { name, kind, value } in measurements {
        match kind {
            Kind::Count => *counts.entry(name).or_default() += value,
            Kind::Gauge => drop(gauges.insert(name, *value)),
            Kind::Timing => lines.push(format!("{name}:{value}|ms{rate}")),
            Kind::Histogram => lines.push(format!("{name}:{value}|h{rate}")),
        }
    }
    let counts = counts.into_iter().map(|(name, value)| format!("{name}:{value}|c"));
    let gauges = gauges.into_iter().map(|(name, value)| {
        // A gauge with a sign is a change of it, so one below zero is set to zero first, in the same datagram.
        let zero = if value < 0.0 { format!("{name}:0|g\n") } else { String::new() };
        format!("{zero}{name}:{value}|g")
    });
    pack(counts.chain(gauges).chain(lines), bytes_max)
}

fn pack(lines: impl Iterator<Item = String>, bytes_max: usize) -> Vec<String> {
    let mut datagrams: Vec<String> = Vec::new();
    for line in lines {
        match datagrams.last_mut() {
            Some(last) if last.len() + 1 + line.len() <= bytes_max => {
                // Writing to a string does not fail.
                let _ = write!(last, "\n{line}");
            }
            _ => datagrams.push(line),
        }
    }
    datagrams
}

/// Chooses at random which values are kept.
#[derive(Debug)]
pub(super) struct Sampler {
    rate: f64,
    state: AtomicU64,
}

impl Sampler {
    /// Keeps so large a share of all values.
    pub(super) fn new(rate: f64, seed: u64) -> Self {
        Self { rate, state: AtomicU64::new(seed) }
    }

    /// Whether the next value is kept.
    pub(super) fn keeps(&self) -> bool {
        self.rate >= 1.0 || self.next() < self.rate
    }

    /// A number from 0 to below 1, by the generator `SplitMix64`: a counter whose steps are well mixed, so that threads
    /// can share it without waiting for each other.
    fn next(&self) -> f64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut bits = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(name: &str, kind: Kind, value: f64) -> Measurement {
        Measurement { name: name.to_owned(), kind, value }
    }

    #[test]
    fn counts_add_up_and_the_last_gauge_counts() {
        let measurements = [
            measured("c", Kind::Count, 1.0),
            measured("g", Kind::Gauge, 3.0),
            measured("t", Kind::Timing, 12.5),
            measured("c", Kind::Count, 2.0),
            measured("g", Kind::Gauge, -4.0),
            measured("t", Kind::Timing, 7.0),
            measured("h", Kind::Histogram, 100.0),
        ];
        assert_eq!(datagrams(&measurements, 1.0, 512), ["c:3|c\ng:0|g\ng:-4|g\nt:12.5|ms\nt:7|ms\nh:100|h"]);
        // What is summed is exact, whatever share of the rest is kept.
        assert_eq!(datagrams(&measurements[..3], 0.25, 512), ["c:1|c\ng:3|g\nt:12.5|ms|@0.25"]);
    }

    #[test]
    fn datagrams_are_as_large_as_they_may_be() {
        let measurements: Vec<_> =
            (0..100).map(|number| measured(&format!("m{number}"), Kind::Timing, 1.0)).collect();
        let all = datagrams(&measurements, 1.0, 64);
        assert!(all.iter().all(|datagram| datagram.len() <= 64) && all.len() < 20, "{all:?}");
        assert_eq!(all.iter().flat_map(|datagram| datagram.lines()).count(), 100);
        let long = "n".repeat(80);
        assert_eq!(datagrams(&[measured(&long, Kind::Count, 1.0)], 1.0, 64), [format!("{long}:1|c")]);
    }

    #[test]
    fn names_cannot_break_out_of_their_line() {
        assert_eq!(name("", "request_count"), "request_count");
        assert_eq!(name("mixer", "a.b-c"), "mixer.a.b-c");
        assert_eq!(name("mixer.", "a"), "mixer.a");
        assert_eq!(name("p", "x:1|c\ny@z#t/é"), "p.x_1_c_y_z_t__");
        assert_eq!(name("", &"n".repeat(1000)).len(), limits::STATSD_NAME_BYTES);
    }

    #[test]
    fn a_share_is_kept() {
        for (rate, least, most) in [(0.0, 0, 0), (0.1, 900, 1100), (0.5, 4800, 5200), (1.0, 10_000, 10_000)] {
            let sampler = Sampler::new(rate, 7);
            let kept = (0..10_000).filter(|_| sampler.keeps()).count();
            assert!((least..=most).contains(&kept), "{rate}: {kept}");
        }
    }
}
