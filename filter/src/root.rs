//! The root context: one for each virtual machine.
//!
//! Configuration, time, and what goes to the server and comes back beyond a stream's own call. What a client wants done
//! about a stream is done by [`context`](crate::context), once the host's calls are about that stream.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use client::{AllocationId, BatchId, Client, Config, Counter, Effect, GrpcFailure, RenewalId, StreamId};
use hashbrown::HashMap;
use proxy_wasm::traits::{Context, HttpContext, RootContext, StreamContext};
use proxy_wasm::types::ContextType;

use crate::abi::{self, Buffer, Level};
use crate::context::{
    Envoy, Http, Position, Shared, Tcp, Unconfigured, failure, now, outcome, perform, soon, unaskable,
    unsendable,
};

/// How exact deadlines and report intervals are.
const TICK: Duration = Duration::from_millis(50);

/// Bytes of configuration that are read.
const CONFIGURATION_BYTES: usize = 1 << 20;

/// The root context: configuration, time, and calls that outlive a stream.
pub(crate) struct Root {
    id: u32,
    client: Option<Shared>,
    /// Clients of earlier configurations that still have something to finish.
    retired: Vec<Shared>,
    metrics: Vec<Option<abi::Metric>>,
    /// Its own calls on their way, by token.
    calls: HashMap<u32, (Shared, Purpose)>,
    /// The stream on which the server says what changed, by token.
    feed: Option<(u32, Shared)>,
    /// The streams on which the server is asked about many requests, by token.
    lines: HashMap<u32, Shared>,
    /// Whether the proxy has told it to end and waits for it to be done.
    is_ending: bool,
}

/// What a call of the root's is for.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    /// For a stream, whose own context was not the one that was called.
    Check(StreamId),
    Report(BatchId),
    Renewal(RenewalId),
    Allocation(AllocationId),
}

// === impl Root ===

impl Root {
    pub(crate) fn new(id: u32) -> Self {
        Self {
            id,
            client: None,
            retired: Vec::new(),
            metrics: Vec::new(),
            calls: HashMap::new(),
            feed: None,
            lines: HashMap::new(),
            is_ending: false,
        }
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
                Effect::Report { batch, call } => self.call(client, Purpose::Report(batch), &call),
                Effect::Renew { renewal, call } => self.call(client, Purpose::Renewal(renewal), &call),
                Effect::Allocate { allocation, call } => {
                    self.call(client, Purpose::Allocation(allocation), &call);
                }
                Effect::Watch { message } => self.watch(client, &message),
                Effect::OpenLine => self.open_line(client),
                Effect::AskAgain { stream } => {
                    self.answered(client, Purpose::Check(stream), Err(unaskable()));
                }
                Effect::Ask { stream, token, message } => {
                    if abi::grpc_send(token, &message, false).is_err() {
                        self.answered(client, Purpose::Check(stream), Err(unaskable()));
                    }
                }
                // The SDK brings the answer to the context that is called now, which is not the stream's.
                Effect::Check { stream, call } => self.call(client, Purpose::Check(stream), &call),
                Effect::EditRequest { stream, .. }
                | Effect::Resume { stream }
                | Effect::Reply { stream, .. } => {
                    self.about(stream, || perform(client, vec![effect], Position::Elsewhere));
                }
                Effect::Look { stream } => {
                    let effects =
                        self.about(stream, || client.borrow_mut().on_look(stream, &Envoy::default(), now()));
                    self.perform(client, effects.unwrap_or_default());
                }
                Effect::Cancel { token } => {
                    self.calls.remove(&token);
                    self.lines.remove(&token);
                    perform(client, vec![effect], Position::Elsewhere);
                }
                Effect::Warn(_) => perform(client, vec![effect], Position::Elsewhere),
            }
        }
    }

    /// Makes host calls about a stream, if it is still there.
    fn about<T>(&self, stream: StreamId, calls: impl FnOnce() -> T) -> Option<T> {
        abi::set_effective_context(stream.0).ok()?;
        let result = calls();
        let _ = abi::set_effective_context(self.id);
        Some(result)
    }

    fn call(&mut self, client: &Shared, purpose: Purpose, call: &client::Call) {
        let cluster = client.borrow().cluster().to_owned();
        match abi::grpc_call(&cluster, call) {
            Ok(token) => {
                match purpose {
                    Purpose::Check(stream) => client.borrow_mut().on_call_sent(stream, token),
                    Purpose::Report(batch) => client.borrow_mut().on_report_sent(batch, token),
                    Purpose::Renewal(renewal) => client.borrow_mut().on_renewal_sent(renewal, token),
                    Purpose::Allocation(id) => client.borrow_mut().on_allocation_sent(id, token),
                }
                self.calls.insert(token, (Rc::clone(client), purpose));
            }
            Err(_) => self.answered(client, purpose, Err(unsendable(&cluster))),
        }
    }

    fn answered(&mut self, client: &Shared, purpose: Purpose, answer: client::Answer<'_>) {
        let effects = match purpose {
            Purpose::Check(stream) => {
                let answer = || client.borrow_mut().on_answer(stream, answer, &Envoy::default(), soon());
                self.about(stream, answer).unwrap_or_default()
            }
            Purpose::Report(batch) => client.borrow_mut().on_report_answer(batch, answer, now()),
            Purpose::Renewal(renewal) => client.borrow_mut().on_renewal_answer(renewal, answer, now()),
            Purpose::Allocation(id) => client.borrow_mut().on_allocation_answer(id, answer, now()),
        };
        self.perform(client, effects);
    }

    fn watch(&mut self, client: &Shared, message: &[u8]) {
        let cluster = client.borrow().cluster().to_owned();
        match abi::grpc_watch(&cluster, message) {
            Ok(token) => {
                // One that is not believed any more may be open still.
                if let Some((before, _)) = self.feed.replace((token, Rc::clone(client))) {
                    let _ = abi::grpc_cancel(before);
                }
            }
            Err(_) => self.unwatched(client, &unsendable(&cluster)),
        }
    }

    fn open_line(&mut self, client: &Shared) {
        let cluster = client.borrow().cluster().to_owned();
        match abi::grpc_open(&cluster, proto::path::CHECKS_SERVICE, proto::path::ASK) {
            Ok(token) => {
                client.borrow_mut().on_line_opened(token);
                self.lines.insert(token, Rc::clone(client));
            }
            Err(_) => self.line_closed(client, &unsendable(&cluster)),
        }
    }

    fn line_closed(&mut self, client: &Shared, failure: &GrpcFailure) {
        let effects = client.borrow_mut().on_line_closed(failure, now());
        self.perform(client, effects);
    }

    /// Whether nothing is left that the server was to hear, or to say.
    fn is_idle(&self) -> bool {
        self.calls.is_empty() && self.clients().iter().all(|client| client.borrow().is_idle())
    }

    /// Tells the proxy once it has ended.
    fn end_if_idle(&mut self) {
        if self.is_ending && self.is_idle() {
            self.is_ending = false;
            for client in self.clients() {
                self.publish_counts(&client);
            }
            // There is nobody to tell if that fails: the proxy does not wait any more.
            let _ = abi::done();
        }
    }

    fn unwatched(&mut self, client: &Shared, failure: &GrpcFailure) {
        let effects = client.borrow_mut().on_feed_closed(failure, now());
        self.perform(client, effects);
    }
}

