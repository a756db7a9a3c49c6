//! The filter's configuration: JSON, read once, refused whole if anything is wrong.

pub(crate) mod json;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use attributes::{Bag, Dictionary, Name, Value, ValueType};
use ipnet::IpNet;
use thiserror::Error;

use crate::attribute::with_aliases;
use crate::failure::{FailurePolicies, FailurePolicy};
use crate::limits;
use crate::quota::config::Quotas;
use crate::quota::{self, QuotaConfig};
use crate::tcp::TcpConfig;

use json::{Field, Json, Wrong};

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
#[allow(clippy::struct_excessive_bools, reason = "each is a switch that stands in the configuration")]
pub struct Config {
    pub(crate) cluster: String,
    pub(crate) check_timeout: Duration,
    pub(crate) attributes: Bag,
    pub(crate) dictionary: Arc<Dictionary>,
    pub(crate) check_enabled: bool,
    pub(crate) cache_entries: usize,
    pub(crate) failure: FailurePolicies,
    /// Whether many checks may be asked on one stream.
    pub(crate) line_enabled: bool,
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
        let mut document = Document::default();
        document
            .read(json)
            .map_err(|error| InvalidConfig::Shape { path: error.path(), message: error.message })?;
        document.check()
    }

    /// The cluster that the server is in.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }
}

/// The configuration as it is written; maps in it are read into the same.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch that stands in the configuration")]
struct Document {
    cluster: Option<String>,
    timeout: Duration,
    attributes: Bag,
    dictionary: Option<Vec<String>>,
    check_enabled: bool,
    cache_enabled: bool,
    cache_entries: usize,
    failure: FailurePolicies,
    line_enabled: bool,
    report_enabled: bool,
    batch_max: usize,
    batch_interval: Duration,
    feed_enabled: bool,
    explain_to: Vec<IpNet>,
    quotas: Quotas,
    tcp: Option<TcpConfig>,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            cluster: None,
            timeout: Duration::from_secs(1),
            attributes: Bag::new(),
            dictionary: None,
            check_enabled: true,
            cache_enabled: true,
            cache_entries: 10_000,
            failure: FailurePolicies::all(FailurePolicy::Closed),
            line_enabled: true,
            report_enabled: true,
            batch_max: 100,
            batch_interval: Duration::from_secs(1),
            feed_enabled: true,
            explain_to: Vec::new(),
            quotas: Quotas::default(),
            tcp: None,
        }
    }
}

const DOCUMENT: &[Field<Document>] = &[
    ("mixer", |to, json| {
        json.fields(to, MIXER)?;
        if to.cluster.is_some() { Ok(()) } else { Err(Wrong::missing("cluster")) }
    }),
    ("attributes", |to, json| set(&mut to.attributes, attributes(json))),
    ("dictionary", |to, json| {
        set(&mut to.dictionary, json.or_null().map(|words| words.list(Json::text)).transpose())
    }),
    ("check", |to, json| json.fields(to, CHECK)),
    ("report", |to, json| json.fields(to, REPORT)),
    ("feed", |to, json| json.fields(to, &[("enabled", |to, json| set(&mut to.feed_enabled, json.truth()))])),
    ("explain", |to, json| {
        json.fields(to, &[("trusted", |to, json| set(&mut to.explain_to, json.list(network)))])
    }),
    ("quotas", |to, json| json.fields(&mut to.quotas, quota::config::QUOTAS)),
    // That it is there says that it is a network filter.
    ("tcp", |to, json| match json.or_null() {
        Some(json) => json.fields(to.tcp.get_or_insert_default(), TCP),
        None => Ok(()),
    }),
];

const MIXER: &[Field<Document>] = &[
    ("cluster", |to, json| set(&mut to.cluster, json.text().map(Some))),
    ("timeout", |to, json| set(&mut to.timeout, span(json))),
];

const CHECK: &[Field<Document>] = &[
    ("enabled", |to, json| set(&mut to.check_enabled, json.truth())),
    ("cache", |to, json| json.fields(to, CACHE)),
    ("failure", |to, json| set(&mut to.failure, failure(json, FailurePolicy::Closed))),
    ("stream", |to, json| {
        json.fields(to, &[("enabled", |to, json| set(&mut to.line_enabled, json.truth()))])
    }),
];

const CACHE: &[Field<Document>] = &[
    ("enabled", |to, json| set(&mut to.cache_enabled, json.truth())),
    ("max_entries", |to, json| set(&mut to.cache_entries, json.size())),
];

