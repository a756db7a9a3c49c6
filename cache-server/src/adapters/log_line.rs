//! Log entries as lines, for the adapters that write them to streams and files.
//!
//! The fields of a JSON line are those of Mixer. 0.1 left out what is empty; 0.2 changed their order and let the block
//! choose. Spans of time are whole nanoseconds. Other than there, addresses are written as addresses and not in Base64.
//!
//! Invariant: an entry is one line, whatever is in it.

use std::io;
use std::sync::Arc;

use attributes::Value;
use policy::{LogEntry, LogPayload, LogSeverity};
use serde::{Serialize, Serializer};
use serde_json::ser::{Formatter, Serializer as JsonSerializer};
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

    /// Adds an entry as a line, its end included, to others.
    pub(super) fn write(self, entry: &LogEntry, lines: &mut Vec<u8>) -> serde_json::Result<()> {
        match (self, &entry.payload) {
            (Self::Json, _) => First::of(entry).serialize(&mut escaping(lines))?,
            (Self::Json2 { omits_empty }, _) => {
                Second::of(entry, omits_empty).serialize(&mut escaping(lines))?;
            }
            (Self::Text, LogPayload::Text(text)) => lines.extend_from_slice(one_line(text).as_bytes()),
            (Self::Text, LogPayload::Json(object)) => serde_json::to_writer(&mut *lines, object)?,
        }
        lines.push(b'\n');
        Ok(())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct First<'e> {
    #[serde(skip_serializing_if = "str::is_empty")]
    log_name: &'e str,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: Labels<'e>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    text_payload: &'e str,
    #[serde(skip_serializing_if = "Object::is_empty")]
    struct_payload: Object<'e>,
}

/// A field is `None` if it is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Second<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    log_name: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Labels<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_payload: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    struct_payload: Option<Object<'e>>,
}

/// Labels as an object.
struct Labels<'e>(&'e [(Arc<str>, Value)]);

/// The value of a label.
struct Label<'e>(&'e Value);

/// A payload that is an object, or none.
struct Object<'e>(Option<&'e Map<String, Json>>);

impl<'e> First<'e> {
    fn of(entry: &'e LogEntry) -> Self {
        let (text_payload, struct_payload) = match &entry.payload {
            LogPayload::Text(text) => (text.as_str(), Object(None)),
            LogPayload::Json(object) => ("", Object(Some(object))),
        };
        Self {
            log_name: &entry.log_name,
            labels: Labels(&entry.labels),
            timestamp: entry.timestamp.as_deref(),
            severity: (entry.severity != LogSeverity::Default).then(|| entry.severity.as_str()),
            text_payload,
            struct_payload,
        }
    }
}

impl<'e> Second<'e> {
    fn of(entry: &'e LogEntry, omits_empty: bool) -> Self {
        let First { log_name, labels, timestamp, severity, text_payload, struct_payload } = First::of(entry);
        let is_there = |is_empty: bool| !(omits_empty && is_empty);
        Self {
            log_name: is_there(log_name.is_empty()).then_some(log_name),
            timestamp: is_there(timestamp.is_none()).then(|| timestamp.unwrap_or_default()),
            severity: is_there(severity.is_none())
                .then(|| severity.unwrap_or_else(|| LogSeverity::Default.as_str())),
            labels: is_there(labels.is_empty()).then_some(labels),
            text_payload: is_there(text_payload.is_empty()).then_some(text_payload),
            struct_payload: is_there(struct_payload.is_empty()).then_some(struct_payload),
        }
    }
}

impl Labels<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (&**name, Label(value))))
    }
}

impl Object<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_none_or(Map::is_empty)
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.into_iter().flatten())
    }
}

