//! Log entries as lines, for the adapters that write them to streams and files.
//!
//! The fields of a JSON line are those of Mixer. 0.1 left out what is empty; 0.2 changed their order and let the block
//! choose. Spans of time are whole nanoseconds. Other than there, addresses are written as addresses and not in Base64.
//!
//! Invariant: an entry is one line, whatever is in it.

use std::sync::Arc;

use attributes::Value;
use policy::{LogEntry, LogPayload, LogSeverity};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::params::Params;

/// How entries are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFormat {
    /// An object with what is not empty, in the order of 0.1.
    Json,
    /// An object in the order of 0.2, with what is empty or without.
    Json2 {
        /// Without.
        omits_empty: bool,
    },
    /// What the template rendered and nothing else.
    Text,
}

const JSON: i64 = 0;
const TEXT: i64 = 1;

// === impl LineFormat ===

impl LineFormat {
    /// Reads the parameters that choose it.
    pub(super) fn parse(params: &mut Params<'_>) -> Self {
        let format = params.choice("format", &[("JSON", JSON), ("TEXT", TEXT)]);
        let omits_empty = params.truth("omitEmptyFields");
        match (format, omits_empty) {
            (Some(TEXT), Some(_)) => {
                params.problem("omitEmptyFields", "is for the format JSON");
                Self::Text
            }
            (Some(TEXT), None) => Self::Text,
            (_, Some(omits_empty)) => Self::Json2 { omits_empty },
            (_, None) => Self::Json,
        }
    }

