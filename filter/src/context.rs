//! Envoy's contexts: one root for each virtual machine, one for each stream.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use checkcache::{Code, HeaderOperation, Operation, Tick};
use client::{Client, Config, Counter, Effect, GrpcFailure, Headers, Host, Now, Proceed, StreamId};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

use crate::abi::{self, Buffer, Level, Map};

/// How exact deadlines and report intervals are.
const TICK: Duration = Duration::from_millis(50);

/// Bytes of configuration that are read.
const CONFIGURATION_BYTES: usize = 1 << 20;

type Shared = Rc<RefCell<Client>>;

/// The root context: configuration, time, and calls that outlive a stream.
pub(crate) struct Root {
    id: u32,
    client: Option<Shared>,
    /// Clients of earlier configurations that still have something to finish.
    retired: Vec<Shared>,
    metrics: Vec<Option<abi::Metric>>,
    /// The reports on their way, by token: whose, and of how many requests.
    reports: HashMap<u32, (Shared, usize)>,
}

/// A stream's context.
struct Http {
    id: u32,
    client: Shared,
}

/// The stream that the current callback is about.
struct Envoy;

impl Host for Envoy {
    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        abi::property(path)
    }

    fn request_headers(&self) -> Headers {
        abi::map(Map::RequestHeaders).unwrap_or_default()
    }

    fn response_headers(&self) -> Headers {
        abi::map(Map::ResponseHeaders).unwrap_or_default()
    }

    fn response_trailers(&self) -> Headers {
        abi::map(Map::ResponseTrailers).unwrap_or_default()
    }
}

fn now() -> Now {
    Now { tick: Tick(abi::monotonic_nanos()), unix_nanos: abi::unix_nanos() }
}

// === impl Root ===

impl Root {
    pub(crate) fn new(id: u32) -> Self {
        Self { id, client: None, retired: Vec::new(), metrics: Vec::new(), reports: HashMap::new() }
    }

    fn clients(&self) -> Vec<Shared> {
        self.retired.iter().chain(&self.client).cloned().collect()
    }

    fn publish_counts(&self, client: &Shared) {
        let counts = client.borrow_mut().take_counts();
        for (counter, count) in counts {
            if let Some(Some(metric)) = self.metrics.get(counter as usize) {
                // A statistic that cannot be kept is not worth a line of log for each tick.
                let _ = abi::increment(*metric, count);
            }
        }
    }

    fn perform(&mut self, client: &Shared, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Report { call, requests } => self.report(client, &call, requests),
                Effect::Check { stream, .. }
                | Effect::EditRequest { stream, .. }
                | Effect::Resume { stream }
                | Effect::Reply { stream, .. } => {
                    if abi::set_effective_context(stream.0).is_ok() {
                        perform(client, vec![effect], Position::Elsewhere);
                        let _ = abi::set_effective_context(self.id);
                    }
                }
                Effect::Cancel { .. } | Effect::Warn(_) => perform(client, vec![effect], Position::Elsewhere),
            }
        }
    }

    fn report(&mut self, client: &Shared, call: &client::Call, requests: usize) {
        let cluster = client.borrow().cluster().to_owned();
        match abi::grpc_call(&cluster, call) {
            Ok(token) => {
                self.reports.insert(token, (Rc::clone(client), requests));
            }
            Err(_) => self.reported(client, requests, Err(unsendable(&cluster))),
        }
    }

    fn reported(&mut self, client: &Shared, requests: usize, answer: client::Answer<'_>) {
        let effects = client.borrow_mut().on_report_answer(requests, answer, now());
        self.perform(client, effects);
    }
}

impl Context for Root {
    fn on_grpc_call_response(&mut self, token: u32, status: u32, _response_size: usize) {
        let Some((client, requests)) = self.reports.remove(&token) else { return };
        let answer = if status == 0 { Ok([].as_slice()) } else { Err(failure(status)) };
        self.reported(&client, requests, answer);
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let configuration = abi::buffer(Buffer::PluginConfiguration, CONFIGURATION_BYTES).unwrap_or_default();
        let config = match Config::parse(&configuration) {
            Ok(config) => config,
            Err(error) => {
                abi::log(Level::Critical, &error.to_string());
                return false;
            }
        };
        if abi::set_tick_period(TICK).is_err() {
            abi::log(
                Level::Critical,
                "the proxy has no timer for the mixer filter, and without one it could hang",
            );
            return false;
        }
        if self.metrics.is_empty() {
            self.metrics =
                Counter::ALL.iter().map(|counter| abi::define_counter(counter.name()).ok()).collect();
        }
        abi::log(
            Level::Info,
            &format!("mixer filter: checks and reports go to cluster `{}`", config.cluster()),
        );
        let client = Rc::new(RefCell::new(Client::new(config, now())));
        self.retired.extend(self.client.replace(client));
        true
    }

