//! The state machine: what happens to streams, and what is to be done about it.

use std::collections::VecDeque;
use std::time::Duration;

use attributes::wire::DictionaryMismatch;
use attributes::{Timestamp, Value};
use checkcache::{
    CheckCache, HeaderOperation, Limits, Lookup, Operation, Revision, Root, RouteDirective, Status,
};
use checkcache::{Tick, Vacancy, Verdict};
use hashbrown::HashMap;

use crate::attribute::{FORWARDED_ATTRIBUTES, Phase, StreamAttributes, View};
use crate::counters::Counters;
use crate::failure::FailurePolicy;
use crate::report::ReportQueue;
use crate::service::Override;
use crate::{Config, Counter, FailureClass, GrpcFailure, Host, limits, wire};

/// A stream, by a number that the shell gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// The time, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// On the monotonic clock: for deadlines and validity.
    pub tick: Tick,
    /// On the wall's, in nanoseconds since the epoch: for attributes.
    pub unix_nanos: u64,
}

/// How a call to the server ended: with a message, or with a status that is not OK.
pub type Answer<'a> = Result<&'a [u8], GrpcFailure>;

/// Whether a stream may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proceed {
    /// It may.
    Continue,
    /// It waits for the server, or has been answered.
    Pause,
}

/// A unary call of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method's name.
    pub method: &'static str,
    /// The request, encoded.
    pub message: Vec<u8>,
    /// How long it may take.
    pub timeout: Duration,
}

/// An answer that the proxy gives itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalReply {
    /// The HTTP status.
    pub status: u16,
    /// The gRPC status, for requests that are gRPC; `None` derives it from the HTTP status.
    pub grpc_status: Option<i32>,
    /// The body.
    pub body: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The reason, for the proxy's access log.
    pub details: &'static str,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Call the server for a stream, and say how it went: [`Client::on_call_sent`] or [`Client::on_answer`].
    Check {
        /// The stream.
        stream: StreamId,
        /// The call.
        call: Call,
    },
    /// Nobody waits for a call any more.
    Cancel {
        /// The call, by the number that the shell gave it.
        token: u32,
    },
    /// Change the request's headers. Before [`Effect::Resume`].
    EditRequest {
        /// The stream.
        stream: StreamId,
        /// The changes, in order.
        operations: Vec<HeaderOperation>,
        /// Whether the route is to be chosen anew.
        reroute: bool,
    },
    /// Let a paused stream go on.
    Resume {
        /// The stream.
        stream: StreamId,
    },
    /// Answer a stream.
    Reply {
        /// The stream.
        stream: StreamId,
        /// The answer.
        reply: LocalReply,
    },
    /// Send a report, and say how it went: [`Client::on_report_answer`].
    Report {
        /// The call.
        call: Call,
        /// How many requests it reports.
        requests: usize,
    },
    /// Tell the operator.
    Warn(String),
}

/// The filter's brain: one for each virtual machine of the proxy.
#[derive(Debug)]
pub struct Client {
    config: Config,
    cache: CheckCache,
    seeded: bool,
    revision: Revision,
    /// How many words of the dictionary the server is known to have, as far as it was heard of.
    word_count: u32,
    counters: Counters,
    reports: ReportQueue,
    streams: HashMap<StreamId, Stream>,
    /// The deadlines of calls, in order, since all are given the same time.
    deadlines: VecDeque<(Tick, StreamId)>,
    calls: u64,
    id_prefix: String,
    warned: Option<Tick>,
}

#[derive(Debug)]
struct Stream {
    attributes: StreamAttributes,
    check: bool,
    report: bool,
    strip: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing is decided, or nothing had to be.
    Unchecked,
    /// The server was asked.
    Calling {
        deadline: Tick,
        token: Option<u32>,
        word_count: u32,
        id: String,
        vacancy: Option<Vacancy>,
        retried: bool,
    },
    /// It goes on; what is to be done to the response.
    Allowed { cache_hit: bool, response_headers: Vec<HeaderOperation> },
    /// It was answered.
    Answered { cache_hit: bool, status: Status },
}

// === impl Client ===

