//! The JSON in which cases of the language are exchanged: typed values, and which attributes an evaluation referenced.
//!
//! Not on the way of a request: tools and tests read and write it. A value is `{"t": kind, "v": value}`:
//!
//! | `t` | `v` |
//! |---|---|
//! | `string` | text, also of an e-mail address, a URI and a DNS name |
//! | `int64`, `double`, `bool` | a number, a number, a truth value; a double that JSON has no number for is text |
//! | `timestamp` | RFC 3339 |
//! | `duration` | as Go writes it, `1m30s`; `"ns"`, the number of nanoseconds, goes before it |
//! | `ip` | an address in its usual notation; `"bytes"`, 4 or 16 of them in hexadecimal, goes before it |
//! | `bytes` | hexadecimal; bytes that are no address |
//! | `stringmap` | an object of texts |

use std::collections::BTreeSet;

use attributes::{AttributeSource, Duration, MapEntry, StringMap, Timestamp, Value};
use checkcache::{Observation, Outcome, Target, Test, Trace};
use serde_json::{Map, Value as Json, json};
use thiserror::Error;

/// A JSON value is no typed value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidValue {
    /// It is not of the form.
    #[error("expected {{\"t\": kind, \"v\": value}}, found {0}")]
    Form(String),
    /// There is no such kind.
    #[error(
        "unknown kind `{0}`; there are string, int64, double, bool, timestamp, duration, ip, bytes and stringmap"
    )]
    UnknownKind(String),
    /// What is given is no value of its kind.
    #[error("expected {expected}, found {found}")]
    Value {
        /// What it should have been.
        expected: &'static str,
        /// What it is.
        found: String,
    },
}

/// An attribute, or a key of a map, that an evaluation looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The attribute.
    pub name: String,
    /// The key, if one key of a map was looked at.
    pub key: Option<String>,
    /// Whether it was there. Of a key in a map that is absent as a whole, the map is what was not there.
    pub present: bool,
}

/// Reads a typed value.
pub fn parse_value(json: &Json) -> Result<Value, InvalidValue> {
    let form = || InvalidValue::Form(shortened(json));
    let fields = json.as_object().ok_or_else(form)?;
    let kind = fields.get("t").and_then(Json::as_str).ok_or_else(form)?;
    let given = |field: &str| fields.get(field);
    let v = given("v").unwrap_or(&Json::Null);
    let no = |expected, found: &Json| InvalidValue::Value { expected, found: shortened(found) };
    match kind {
        "string" => v.as_str().map(Value::from).ok_or_else(|| no("text", v)),
        "int64" => v.as_i64().map(Value::Int64).ok_or_else(|| no("a 64-bit integer", v)),
        "double" => double(v).map(Value::Double).ok_or_else(|| no("a number", v)),
        "bool" => v.as_bool().map(Value::Bool).ok_or_else(|| no("true or false", v)),
        "timestamp" => v
            .as_str()
            .and_then(Timestamp::parse_rfc3339)
            .map(Value::Timestamp)
            .ok_or_else(|| no("a time such as \"2017-04-29T02:11:54Z\"", v)),
        "duration" => match given("ns") {
            Some(nanos) => nanos
                .as_i64()
                .map(|nanos| Value::Duration(Duration::from_nanos(nanos.into())))
                .ok_or_else(|| no("a whole number of nanoseconds", nanos)),
            None => v
                .as_str()
                .and_then(Duration::parse_go)
                .map(Value::Duration)
                .ok_or_else(|| no("a duration such as \"1m30s\"", v)),
        },
        "ip" => match given("bytes") {
            Some(hex) => bytes(hex)
                .filter(|bytes| matches!(bytes.len(), 4 | 16))
                .map(|bytes| Value::Bytes(bytes.into()))
                .ok_or_else(|| no("4 or 16 bytes in hexadecimal", hex)),
            None => v
                .as_str()
                .and_then(|text| text.parse().ok())
                .map(Value::from_ip)
                .ok_or_else(|| no("an IP address", v)),
        },
        "bytes" => {
            bytes(v).map(|bytes| Value::Bytes(bytes.into())).ok_or_else(|| no("bytes in hexadecimal", v))
        }
        "stringmap" => v
            .as_object()
            .and_then(strings)
            .map(Value::from)
            .ok_or_else(|| no("an object whose values are texts", v)),
        other => Err(InvalidValue::UnknownKind(other.to_owned())),
    }
}

/// Writes a typed value.
pub fn write_value(value: &Value) -> Json {
    let (kind, v) = match value {
        Value::String(text) => ("string", json!(**text)),
        Value::Int64(number) => ("int64", json!(number)),
        Value::Double(number) if number.is_finite() => ("double", json!(number)),
        Value::Double(number) => ("double", json!(number.to_string())),
        Value::Bool(truth) => ("bool", json!(truth)),
        Value::Timestamp(_) => ("timestamp", json!(value.to_string())),
        Value::Duration(_) => ("duration", json!(value.to_string())),
        Value::Bytes(_) if value.to_ip().is_some() => ("ip", json!(value.to_string())),
        Value::Bytes(_) => ("bytes", json!(value.to_string())),
        Value::StringMap(map) => {
            let entries = map.iter().map(|(key, value)| (key.as_ref().to_owned(), json!(**value)));
            ("stringmap", Json::Object(entries.collect()))
        }
    };
    json!({ "t": kind, "v": v })
}