    fn on_tick(&mut self) {
        let now = now();
        for client in self.clients() {
            let effects = client.borrow_mut().on_tick(now);
            self.perform(&client, effects);
            self.publish_counts(&client);
        }
        self.retired.retain(|client| !client.borrow().is_idle());
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let client = Rc::clone(self.client.as_ref()?);
        Some(Box::new(Http { id, client }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

// === impl Http ===

impl Http {
    fn stream(&self) -> StreamId {
        StreamId(self.id)
    }
}

impl Context for Http {
    fn on_grpc_call_response(&mut self, _token: u32, status: u32, response_size: usize) {
        let message;
        let answer = if status == 0 {
            message = abi::buffer(Buffer::GrpcReceive, response_size).unwrap_or_default();
            Ok(message.as_slice())
        } else {
            Err(failure(status))
        };
        let effects = self.client.borrow_mut().on_answer(self.stream(), answer, &Envoy, now());
        perform(&self.client, effects, Position::Elsewhere);
    }
}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let effects = self.client.borrow_mut().on_request_headers(self.stream(), &Envoy, now());
        perform(&self.client, effects, Position::InRequestHeaders);
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
        let effects = self.client.borrow_mut().on_log(self.stream(), &Envoy, now());
        perform(&self.client, effects, Position::Elsewhere);
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        // The client may be in use while streams are torn down with the whole machine; then nothing is left to do.
        if let Ok(mut client) = self.client.try_borrow_mut() {
            let effects = client.on_closed(StreamId(self.id));
            drop(client);
            perform(&self.client, effects, Position::Elsewhere);
        }
    }
}

/// Where in the stream's life effects are performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// In the callback for its request's headers, whose return value says whether it goes on.
    InRequestHeaders,
    /// Anywhere else.
    Elsewhere,
}

/// Does what the client says about the stream that is in effect.
fn perform(client: &Shared, effects: Vec<Effect>, position: Position) {
    for effect in effects {
        match effect {
            Effect::Check { stream, call } => {
                let cluster = client.borrow().cluster().to_owned();
                match abi::grpc_call(&cluster, &call) {
                    Ok(token) => client.borrow_mut().on_call_sent(stream, token),
                    Err(_) => {
                        let failure = Err(unsendable(&cluster));
                        let effects = client.borrow_mut().on_answer(stream, failure, &Envoy, now());
                        perform(client, effects, position);
                    }
                }
            }
            Effect::Cancel { token } => {
                // The call may have ended in the meantime.
                let _ = abi::grpc_cancel(token);
            }
            Effect::EditRequest { operations, .. } => edit(Map::RequestHeaders, &operations),
            Effect::Resume { .. } => {
                if position == Position::Elsewhere && abi::resume_request().is_err() {
                    abi::log(Level::Warn, "mixer filter: a request could not be resumed; it has ended");
                }
            }
            Effect::Reply { reply, .. } => {
                if abi::reply(&reply).is_err() {
                    abi::log(Level::Warn, "mixer filter: a request could not be answered; it has ended");
                }
            }
            Effect::Warn(text) => abi::log(Level::Warn, &format!("mixer filter: {text}")),
            // Only the root sends reports, since they outlive the stream.
            Effect::Report { .. } => {}
        }
    }
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

fn failure(status: u32) -> GrpcFailure {
    let code = Code::from_number(i32::try_from(status).unwrap_or(i32::MAX));
    GrpcFailure { code, message: abi::grpc_status_message() }
}

fn unsendable(cluster: &str) -> GrpcFailure {
    GrpcFailure { code: Code::Unavailable, message: format!("the proxy cannot call cluster `{cluster}`") }
}