impl Client {
    /// A client that has seen nothing yet.
    pub fn new(config: Config, now: Now) -> Self {
        Self {
            // Until the server sends a seed there is nothing to seed with but the time.
            cache: CheckCache::new(
                Limits::of_entries(config.cache_entries),
                (u128::from(now.unix_nanos) << 64 | u128::from(now.tick.0)).to_le_bytes(),
            ),
            seeded: false,
            revision: Revision::default(),
            word_count: config.dictionary.len() as u32,
            counters: Counters::default(),
            reports: ReportQueue::new(config.batch_max, config.batch_interval),
            streams: HashMap::new(),
            deadlines: VecDeque::new(),
            calls: 0,
            id_prefix: format!("{:x}-{:x}", now.unix_nanos, now.tick.0),
            warned: None,
            config,
        }
    }

    /// The cluster that the server is in.
    pub fn cluster(&self) -> &str {
        self.config.cluster()
    }

    /// Whether no stream is open and no report waits.
    pub fn is_idle(&self) -> bool {
        self.streams.is_empty() && self.reports.is_empty()
    }

    /// What was counted since the last time.
    pub fn take_counts(&mut self) -> impl Iterator<Item = (Counter, u64)> + use<> {
        self.counters.take()
    }

    /// Whether a stream may go on.
    pub fn proceed(&self, stream: StreamId) -> Proceed {
        match self.streams.get(&stream).map(|stream| &stream.state) {
            Some(State::Calling { .. } | State::Answered { .. }) => Proceed::Pause,
            Some(State::Unchecked | State::Allowed { .. }) | None => Proceed::Continue,
        }
    }

    /// A request's headers have come.
    pub fn on_request_headers(&mut self, id: StreamId, host: &dyn Host, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut stream = self.open(host, now, &mut effects);
        let view = view(&self.config, &stream.attributes, host, Phase::Check);
        stream.strip = view.brings_attributes();
        if !stream.check {
            strip(id, &mut stream, &mut effects);
            self.streams.insert(id, stream);
            return effects;
        }
        self.counters.count(Counter::CheckCalls);
        let root = Root { revision: self.revision, quota: None };
        let vacancy = match self.cache.lookup(&root, &view, now.tick) {
            Lookup::Hit(hit) => {
                let verdict = hit.verdict().clone();
                self.counters.count(Counter::CheckCacheHits);
                self.counters.count(if verdict.status.is_ok() {
                    Counter::CheckCacheHitAccepts
                } else {
                    Counter::CheckCacheHitDenies
                });
                apply(id, &mut stream, verdict, true, &mut effects);
                self.streams.insert(id, stream);
                return effects;
            }
            Lookup::Miss(vacancy) => vacancy,
        };
        self.counters.count(Counter::CheckCacheMisses);
        self.counters.count(Counter::RemoteCheckCalls);
        self.calls += 1;
        let deadline = now.tick.after(self.config.check_timeout);
        stream.state = State::Calling {
            deadline,
            token: None,
            word_count: self.word_count,
            id: format!("{}-{:x}", self.id_prefix, self.calls),
            vacancy: Some(vacancy),
            retried: false,
        };
        self.deadlines.push_back((deadline, id));
        effects.extend(self.call(id, &stream, host, now));
        self.streams.insert(id, stream);
        effects
    }

    /// A call is on its way; the shell knows it by a number.
    pub fn on_call_sent(&mut self, id: StreamId, number: u32) {
        if let Some(State::Calling { token, .. }) = self.streams.get_mut(&id).map(|stream| &mut stream.state)
        {
            *token = Some(number);
        }
    }

    /// A stream's call has ended.
    pub fn on_answer(&mut self, id: StreamId, answer: Answer<'_>, host: &dyn Host, now: Now) -> Vec<Effect> {
        let Some(mut stream) = self.streams.remove(&id) else { return Vec::new() };
        let effects = self.answered(id, &mut stream, answer, host, now);
        self.streams.insert(id, stream);
        effects
    }

    /// What is to be done to a response's headers.
    pub fn on_response_headers(&mut self, id: StreamId) -> Vec<HeaderOperation> {
        match self.streams.get_mut(&id).map(|stream| &mut stream.state) {
            Some(State::Allowed { response_headers, .. }) => std::mem::take(response_headers),
            _ => Vec::new(),
        }
    }

