//! `stdioLogger`: log entries as lines of JSON on standard output or standard error.
//!
//! The fields and their order are those of Mixer 0.1: `logName`, `labels`, `textPayload`, `structPayload`, each only
//! if there is something in it; spans of time are whole nanoseconds. Other than there, addresses are written as
//! addresses and not in Base64.
//!
//! A request never waits for whoever reads the stream: lines go to a thread of their own by way of a bounded queue,
//! and one that finds it full is dropped and counted.
//!
//! | parameter | default | |
//! |---|---|---|
//! | `logStream` | `STDERR` | or `STDOUT` |

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use attributes::Value;
use policy::{AdapterInfo, AspectKind, HandlerConfig, LogEntry, LogPayload, LogSeverity, ParamProblem};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use tokio::sync::{mpsc, oneshot};

use super::params::Params;
use super::{Handler, HandlerError, InvalidHandler, Surroundings, weight};
use crate::limits;
use crate::telemetry::Telemetry;

pub(super) const INFO: AdapterInfo = AdapterInfo {
    name: "stdioLogger",
    kinds: &[AspectKind::AccessLogs, AspectKind::ApplicationLogs],
    description: "writes log entries as lines of JSON to standard output or standard error",
    validate,
    outputs: policy::no_outputs,
};

const STDERR: i64 = 0;
const STDOUT: i64 = 1;

fn validate(params: &Json) -> Result<(), Vec<ParamProblem>> {
    parse(params).map(drop)
}

pub(super) fn build(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    let stream: Box<dyn Write + Send> = match super::parsed(config, parse(&config.params))? {
        STDOUT => Box::new(std::io::stdout()),
        _ => Box::new(std::io::stderr()),
    };
    Ok(Arc::new(StdioLogger::new(&config.name, stream, Arc::clone(&surroundings.telemetry))))
}

fn parse(params: &Json) -> Result<i64, Vec<ParamProblem>> {
    let mut params = Params::new(params);
    let stream = params.choice("logStream", &[("STDERR", STDERR), ("STDOUT", STDOUT)]).unwrap_or(STDERR);
    params.finish(stream)
}

pub(super) struct StdioLogger {
    handler: String,
    queue: mpsc::Sender<Message>,
    /// Bytes of the lines in the queue.
    queued: Arc<AtomicUsize>,
    /// What the writing thread starts with, until it does.
    writer: Mutex<Option<Writer>>,
    telemetry: Arc<Telemetry>,
}

enum Message {
    Line(String),
    /// Answer once everything before is written.
    Flush(oneshot::Sender<()>),
}

struct Writer {
    handler: String,
    queue: mpsc::Receiver<Message>,
    queued: Arc<AtomicUsize>,
    stream: Box<dyn Write + Send>,
    telemetry: Arc<Telemetry>,
}

// === impl StdioLogger ===

impl StdioLogger {
    pub(super) fn new(handler: &str, stream: Box<dyn Write + Send>, telemetry: Arc<Telemetry>) -> Self {
        let (queue, receiver) = mpsc::channel(limits::LOG_QUEUE);
        let queued = Arc::new(AtomicUsize::new(0));
        let writer = Writer {
            handler: handler.to_owned(),
            queue: receiver,
            queued: Arc::clone(&queued),
            stream,
            telemetry: Arc::clone(&telemetry),
        };
        Self { handler: handler.to_owned(), queue, queued, writer: Mutex::new(Some(writer)), telemetry }
    }

    fn enqueue(&self, line: String) {
        let size = line.len();
        let before = self.queued.fetch_add(size, Ordering::Relaxed);
        if before + size > limits::LOG_QUEUE_BYTES || self.queue.try_send(Message::Line(line)).is_err() {
            self.queued.fetch_sub(size, Ordering::Relaxed);
            self.telemetry.dropped(&self.handler, "queue full", 1);
        }
    }
}

#[async_trait]
impl Handler for StdioLogger {
    async fn log(&self, entries: Vec<LogEntry>) -> Result<(), HandlerError> {
        for entry in entries {
            if weight(&entry) > limits::LOG_ENTRY_BYTES {
                self.telemetry.dropped(&self.handler, "too large", 1);
                continue;
            }
            let line = line(entry).map_err(|error| HandlerError::Failed(error.to_string()))?;
            self.enqueue(line);
        }
        Ok(())
    }

