//! exposition: metrics in the formats that Prometheus reads.
//!
//! Below both the server's own metrics and those of the `prometheus` adapter. The adapter's names come from
//! configuration, and a metric has the same name in either format, so that no series is renamed when a collector comes to
//! understand the newer one. `OpenMetrics` wants counters to end with `_total`: one that does is a counter there, one that
//! does not is of type `unknown`.
//!
//! Invariant: a family never has more series than its limit, whatever label values the traffic brings.

mod format;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

pub use self::format::Format;

/// What a family measures.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// What only grows.
    Counter,
    /// What goes up and down.
    Gauge,
    /// How values are distributed over buckets with these upper bounds, in ascending order; infinity goes without
    /// saying.
    Histogram(Vec<f64>),
}

/// What a family is, apart from its series.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// What it means.
    pub help: String,
    /// What it measures.
    pub kind: Kind,
    /// The names of its labels, in the order in which values are given.
    pub labels: Vec<String>,
}

/// A metric: one series for each combination of label values that was seen.
#[derive(Debug)]
pub struct Family {
    definition: Definition,
    series_max: usize,
    series: RwLock<HashMap<Box<[String]>, Entry>>,
}

/// A series with when it is forgotten.
#[derive(Debug)]
struct Entry {
    series: Arc<Series>,
    /// Milliseconds on the clock of whoever touches the family; [`NEVER`] if it is not.
    expires: AtomicU64,
}

/// A moment, and how long a series may lie idle from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch {
    /// The moment, on a clock of the toucher's choice.
    pub now: Duration,
    /// How long; `None` is for ever.
    pub idle_max: Option<Duration>,
}

const NEVER: u64 = u64::MAX;

/// One time series.
#[derive(Debug)]
pub enum Series {
    /// A counter or a gauge: the bits of a double.
    Number(AtomicU64),
    /// A histogram.
    Histogram(Buckets),
}

/// The state of one histogram. Nobody waits to observe: who reads meanwhile may see a value counted and not yet in the sum.
#[derive(Debug)]
pub struct Buckets {
    /// Each with how many lie there and below no other.
    bounds: Box<[(f64, AtomicU64)]>,
    above: AtomicU64,
    /// The bits of a double.
    sum: AtomicU64,
}

// === impl Family ===

impl Family {
    /// A family without series that will have at most `series_max`.
    pub fn new(definition: Definition, series_max: usize) -> Self {
        Self { definition, series_max, series: RwLock::default() }
    }

    /// What the family is.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The series with these label values, which is not forgotten; `None` when it would be one too many.
    pub fn series(&self, values: &[String]) -> Option<Arc<Series>> {
        self.touch(values, Touch { now: Duration::ZERO, idle_max: None })
    }

    /// The series with these label values, which is forgotten once it lay idle for long enough; `None` when it would be
    /// one too many. Of several who touch a series, the one who keeps it longest counts.
    pub fn touch(&self, values: &[String], touch: Touch) -> Option<Arc<Series>> {
        self.with(values, touch, Arc::clone)
    }

    /// As [`touch`](Self::touch), for one use of the series.
    pub fn with<T>(
        &self,
        values: &[String],
        touch: Touch,
        use_it: impl FnOnce(&Arc<Series>) -> T,
    ) -> Option<T> {
        debug_assert_eq!(values.len(), self.definition.labels.len(), "{}", self.definition.name);
        let expires = touch.idle_max.map_or(NEVER, |idle| millis(touch.now.saturating_add(idle)));
        if let Some(entry) = self.series.read().unwrap_or_else(PoisonError::into_inner).get(values) {
            // It is kept that long already whenever nothing is ever forgotten.
            if entry.expires.load(Ordering::Relaxed) < expires {
                entry.expires.fetch_max(expires, Ordering::Relaxed);
            }
            return Some(use_it(&entry.series));
        }
        let mut all = self.series.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= self.series_max && !all.contains_key(values) {
            // Only now, since it looks at all of them.
            forget_idle(&mut all, touch.now);
            if all.len() >= self.series_max {
                return None;
            }
        }
        let new =
            || Entry { series: Arc::new(Series::new(&self.definition.kind)), expires: AtomicU64::new(0) };
        let entry = all.entry(values.into()).or_insert_with(new);
        entry.expires.fetch_max(expires, Ordering::Relaxed);
        Some(use_it(&entry.series))
    }

    /// Forgets the series that lay idle for long enough.
    pub fn expire(&self, now: Duration) {
        forget_idle(&mut self.series.write().unwrap_or_else(PoisonError::into_inner), now);
    }