impl Serialize for Label<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::String(text) => serializer.serialize_str(text),
            Value::Int64(number) => serializer.serialize_i64(*number),
            Value::Double(number) if number.is_finite() => serializer.serialize_f64(*number),
            // JSON has no word for a double that is not a number.
            Value::Double(number) => serializer.collect_str(number),
            Value::Bool(truth) => serializer.serialize_bool(*truth),
            Value::Timestamp(time) => serializer.collect_str(time),
            Value::Duration(span) => {
                let farthest = if span.seconds < 0 { i64::MIN } else { i64::MAX };
                serializer.serialize_i64(i64::try_from(span.nanos()).unwrap_or(farthest))
            }
            value @ Value::Bytes(_) => serializer.collect_str(value),
            Value::StringMap(map) => {
                serializer.collect_map(map.iter().map(|(key, value)| (&**key, &**value)))
            }
        }
    }
}

/// Escapes what Mixer's lines never had in the clear, because a browser or a JavaScript engine might trip over it.
struct Escaping;

fn escaping(lines: &mut Vec<u8>) -> JsonSerializer<&mut Vec<u8>, Escaping> {
    JsonSerializer::with_formatter(lines, Escaping)
}

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        // Both separators begin with this byte, and so do other characters.
        let is_candidate = |byte: u8| matches!(byte, b'<' | b'>' | b'&' | 0xe2);
        while let Some(at) = rest.bytes().position(is_candidate) {
            let (clear, from) = rest.split_at(at);
            let mut characters = from.chars();
            let escape = match characters.next() {
                Some('<') => "\\u003c",
                Some('>') => "\\u003e",
                Some('&') => "\\u0026",
                Some('\u{2028}') => "\\u2028",
                Some('\u{2029}') => "\\u2029",
                other => other.map_or("", |other| &from[..other.len_utf8()]),
            };
            writer.write_all(clear.as_bytes())?;
            writer.write_all(escape.as_bytes())?;
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
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

    fn line(format: LineFormat, entry: &LogEntry) -> String {
        let mut lines = b"before\n".to_vec();
        format.write(entry, &mut lines).unwrap();
        String::from_utf8(lines).unwrap().strip_prefix("before\n").unwrap().to_owned()
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
            line(LineFormat::Json, &entry(labels, LogPayload::Text(text.into()))),
            concat!(
                r#"{"logName":"combined_log","labels":{"referer":"","responseSize":871,"#,
                r#""timestamp":"2017-04-29T02:11:54.989466058Z","url":"/reviews","#,
                r#""userAgent":"python-requests/2.11.1"},"#,
                r#""textPayload":"- - - [29/Apr/2017:02:11:54 +0000] \"- /reviews -\" - 871 - "#,
                "python-requests/2.11.1\"}\n"
            )
        );
        assert_eq!(
            line(LineFormat::Json, &graded()),
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
            line(LineFormat::Json2 { omits_empty: true }, &graded()),
            concat!(
                r#"{"logName":"combined_log","timestamp":"2017-04-29T02:11:54Z","severity":"WARNING","#,
                r#""labels":{"l":1},"structPayload":{"a":"x","b":1}}"#,
                "\n"
            )
        );
        let empty = entry(Vec::new(), LogPayload::Text(String::new()));
        assert_eq!(
            line(LineFormat::Json2 { omits_empty: false }, &empty),
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
            line(LineFormat::Json, &entry(labels, LogPayload::Text(String::new()))),
            concat!(
                r#"{"logName":"combined_log","labels":{"bytes":"10.0.0.1","double":1.5,"map":{"k":"v"},"#,
                r#""nan":"NaN","span":1500000000,"text":"\u003c\u0026\u003e","truth":true}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn text_is_one_line_whatever_is_in_it() {
        let text = |text: &str| line(LineFormat::Text, &entry(Vec::new(), LogPayload::Text(text.into())));
        assert_eq!(text("GET /a\t<b> \"ü\""), "GET /a\t<b> \"ü\"\n");
        assert_eq!(text("a\r\nb\u{1b}[0m\u{2028}"), "a\\r\\nb\\u{1b}[0m\\u{2028}\n");
        assert_eq!(line(LineFormat::Text, &graded()), "{\"a\":\"x\",\"b\":1}\n");
    }
}