    /// An entry as a line, its end included.
    pub(super) fn line(self, entry: LogEntry) -> Result<String, serde_json::Error> {
        let mut line = match self {
            Self::Json => escaped(&serde_json::to_string(&first(entry))?),
            Self::Json2 { omits_empty } => escaped(&serde_json::to_string(&second(entry, omits_empty))?),
            Self::Text => match entry.payload {
                LogPayload::Text(text) => one_line(&text),
                LogPayload::Json(object) => serde_json::to_string(&object)?,
            },
        };
        line.push('\n');
        Ok(line)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct First {
    #[serde(skip_serializing_if = "String::is_empty")]
    log_name: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    labels: Map<String, Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    text_payload: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    struct_payload: Map<String, Json>,
}

/// A field is `None` if it is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Second {
    #[serde(skip_serializing_if = "Option::is_none")]
    log_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Map<String, Json>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_payload: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    struct_payload: Option<Map<String, Json>>,
}

fn first(entry: LogEntry) -> First {
    let (text_payload, struct_payload) = payloads(entry.payload);
    First {
        log_name: entry.log_name.to_string(),
        labels: labels(&entry.labels),
        timestamp: entry.timestamp,
        severity: (entry.severity != LogSeverity::Default).then(|| entry.severity.as_str()),
        text_payload,
        struct_payload,
    }
}

fn second(entry: LogEntry, omits_empty: bool) -> Second {
    let First { log_name, labels, timestamp, severity, text_payload, struct_payload } = first(entry);
    let is_there = |is_empty: bool| !(omits_empty && is_empty);
    Second {
        log_name: is_there(log_name.is_empty()).then_some(log_name),
        timestamp: is_there(timestamp.is_none()).then(|| timestamp.unwrap_or_default()),
        severity: is_there(severity.is_none())
            .then(|| severity.unwrap_or_else(|| LogSeverity::Default.as_str())),
        labels: is_there(labels.is_empty()).then_some(labels),
        text_payload: is_there(text_payload.is_empty()).then_some(text_payload),
        struct_payload: is_there(struct_payload.is_empty()).then_some(struct_payload),
    }
}

fn payloads(payload: LogPayload) -> (String, Map<String, Json>) {
    match payload {
        LogPayload::Text(text) => (text, Map::new()),
        LogPayload::Json(object) => (String::new(), object),
    }
}

fn labels(labels: &[(Arc<str>, Value)]) -> Map<String, Json> {
    labels.iter().map(|(name, value)| (name.to_string(), json(value))).collect()
}

fn json(value: &Value) -> Json {
    match value {
        Value::String(text) => Json::from(&**text),
        Value::Int64(number) => Json::from(*number),
        // JSON has no word for a double that is not a number.
        Value::Double(number) => {
            serde_json::Number::from_f64(*number).map_or_else(|| Json::from(number.to_string()), Json::Number)
        }
        Value::Bool(truth) => Json::from(*truth),
        Value::Timestamp(time) => Json::from(time.to_string()),
        Value::Duration(span) => Json::from(i64::try_from(span.nanos()).unwrap_or(if span.seconds < 0 {
            i64::MIN
        } else {
            i64::MAX
        })),
        Value::Bytes(_) => Json::from(value.to_string()),
        Value::StringMap(map) => {
            map.iter().map(|(key, value)| (key.to_string(), Json::from(&**value))).collect()
        }
    }
}

/// Escapes what Mixer's lines never had in the clear, because a browser or a JavaScript engine might trip over it. All
/// of it can only stand within strings.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len() + 1);
    for character in json.chars() {
        match character {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Text without what ends a line or speaks to a terminal, so that no request forges an entry.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        match character {
            '\t' => line.push(character),
            '\u{2028}' | '\u{2029}' => line.extend(character.escape_unicode()),
            control if control.is_control() => line.extend(control.escape_default()),
            other => line.push(other),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use attributes::{Duration, StringMap, Timestamp};
    use serde_json::json;

    use super::*;

    fn entry(labels: Vec<(&str, Value)>, payload: LogPayload) -> LogEntry {
        let labels = labels.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
        LogEntry {
            log_name: "combined_log".into(),
            labels,
            severity: LogSeverity::Default,
            timestamp: None,
            payload,
        }
    }

    fn graded() -> LogEntry {
        let object = json!({ "b": 1, "a": "x" }).as_object().unwrap().clone();
        LogEntry {
            severity: LogSeverity::Warning,
            timestamp: Some("2017-04-29T02:11:54Z".to_owned()),
            ..entry(vec![("l", Value::Int64(1))], LogPayload::Json(object))
        }
    }

    #[test]
    fn a_line_is_as_mixer_wrote_it() {
        let labels = vec![
            ("referer", Value::from("")),
            ("responseSize", Value::Int64(871)),
            (
                "timestamp",
                Value::Timestamp(Timestamp::parse_rfc3339("2017-04-29T02:11:54.989466058Z").unwrap()),
            ),
            ("url", Value::from("/reviews")),
            ("userAgent", Value::from("python-requests/2.11.1")),
        ];
        let text = "- - - [29/Apr/2017:02:11:54 +0000] \"- /reviews -\" - 871 - python-requests/2.11.1";
        assert_eq!(
            LineFormat::Json.line(entry(labels, LogPayload::Text(text.into()))).unwrap(),
            concat!(
                r#"{"logName":"combined_log","labels":{"referer":"","responseSize":871,"#,
                r#""timestamp":"2017-04-29T02:11:54.989466058Z","url":"/reviews","#,
                r#""userAgent":"python-requests/2.11.1"},"#,
                r#""textPayload":"- - - [29/Apr/2017:02:11:54 +0000] \"- /reviews -\" - 871 - "#,
                "python-requests/2.11.1\"}\n"
            )
        );
        assert_eq!(
            LineFormat::Json.line(graded()).unwrap(),
            concat!(
                r#"{"logName":"combined_log","labels":{"l":1},"timestamp":"2017-04-29T02:11:54Z","#,
                r#""severity":"WARNING","structPayload":{"a":"x","b":1}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn the_newer_order_is_with_empty_fields_or_without() {
        assert_eq!(
            LineFormat::Json2 { omits_empty: true }.line(graded()).unwrap(),
            concat!(
                r#"{"logName":"combined_log","timestamp":"2017-04-29T02:11:54Z","severity":"WARNING","#,
                r#""labels":{"l":1},"structPayload":{"a":"x","b":1}}"#,
                "\n"
            )
        );
        let empty = entry(Vec::new(), LogPayload::Text(String::new()));
        assert_eq!(
            LineFormat::Json2 { omits_empty: false }.line(empty).unwrap(),
            concat!(
                r#"{"logName":"combined_log","timestamp":"","severity":"DEFAULT","labels":{},"#,
                r#""textPayload":"","structPayload":{}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn every_kind_of_value_is_json() {
        let map: StringMap = [("k", "v")].into_iter().collect();
        let labels = vec![
            ("bytes", Value::Bytes([10, 0, 0, 1].as_slice().into())),
            ("double", Value::Double(1.5)),
            ("map", Value::from(map)),
            ("nan", Value::Double(f64::NAN)),
            ("span", Value::Duration(Duration::from_nanos(1_500_000_000))),
            ("text", Value::from("<&>")),
            ("truth", Value::Bool(true)),
        ];
        assert_eq!(
            LineFormat::Json.line(entry(labels, LogPayload::Text(String::new()))).unwrap(),
            concat!(
                r#"{"logName":"combined_log","labels":{"bytes":"10.0.0.1","double":1.5,"map":{"k":"v"},"#,
                r#""nan":"NaN","span":1500000000,"text":"\u003c\u0026\u003e","truth":true}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn text_is_one_line_whatever_is_in_it() {
        let text =
            |text: &str| LineFormat::Text.line(entry(Vec::new(), LogPayload::Text(text.into()))).unwrap();
        assert_eq!(text("GET /a\t<b> \"ü\""), "GET /a\t<b> \"ü\"\n");
        assert_eq!(text("a\r\nb\u{1b}[0m\u{2028}"), "a\\r\\nb\\u{1b}[0m\\u{2028}\n");
        assert_eq!(LineFormat::Text.line(graded()).unwrap(), "{\"a\":\"x\",\"b\":1}\n");
    }
}
