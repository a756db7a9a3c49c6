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

use json::{Json, Wrong};

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
        let document = Document::read(json)
            .map_err(|error| InvalidConfig::Shape { path: error.path(), message: error.message })?;
        document.check()
    }

    /// The cluster that the server is in.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }
}

/// The configuration as it is written.
#[derive(Debug)]
struct Document {
    cluster: String,
    timeout: Duration,
    attributes: Bag,
    dictionary: Option<Vec<String>>,
    check: Check,
    report: Report,
    feed_enabled: bool,
    explain_to: Vec<IpNet>,
    quotas: Quotas<Failure>,
    tcp: Option<TcpConfig>,
}

#[derive(Debug)]
struct Check {
    enabled: bool,
    cache: Cache,
    failure: Failure,
}

#[derive(Debug)]
struct Cache {
    enabled: bool,
    max_entries: usize,
}

/// One policy for all, then exceptions by class.
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

#[derive(Debug)]
struct Report {
    enabled: bool,
    batch_max: usize,
    batch_interval: Duration,
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
        Self { enabled: true, batch_max: 100, batch_interval: Duration::from_secs(1) }
    }
}

impl Document {
    fn read(json: Json) -> Result<Self, Wrong> {
        let mut fields = json.fields(&[
            "mixer",
            "attributes",
            "dictionary",
            "check",
            "report",
            "feed",
            "explain",
            "quotas",
            "tcp",
        ])?;
        let (cluster, timeout) = fields.require("mixer", mixer)?;
        Ok(Self {
            cluster,
            timeout,
            attributes: fields.read("attributes", attributes)?.unwrap_or_default(),
            dictionary: fields.read_or_null("dictionary", |json| json.list(Json::text))?,
            check: fields.read("check", Check::read)?.unwrap_or_default(),
            report: fields.read("report", Report::read)?.unwrap_or_default(),
            feed_enabled: fields.read("feed", enabled)?.unwrap_or(true),
            explain_to: fields.read("explain", trusted)?.unwrap_or_default(),
            quotas: fields.read("quotas", |json| Quotas::read(json, Failure::read))?.unwrap_or_default(),
            tcp: fields.read_or_null("tcp", tcp)?,
        })
    }

    fn check(self) -> Result<Config, InvalidConfig> {
        let Self {
            cluster,
            timeout,
            attributes,
            dictionary,
            check,
            report,
            feed_enabled,
            explain_to,
            quotas,
            tcp,
        } = self;
        if cluster.is_empty() {
            return Err(field("mixer.cluster", "is empty, expected the name of a cluster".to_owned()));
        }
        within("mixer.timeout", timeout, &limits::CHECK_TIMEOUT)?;
        within("report.batch_interval", report.batch_interval, &limits::BATCH_INTERVAL)?;
        at_most("check.cache.max_entries", check.cache.max_entries, limits::CACHE_ENTRIES)?;
        at_most("report.batch_max", report.batch_max, limits::BATCH_MAX)?;
        if let Some(tcp) = &tcp {
            within("tcp.report_interval", tcp.report_interval, &limits::TCP_REPORT_INTERVAL)?;
        }
        if report.batch_max == 0 {
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
            check_enabled: check.enabled,
            cache_entries: if check.cache.enabled { check.cache.max_entries } else { 0 },
            failure: check.failure.or(FailurePolicy::Closed),
            report_enabled: report.enabled,
            batch_max: report.batch_max,
            batch_interval: report.batch_interval,
            feed_enabled,
            tcp,
            quotas: QuotaConfig {
                rules: quota::config::rules(quotas.rules).map_err(|error| field("quotas.rules", error))?,
                prefetch: quotas.prefetch,
                max_pools: quotas.max_pools,
                failure: quotas.failure.unwrap_or_default().or(FailurePolicy::Open),
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

fn mixer(json: Json) -> Result<(String, Duration), Wrong> {
    let mut fields = json.fields(&["cluster", "timeout"])?;
    let timeout = fields.read("timeout", span)?.unwrap_or(Duration::from_secs(1));
    Ok((fields.require("cluster", Json::text)?, timeout))
}

impl Check {
    fn read(json: Json) -> Result<Self, Wrong> {
        let (mut fields, default) = (json.fields(&["enabled", "cache", "failure"])?, Self::default());
        Ok(Self {
            enabled: fields.read("enabled", Json::truth)?.unwrap_or(default.enabled),
            cache: fields.read("cache", Cache::read)?.unwrap_or(default.cache),
            failure: fields.read("failure", Failure::read)?.unwrap_or(default.failure),
        })
    }
}

impl Cache {
    fn read(json: Json) -> Result<Self, Wrong> {
        let (mut fields, default) = (json.fields(&["enabled", "max_entries"])?, Self::default());
        Ok(Self {
            enabled: fields.read("enabled", Json::truth)?.unwrap_or(default.enabled),
            max_entries: fields.read("max_entries", Json::size)?.unwrap_or(default.max_entries),
        })
    }
}

impl Report {
    fn read(json: Json) -> Result<Self, Wrong> {
        let mut fields = json.fields(&["enabled", "batch_max", "batch_interval"])?;
        let default = Self::default();
        Ok(Self {
            enabled: fields.read("enabled", Json::truth)?.unwrap_or(default.enabled),
            batch_max: fields.read("batch_max", Json::size)?.unwrap_or(default.batch_max),
            batch_interval: fields.read("batch_interval", span)?.unwrap_or(default.batch_interval),
        })
    }
}

impl Failure {
    fn read(json: Json) -> Result<Self, Wrong> {
        let mut fields = json.fields(&[
            "policy",
            "unreachable",
            "timeout",
            "server_error",
            "overloaded",
            "bad_response",
            "no_config",
        ])?;
        let mut policy = |name| fields.read_or_null(name, policy);
        Ok(Self {
            policy: policy("policy")?,
            unreachable: policy("unreachable")?,
            timeout: policy("timeout")?,
            server_error: policy("server_error")?,
            overloaded: policy("overloaded")?,
            bad_response: policy("bad_response")?,
            no_config: policy("no_config")?,
        })
    }

    fn or(self, default: FailurePolicy) -> FailurePolicies {
        let or_all = |exception: Option<FailurePolicy>| exception.or(self.policy).unwrap_or(default);
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

fn policy(json: Json) -> Result<FailurePolicy, Wrong> {
    match json.text()?.as_str() {
        "open" => Ok(FailurePolicy::Open),
        "closed" => Ok(FailurePolicy::Closed),
        other => Err(Wrong::new(format!("unknown variant `{other}`, expected `open` or `closed`"))),
    }
}

fn enabled(json: Json) -> Result<bool, Wrong> {
    Ok(json.fields(&["enabled"])?.read("enabled", Json::truth)?.unwrap_or(true))
}

fn trusted(json: Json) -> Result<Vec<IpNet>, Wrong> {
    Ok(json.fields(&["trusted"])?.read("trusted", |json| json.list(network))?.unwrap_or_default())
}

/// An address or a network.
fn network(json: Json) -> Result<IpNet, Wrong> {
    let text = json.text()?;
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let expected = |_| Wrong::new(format!("`{text}` is not an address or a network such as 10.0.0.0/8"));
    network.map_err(expected)
}

/// That it is a network filter.
fn tcp(json: Json) -> Result<TcpConfig, Wrong> {
    let mut fields = json.fields(&["report_interval", "await_certificate"])?;
    Ok(TcpConfig {
        report_interval: fields.read("report_interval", span)?.unwrap_or(Duration::from_secs(10)),
        await_certificate: fields.read("await_certificate", Json::truth)?.unwrap_or(false),
    })
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
