//! exposition: metrics in Prometheus' text format.
//!
//! Below both the server's own metrics and those of the `prometheus` adapter. The adapter's names come from
//! configuration and stand as they are, which the newer format (`OpenMetrics`) with its obligatory suffixes does not
//! allow; hence the older text format, written here.
//!
//! Invariant: a family never has more series than its limit, whatever label values the traffic brings.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The content type of the text format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

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
    series: RwLock<HashMap<Box<[String]>, Arc<Series>>>,
}

/// One time series.
#[derive(Debug)]
pub enum Series {
    /// A counter or a gauge: the bits of a double.
    Number(AtomicU64),
    /// A histogram.
    Histogram(Mutex<Buckets>),
}

/// The state of one histogram.
#[derive(Debug)]
pub struct Buckets {
    bounds: Arc<[f64]>,
    /// One for each bound and one for infinity, each on its own.
    counts: Vec<u64>,
    sum: f64,
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

    /// The series with these label values; `None` when it would be one too many.
    pub fn series(&self, values: &[String]) -> Option<Arc<Series>> {
        debug_assert_eq!(values.len(), self.definition.labels.len(), "{}", self.definition.name);
        if let Some(series) = self.series.read().unwrap_or_else(PoisonError::into_inner).get(values) {
            return Some(Arc::clone(series));
        }
        let mut all = self.series.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = all.get(values) {
            return Some(Arc::clone(series));
        }
        if all.len() >= self.series_max {
            return None;
        }
        let series = Arc::new(Series::new(&self.definition.kind));
        all.insert(values.into(), Arc::clone(&series));
        Some(series)
    }

    /// Forgets every series.
    pub fn clear(&self) {
        self.series.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Writes the family, series in the order of their label values. A family without series is its heading alone.
    pub fn write(&self, out: &mut String) {
        let Definition { name, help, kind, labels } = &self.definition;
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        // Writing to a string does not fail.
        let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {kind}", escape(help, false));
        let mut all: Vec<_> = {
            let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
            series.iter().map(|(values, series)| (values.clone(), Arc::clone(series))).collect()
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
            Kind::Histogram(bounds) => Self::Histogram(Mutex::new(Buckets {
                bounds: bounds.as_slice().into(),
                counts: vec![0; bounds.len() + 1],
                sum: 0.0,
            })),
        }
    }

    /// Adds to a counter or a gauge; a histogram observes the value.
    pub fn add(&self, value: f64) {
        match self {
            Self::Number(bits) => {
                let sum = |bits| Some((f64::from_bits(bits) + value).to_bits());
                // The update never declines.
                let _ = bits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
            }
            Self::Histogram(buckets) => {
                let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
                let index = buckets.bounds.iter().position(|bound| value <= *bound);
                let index = index.unwrap_or(buckets.bounds.len());
                buckets.counts[index] += 1;
                buckets.sum += value;
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
            Self::Histogram(buckets) => {
                let buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
                let comma = if labels.is_empty() { "" } else { "," };
                let bounds = buckets.bounds.iter().copied().chain([f64::INFINITY]);
                let mut count = 0;
                for (bound, own) in bounds.zip(&buckets.counts) {
                    count += own;
                    let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{}\"}} {count}", number(bound));
                }
                let _ = writeln!(out, "{name}_sum{} {}", braces(labels), number(buckets.sum));
                let _ = writeln!(out, "{name}_count{} {count}", braces(labels));
            }
        }
    }
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
        family.write(&mut out);
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
        family.write(&mut out);
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
