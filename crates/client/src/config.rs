//! The filter's configuration: JSON, read once, refused whole if anything is wrong.

mod json;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use attributes::{Bag, Dictionary, Name, Value, ValueType};
use ipnet::IpNet;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de::Error as _};
use thiserror::Error;

use crate::attribute::with_aliases;
use crate::failure::{FailurePolicies, FailurePolicy};
use crate::limits;
use crate::quota::{self, QuotaConfig};
use crate::tcp::TcpConfig;

use json::Json;

/// The dictionary that ships with the project.
const DICTIONARY: &str = include_str!("../../../config/dictionary.txt");

/// The filter's configuration cannot be used. The text says what, where, and what was expected.
#[derive(Debug, Error)]
pub enum InvalidConfig {
    /// It is not JSON.
    #[error("mixer filter configuration, `.`: {0}")]
    Json(serde_json::Error),
    /// It is not what the filter reads.
    #[error("mixer filter configuration, `{path}`: {message}")]
    Shape {
        /// The field, with dots; a single dot is the whole.
        path: String,
        /// What is wrong and what was expected.
        message: String,
    },
    /// It is not text.
    #[error("mixer filter configuration, byte {0}: not UTF-8")]
    NotText(usize),
    /// There is none.
    #[error("mixer filter configuration is missing: give at least {{\"mixer\": {{\"cluster\": \"…\"}}}}")]
    Missing,
    /// A value is out of its range.
    #[error("mixer filter configuration, `{field}`: {message}")]
    Field {
        /// The field, with dots.
        field: &'static str,
        /// What is wrong with it and what was expected.
        message: String,
    },
}

/// The filter's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) cluster: String,
    pub(crate) check_timeout: Duration,
    pub(crate) attributes: Bag,
    pub(crate) dictionary: Arc<Dictionary>,
    pub(crate) check_enabled: bool,
    pub(crate) cache_entries: usize,
    pub(crate) failure: FailurePolicies,
    pub(crate) report_enabled: bool,
    pub(crate) batch_max: usize,
    pub(crate) batch_interval: Duration,
    pub(crate) feed_enabled: bool,
    /// For a network filter.
    pub(crate) tcp: Option<TcpConfig>,
    pub(crate) quotas: QuotaConfig,
    /// Whom decisions are explained to.
    pub(crate) explain_to: Vec<IpNet>,
}

impl Config {
    /// Reads a configuration.
    pub fn parse(json: &[u8]) -> Result<Self, InvalidConfig> {
        let text = std::str::from_utf8(json).map_err(|error| InvalidConfig::NotText(error.valid_up_to()))?;
        if text.trim().is_empty() {
            return Err(InvalidConfig::Missing);
        }
        let json: Json = serde_json::from_str(text).map_err(InvalidConfig::Json)?;
        let document = Document::deserialize(json)
            .map_err(|error| InvalidConfig::Shape { path: error.path(), message: error.message })?;
        document.check()
    }

    /// The cluster that the server is in.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }
}