    /// Forgets every series.
    pub fn clear(&self) {
        self.series.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Writes the family, series in the order of their label values. A family without series is its heading alone.
    pub fn write(&self, format: Format, out: &mut String) {
        self.write_among(format, |_| false, out);
    }

    /// The same, where the families have the names that `is_taken` knows. A counter `x_total` is the family `x` in
    /// `OpenMetrics`, unless there is another of that name.
    pub fn write_among(&self, format: Format, is_taken: impl Fn(&str) -> bool, out: &mut String) {
        let Definition { name, help, kind, labels } = &self.definition;
        let base = name.strip_suffix("_total").filter(|base| !base.is_empty() && !is_taken(base));
        let (heading, kind) = match (kind, format, base) {
            (Kind::Counter, Format::Text, _) => (name.as_str(), "counter"),
            (Kind::Counter, Format::OpenMetrics, Some(base)) => (base, "counter"),
            (Kind::Counter, Format::OpenMetrics, None) => (name.as_str(), "unknown"),
            (Kind::Gauge, _, _) => (name.as_str(), "gauge"),
            (Kind::Histogram(_), _, _) => (name.as_str(), "histogram"),
        };
        let help = escape(help, format == Format::OpenMetrics);
        // Writing to a string does not fail.
        let _ = writeln!(out, "# HELP {heading} {help}\n# TYPE {heading} {kind}");
        let mut all: Vec<_> = {
            let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
            series.iter().map(|(values, entry)| (values.clone(), Arc::clone(&entry.series))).collect()
        };
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (values, series) in all {
            let pairs: Vec<_> = labels
                .iter()
                .zip(&values)
                .map(|(label, value)| format!("{label}=\"{}\"", escape(value, true)))
                .collect();
            series.write(name, &pairs.join(","), out);
        }
    }
}

// === impl Series ===

impl Series {
    fn new(kind: &Kind) -> Self {
        match kind {
            Kind::Counter | Kind::Gauge => Self::Number(AtomicU64::new(0f64.to_bits())),
            Kind::Histogram(bounds) => Self::Histogram(Buckets {
                bounds: bounds.iter().map(|bound| (*bound, AtomicU64::new(0))).collect(),
                above: AtomicU64::new(0),
                sum: AtomicU64::new(0f64.to_bits()),
            }),
        }
    }

    /// Adds to a counter or a gauge; a histogram observes the value.
    pub fn add(&self, value: f64) {
        match self {
            Self::Number(bits) => add(bits, value),
            Self::Histogram(Buckets { bounds, above, sum }) => {
                let bucket = bounds.iter().find(|(bound, _)| value <= *bound);
                bucket.map_or(above, |(_, count)| count).fetch_add(1, Ordering::Relaxed);
                add(sum, value);
            }
        }
    }

    /// Sets a counter or a gauge; a histogram observes the value.
    pub fn set(&self, value: f64) {
        match self {
            Self::Number(bits) => bits.store(value.to_bits(), Ordering::Relaxed),
            Self::Histogram(_) => self.add(value),
        }
    }

    fn write(&self, name: &str, labels: &str, out: &mut String) {
        let braces = |labels: &str| if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        match self {
            Self::Number(bits) => {
                let value = number(f64::from_bits(bits.load(Ordering::Relaxed)));
                let _ = writeln!(out, "{name}{} {value}", braces(labels));
            }
            Self::Histogram(Buckets { bounds, above, sum }) => {
                let comma = if labels.is_empty() { "" } else { "," };
                let bounds = bounds.iter().map(|(bound, count)| (*bound, count));
                let mut count = 0;
                for (bound, own) in bounds.chain([(f64::INFINITY, above)]) {
                    count += own.load(Ordering::Relaxed);
                    let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{}\"}} {count}", number(bound));
                }
                let sum = f64::from_bits(sum.load(Ordering::Relaxed));
                let _ = writeln!(out, "{name}_sum{} {}", braces(labels), number(sum));
                let _ = writeln!(out, "{name}_count{} {count}", braces(labels));
            }
        }
    }
}

/// Adds to a double of which there are the bits.
fn add(bits: &AtomicU64, value: f64) {
    let sum = |bits| Some((f64::from_bits(bits) + value).to_bits());
    // The update never declines.
    let _ = bits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
}

fn forget_idle(series: &mut HashMap<Box<[String]>, Entry>, now: Duration) {
    let now = millis(now);
    series.retain(|_, entry| entry.expires.load(Ordering::Relaxed) > now);
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER)
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

