//! What a receiver of the forward protocol understands: events in `MessagePack`, many of one tag in a message.
//!
//! Pure: entries in, bytes out. The mode is `PackedForward`, in which the events of a message are a blob that the receiver
//! can store without reading it.

use std::collections::BTreeMap;
use std::sync::Arc;

use attributes::{Timestamp, Value};
use policy::{LogEntry, LogPayload, LogSeverity};
use rmpv::Value as Pack;

/// One entry, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) tag: Arc<str>,
    /// The time and the record, encoded.
    pub(super) bytes: Vec<u8>,
}

/// Several events of one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
    /// What the receiver repeats once it has the message, if it is asked to.
    pub(super) chunk: Option<String>,
}

// === impl Event ===

impl Event {
    /// An entry as an event. `now` is when it happened unless it says so itself.
    pub(super) fn new(entry: LogEntry, integer_duration: bool, now: Timestamp) -> Self {
        let said = entry.timestamp.as_deref().map(|text| Timestamp::parse_rfc3339(text).ok_or(text));
        let mut record = BTreeMap::new();
        let time = match said {
            Some(Ok(time)) => time,
            // Written in a way that cannot be read back: it stays what it is.
            Some(Err(text)) => {
                record.insert("timestamp".to_owned(), Pack::from(text));
                now
            }
            None => now,
        };
        if entry.severity != LogSeverity::Default {
            record.insert("severity".to_owned(), Pack::from(entry.severity.as_str()));
        }
        match entry.payload {
            LogPayload::Text(text) if text.is_empty() => {}
            LogPayload::Text(text) => drop(record.insert("textPayload".to_owned(), Pack::from(text))),
            LogPayload::Json(object) => {
                record.insert("structPayload".to_owned(), from_json(serde_json::Value::Object(object)));
            }
        }
        // Last, so that what the operator called so is what is under a name.
        record.extend(
            entry.labels.iter().map(|(name, value)| (name.to_string(), pack(value, integer_duration))),
        );
        let record = record.into_iter().map(|(name, value)| (Pack::from(name), value)).collect();
        let event = Pack::Array(vec![event_time(time), Pack::Map(record)]);
        Self { tag: entry.log_name, bytes: encoded(&event) }
    }
}

/// Messages with these events, one for each tag; each with its chunk from `chunk`, if there are to be any.
pub(super) fn messages(events: &[Event], mut chunk: impl FnMut() -> Option<String>) -> Vec<Message> {
    let mut by_tag: BTreeMap<&str, (Vec<u8>, usize)> = BTreeMap::new();
    for event in events {
        let (bytes, count) = by_tag.entry(&event.tag).or_default();
        bytes.extend_from_slice(&event.bytes);
        *count += 1;
    }
    let message = |(tag, (bytes, count)): (&str, (Vec<u8>, usize))| {
        let chunk = chunk();
        let mut options = vec![(Pack::from("size"), Pack::from(count))];
        options.extend(chunk.as_deref().map(|chunk| (Pack::from("chunk"), Pack::from(chunk))));
        let message = Pack::Array(vec![Pack::from(tag), Pack::Binary(bytes), Pack::Map(options)]);
        Message { bytes: encoded(&message), chunk }
    };
    by_tag.into_iter().map(message).collect()
}

/// The chunk that a receiver says it has; an error if what came is something else.
pub(super) fn acknowledged(answer: &Pack) -> Option<&str> {
    let fields = answer.as_map()?;
    fields.iter().find(|(name, _)| name.as_str() == Some("ack")).and_then(|(_, chunk)| chunk.as_str())
}

fn encoded(value: &Pack) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory does not fail.
    let _ = rmpv::encode::write_value(&mut bytes, value);
    bytes
}

/// The protocol's time with nanoseconds: extension 0. It ends in the year 2106.
fn event_time(time: Timestamp) -> Pack {
    let seconds = u32::try_from(time.seconds.max(0)).unwrap_or(u32::MAX);
    let bytes = [seconds.to_be_bytes(), time.nanos.to_be_bytes()].concat();
    Pack::Ext(0, bytes)
}

fn pack(value: &Value, integer_duration: bool) -> Pack {
    match value {
        Value::String(text) => Pack::from(&**text),
        Value::Int64(number) => Pack::from(*number),
        Value::Double(number) => Pack::from(*number),
        Value::Bool(truth) => Pack::from(*truth),
        Value::Duration(span) if integer_duration => {
            let millis = span.nanos() / 1_000_000;
            Pack::from(i64::try_from(millis).unwrap_or(if millis < 0 { i64::MIN } else { i64::MAX }))
        }
        Value::Timestamp(_) | Value::Duration(_) | Value::Bytes(_) => Pack::from(value.to_string()),
        Value::StringMap(map) => {
            Pack::Map(map.iter().map(|(key, value)| (Pack::from(&**key), Pack::from(&**value))).collect())
        }
    }
}

fn from_json(value: serde_json::Value) -> Pack {
    use serde_json::Value as Json;
    match value {
        Json::Null => Pack::Nil,
        Json::Bool(truth) => Pack::from(truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Pack::from(number),
            (None, Some(number)) => Pack::from(number),
            (None, None) => Pack::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Pack::from(text),
        Json::Array(items) => Pack::Array(items.into_iter().map(from_json).collect()),
        Json::Object(fields) => {
            Pack::Map(fields.into_iter().map(|(name, value)| (Pack::from(name), from_json(value))).collect())
        }
    }
}
