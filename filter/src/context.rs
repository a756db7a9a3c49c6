//! Envoy's contexts of streams, and what is done about one. The machine's own is [`root`](crate::root).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use checkcache::{Code, HeaderOperation, Operation};
use client::{Client, Effect, GrpcFailure, Headers, Host, Now, Path, Proceed, StreamId, Unobtainable};
use proxy_wasm::traits::{Context, HttpContext, StreamContext};
use proxy_wasm::types::Action;

use crate::abi::{self, Buffer, Level, Map};
use crate::clock::Clock;

/// The client of a configuration, which its root and its streams share.
pub(crate) type Shared = Rc<RefCell<Client>>;

/// A stream's context.
pub(crate) struct Http {
    id: u32,
    client: Shared,
    /// Whether the client was told of the stream, and not yet that it has ended.
    is_open: bool,
    is_bodiless: bool,
}

/// A connection's context.
pub(crate) struct Tcp {
    id: u32,
    client: Shared,
}

/// A stream of a machine that has no configuration. The SDK takes no "none" for an answer.
pub(crate) struct Unconfigured;

/// The stream that the current callback is about.
#[derive(Default)]
pub(crate) struct Envoy {
    /// Whether it is known that its request has no body.
    is_bodiless: bool,
}

impl Host for Envoy {
    fn try_property(&self, path: Path) -> Result<Option<Vec<u8>>, Unobtainable> {
        match abi::property(path) {
            Ok(value) => Ok(Some(value)),
            Err(abi::NOT_FOUND) => Ok(None),
            Err(_) => Err(Unobtainable),
        }
    }

    fn request_headers(&self) -> Option<Headers> {
        abi::map(Map::RequestHeaders).ok()
    }

    fn is_bodiless(&self) -> bool {
        self.is_bodiless
    }

    fn response_headers(&self) -> Headers {
        abi::map(Map::ResponseHeaders).unwrap_or_default()
    }

    fn response_trailers(&self) -> Headers {
        abi::map(Map::ResponseTrailers).unwrap_or_default()
    }
}

thread_local! {
    static CLOCK: Cell<Clock> = const { Cell::new(Clock::NEW) };
}

/// What both clocks say.
pub(crate) fn now() -> Now {
    let now = CLOCK.get().at(abi::monotonic_nanos().ok(), abi::unix_nanos().ok());
    CLOCK.set(now);
    last()
}

/// The time by one clock, for what happens with each request: each tick reads both, so a wall's clock that is set is
/// heard of then.
pub(crate) fn soon() -> Now {
    match abi::monotonic_nanos().ok().and_then(|monotonic| CLOCK.get().later(monotonic)) {
        Some(later) => {
            CLOCK.set(later);
            last()
        }
        None => now(),
    }
}

/// What the clocks said last, at most a tick ago.
fn last() -> Now {
    let Clock { elapsed, wall, .. } = CLOCK.get();
    Now { tick: elapsed, unix_nanos: wall }
}

// === impl Unconfigured ===

impl Context for Unconfigured {}

impl HttpContext for Unconfigured {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let _ = abi::reply(&client::LocalReply::unconfigured());
        Action::Pause
    }
}

impl StreamContext for Unconfigured {
    fn on_new_connection(&mut self) -> Action {
        let _ = abi::close_connection();
        Action::Pause
    }
}

// === impl Tcp ===

impl Tcp {
    pub(crate) fn new(id: u32, client: &Shared) -> Self {
        Self { id, client: Rc::clone(client) }
    }

    fn stream(&self) -> StreamId {
        StreamId(self.id)
    }

    fn proceed(&self) -> Action {
        match self.client.borrow().proceed(self.stream()) {
            Proceed::Continue => Action::Continue,
            Proceed::Pause => Action::Pause,
        }
    }
}

impl Context for Tcp {
    fn on_grpc_call_response(&mut self, _token: u32, status: u32, response_size: usize) {
        answered(&self.client, self.stream(), status, response_size);
    }
}

impl StreamContext for Tcp {
    fn on_new_connection(&mut self) -> Action {
        let effects = self.client.borrow_mut().on_new_connection(self.stream(), &Envoy::default(), now());
        perform(&self.client, effects, Position::InCallback);
        self.proceed()
    }

    fn on_downstream_data(&mut self, _size: usize, _end_of_stream: bool) -> Action {
        let effects = self.client.borrow_mut().on_downstream_data(self.stream(), &Envoy::default(), now());
        perform(&self.client, effects, Position::InCallback);
        self.proceed()
    }

    fn on_log(&mut self) {
        let effects = self.client.borrow_mut().on_log(self.stream(), &Envoy::default(), now());
        perform(&self.client, effects, Position::Elsewhere);
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        closed(&self.client, self.stream());
    }
}

// === impl Http ===

impl Http {
    pub(crate) fn new(id: u32, client: &Shared) -> Self {
        Self { id, client: Rc::clone(client), is_open: false, is_bodiless: false }
    }

    /// What is known of the stream, for a callback that is about it.
    fn envoy(&self) -> Envoy {
        Envoy { is_bodiless: self.is_bodiless }
    }

    fn stream(&self) -> StreamId {
        StreamId(self.id)
    }
}

