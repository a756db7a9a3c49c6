//! Descriptors: the declared shapes of what aspects produce.

use std::collections::BTreeMap;
use std::sync::Arc;

use attributes::ValueType;

/// The labels of a descriptor with their types.
pub type Labels = BTreeMap<Arc<str>, ValueType>;

/// The shape of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricDescriptor {
    /// The name that aspects call it by.
    pub name: Arc<str>,
    /// A name for people.
    pub display_name: String,
    /// What it measures.
    pub description: String,
    /// How its values add up.
    pub kind: MetricKind,
    /// The type of its values.
    pub value: ValueType,
    /// Its labels.
    pub labels: Labels,
    /// The buckets that values are sorted into; always there for distributions.
    pub buckets: Option<Buckets>,
}

/// How the values of a metric add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// The last value counts.
    Gauge,
    /// Values are added.
    Counter,
    /// Values are counted in buckets.
    Distribution,
}

/// The upper bounds of a distribution's finite buckets; one without a bound follows them.
#[derive(Debug, Clone, PartialEq)]
pub enum Buckets {
    /// `offset + i × width`.
    Linear {
        /// How many of them have two bounds.
        count: usize,
        /// The distance of two bounds, above 0.
        width: f64,
        /// The first bound.
        offset: f64,
    },
    /// `scale × growth_factor ^ i`.
    Exponential {
        /// How many of them have two bounds.
        count: usize,
        /// The ratio of two bounds, above 1.
        growth_factor: f64,
        /// The first bound, above 0.
        scale: f64,
    },
    /// These, strictly increasing.
    Explicit(Vec<f64>),
}

/// The shape of a log entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDescriptor {
    /// The name that aspects call it by.
    pub name: Arc<str>,
    /// A name for people.
    pub display_name: String,
    /// What it tells.
    pub description: String,
    /// What the rendered template is.
    pub payload_format: PayloadFormat,
    /// The template of the payload; compiled for the aspects that use it.
    pub log_template: String,
    /// Its labels.
    pub labels: Labels,
}

/// What a rendered log template is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PayloadFormat {
    /// A line of text.
    Text,
    /// A JSON object.
    Json,
}

/// The shape of a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaDescriptor {
    /// The name that aspects call it by.
    pub name: Arc<str>,
    /// A name for people.
    pub display_name: String,
    /// What it limits.
    pub description: String,
    /// Its labels; amounts are counted for each combination of their values.
    pub labels: Labels,
    /// Whether it limits a rate, and not an amount held at a time.
    pub rate_limit: bool,
}

/// The shape of a monitored resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitoredResourceDescriptor {
    /// Its name.
    pub name: Arc<str>,
    /// What it is.
    pub description: String,
    /// Its labels.
    pub labels: Labels,
}

/// The shape of a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalDescriptor {
    /// Its name.
    pub name: Arc<str>,
    /// Its labels.
    pub labels: Labels,
}

impl Buckets {
    /// The upper bounds of the finite buckets, increasing.
    pub fn bounds(&self) -> Vec<f64> {
        match self {
            Self::Linear { count, width, offset } => {
                (0..=*count).map(|i| offset + i as f64 * width).collect()
            }
            Self::Exponential { count, growth_factor, scale } => {
                (0..=*count).map(|i| scale * growth_factor.powf(i as f64)).collect()
            }
            Self::Explicit(bounds) => bounds.clone(),
        }
    }
}
