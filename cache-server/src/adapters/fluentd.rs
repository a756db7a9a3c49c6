//! `fluentd`: log entries to Fluentd, Fluent Bit or whatever else takes their forward protocol.
//!
//! Entries wait in an outbox; a batch is one message for each log, whose name is the tag. With `requireAck` a message
//! counts as sent once the receiver says that it has it; without, once it is written to the connection, so that what is
//! on its way when a connection breaks is lost and nobody hears of it.
//!
//! | parameter | default | |
//! |---|---|---|
//! | `address` | `localhost:24224` | over TCP, without TLS |
//! | `integerDuration` | `false` | spans of time as whole milliseconds, not as text |
//! | `instanceBufferSize` | `1024` | entries that wait; at half of it they are sent |
//! | `maxBatchSizeBytes` | 8 MiB | bytes at which they are sent |
//! | `pushIntervalDuration` | `1m` | how long an entry waits for others |
//! | `pushTimeoutDuration` | `1m` | how long sending a batch may take |
//! | `requireAck` | `false` | whether the receiver has to say that it has a message |

mod message;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use policy::{AdapterInfo, AspectKind, HandlerConfig, LogEntry, ParamProblem};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use self::message::{Event, Message};
use super::outbox::{Bounds, Outbox, Sink, Unsent};
use super::params::Params;
use super::{Handler, HandlerError, InvalidHandler, Surroundings, weight};
use crate::limits;
use crate::runtime::now;

pub(super) const INFO: AdapterInfo = AdapterInfo {
    name: "fluentd",
    kinds: &[AspectKind::AccessLogs, AspectKind::ApplicationLogs],
    description: "sends log entries to Fluentd by its forward protocol",
    validate,
    outputs: policy::no_outputs,
};

const BUFFERED_ENTRIES: u32 = 1024;
const BATCH_BYTES: u32 = 8 * 1024 * 1024;
const PUSH_INTERVAL: Duration = Duration::from_secs(60);
const PUSH_TIMEOUT: Duration = Duration::from_secs(60);

struct Fluentd {
    integer_duration: bool,
    outbox: Outbox<Event>,
}

struct FluentdParams {
    address: String,
    integer_duration: bool,
    requires_ack: bool,
    bounds: Bounds,
    timeout: Duration,
}

fn validate(params: &serde_json::Value) -> Result<(), Vec<ParamProblem>> {
    FluentdParams::parse(params).map(drop)
}

pub(super) fn build(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    let params = super::parsed(config, FluentdParams::parse(&config.params))?;
    let receiver = Receiver {
        address: params.address,
        requires_ack: params.requires_ack,
        stream: None,
        unsent: VecDeque::new(),
    };
    let telemetry = Arc::clone(&surroundings.telemetry);
    let outbox = Outbox::new(&config.name, params.bounds, params.timeout, Box::new(receiver), telemetry);
    Ok(Arc::new(Fluentd { integer_duration: params.integer_duration, outbox }))
}

// === impl FluentdParams ===

impl FluentdParams {
    fn parse(params: &serde_json::Value) -> Result<Self, Vec<ParamProblem>> {
        let mut params = Params::new(params);
        let address = params.address("address").unwrap_or("localhost:24224").to_owned();
        let integer_duration = params.truth("integerDuration").unwrap_or(false);
        let records = params.count("instanceBufferSize").unwrap_or(BUFFERED_ENTRIES) as usize;
        if records == 0 || records > limits::OUTBOX_RECORDS {
            params.problem("instanceBufferSize", format!("must be from 1 to {}", limits::OUTBOX_RECORDS));
        }
        let batch_bytes = params.count("maxBatchSizeBytes").unwrap_or(BATCH_BYTES) as usize;
        if batch_bytes == 0 || batch_bytes > limits::OUTBOX_BYTES {
            params.problem("maxBatchSizeBytes", format!("must be from 1 to {}", limits::OUTBOX_BYTES));
        }
        let interval = params.duration("pushIntervalDuration").unwrap_or(PUSH_INTERVAL);
        let timeout = params.duration("pushTimeoutDuration").unwrap_or(PUSH_TIMEOUT);
        if timeout.is_zero() {
            params.problem("pushTimeoutDuration", "must be longer than 0s");
        }
        let requires_ack = params.truth("requireAck").unwrap_or(false);
        let bounds = Bounds {
            records,
            bytes: limits::OUTBOX_BYTES,
            // While one half is sent there is room for another.
            batch_records: records.div_ceil(2),
            batch_bytes,
            interval,
        };
        params.finish(Self { address, integer_duration, requires_ack, bounds, timeout })
    }
}

