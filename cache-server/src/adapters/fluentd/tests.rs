//! Tests with a receiver of the forward protocol.

use attributes::{Duration as Span, StringMap, Value};
use policy::{LogPayload, LogSeverity};
use rmpv::Value as Pack;
use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::adapters;
use crate::adapters::fixture::{self, block, dropped, surroundings};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a receiver gets in one message.
#[derive(Debug, PartialEq)]
struct Got {
    tag: String,
    /// Times in nanoseconds, and records.
    events: Vec<(u64, serde_json::Value)>,
    chunk: Option<String>,
}

/// One connection of a receiver.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = tokio::time::timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        Self { stream, buffer: Vec::new() }
    }

    async fn message(&mut self) -> Got {
        loop {
            let mut rest = self.buffer.as_slice();
            if let Ok(message) = rmpv::decode::read_value(&mut rest) {
                self.buffer = rest.to_vec();
                return got(&message);
            }
            let read = self.stream.read_buf(&mut self.buffer);
            let size = tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
            assert!(size > 0, "the connection ended");
        }
    }

    async fn acknowledge(&mut self, chunk: &str) {
        let answer = Pack::Map(vec![(Pack::from("ack"), Pack::from(chunk))]);
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &answer).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }
}

fn got(message: &Pack) -> Got {
    let parts = message.as_array().unwrap();
    let option = |name: &str| {
        let options = parts[2].as_map().unwrap();
        options.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value.clone())
    };
    let mut events = Vec::new();
    let mut packed = parts[1].as_slice().unwrap();
    while !packed.is_empty() {
        let event = rmpv::decode::read_value(&mut packed).unwrap();
        let (kind, time) = event[0].as_ext().unwrap();
        assert_eq!(kind, 0);
        let part = |at: usize| u64::from(u32::from_be_bytes(time[at..at + 4].try_into().unwrap()));
        events.push((part(0) * 1_000_000_000 + part(4), to_json(&event[1])));
    }
    assert_eq!(option("size").unwrap().as_u64(), Some(events.len() as u64));
    Got {
        tag: parts[0].as_str().unwrap().to_owned(),
        events,
        chunk: option("chunk").map(|chunk| chunk.as_str().unwrap().to_owned()),
    }
}

fn to_json(value: &Pack) -> serde_json::Value {
    match value {
        Pack::Map(fields) => {
            fields.iter().map(|(name, value)| (name.as_str().unwrap().to_owned(), to_json(value))).collect()
        }
        Pack::Array(items) => items.iter().map(to_json).collect(),
        Pack::String(text) => text.as_str().into(),
        Pack::Integer(number) => number.as_i64().into(),
        Pack::F64(number) => (*number).into(),
        Pack::Boolean(truth) => (*truth).into(),
        Pack::Nil => serde_json::Value::Null,
        other => panic!("{other:?}"),
    }
}

fn entry(log: &str, text: &str) -> LogEntry {
    LogEntry { log_name: log.into(), ..fixture::entry(text) }
}

async fn fluentd(mut params: serde_json::Value) -> (Arc<dyn Handler>, TcpListener, Surroundings) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    params["address"] = listener.local_addr().unwrap().to_string().into();
    let surroundings = surroundings();
    let handler = adapters::build(&block("fluentd", params), &surroundings).unwrap();
    handler.in_force();
    (handler, listener, surroundings)
}

#[tokio::test]
async fn entries_arrive_under_the_name_of_their_log() {
    let (handler, listener, _) = fluentd(json!({ "integerDuration": true })).await;
    let map: StringMap = [("k", "v")].into_iter().collect();
    let labels = vec![
        ("ip", Value::Bytes([10, 0, 0, 1].as_slice().into())),
        ("map", Value::from(map)),
        ("size", Value::Int64(871)),
        ("span", Value::Duration(Span::from_nanos(1_500_000_000))),
    ];
    let full = LogEntry {
        labels: labels.into_iter().map(|(name, value)| (Arc::from(name), value)).collect(),
        severity: LogSeverity::Warning,
        timestamp: Some("2017-04-29T02:11:54.989466058Z".to_owned()),
        payload: LogPayload::Json(json!({ "n": [1, 2.5, null], "t": "x" }).as_object().unwrap().clone()),
        ..entry("app", "")
    };
    let odd = LogEntry { timestamp: Some("04:05".to_owned()), ..entry("access", "second") };
    let before = u64::try_from(now().unix_nanos()).unwrap();
    handler.log(vec![full, entry("access", "first"), odd]).await.unwrap();
    let ((), (access, app)) = tokio::join!(handler.flush(), async {
        let mut connection = Connection::accept(&listener).await;
        (connection.message().await, connection.message().await)
    });
    assert_eq!(access.tag, "access");
    assert!(access.events[0].0 >= before);
    let records: Vec<_> = access.events.into_iter().map(|(_, record)| record).collect();
    assert_eq!(
        records,
        [json!({ "textPayload": "first" }), json!({ "textPayload": "second", "timestamp": "04:05" })]
    );
    let record = json!({
        "ip": "10.0.0.1", "map": { "k": "v" }, "size": 871, "span": 1500, "severity": "WARNING",
        "structPayload": { "n": [1, 2.5, null], "t": "x" },
    });
    assert_eq!(
        app,
        Got { tag: "app".to_owned(), events: vec![(1_493_431_914_989_466_058, record)], chunk: None }
    );
}