const REPORT: &[Field<Document>] = &[
    ("enabled", |to, json| set(&mut to.report_enabled, json.truth())),
    ("batch_max", |to, json| set(&mut to.batch_max, json.size())),
    ("batch_interval", |to, json| set(&mut to.batch_interval, span(json))),
];

const TCP: &[Field<TcpConfig>] = &[
    ("report_interval", |to, json| set(&mut to.report_interval, span(json))),
    ("await_certificate", |to, json| set(&mut to.await_certificate, json.truth())),
];

/// Puts what was read where it belongs.
pub(crate) fn set<T>(to: &mut T, read: Result<T, Wrong>) -> Result<(), Wrong> {
    *to = read?;
    Ok(())
}

impl Document {
    fn read(&mut self, json: Json) -> Result<(), Wrong> {
        json.fields(self, DOCUMENT)?;
        if self.cluster.is_some() { Ok(()) } else { Err(Wrong::missing("mixer")) }
    }

    fn check(self) -> Result<Config, InvalidConfig> {
        let Self {
            cluster,
            timeout,
            attributes,
            dictionary,
            check_enabled,
            cache_enabled,
            cache_entries,
            failure,
            line_enabled,
            report_enabled,
            batch_max,
            batch_interval,
            feed_enabled,
            explain_to,
            quotas,
            tcp,
        } = self;
        let cluster = cluster.unwrap_or_default();
        if cluster.is_empty() {
            return Err(field("mixer.cluster", "is empty, expected the name of a cluster".to_owned()));
        }
        within("mixer.timeout", timeout, &limits::CHECK_TIMEOUT)?;
        within("report.batch_interval", batch_interval, &limits::BATCH_INTERVAL)?;
        at_most("check.cache.max_entries", cache_entries, limits::CACHE_ENTRIES)?;
        at_most("report.batch_max", batch_max, limits::BATCH_MAX)?;
        if let Some(tcp) = &tcp {
            within("tcp.report_interval", tcp.report_interval, &limits::TCP_REPORT_INTERVAL)?;
        }
        if batch_max == 0 {
            return Err(field("report.batch_max", "is 0, expected at least 1".to_owned()));
        }
        at_most("explain.trusted", explain_to.len(), limits::EXPLAIN_NETWORKS)?;
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
            cluster,
            check_timeout: timeout,
            attributes: with_aliases(attributes),
            dictionary: Arc::new(dictionary),
            check_enabled,
            cache_entries: if cache_enabled { cache_entries } else { 0 },
            failure,
            line_enabled,
            report_enabled,
            batch_max,
            batch_interval,
            feed_enabled,
            tcp,
            quotas: QuotaConfig {
                rules: quota::config::rules(quotas.rules).map_err(|error| field("quotas.rules", error))?,
                prefetch: quotas.prefetch,
                max_pools: quotas.max_pools,
                failure: quotas.failure,
            },
            explain_to,
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
    let [value, least, most] = [&value, range.start(), range.end()].map(written);
    Err(field(name, format!("is {value}, expected from {least} to {most}")))
}

/// A span as a configuration would have it. Formatted here, since the standard library's way brings much code along.
fn written(span: &Duration) -> String {
    let millis = span.as_millis();
    if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") }
}

fn at_most(name: &'static str, value: usize, limit: usize) -> Result<(), InvalidConfig> {
    if value <= limit {
        return Ok(());
    }
    Err(field(name, format!("is {value}, expected at most {limit}")))
}

/// One policy for all classes of failure, then exceptions.
#[derive(Debug, Default)]
struct Failure {
    policy: Option<FailurePolicy>,
    unreachable: Option<FailurePolicy>,
    timeout: Option<FailurePolicy>,
    server_error: Option<FailurePolicy>,
    overloaded: Option<FailurePolicy>,
    bad_response: Option<FailurePolicy>,
    no_config: Option<FailurePolicy>,
}

const FAILURE: &[Field<Failure>] = &[
    ("policy", |to, json| set(&mut to.policy, policy(json))),
    ("unreachable", |to, json| set(&mut to.unreachable, policy(json))),
    ("timeout", |to, json| set(&mut to.timeout, policy(json))),
    ("server_error", |to, json| set(&mut to.server_error, policy(json))),
    ("overloaded", |to, json| set(&mut to.overloaded, policy(json))),
    ("bad_response", |to, json| set(&mut to.bad_response, policy(json))),
    ("no_config", |to, json| set(&mut to.no_config, policy(json))),
];

/// What becomes of requests by class of failure.
pub(crate) fn failure(json: Json, default: FailurePolicy) -> Result<FailurePolicies, Wrong> {
    let mut failure = Failure::default();
    json.fields(&mut failure, FAILURE)?;
    let Failure { policy, unreachable, timeout, server_error, overloaded, bad_response, no_config } = failure;
    let or_all = |exception: Option<FailurePolicy>| exception.or(policy).unwrap_or(default);
    Ok(FailurePolicies {
        unreachable: or_all(unreachable),
        timeout: or_all(timeout),
        server_error: or_all(server_error),
        overloaded: or_all(overloaded),
        bad_response: or_all(bad_response),
        no_config: or_all(no_config),
    })
}

fn policy(json: Json) -> Result<Option<FailurePolicy>, Wrong> {
    let Some(json) = json.or_null() else { return Ok(None) };
    match json.text()?.as_str() {
        "open" => Ok(Some(FailurePolicy::Open)),
        "closed" => Ok(Some(FailurePolicy::Closed)),
        other => Err(Wrong::new(format!("unknown variant `{other}`, expected `open` or `closed`"))),
    }
}

/// An address or a network.
fn network(json: Json) -> Result<IpNet, Wrong> {
    let text = json.text()?;
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let expected = |_| Wrong::new(format!("`{text}` is not an address or a network such as 10.0.0.0/8"));
    network.map_err(expected)
}

/// A span of time in Go's notation.
fn span(json: Json) -> Result<Duration, Wrong> {
    let text = json.text()?;
    attributes::Duration::parse_go(&text)
        .filter(|span| span.nanos() >= 0)
        .map(attributes::Duration::to_std)
        .ok_or_else(|| Wrong::new(format!("`{text}` is not a duration such as 250ms or 1m30s")))
}

/// Attributes by name; see [`typed`].
fn attributes(json: Json) -> Result<Bag, Wrong> {
    let mut bag = Bag::new();
    for (name, value) in json.entries("a map of attributes")? {
        let value = typed(value).map_err(|wrong| wrong.under(name.clone()))?;
        if bag.insert(Name::from(name.as_str()), value).is_some() {
            return Err(Wrong::new(format!("attribute `{name}` occurs twice")));
        }
    }
    Ok(bag)
}

/// Text as it is, or a map of one entry from a type to a value: `{"int64": 8080}`.
fn typed(json: Json) -> Result<Value, Wrong> {
    let parse = |value_type, text: String| {
        Value::parse(value_type, &text).map_err(|error| Wrong::new(error.to_string()))
    };
    let written = match json {
        Json::Text(text) => return Ok(Value::String(text.into())),
        Json::Map(entries) => <[_; 1]>::try_from(entries).ok().map(|[entry]| entry),
        _ => None,
    };
    match written {
        Some((kind, Json::Text(text))) => match kind.as_str() {
            "string" => return Ok(Value::String(text.into())),
            "ip" => return parse(ValueType::IpAddress, text),
            "duration" => return parse(ValueType::Duration, text),
            "timestamp" => return parse(ValueType::Timestamp, text),
            _ => {}
        },
        Some((kind, Json::Bool(truth))) if kind == "bool" => return Ok(Value::Bool(truth)),
        Some((kind, Json::Signed(number))) if kind == "int64" => return Ok(Value::Int64(number)),
        Some((kind, Json::Unsigned(number))) if kind == "int64" => {
            if let Ok(number) = i64::try_from(number) {
                return Ok(Value::Int64(number));
            }
        }
        Some((kind, Json::Signed(number))) if kind == "double" => return Ok(Value::Double(number as f64)),
        Some((kind, Json::Unsigned(number))) if kind == "double" => return Ok(Value::Double(number as f64)),
        Some((kind, Json::Float(number))) if kind == "double" => return Ok(Value::Double(number)),
        Some((kind, Json::Map(entries))) if kind == "string_map" => {
            let entries = entries.into_iter().map(|(key, value)| Ok((key, value.text()?)));
            if let Ok(entries) = entries.collect::<Result<Vec<_>, Wrong>>() {
                return Ok(Value::StringMap(Arc::new(entries.into_iter().collect())));
            }
        }
        Some(_) | None => {}
    }
    let expected = "expected text, or a type with a value such as {\"int64\": 8080}; \
        types are string, int64, double, bool, ip, duration, timestamp and string_map";
    Err(Wrong::new(expected.to_owned()))
}