    /// A stream has ended, and all that can be known of it is. It may be one that was never seen before.
    pub fn on_log(&mut self, id: StreamId, host: &dyn Host, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut stream = match self.streams.remove(&id) {
            Some(stream) => stream,
            None => self.open(host, now, &mut effects),
        };
        effects.extend(self.cancel(&stream));
        if stream.report {
            stream.note_outcome();
            self.counters.count(Counter::ReportCalls);
            let bag = view(&self.config, &stream.attributes, host, Phase::Report).bag();
            if !self.reports.add(bag, now.tick) {
                self.counters.count(Counter::ReportsDropped);
            }
        }
        effects
    }

    /// A stream is gone, logged or not.
    pub fn on_closed(&mut self, id: StreamId) -> Vec<Effect> {
        let stream = self.streams.remove(&id);
        stream.and_then(|stream| self.cancel(&stream)).into_iter().collect()
    }

    /// Time has passed: answers calls that took too long, and sends reports that are due.
    pub fn on_tick(&mut self, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some((deadline, id)) = self.deadlines.front().copied()
            && deadline <= now.tick
        {
            self.deadlines.pop_front();
            let Some(mut stream) = self.streams.remove(&id) else { continue };
            // The shell's numbers may come again: only this stream's own deadline counts.
            if matches!(stream.state, State::Calling { deadline: own, .. } if own == deadline) {
                if let State::Calling { token: Some(token), .. } = stream.state {
                    effects.push(Effect::Cancel { token });
                }
                self.counters.count(Counter::RemoteCallTimeouts);
                self.fail(
                    id,
                    &mut stream,
                    FailureClass::Timeout,
                    "no answer within the deadline",
                    now,
                    &mut effects,
                );
            }
            self.streams.insert(id, stream);
        }
        while let Some(bags) = self.reports.next_batch(now.tick) {
            self.counters.count(Counter::RemoteReportCalls);
            let message = wire::encode_report(&bags, &self.config.dictionary, self.word_count);
            let call = Call { method: proto::path::REPORT, message, timeout: limits::REPORT_TIMEOUT };
            effects.push(Effect::Report { call, requests: bags.len() });
        }
        effects
    }

    /// A report has arrived, or is lost.
    pub fn on_report_answer(&mut self, requests: usize, answer: Answer<'_>, now: Now) -> Vec<Effect> {
        self.reports.settle();
        let Err(failure) = answer else {
            self.counters.count(Counter::RemoteReportSuccesses);
            return Vec::new();
        };
        if let Some(mismatch) = DictionaryMismatch::parse(&failure.message) {
            self.word_count = self.word_count.min(mismatch.server_word_count);
        }
        self.counters.add(Counter::ReportsDropped, requests);
        self.counters.count(match failure.class() {
            FailureClass::Timeout => Counter::RemoteReportTimeouts,
            FailureClass::Unreachable => Counter::RemoteReportSendErrors,
            _ => Counter::RemoteReportOtherErrors,
        });
        let warning = format!("a report of {requests} requests was lost: {}", failure.message);
        self.warn(warning, now).into_iter().collect()
    }

    fn open(&mut self, host: &dyn Host, now: Now, effects: &mut Vec<Effect>) -> Stream {
        let overrides = Override::of_route(host).unwrap_or_else(|error| {
            self.counters.count(Counter::InvalidRouteOverrides);
            effects.extend(self.warn(error.to_string(), now));
            Override::default()
        });
        let time = Timestamp::from_unix_nanos(now.unix_nanos.into());
        Stream {
            attributes: StreamAttributes::new(time, overrides.attributes),
            check: overrides.check.unwrap_or(self.config.check_enabled),
            report: overrides.report.unwrap_or(self.config.report_enabled),
            strip: false,
            state: State::Unchecked,
        }
    }

    fn call(&mut self, id: StreamId, stream: &Stream, host: &dyn Host, now: Now) -> Option<Effect> {
        let State::Calling { deadline, word_count, id: call_id, .. } = &stream.state else { return None };
        self.counters.count(Counter::RemoteCalls);
        let bag = view(&self.config, &stream.attributes, host, Phase::Check).bag();
        let message = wire::encode_check(&bag, &self.config.dictionary, *word_count, call_id.clone());
        let timeout = deadline.since(now.tick).max(Duration::from_millis(1));
        Some(Effect::Check { stream: id, call: Call { method: proto::path::CHECK, message, timeout } })
    }