fn escape(text: &str, quotes: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '"' if quotes => escaped.push_str("\\\""),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(kind: Kind, labels: &[&str]) -> Family {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        Family::new(Definition { name: "m".into(), help: "what\nit is".into(), kind, labels }, 2)
    }

    #[test]
    fn counters_are_written_with_their_labels_escaped() {
        let family = family(Kind::Counter, &["a", "b"]);
        let values = ["x\"y\\\n".to_owned(), "2".to_owned()];
        family.series(&values).unwrap().add(1.0);
        family.series(&values).unwrap().add(1.5);
        let mut out = String::new();
        family.write(Format::Text, &mut out);
        assert_eq!(out, "# HELP m what\\nit is\n# TYPE m counter\nm{a=\"x\\\"y\\\\\\n\",b=\"2\"} 2.5\n");
    }

    #[test]
    fn histograms_are_cumulative() {
        let family = family(Kind::Histogram(vec![1.0, 10.0]), &[]);
        let series = family.series(&[]).unwrap();
        for value in [0.5, 1.0, 5.0, 100.0] {
            series.add(value);
        }
        let mut out = String::new();
        family.write(Format::Text, &mut out);
        let samples: Vec<_> = out.lines().skip(2).collect();
        assert_eq!(
            samples,
            [
                "m_bucket{le=\"1\"} 2",
                "m_bucket{le=\"10\"} 3",
                "m_bucket{le=\"+Inf\"} 4",
                "m_sum 106.5",
                "m_count 4"
            ]
        );
    }

    #[test]
    fn a_metric_has_one_name_in_both_formats() {
        let written = |name: &str, kind: Kind| {
            let help = "what \"it\" is".to_owned();
            let family = Family::new(Definition { name: name.into(), help, kind, labels: Vec::new() }, 1);
            family.series(&[]).unwrap().add(1.0);
            let mut out = String::new();
            family.write_among(Format::OpenMetrics, |name| name == "taken", &mut out);
            out
        };
        let page = |heading: &str, kind: &str, name: &str| {
            format!("# HELP {heading} what \\\"it\\\" is\n# TYPE {heading} {kind}\n{name} 1\n")
        };
        assert_eq!(written("x_total", Kind::Counter), page("x", "counter", "x_total"));
        assert_eq!(written("x", Kind::Counter), page("x", "unknown", "x"));
        assert_eq!(written("_total", Kind::Counter), page("_total", "unknown", "_total"));
        assert_eq!(written("taken_total", Kind::Counter), page("taken_total", "unknown", "taken_total"));
        assert_eq!(written("x_total", Kind::Gauge), page("x_total", "gauge", "x_total"));
    }

    #[test]
    fn idle_series_are_forgotten() {
        let family = family(Kind::Counter, &["a"]);
        let at = |now| Touch { now: Duration::from_secs(now), idle_max: Some(Duration::from_secs(10)) };
        let names = |family: &Family| -> Vec<String> {
            let mut out = String::new();
            family.write(Format::Text, &mut out);
            out.lines()
                .filter_map(|line| line.strip_prefix("m{a=\""))
                .map(|rest| rest[..1].to_owned())
                .collect()
        };
        family.touch(&["1".into()], at(0)).unwrap();
        family.touch(&["2".into()], at(5)).unwrap();
        family.expire(Duration::from_secs(9));
        assert_eq!(names(&family), ["1", "2"]);
        // There is only room for two, and one of them is idle.
        assert!(family.touch(&["3".into()], at(9)).is_none());
        assert!(family.touch(&["3".into()], at(10)).is_some());
        assert_eq!(names(&family), ["2", "3"]);
        // What somebody keeps for ever stays, whoever touches it else.
        family.series(&["3".into()]).unwrap();
        family.touch(&["3".into()], at(11)).unwrap();
        family.expire(Duration::from_secs(1000));
        assert_eq!(names(&family), ["3"]);
    }

    #[test]
    fn series_are_bounded() {
        let family = family(Kind::Gauge, &["a"]);
        assert!(family.series(&["1".into()]).is_some());
        assert!(family.series(&["2".into()]).is_some());
        assert!(family.series(&["3".into()]).is_none());
        assert!(family.series(&["1".into()]).is_some());
    }

    #[test]
    fn numbers_that_are_none_have_names() {
        assert_eq!(number(f64::NAN), "NaN");
        assert_eq!(number(f64::NEG_INFINITY), "-Inf");
        assert_eq!(number(1.0), "1");
        assert_eq!(number(1e-7), "0.0000001");
    }
}