impl Context for Http {
    fn on_grpc_call_response(&mut self, _token: u32, status: u32, response_size: usize) {
        answered(&self.client, self.stream(), status, response_size);
    }
}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        (self.is_open, self.is_bodiless) = (true, end_of_stream);
        let effects = self.client.borrow_mut().on_request_headers(self.stream(), &self.envoy(), soon());
        if effects.is_empty() {
            // Whoever asks the server or answers the request has something to do.
            return Action::Continue;
        }
        perform(&self.client, effects, Position::InCallback);
        match self.client.borrow().proceed(self.stream()) {
            Proceed::Continue => Action::Continue,
            Proceed::Pause => Action::Pause,
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let operations = self.client.borrow_mut().on_response_headers(self.stream());
        edit(Map::ResponseHeaders, &operations);
        Action::Continue
    }

    fn on_log(&mut self) {
        // A batch may wait for a tick more or less; when a request came that was never seen may not be off by one.
        let now = if std::mem::take(&mut self.is_open) { last() } else { soon() };
        let effects = self.client.borrow_mut().on_log(self.stream(), &self.envoy(), now);
        perform(&self.client, effects, Position::Elsewhere);
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        if self.is_open {
            closed(&self.client, self.stream());
        }
    }
}

/// The server has answered a stream's call.
fn answered(client: &Shared, stream: StreamId, status: u32, response_size: usize) {
    let answer = outcome(status, response_size);
    let answer = answer.as_deref().map_err(Clone::clone);
    let effects = client.borrow_mut().on_answer(stream, answer, &Envoy::default(), soon());
    perform(client, effects, Position::Elsewhere);
}

/// A stream is gone.
fn closed(client: &Shared, stream: StreamId) {
    // The client may be in use while streams are torn down with the whole machine; then nothing is left to do.
    if let Ok(mut borrowed) = client.try_borrow_mut() {
        let effects = borrowed.on_closed(stream);
        drop(borrowed);
        perform(client, effects, Position::Elsewhere);
    }
}

/// Where in the stream's life effects are performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// In a callback whose return value says whether it goes on.
    InCallback,
    /// Anywhere else.
    Elsewhere,
}

/// Does what the client says about the stream that is in effect.
pub(crate) fn perform(client: &Shared, effects: Vec<Effect>, position: Position) {
    for effect in effects {
        match effect {
            Effect::Check { stream, call } => {
                let cluster = client.borrow().cluster().to_owned();
                match abi::grpc_call(&cluster, &call) {
                    Ok(token) => client.borrow_mut().on_call_sent(stream, token),
                    Err(_) => {
                        let failure = Err(unsendable(&cluster));
                        let effects =
                            client.borrow_mut().on_answer(stream, failure, &Envoy::default(), soon());
                        perform(client, effects, position);
                    }
                }
            }
            Effect::Ask { stream, token, message } => {
                if abi::grpc_send(token, &message, false).is_err() {
                    let answer = Err(unaskable());
                    let effects = client.borrow_mut().on_answer(stream, answer, &Envoy::default(), soon());
                    perform(client, effects, position);
                }
            }
            Effect::Cancel { token } => {
                // The call may have ended in the meantime.
                let _ = abi::grpc_cancel(token);
            }
            Effect::EditRequest { operations, .. } => edit(Map::RequestHeaders, &operations),
            Effect::Resume { .. } => {
                if position == Position::Elsewhere && resume(client).is_err() {
                    abi::log(Level::Warn, "mixer filter: a stream could not be resumed; it has ended");
                }
            }
            Effect::Reply { reply, .. } => {
                if refuse(client, &reply).is_err() {
                    abi::log(Level::Warn, "mixer filter: a stream could not be answered; it has ended");
                }
            }
            Effect::Warn(text) => abi::log(Level::Warn, &format!("mixer filter: {text}")),
            // Only the root makes these calls, since they outlive the stream, and it looks after connections.
            Effect::Report { .. }
            | Effect::Renew { .. }
            | Effect::Allocate { .. }
            | Effect::Look { .. }
            | Effect::OpenLine
            | Effect::AskAgain { .. }
            | Effect::Watch { .. } => {}
        }
    }
}

/// Lets the stream in effect go on.
fn resume(client: &Shared) -> Result<(), abi::Failed> {
    if client.borrow().is_tcp() { abi::resume_connection() } else { abi::resume_request() }
}

/// Answers the stream in effect. There is nothing that a connection could be told.
fn refuse(client: &Shared, reply: &client::LocalReply) -> Result<(), abi::Failed> {
    if client.borrow().is_tcp() { abi::close_connection() } else { abi::reply(reply) }
}

fn edit(map: Map, operations: &[HeaderOperation]) {
    for HeaderOperation { name, operation } in operations {
        let done = match operation {
            Operation::Replace(value) => abi::replace(map, name, value),
            Operation::Append(value) => abi::add(map, name, value),
            Operation::Remove => abi::remove(map, name),
        };
        if let Err(failed) = done {
            abi::log(
                Level::Warn,
                &format!("mixer filter: header `{name}` could not be changed ({})", failed.0),
            );
        }
    }
}

/// What came of a call. A message that cannot be had is no answer: an empty one may well be.
pub(crate) fn outcome(status: u32, size: usize) -> Result<Vec<u8>, GrpcFailure> {
    if status != 0 {
        return Err(failure(status));
    }
    let message = "the proxy does not hand out the server's answer".to_owned();
    abi::buffer(Buffer::GrpcReceive, size).map_err(|_| GrpcFailure { code: Code::Internal, message })
}

pub(crate) fn failure(status: u32) -> GrpcFailure {
    let code = Code::from_number(i32::try_from(status).unwrap_or(i32::MAX));
    GrpcFailure { code, message: abi::grpc_status_message() }
}

pub(crate) fn unaskable() -> GrpcFailure {
    GrpcFailure { code: Code::Unavailable, message: "the stream of checks has ended".to_owned() }
}

pub(crate) fn unsendable(cluster: &str) -> GrpcFailure {
    GrpcFailure { code: Code::Unavailable, message: format!("the proxy cannot call cluster `{cluster}`") }
}