    fn answered(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        answer: Answer<'_>,
        host: &dyn Host,
        now: Now,
    ) -> Vec<Effect> {
        let State::Calling { word_count, vacancy, .. } = &mut stream.state else { return Vec::new() };
        let (word_count, vacancy) = (*word_count, vacancy.take());
        let mut effects = Vec::new();
        let message = match answer {
            Ok(message) => message,
            Err(failure) => {
                if let Some(again) = self.shrink(id, stream, &failure, vacancy, host, now) {
                    return vec![again];
                }
                let class = failure.class();
                self.counters.count(match class {
                    FailureClass::Timeout => Counter::RemoteCallTimeouts,
                    FailureClass::Unreachable => Counter::RemoteCallSendErrors,
                    _ => Counter::RemoteCallOtherErrors,
                });
                self.fail(id, stream, class, &failure.message, now, &mut effects);
                return effects;
            }
        };
        let view = view(&self.config, &stream.attributes, host, Phase::Check);
        let answer = match wire::decode_check(message, &self.config.dictionary, word_count, &view) {
            Ok(answer) => answer,
            Err(error) => {
                self.counters.count(Counter::RemoteCallOtherErrors);
                let why = format!("the answer to a check is of no use: {error}");
                self.fail(id, stream, FailureClass::BadResponse, &why, now, &mut effects);
                return effects;
            }
        };
        self.counters.count(Counter::RemoteCallSuccesses);
        if let Some(seed) = answer.hash_seed.filter(|_| !self.seeded) {
            self.cache = CheckCache::new(Limits::of_entries(self.config.cache_entries), seed);
            self.seeded = true;
        }
        self.revision = answer.revision;
        let verdict = answer.precondition.verdict;
        match (answer.precondition.trace, vacancy) {
            (Ok(trace), Some(vacancy)) => {
                let root = Root { revision: answer.revision, quota: None };
                self.cache.insert(vacancy, &root, trace, verdict.clone(), now.tick);
            }
            (Err(why), _) => {
                self.counters.count(Counter::Uncacheable);
                effects.extend(self.warn(format!("a verdict is not cached: {why}"), now));
            }
            (Ok(_), None) => {}
        }
        self.counters.count(if verdict.status.is_ok() {
            Counter::RemoteCheckAccepts
        } else {
            Counter::RemoteCheckDenies
        });
        apply(id, stream, verdict, false, &mut effects);
        effects
    }

    /// If a call failed because the server knows fewer words: asks once more, with those that both know.
    fn shrink(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        failure: &GrpcFailure,
        held: Option<Vacancy>,
        host: &dyn Host,
        now: Now,
    ) -> Option<Effect> {
        let mismatch = DictionaryMismatch::parse(&failure.message)?;
        let State::Calling { word_count, retried, vacancy, token, .. } = &mut stream.state else {
            return None;
        };
        if *retried || mismatch.server_word_count >= *word_count {
            return None;
        }
        (*word_count, *retried, *vacancy, *token) = (mismatch.server_word_count, true, held, None);
        self.word_count = self.word_count.min(mismatch.server_word_count);
        self.counters.count(Counter::RemoteCallOtherErrors);
        self.counters.count(Counter::RemoteCallRetries);
        self.call(id, stream, host, now)
    }

    /// The one place where a failed check becomes a decision.
    fn fail(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        class: FailureClass,
        why: &str,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let policy = self.config.failure.of(class);
        let (outcome, done) = match policy {
            FailurePolicy::Open => (Counter::FailedOpen, "let through"),
            FailurePolicy::Closed => (Counter::FailedClosed, "refused"),
        };
        self.counters.count(outcome);
        effects.extend(self.warn(format!("a check failed ({}), request {done}: {why}", class.name()), now));
        match policy {
            FailurePolicy::Open => {
                self.counters.count(Counter::RemoteCheckAccepts);
                allow(id, stream, RouteDirective::default(), false, effects);
            }
            FailurePolicy::Closed => {
                self.counters.count(Counter::RemoteCheckDenies);
                refuse(id, stream, class.status(), false, effects);
            }
        }
    }

    fn cancel(&mut self, stream: &Stream) -> Option<Effect> {
        let State::Calling { token, .. } = stream.state else { return None };
        self.counters.count(Counter::RemoteCallCancellations);
        token.map(|token| Effect::Cancel { token })
    }

    /// At most one warning a second: what goes wrong goes wrong for every request.
    fn warn(&mut self, text: String, now: Now) -> Option<Effect> {
        if self.warned.is_some_and(|last| now.tick.since(last) < Duration::from_secs(1)) {
            return None;
        }
        self.warned = Some(now.tick);
        Some(Effect::Warn(text))
    }
}