    fn in_force(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // Ends when the handler is gone and the queue is empty.
            std::thread::spawn(move || writer.run());
        }
    }

    async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Message::Flush(done)).await.is_ok() {
            // An error means that the thread is gone, and then there is nothing to wait for.
            let _ = wait.await;
        }
    }
}

// === impl Writer ===

impl Writer {
    fn run(mut self) {
        while let Some(message) = self.queue.blocking_recv() {
            let mut text = String::new();
            let mut lines = 0;
            let mut flushed = Vec::new();
            let mut next = Some(message);
            // What has come meanwhile goes out in one piece.
            while let Some(message) = next {
                match message {
                    Message::Line(line) => {
                        text.push_str(&line);
                        lines += 1;
                    }
                    Message::Flush(done) => flushed.push(done),
                }
                next = self.queue.try_recv().ok();
            }
            self.queued.fetch_sub(text.len(), Ordering::Relaxed);
            let written = self.stream.write_all(text.as_bytes()).and_then(|()| self.stream.flush());
            if written.is_err() {
                self.telemetry.dropped(&self.handler, "write failed", lines);
            }
            for done in flushed {
                // Whoever asked may have given up waiting.
                let _ = done.send(());
            }
        }
    }
}

// === Lines ===

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    log_name: &'a str,
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

/// An entry as a line, its end included.
fn line(entry: LogEntry) -> Result<String, serde_json::Error> {
    let (text_payload, struct_payload) = match entry.payload {
        LogPayload::Text(text) => (text, Map::new()),
        LogPayload::Json(object) => (String::new(), object),
    };
    let labels = entry.labels.iter().map(|(name, value)| (name.to_string(), json(value))).collect();
    let line = Line {
        log_name: &entry.log_name,
        labels,
        timestamp: entry.timestamp,
        severity: (entry.severity != LogSeverity::Default).then(|| entry.severity.as_str()),
        text_payload,
        struct_payload,
    };
    let mut line = escaped(&serde_json::to_string(&line)?);
    line.push('\n');
    Ok(line)
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

#[cfg(test)]
mod tests {
    use attributes::{Duration, StringMap, Timestamp};

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
        ];
        let entry = entry(labels, LogPayload::Text("- - \"- /reviews -\" <1>".into()));
        assert_eq!(
            line(entry).unwrap(),
            "{\"logName\":\"combined_log\",\"labels\":{\"referer\":\"\",\"responseSize\":871,\
             \"timestamp\":\"2017-04-29T02:11:54.989466058Z\",\"url\":\"/reviews\"},\
             \"textPayload\":\"- - \\\"- /reviews -\\\" \\u003c1\\u003e\"}\n"
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
            ("truth", Value::Bool(true)),
        ];
        assert_eq!(
            line(entry(labels, LogPayload::Text(String::new()))).unwrap(),
            "{\"logName\":\"combined_log\",\"labels\":{\"bytes\":\"10.0.0.1\",\"double\":1.5,\"map\":{\"k\":\"v\"},\
             \"nan\":\"NaN\",\"span\":1500000000,\"truth\":true}}\n"
        );
    }

    /// A stream that can be read back.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_flush_waits_for_every_line() {
        let stream = Shared::default();
        let logger = StdioLogger::new("log", Box::new(stream.clone()), Arc::default());
        logger.in_force();
        let entries = vec![entry(Vec::new(), LogPayload::Text("hello".into())); 100];
        logger.log(entries).await.unwrap();
        logger.flush().await;
        assert_eq!(stream.0.lock().unwrap().split(|byte| *byte == b'\n').count(), 101);
        assert_eq!(logger.queued.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_full_queue_drops_and_counts() {
        let telemetry = Arc::new(Telemetry::new());
        let logger = StdioLogger::new("log", Box::new(std::io::sink()), Arc::clone(&telemetry));
        // Not in force: nobody takes anything out.
        let entries = vec![entry(Vec::new(), LogPayload::Text(String::new())); limits::LOG_QUEUE + 3];
        logger.log(entries).await.unwrap();
        let mut page = String::new();
        telemetry.write(None, &mut page);
        assert!(
            page.contains("mixer_adapter_dropped_total{handler=\"log\",reason=\"queue full\"} 3"),
            "{page}"
        );
    }
}