/// What was looked at, whatever it was tested for. The source is the one that the trace was recorded of: a trace that
/// says that a key is not there does not always say whether its map is.
pub fn references(trace: &Trace, source: &dyn AttributeSource) -> BTreeSet<Reference> {
    trace.observations().iter().map(|seen| reference(seen, source)).collect()
}

fn reference(seen: &Observation, source: &dyn AttributeSource) -> Reference {
    let name = seen.target().attribute().as_str();
    let key = match seen.target() {
        Target::Attribute(_) => None,
        Target::Key(_, key) => Some(key.as_ref()),
    };
    let without_map = key.is_some_and(|key| source.entry(name, key) == MapEntry::NoMap);
    let present = match (&seen.outcome, seen.test()) {
        (Outcome::Absent | Outcome::NoMap, _) | (Outcome::No, Test::Present) => false,
        (Outcome::Yes | Outcome::No | Outcome::Value(_) | Outcome::WrongKind, _) => true,
    };
    let key = key.filter(|_| !without_map).map(str::to_owned);
    Reference { name: name.to_owned(), key, present }
}

impl Reference {
    /// The reference as `{"name", "key", "present"}`, the key only if there is one.
    pub fn to_json(&self) -> Json {
        let Self { name, key, present } = self;
        match key {
            Some(key) => json!({ "name": name, "key": key, "present": present }),
            None => json!({ "name": name, "present": present }),
        }
    }
}

fn double(v: &Json) -> Option<f64> {
    match v {
        Json::String(text) => text.parse().ok().filter(|number: &f64| !number.is_finite()),
        other => other.as_f64(),
    }
}

fn strings(map: &Map<String, Json>) -> Option<StringMap> {
    map.iter().map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
}

fn bytes(hex: &Json) -> Option<Vec<u8>> {
    let hex = hex.as_str().filter(|hex| hex.is_ascii() && hex.len() % 2 == 0)?;
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

/// A JSON value, short enough for a message.
fn shortened(json: &Json) -> String {
    crate::error::quoted(&json.to_string())
}

#[cfg(test)]
mod tests {
    use attributes::Bag;
    use checkcache::Recorder;

    use super::*;

    #[test]
    fn values_come_back_as_they_went() {
        let map: StringMap = [("a", "1"), ("", "")].into_iter().collect();
        let values = [
            Value::from("x"),
            Value::Int64(i64::MIN),
            Value::Double(0.1),
            Value::Double(f64::NEG_INFINITY),
            Value::Bool(false),
            Value::Timestamp(Timestamp::parse_rfc3339("2017-04-29T02:11:54.98Z").unwrap()),
            Value::Duration(Duration::from_nanos(-1_500_000_000)),
            Value::from_ip("10.0.0.1".parse().unwrap()),
            Value::Bytes([1, 2, 255].as_slice().into()),
            Value::from(map),
        ];
        for value in values {
            let json = write_value(&value);
            assert_eq!(parse_value(&json), Ok(value), "{json}");
        }
    }

    #[test]
    fn the_exact_forms_go_before_the_readable_ones() {
        let span = parse_value(&json!({ "t": "duration", "v": "1s", "ns": 5 }));
        assert_eq!(span, Ok(Value::Duration(Duration::from_nanos(5))));
        let mapped = json!({ "t": "ip", "v": "1.2.3.4", "bytes": "00000000000000000000ffff01020304" });
        let ip = parse_value(&mapped).unwrap();
        assert_eq!(ip.to_string(), "1.2.3.4");
        assert_eq!(write_value(&ip), json!({ "t": "ip", "v": "1.2.3.4" }));
    }

    #[test]
    fn what_is_no_value_is_said() {
        for (json, reason) in [
            (json!(1), "expected {\"t\": kind, \"v\": value}, found 1"),
            (json!({ "t": "text", "v": "" }), "unknown kind `text`"),
            (json!({ "t": "int64", "v": 1.5 }), "expected a 64-bit integer, found 1.5"),
            (json!({ "t": "int64" }), "expected a 64-bit integer, found null"),
            (json!({ "t": "double", "v": "1" }), "expected a number"),
            (json!({ "t": "ip", "bytes": "0102" }), "expected 4 or 16 bytes"),
            (json!({ "t": "bytes", "v": "é" }), "expected bytes in hexadecimal"),
            (json!({ "t": "stringmap", "v": { "a": 1 } }), "expected an object whose values are texts"),
        ] {
            let error = parse_value(&json).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{json}: {error}");
        }
    }

    #[test]
    fn a_key_of_no_map_is_a_reference_to_the_map() {
        let map: StringMap = [("a", "1")].into_iter().collect();
        let bag: Bag = [("m", map)].into_iter().collect();
        let mut recorder = Recorder::new(&bag);
        for (name, key) in [("m", "a"), ("m", "b"), ("n", "a")] {
            recorder.perform(&Target::Key(name.into(), key.into()), &Test::Present);
        }
        let references: Vec<_> =
            references(&recorder.into_trace(), &bag).iter().map(Reference::to_json).collect();
        assert_eq!(
            references,
            [
                json!({ "name": "m", "key": "a", "present": true }),
                json!({ "name": "m", "key": "b", "present": false }),
                json!({ "name": "n", "present": false }),
            ]
        );
    }
}