#[tokio::test]
async fn what_is_not_acknowledged_is_sent_again() {
    let params = json!({ "requireAck": true, "pushIntervalDuration": "0s" });
    let (handler, listener, surroundings) = fluentd(params).await;
    handler.log(vec![entry("log", "one")]).await.unwrap();
    let mut first = Connection::accept(&listener).await;
    let lost = first.message().await;
    // The receiver ends without having said that it has it.
    drop(first);
    let mut second = Connection::accept(&listener).await;
    let again = second.message().await;
    assert_eq!(again, lost, "with the same chunk, so that a receiver that has it can tell");
    second.acknowledge(again.chunk.as_deref().unwrap()).await;
    handler.log(vec![entry("log", "two")]).await.unwrap();
    let next = second.message().await;
    assert_eq!(next.events[0].1, json!({ "textPayload": "two" }));
    assert_ne!(next.chunk, again.chunk);
    // One that acknowledges something else has not understood.
    second.acknowledge("something else").await;
    let mut third = Connection::accept(&listener).await;
    assert_eq!(third.message().await, next);
    third.acknowledge(next.chunk.as_deref().unwrap()).await;
    handler.flush().await;
    assert_eq!(dropped(&surroundings, "not sent in time"), 0);
}

#[tokio::test]
async fn a_connection_that_the_receiver_ended_is_not_written_to() {
    let (handler, listener, _) = fluentd(json!({ "pushIntervalDuration": "0s" })).await;
    for text in ["one", "two"] {
        handler.log(vec![entry("log", text)]).await.unwrap();
        let mut connection = Connection::accept(&listener).await;
        assert_eq!(connection.message().await.events[0].1, json!({ "textPayload": text }));
        drop(connection);
        // The runtime looks at its sockets.
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_receiver_that_comes_back_gets_the_rest() {
    let (handler, listener, surroundings) = fluentd(json!({ "instanceBufferSize": 4 })).await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    let entries = ["1", "2", "3", "4", "5"].map(|text| entry("log", text));
    handler.log(entries.into()).await.unwrap();
    assert_eq!(dropped(&surroundings, "queue full"), 1);
    let ((), texts) = tokio::join!(handler.flush(), async {
        let listener = TcpListener::bind(address).await.unwrap();
        let mut connection = Connection::accept(&listener).await;
        let mut texts = Vec::new();
        while texts.len() < 4 {
            let events = connection.message().await.events;
            texts.extend(events.into_iter().map(|(_, record)| record["textPayload"].clone()));
        }
        texts
    });
    assert_eq!(texts, ["1", "2", "3", "4"]);
}

#[test]
fn parameters_are_checked() {
    let paths = |params: serde_json::Value| -> Vec<String> {
        validate(&params).err().unwrap_or_default().into_iter().map(|problem| problem.path).collect()
    };
    let all = json!({
        "address": "fluentd:24224", "integer_duration": true, "instance_buffer_size": 10,
        "max_batch_size_bytes": 1000, "push_interval_duration": "1s", "push_timeout_duration": "1s",
        "require_ack": true,
    });
    assert_eq!(paths(all), Vec::<String>::new());
    let wrong = json!({
        "address": ":1", "integerDuration": 1, "instanceBufferSize": 0, "maxBatchSizeBytes": 0,
        "pushTimeoutDuration": "0s",
    });
    assert_eq!(
        paths(wrong),
        ["address", "integerDuration", "instanceBufferSize", "maxBatchSizeBytes", "pushTimeoutDuration"]
    );
}