// === impl Fluentd ===

#[async_trait]
impl Handler for Fluentd {
    async fn log(&self, entries: Vec<LogEntry>) -> Result<(), HandlerError> {
        let now = now();
        for entry in entries {
            if weight(&entry) > limits::LOG_ENTRY_BYTES {
                self.outbox.drop_records("too large", 1);
                continue;
            }
            let event = Event::new(entry, self.integer_duration, now);
            let size = event.bytes.len() + size_of::<Event>();
            self.outbox.push(event, size);
        }
        Ok(())
    }

    fn in_force(&self) {
        self.outbox.start();
    }

    async fn flush(&self) {
        self.outbox.flush().await;
    }
}

// === Sending ===

/// The backend.
struct Receiver {
    address: String,
    requires_ack: bool,
    /// A connection on which everything so far went well.
    stream: Option<TcpStream>,
    /// What of the present batch is not sent yet.
    unsent: VecDeque<Message>,
}

#[async_trait]
impl Sink<Event> for Receiver {
    async fn send(&mut self, records: &[Event]) -> Result<(), Unsent> {
        if self.unsent.is_empty() {
            let requires_ack = self.requires_ack;
            self.unsent = message::messages(records, || requires_ack.then(chunk).flatten()).into();
        }
        self.send_messages().await.map_err(|error| Unsent::Away(format!("{}: {error}", self.address)))
    }
}

impl Receiver {
    async fn send_messages(&mut self) -> std::io::Result<()> {
        // Taken out: a connection that fails, or is given up in the middle of a message, is never used again.
        let mut stream = match self.stream.take().filter(is_open) {
            Some(stream) => stream,
            None => TcpStream::connect(&self.address).await?,
        };
        while let Some(message) = self.unsent.front() {
            stream.write_all(&message.bytes).await?;
            stream.flush().await?;
            if let Some(chunk) = &message.chunk {
                wait_for_ack(&mut stream, chunk).await?;
            }
            self.unsent.pop_front();
        }
        self.stream = Some(stream);
        Ok(())
    }
}

/// Whether the other side did not end the connection. What is written to one that it did is lost without an error.
fn is_open(stream: &TcpStream) -> bool {
    match stream.try_read(&mut [0; 64]) {
        Ok(read) => read > 0,
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    }
}

async fn wait_for_ack(stream: &mut TcpStream, chunk: &str) -> std::io::Result<()> {
    let invalid = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let mut answer = Vec::new();
    loop {
        let mut piece = [0; 512];
        let size = stream.read(&mut piece).await?;
        if size == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&piece[..size]);
        match rmpv::decode::read_value(&mut answer.as_slice()) {
            Ok(value) if message::acknowledged(&value) == Some(chunk) => return Ok(()),
            Ok(_) => return Err(invalid("the receiver acknowledged something else")),
            // It is not all there yet.
            Err(_) if answer.len() < limits::FLUENTD_ANSWER_BYTES => {}
            Err(_) => return Err(invalid("the receiver's answer is no acknowledgement")),
        }
    }
}

/// What no other message has. Without random bytes the message goes unacknowledged.
fn chunk() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(BASE64.encode(bytes))
}

#[cfg(test)]
mod tests;
