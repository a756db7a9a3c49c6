//! What the filter sees and what it has done.

use std::collections::BTreeMap;

use super::{Fault, Status};

/// A map as the filter gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    /// Encoded as it should be.
    Pairs(Vec<(Vec<u8>, Vec<u8>)>),
    /// These very bytes, whatever they are.
    Raw(Vec<u8>),
}

/// A stream, as a test set it up and as the filter left it.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is something that happened to it, in any order")]
pub(crate) struct Stream {
    /// Properties by path, with dots.
    pub(crate) properties: BTreeMap<String, Vec<u8>>,
    /// The request's headers.
    pub(crate) request: Lines,
    /// The response's headers.
    pub(crate) response: Lines,
    /// The response's trailers.
    pub(crate) trailers: Lines,
    /// Whether it was ever paused.
    pub(crate) paused: bool,
    /// Whether it was let go after that.
    pub(crate) resumed: bool,
    /// The proxy's own answer, if the filter gave one.
    pub(crate) reply: Option<LocalReply>,
    /// Whether the filter closed it.
    pub(crate) closed: bool,
    /// Whether a fault kept the filter from letting it go or answering it.
    pub(crate) refused: bool,
}

/// An answer that the filter gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalReply {
    /// The HTTP status.
    pub(crate) status: u32,
    /// The gRPC status, or -1.
    pub(crate) grpc_status: i32,
    /// The body.
    pub(crate) body: String,
    /// The headers, encoded.
    pub(crate) headers: Vec<u8>,
    /// The reason for the access log.
    pub(crate) details: String,
}

/// What became of a stream so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is paused.
    Waiting,
    /// It went on to the application.
    Passed,
    /// The proxy answered it with this HTTP status.
    Answered(u32),
    /// The filter closed the connection.
    Closed,
    /// The host itself refused to let it go or to answer it.
    Refused,
}

/// A call to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Its number.
    pub(crate) token: u32,
    /// What names the server: a name, or a message of Envoy's.
    pub(crate) upstream: Vec<u8>,
    /// The gRPC method.
    pub(crate) method: String,
    /// The request.
    pub(crate) message: Vec<u8>,
    /// How long it may take, in milliseconds.
    pub(crate) timeout_ms: u32,
    /// Whether it was given up.
    pub(crate) cancelled: bool,
}

/// A stream on which the server speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Feed {
    /// Its number.
    pub(crate) token: u32,
    /// What names the server.
    pub(crate) upstream: Vec<u8>,
    /// The gRPC method.
    pub(crate) method: String,
    /// What the filter said on it.
    pub(crate) sent: Vec<Vec<u8>>,
    /// Whether the filter ended it.
    pub(crate) ended: bool,
}

/// A server that fails a call before the host call about it has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InlineFailure {
    pub(super) import: &'static str,
    pub(super) grpc_status: u32,
    /// What the host call then says.
    pub(super) then: Result<(), Status>,
}

/// Everything beyond the module's border.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// The plugin's configuration.
    pub(crate) configuration: Vec<u8>,
    /// Nanoseconds on the monotonic clock.
    pub(crate) monotonic: u64,
    /// Nanoseconds on the wall's.
    pub(crate) wall: u64,
    /// Streams by context.
    pub(crate) streams: BTreeMap<u32, Stream>,
    /// Calls to the server, in order.
    pub(crate) calls: Vec<Call>,
    /// Streams of the server's, in order.
    pub(crate) feeds: Vec<Feed>,
    /// Counters by name.
    pub(crate) metrics: BTreeMap<String, i64>,
    /// Lines of the log.
    pub(crate) log: Vec<String>,
    /// The timer, in milliseconds.
    pub(crate) tick_period: Option<u32>,
    /// Host calls that fail.
    pub(crate) faults: Vec<Fault>,
    /// How often each import was called.
    pub(crate) host_calls: BTreeMap<&'static str, usize>,
    /// How the filter broke the contract.
    pub(super) violations: Vec<String>,
    /// The context that host calls are about.
    pub(super) effective: u32,
    /// The stream in whose callback for request headers the filter is.
    pub(super) in_request_headers: Option<u32>,
    /// The answer that the current callback is about, and its status.
    pub(super) answer: Vec<u8>,
    pub(super) status: (u32, Vec<u8>),
    pub(super) inline_failure: Option<InlineFailure>,
    /// Counters by number.
    pub(super) metric_names: Vec<String>,
}

// === impl Lines ===

impl Default for Lines {
    fn default() -> Self {
        Self::Pairs(Vec::new())
    }
}

impl Lines {
    /// Lines of text.
    pub(crate) fn of(lines: &[(&str, &str)]) -> Self {
        Self::Pairs(lines.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    /// Adds a line.
    pub(crate) fn push(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        if let Self::Pairs(pairs) = self {
            pairs.push((name.into(), value.into()));
        }
    }

    /// The value of the first line of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        let Self::Pairs(pairs) = self else { return None };
        pairs.iter().find(|(other, _)| other == name.as_bytes()).map(|(_, value)| value.as_slice())
    }

    pub(super) fn remove(&mut self, name: &[u8]) {
        if let Self::Pairs(pairs) = self {
            pairs.retain(|(other, _)| other != name);
        }
    }

    /// As the filter gets it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Raw(bytes) => bytes.clone(),
            Self::Pairs(lines) if lines.is_empty() => Vec::new(),
            Self::Pairs(lines) => pairs(lines),
        }
    }
}