fn view<'a>(config: &'a Config, stream: &'a StreamAttributes, host: &'a dyn Host, phase: Phase) -> View<'a> {
    View { configured: &config.attributes, stream, host, phase }
}

// === impl Stream ===

impl Stream {
    /// Sets what is reported of the check.
    fn note_outcome(&mut self) {
        let own = &mut self.attributes.own;
        match &self.state {
            State::Unchecked => {}
            // The client went away before the answer came.
            State::Calling { .. } => {
                own.insert("check.cache_hit", false);
            }
            State::Allowed { cache_hit, .. } => {
                own.insert("check.cache_hit", *cache_hit);
                own.insert("quota.cache_hit", false);
            }
            State::Answered { cache_hit, status } => {
                own.insert("check.cache_hit", *cache_hit);
                own.insert("quota.cache_hit", false);
                if !status.is_ok() {
                    own.insert("check.error_code", i64::from(status.code.number()));
                    own.insert("check.error_message", Value::from(status.to_string().as_str()));
                    own.insert("response.code", i64::from(status.code.http()));
                }
            }
        }
    }
}

/// Does what a verdict says.
fn apply(id: StreamId, stream: &mut Stream, verdict: Verdict, cache_hit: bool, effects: &mut Vec<Effect>) {
    let Verdict { status, directive, attributes, refused_by: _, validity: _ } = verdict;
    let derived = attributes.iter().map(|(name, value)| (name.clone(), value.clone()));
    stream.attributes.own.extend(derived);
    match directive {
        Some(RouteDirective {
            direct_response_code: Some(code),
            direct_response_body,
            response_headers,
            ..
        }) => {
            let reply = LocalReply {
                status: code,
                grpc_status: None,
                body: direct_response_body,
                headers: lines(response_headers),
                details: "mixer_direct_response",
            };
            answer(id, stream, status, reply, cache_hit, effects);
        }
        _ if !status.is_ok() => refuse(id, stream, status, cache_hit, effects),
        directive => allow(id, stream, directive.unwrap_or_default(), cache_hit, effects),
    }
}

fn allow(
    id: StreamId,
    stream: &mut Stream,
    directive: RouteDirective,
    cache_hit: bool,
    effects: &mut Vec<Effect>,
) {
    let paused = matches!(stream.state, State::Calling { .. });
    strip(id, stream, effects);
    if !directive.request_headers.is_empty() {
        effects.push(Effect::EditRequest {
            stream: id,
            operations: directive.request_headers,
            reroute: true,
        });
    }
    stream.state = State::Allowed { cache_hit, response_headers: directive.response_headers };
    if paused {
        effects.push(Effect::Resume { stream: id });
    }
}

fn refuse(id: StreamId, stream: &mut Stream, status: Status, cache_hit: bool, effects: &mut Vec<Effect>) {
    let reply = LocalReply {
        status: status.code.http(),
        grpc_status: Some(status.code.number()),
        body: status.to_string(),
        headers: Vec::new(),
        details: "mixer_access_denied",
    };
    answer(id, stream, status, reply, cache_hit, effects);
}

fn answer(
    id: StreamId,
    stream: &mut Stream,
    status: Status,
    reply: LocalReply,
    cache_hit: bool,
    effects: &mut Vec<Effect>,
) {
    stream.state = State::Answered { cache_hit, status };
    effects.push(Effect::Reply { stream: id, reply });
}

/// Takes out the attributes that a request brought along: they are neither believed nor passed on.
fn strip(id: StreamId, stream: &mut Stream, effects: &mut Vec<Effect>) {
    if std::mem::take(&mut stream.strip) {
        let operations =
            vec![HeaderOperation { name: FORWARDED_ATTRIBUTES.to_owned(), operation: Operation::Remove }];
        effects.push(Effect::EditRequest { stream: id, operations, reroute: false });
    }
}

/// The lines that operations make of no headers at all.
fn lines(operations: Vec<HeaderOperation>) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String)> = Vec::new();
    for HeaderOperation { name, operation } in operations {
        match operation {
            Operation::Append(value) => lines.push((name, value)),
            Operation::Remove => lines.retain(|(other, _)| *other != name),
            Operation::Replace(value) => {
                lines.retain(|(other, _)| *other != name);
                lines.push((name, value));
            }
        }
    }
    lines
}