/// The configuration as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    mixer: Mixer,
    #[serde(default)]
    attributes: Attributes,
    #[serde(default)]
    dictionary: Option<Vec<String>>,
    #[serde(default)]
    check: Check,
    #[serde(default)]
    report: Report,
    #[serde(default)]
    feed: Feed,
    #[serde(default)]
    explain: Explain,
    #[serde(default)]
    quotas: quota::config::Quotas<Failure>,
    #[serde(default)]
    tcp: Option<Tcp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mixer {
    cluster: String,
    #[serde(default = "check_timeout")]
    timeout: Span,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Check {
    enabled: bool,
    cache: Cache,
    failure: Failure,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Cache {
    enabled: bool,
    max_entries: usize,
}

/// One policy for all, then exceptions by class.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Failure {
    policy: Option<Policy>,
    unreachable: Option<Policy>,
    timeout: Option<Policy>,
    server_error: Option<Policy>,
    overloaded: Option<Policy>,
    bad_response: Option<Policy>,
    no_config: Option<Policy>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Policy {
    Open,
    Closed,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Report {
    enabled: bool,
    batch_max: usize,
    batch_interval: Span,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Feed {
    enabled: bool,
}

impl Default for Feed {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// That it is a network filter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Tcp {
    report_interval: Span,
    await_certificate: bool,
}

impl Default for Tcp {
    fn default() -> Self {
        Self { report_interval: Span(Duration::from_secs(10)), await_certificate: false }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Explain {
    trusted: Vec<Network>,
}

/// An address or a network.
#[derive(Debug)]
struct Network(IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Self).map_err(|_| {
            D::Error::custom(format_args!("`{text}` is not an address or a network such as 10.0.0.0/8"))
        })
    }
}

fn check_timeout() -> Span {
    Span(Duration::from_secs(1))
}

impl Default for Check {
    fn default() -> Self {
        Self { enabled: true, cache: Cache::default(), failure: Failure::default() }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self { enabled: true, max_entries: 10_000 }
    }
}

impl Default for Report {
    fn default() -> Self {
        Self { enabled: true, batch_max: 100, batch_interval: Span(Duration::from_secs(1)) }
    }
}

impl Document {
    fn check(self) -> Result<Config, InvalidConfig> {
        let Self {
            mixer,
            attributes: Attributes(attributes),
            dictionary,
            check,
            report,
            feed,
            explain,
            quotas,
            tcp,
        } = self;
        if mixer.cluster.is_empty() {
            return Err(field("mixer.cluster", "is empty, expected the name of a cluster".to_owned()));
        }
        within("mixer.timeout", mixer.timeout.0, &limits::CHECK_TIMEOUT)?;
        within("report.batch_interval", report.batch_interval.0, &limits::BATCH_INTERVAL)?;
        at_most("check.cache.max_entries", check.cache.max_entries, limits::CACHE_ENTRIES)?;
        at_most("report.batch_max", report.batch_max, limits::BATCH_MAX)?;
        if let Some(tcp) = &tcp {
            within("tcp.report_interval", tcp.report_interval.0, &limits::TCP_REPORT_INTERVAL)?;
        }
        if report.batch_max == 0 {
            return Err(field("report.batch_max", "is 0, expected at least 1".to_owned()));
        }
        at_most("explain.trusted", explain.trusted.len(), limits::EXPLAIN_NETWORKS)?;
        at_most("attributes", attributes.len(), limits::CONFIGURED_ATTRIBUTES)?;
        if !limits::QUOTA_POOLS.contains(&quotas.max_pools) {
            let (least, most) = (limits::QUOTA_POOLS.start(), limits::QUOTA_POOLS.end());
            let message = format!("is {}, expected from {least} to {most}", quotas.max_pools);
            return Err(field("quotas.max_pools", message));
        }
        let dictionary = match dictionary {
            Some(words) => Dictionary::new(words),
            None => Dictionary::parse(DICTIONARY),
        };
        let dictionary = dictionary.map_err(|error| field("dictionary", error.to_string()))?;
        Ok(Config {
            cluster: mixer.cluster,
            check_timeout: mixer.timeout.0,
            attributes: with_aliases(attributes),
            dictionary: Arc::new(dictionary),
            check_enabled: check.enabled,
            cache_entries: if check.cache.enabled { check.cache.max_entries } else { 0 },
            failure: check.failure.or(Policy::Closed),
            report_enabled: report.enabled,
            batch_max: report.batch_max,
            batch_interval: report.batch_interval.0,
            feed_enabled: feed.enabled,
            tcp: tcp.map(|Tcp { report_interval: Span(report_interval), await_certificate }| TcpConfig {
                report_interval,
                await_certificate,
            }),
            quotas: QuotaConfig {
                rules: quota::config::rules(quotas.rules).map_err(|error| field("quotas.rules", error))?,
                prefetch: quotas.prefetch,
                max_pools: quotas.max_pools,
                failure: quotas.failure.unwrap_or_default().or(Policy::Open),
            },
            explain_to: explain.trusted.into_iter().map(|Network(network)| network).collect(),
        })
    }
}

fn field(field: &'static str, message: String) -> InvalidConfig {
    InvalidConfig::Field { field, message }
}

fn within(
    name: &'static str,
    value: Duration,
    range: &std::ops::RangeInclusive<Duration>,
) -> Result<(), InvalidConfig> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(field(name, format!("is {value:?}, expected from {:?} to {:?}", range.start(), range.end())))
}

fn at_most(name: &'static str, value: usize, limit: usize) -> Result<(), InvalidConfig> {
    if value <= limit {
        return Ok(());
    }
    Err(field(name, format!("is {value}, expected at most {limit}")))
}

impl From<Policy> for FailurePolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Open => Self::Open,
            Policy::Closed => Self::Closed,
        }
    }
}