/// The ABI's encoding of a map.
pub(crate) fn pairs<K: AsRef<[u8]>, V: AsRef<[u8]>>(entries: &[(K, V)]) -> Vec<u8> {
    let mut bytes = (entries.len() as u32).to_le_bytes().to_vec();
    for (key, value) in entries {
        bytes.extend((key.as_ref().len() as u32).to_le_bytes());
        bytes.extend((value.as_ref().len() as u32).to_le_bytes());
    }
    for (key, value) in entries {
        bytes.extend([key.as_ref(), &[0], value.as_ref(), &[0]].concat());
    }
    bytes
}

// === impl Stream ===

impl Stream {
    /// A plain GET.
    pub(crate) fn get(path: &str) -> Self {
        let request =
            Lines::of(&[(":method", "GET"), (":path", path), (":authority", "reviews"), (":scheme", "http")]);
        Self { request, ..Self::default() }
    }

    /// Sets a property.
    #[must_use]
    pub(crate) fn with(mut self, path: &str, value: impl Into<Vec<u8>>) -> Self {
        self.properties.insert(path.into(), value.into());
        self
    }

    /// What became of it.
    pub(crate) fn outcome(&self) -> Outcome {
        match &self.reply {
            Some(reply) => Outcome::Answered(reply.status),
            None if self.closed => Outcome::Closed,
            None if !self.paused || self.resumed => Outcome::Passed,
            None if self.refused => Outcome::Refused,
            None => Outcome::Waiting,
        }
    }
}

// === impl World ===

impl World {
    /// Notes a call of an import, and says whether it is to fail.
    pub(super) fn enter(&mut self, import: &'static str) -> Result<(), Status> {
        let fault = self.fault(import);
        *self.host_calls.entry(import).or_default() += 1;
        fault.map_or(Ok(()), Err)
    }

    /// Whether the next call of an import fails.
    pub(super) fn is_faulty(&self, import: &str) -> bool {
        self.fault(import).is_some()
    }

    fn fault(&self, import: &str) -> Option<Status> {
        let number = self.host_calls.get(import).copied().unwrap_or(0) + 1;
        self.faults.iter().find_map(|fault| fault.hits(import, number))
    }

    /// A number that no call and no stream of the server's has.
    pub(super) fn next_token(&self) -> u32 {
        (self.calls.len() + self.feeds.len()) as u32 + 1
    }

    /// The stream that host calls are about.
    pub(super) fn stream(&mut self) -> Result<&mut Stream, Status> {
        self.streams.get_mut(&self.effective).ok_or(Status::BadArgument)
    }

    /// Notes that a fault kept the filter from ending a stream's wait.
    pub(super) fn refuse(&mut self, context: u32) {
        if let Some(stream) = self.streams.get_mut(&context) {
            stream.refused = true;
        }
    }

    /// The effective stream goes on.
    pub(super) fn resume(&mut self) -> Result<(), Status> {
        let context = self.effective;
        let stream = self.stream()?;
        let is_waiting = stream.outcome() == Outcome::Waiting || stream.outcome() == Outcome::Refused;
        stream.resumed = true;
        if !is_waiting {
            self.violations.push(format!("stream {context} was resumed and did not wait"));
        }
        Ok(())
    }

    /// The effective stream is answered.
    pub(super) fn reply(&mut self, reply: LocalReply) -> Result<(), Status> {
        let context = self.effective;
        let is_early = self.in_request_headers == Some(context);
        let stream = self.stream()?;
        let is_open =
            stream.reply.is_none() && (is_early || (stream.outcome() != Outcome::Passed && stream.paused));
        let is_sane = (200..600).contains(&reply.status) && (-1..=16).contains(&reply.grpc_status);
        let text = format!("{reply:?}");
        stream.reply = Some(reply);
        if !is_open {
            self.violations.push(format!("stream {context} did not wait for an answer and got {text}"));
        }
        if !is_sane {
            self.violations.push(format!("stream {context} was answered with {text}"));
        }
        Ok(())
    }

    /// The effective connection is closed.
    pub(super) fn close(&mut self) -> Result<(), Status> {
        let context = self.effective;
        let is_early = self.in_request_headers == Some(context);
        let stream = self.stream()?;
        let is_open = is_early || stream.outcome() == Outcome::Waiting;
        stream.closed = true;
        if !is_open {
            self.violations.push(format!("connection {context} was closed and did not wait"));
        }
        Ok(())
    }

    /// Leaves this in the buffer for answers, as an earlier callback would have.
    pub(crate) fn answer_with(&mut self, message: impl Into<Vec<u8>>) {
        self.answer = message.into();
    }

    /// What became of a stream.
    pub(crate) fn outcome(&self, context: u32) -> Outcome {
        self.streams.get(&context).map_or(Outcome::Waiting, Stream::outcome)
    }

    /// The calls of a method.
    pub(crate) fn calls_of(&self, method: &str) -> Vec<&Call> {
        self.calls.iter().filter(|call| call.method == method).collect()
    }

    /// A counter of the filter, 0 if it never counted.
    pub(crate) fn count(&self, name: &str) -> i64 {
        self.metrics.get(&format!("mixer_filter.{name}")).copied().unwrap_or(0)
    }

    /// Whether a line of the log contains this.
    pub(crate) fn logged(&self, text: &str) -> bool {
        self.log.iter().any(|line| line.contains(text))
    }
}

#[cfg(test)]
mod tests;