impl Context for Root {
    /// The proxy lets go of the plugin. Where the machine lives on, as for another plugin of the same module, it waits
    /// until the server has heard the rest; where the machine ends, what it sends now is all that can still arrive.
    fn on_done(&mut self) -> bool {
        if let Some((token, _)) = self.feed.take() {
            let _ = abi::grpc_cancel(token);
        }
        for client in self.clients() {
            let effects = client.borrow_mut().on_end(now());
            self.perform(&client, effects);
            self.publish_counts(&client);
        }
        self.is_ending = !self.is_idle();
        !self.is_ending
    }

    fn on_grpc_call_response(&mut self, token: u32, status: u32, response_size: usize) {
        let Some((client, purpose)) = self.calls.remove(&token) else { return };
        let answer = outcome(status, response_size);
        self.answered(&client, purpose, answer.as_deref().map_err(Clone::clone));
        self.end_if_idle();
    }

    fn on_grpc_stream_message(&mut self, token: u32, size: usize) {
        let message = abi::buffer(Buffer::GrpcReceive, size);
        if let Some(client) = self.lines.get(&token).cloned() {
            let Ok(message) = message else {
                return client.borrow_mut().on_line_unreadable();
            };
            let answer = client.borrow_mut().on_line_message(&message, soon());
            if let Some((stream, answer)) = answer {
                self.answered(&client, Purpose::Check(stream), answer.as_deref().map_err(Clone::clone));
            }
            return;
        }
        let Some((_, client)) = self.feed.clone().filter(|(open, _)| *open == token) else { return };
        let effects = match message {
            Ok(message) => client.borrow_mut().on_feed_message(&message, now()),
            Err(_) => client.borrow_mut().on_feed_unreadable(now()),
        };
        self.perform(&client, effects);
    }

    fn on_grpc_stream_close(&mut self, token: u32, status: u32) {
        if let Some((_, client)) = self.feed.take_if(|(open, _)| *open == token) {
            self.unwatched(&client, &failure(status));
        } else if let Some(client) = self.lines.remove(&token) {
            self.line_closed(&client, &failure(status));
            self.end_if_idle();
        }
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
            self.metrics = Counter::ALL
                .iter()
                .map(|counter| abi::define_metric(counter.name(), counter.is_gauge()).ok())
                .collect();
        }
        abi::log(
            Level::Info,
            &format!("mixer filter: checks and reports go to cluster `{}`", config.cluster()),
        );
        let client = Rc::new(RefCell::new(Client::new(config, now())));
        if let Some(before) = self.client.replace(client) {
            if let Some((token, _)) = self.feed.take() {
                let _ = abi::grpc_cancel(token);
            }
            before.borrow_mut().retire(now());
            self.retired.push(before);
        }
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
        // A connection that ended has cancelled its call by itself, and nobody said so here.
        self.calls.retain(|token, (client, purpose)| match purpose {
            Purpose::Check(stream) => client.borrow().awaits(*stream, *token),
            Purpose::Report(_) | Purpose::Renewal(_) | Purpose::Allocation(_) => true,
        });
        self.end_if_idle();
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match &self.client {
            Some(client) => Box::new(Http::new(id, client)),
            None => Box::new(Unconfigured),
        })
    }

    fn create_stream_context(&self, id: u32) -> Option<Box<dyn StreamContext>> {
        Some(match &self.client {
            Some(client) => Box::new(Tcp::new(id, client)),
            None => Box::new(Unconfigured),
        })
    }

    fn get_type(&self) -> Option<ContextType> {
        let is_tcp = self.client.as_ref().is_some_and(|client| client.borrow().is_tcp());
        Some(if is_tcp { ContextType::StreamContext } else { ContextType::HttpContext })
    }
}
