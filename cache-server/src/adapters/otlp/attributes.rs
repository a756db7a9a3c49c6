//! Labels and values in the words of `OpenTelemetry`.

use std::sync::Arc;

use ::attributes::{StringMap, Value};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use serde_json::Value as Json;

use crate::{limits, text};

/// A text under a name.
pub(super) fn text(name: &str, value: &str) -> KeyValue {
    key_value(name, Any::StringValue(value.to_owned()))
}

/// Labels of a log entry as they are.
pub(super) fn of_entry(labels: &[(Arc<str>, Value)]) -> Vec<KeyValue> {
    labels.iter().map(|(name, value)| key_value(name, of_value(value))).collect()
}

/// Labels of a metric, long texts cut: each set of values is a series of its own.
pub(super) fn of_metric(labels: &[(Arc<str>, Value)]) -> Vec<KeyValue> {
    let cut = |value: &Value| match of_value(value) {
        Any::StringValue(long) => Any::StringValue(text::cut(&long, limits::METRIC_LABEL_BYTES).into_owned()),
        other => other,
    };
    labels.iter().map(|(name, value)| key_value(name, cut(value))).collect()
}

/// An object as a map.
pub(super) fn of_object(object: serde_json::Map<String, Json>) -> AnyValue {
    AnyValue { value: of_json(Json::Object(object)) }
}

/// A text as a value by itself.
pub(super) fn of_text(text: String) -> AnyValue {
    AnyValue { value: Some(Any::StringValue(text)) }
}

fn key_value(name: &str, value: Any) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn of_value(value: &Value) -> Any {
    match value {
        Value::String(text) => Any::StringValue(text.to_string()),
        Value::Int64(number) => Any::IntValue(*number),
        Value::Double(number) => Any::DoubleValue(*number),
        Value::Bool(truth) => Any::BoolValue(*truth),
        Value::Timestamp(_) | Value::Duration(_) | Value::Bytes(_) => Any::StringValue(value.to_string()),
        Value::StringMap(map) => Any::KvlistValue(of_map(map)),
    }
}

fn of_map(map: &StringMap) -> KeyValueList {
    KeyValueList { values: map.iter().map(|(name, value)| text(name, value)).collect() }
}

fn of_json(value: Json) -> Option<Any> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(truth) => Any::BoolValue(truth),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Any::IntValue(number),
            None => Any::DoubleValue(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Any::StringValue(text),
        Json::Array(items) => {
            let values = items.into_iter().map(|item| AnyValue { value: of_json(item) }).collect();
            Any::ArrayValue(ArrayValue { values })
        }
        Json::Object(fields) => {
            let field = |(key, value)| {
                let value = Some(AnyValue { value: of_json(value) });
                KeyValue { key, value, ..KeyValue::default() }
            };
            Any::KvlistValue(KeyValueList { values: fields.into_iter().map(field).collect() })
        }
    })
}