impl Failure {
    fn or(self, default: Policy) -> FailurePolicies {
        let or_all = |exception: Option<Policy>| exception.or(self.policy).unwrap_or(default).into();
        FailurePolicies {
            unreachable: or_all(self.unreachable),
            timeout: or_all(self.timeout),
            server_error: or_all(self.server_error),
            overloaded: or_all(self.overloaded),
            bad_response: or_all(self.bad_response),
            no_config: or_all(self.no_config),
        }
    }
}

/// A span of time in Go's notation.
#[derive(Debug, Clone, Copy)]
struct Span(Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        attributes::Duration::parse_go(&text)
            .filter(|span| span.nanos() >= 0)
            .map(|span| Self(span.to_std()))
            .ok_or_else(|| {
                D::Error::custom(format_args!("`{text}` is not a duration such as 250ms or 1m30s"))
            })
    }
}

/// Attributes by name; see [`TypedValue`].
#[derive(Debug, Default)]
struct Attributes(Bag);

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut bag = Bag::new();
                while let Some((name, TypedValue(value))) = map.next_entry::<String, TypedValue>()? {
                    if bag.insert(Name::from(name.as_str()), value).is_some() {
                        return Err(de::Error::custom(format_args!("attribute `{name}` occurs twice")));
                    }
                }
                Ok(Attributes(bag))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// Text as it is, or a map of one entry from a type to a value: `{"int64": 8080}`.
struct TypedValue(Value);

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Typed {
    String(String),
    Int64(i64),
    Double(f64),
    Bool(bool),
    Ip(String),
    Duration(String),
    Timestamp(String),
    StringMap(BTreeMap<String, String>),
}

impl<'de> Deserialize<'de> for TypedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "expected text, or a type with a value such as {\"int64\": 8080}; \
                types are string, int64, double, bool, ip, duration, timestamp and string_map"
        )]
        enum Written {
            Text(String),
            Typed(Typed),
        }

        let parse = |value_type, text: String| Value::parse(value_type, &text).map_err(D::Error::custom);
        let value = match Written::deserialize(deserializer)? {
            Written::Text(text) | Written::Typed(Typed::String(text)) => Value::String(text.into()),
            Written::Typed(Typed::Int64(number)) => Value::Int64(number),
            Written::Typed(Typed::Double(number)) => Value::Double(number),
            Written::Typed(Typed::Bool(truth)) => Value::Bool(truth),
            Written::Typed(Typed::Ip(text)) => parse(ValueType::IpAddress, text)?,
            Written::Typed(Typed::Duration(text)) => parse(ValueType::Duration, text)?,
            Written::Typed(Typed::Timestamp(text)) => parse(ValueType::Timestamp, text)?,
            Written::Typed(Typed::StringMap(map)) => Value::StringMap(Arc::new(map.into_iter().collect())),
        };
        Ok(Self(value))
    }
}
