//! Connections: the same state machine for a network filter.
//!
//! A connection is a stream without headers. It is checked once, when who is at the other end is known, waits for the
//! verdict before a byte of it goes on, and is reported when it opens, every so often, and when it ends.
//!
//! Who is at the other end is known at once where peers have no certificates. Where they have, the proxy creates its
//! filters before the handshake and says nothing when that is over. It is over when data comes; for clients that wait
//! for the server to speak first the connection is looked at with each tick, until the certificate is there. Whoever
//! takes longer than [`CERTIFICATE_WAIT`] is nobody to policy. Until then no other property of TLS may be looked at:
//! the proxy would remember what it says before the handshake.

use std::collections::VecDeque;
use std::time::Duration;

use attributes::{Timestamp, Value};
use checkcache::Tick;

use crate::attribute::property;
use crate::host::path_of;
use crate::stream::{State, Stream};
use crate::{Client, Counter, Effect, Host, Now, StreamId};

/// How often a connection in its handshake is looked at: with every tick.
const HANDSHAKE_LOOK: Duration = Duration::from_millis(1);

/// How long a peer has to present its certificate.
const CERTIFICATE_WAIT: Duration = Duration::from_secs(5);

/// What is known of a connection beside its stream.
#[derive(Debug)]
pub(crate) struct Connection {
    phase: Phase,
    opened: Tick,
    /// When it is to be looked at next.
    look_at: Tick,
    /// Bytes received and sent when it was reported last, in its course.
    told: (i64, i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Its peer's certificate has yet to come.
    Handshake,
    /// Who is there is known; it was not reported yet.
    Established,
    /// It was reported to be open.
    Open,
}

/// What a report of a connection is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Open,
    Continue,
    Close,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Continue => "continue",
            Self::Close => "close",
        }
    }
}

/// How connections are treated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TcpConfig {
    /// How often a connection is reported in its course.
    pub(crate) report_interval: Duration,
    /// Whether peers have certificates that policy is to know.
    pub(crate) await_certificate: bool,
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self { report_interval: Duration::from_secs(10), await_certificate: false }
    }
}

/// When connections are to be looked at, the next one first. Most are to be looked at after all others, or before.
#[derive(Debug, Default)]
pub(crate) struct Looks(VecDeque<(Tick, StreamId)>);

impl Looks {
    fn insert(&mut self, look: (Tick, StreamId)) {
        if let Err(place) = self.0.binary_search(&look) {
            self.0.insert(place, look);
        }
    }

    fn remove(&mut self, look: (Tick, StreamId)) {
        if let Ok(place) = self.0.binary_search(&look) {
            self.0.remove(place);
        }
    }
}

impl Connection {
    /// Whether nothing may go on before the handshake is over.
    pub(crate) fn is_in_handshake(&self) -> bool {
        self.phase == Phase::Handshake
    }
}

impl Client {
    /// Whether streams are connections.
    pub fn is_tcp(&self) -> bool {
        self.config.tcp.is_some()
    }

    /// A connection was accepted.
    pub fn on_new_connection(&mut self, id: StreamId, host: &dyn Host, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut stream = self.open(host, now, &mut effects);
        let number = host.property(path_of!("connection_id")).and_then(|bytes| property::int64(&bytes));
        let number = number.unwrap_or_else(|| id.0.into());
        let own = &mut stream.attributes.own;
        own.insert("connection.id", Value::from(format!("{}-{number}", self.id_prefix).as_str()));
        own.insert("context.time", Value::Timestamp(Timestamp::from_unix_nanos(now.unix_nanos.into())));
        let awaits = self.config.tcp.is_some_and(|tcp| tcp.await_certificate);
        let phase = if awaits { Phase::Handshake } else { Phase::Established };
        stream.connection = Some(Connection { phase, opened: now.tick, look_at: now.tick, told: (0, 0) });
        if phase == Phase::Established {
            self.establish(id, &mut stream, host, now, &mut effects);
        }
        self.look_later(id, &mut stream, now.tick);
        self.streams.insert(id, stream);
        effects
    }

    /// A connection has brought data; if it may not go on, they wait with it.
    pub fn on_downstream_data(&mut self, id: StreamId, host: &dyn Host, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        if !self.streams.get(&id).is_some_and(|stream| stream.is_in_handshake()) {
            return effects;
        }
        let Some(mut stream) = self.streams.remove(&id) else { return effects };
        self.establish(id, &mut stream, host, now, &mut effects);
        self.streams.insert(id, stream);
        effects
    }

    /// It is time to look at a connection, and the proxy's calls are about it now: [`Effect::Look`].
    pub fn on_look(&mut self, id: StreamId, host: &dyn Host, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(mut stream) = self.streams.remove(&id) else { return effects };
        let interval = self.config.tcp.map_or(Duration::ZERO, |tcp| tcp.report_interval);
        let known = stream.connection.as_ref().map(|connection| (connection.phase, connection.opened));
        let again = match (known, &stream.state) {
            (Some((Phase::Handshake, opened)), _) => {
                if is_presented(host) || now.tick.since(opened) >= CERTIFICATE_WAIT {
                    self.establish(id, &mut stream, host, now, &mut effects);
                    // A connection that was let go at once was paused all the same.
                    if stream.check && matches!(stream.state, State::Allowed { .. }) {
                        effects.push(Effect::Resume { stream: id });
                    }
                }
                Some(HANDSHAKE_LOOK)
            }
            // The deadline is looked after elsewhere.
            (Some((Phase::Established, _)), State::Calling(_)) => Some(HANDSHAKE_LOOK),
            (Some((Phase::Established, _)), State::Unchecked | State::Allowed { .. }) => {
                self.tell(&mut stream, Event::Open, host, now);
                Some(interval)
            }
            (Some((Phase::Open, _)), State::Unchecked | State::Allowed { .. } | State::Calling(_)) => {
                self.tell(&mut stream, Event::Continue, host, now);
                Some(interval)
            }
            (_, State::Answered { .. }) | (None, _) => None,
        };
        if let Some(again) = again {
            self.look_later(id, &mut stream, now.tick.after(again));
        }
        self.streams.insert(id, stream);
        effects
    }

    /// The connections that it is time to look at.
    pub(crate) fn due_looks(&mut self, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some((at, stream)) = self.looks.0.front().copied()
            && at <= now.tick
        {
            self.looks.0.pop_front();
            effects.push(Effect::Look { stream });
        }
        effects
    }

    /// A connection has ended, and all that can be known of it is.
    pub(crate) fn end(&mut self, id: StreamId, stream: &mut Stream, host: &dyn Host, now: Now) {
        self.forget_look(id, stream);
        let is_silent = stream.connection.as_ref().is_some_and(|connection| connection.phase != Phase::Open);
        // One that ends before it was looked at is told of as if it had been.
        if is_silent && matches!(stream.state, State::Unchecked | State::Allowed { .. }) {
            self.tell(stream, Event::Open, host, now);
        }
        stream.note_outcome(&self.own_names);
        self.tell(stream, Event::Close, host, now);
    }

    /// Nobody looks at a connection any more.
    pub(crate) fn forget_look(&mut self, id: StreamId, stream: &Stream) {
        if let Some(connection) = &stream.connection {
            self.looks.remove((connection.look_at, id));
        }
    }

    fn look_later(&mut self, id: StreamId, stream: &mut Stream, at: Tick) {
        if let Some(connection) = &mut stream.connection {
            connection.look_at = at;
            self.looks.insert((at, id));
        }
    }

    /// Who is at the other end is known: asks whether the connection may go on.
    fn establish(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        host: &dyn Host,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(connection) = &mut stream.connection {
            connection.phase = Phase::Established;
        }
        if stream.check {
            self.counters.count(Counter::CheckCalls);
            self.look_up(id, stream, host, now, effects);
        }
    }

    /// Adds a report of a connection to those that wait.
    fn tell(&mut self, stream: &mut Stream, event: Event, host: &dyn Host, now: Now) {
        let Some(connection) = &mut stream.connection else { return };
        let bytes = |path| host.property(path).and_then(|bytes| property::int64(&bytes)).unwrap_or(0);
        let (received, sent) = (bytes(path_of!("request", "size")), bytes(path_of!("response", "size")));
        let (received_before, sent_before) = connection.told;
        let own = &mut stream.attributes.own;
        own.insert("connection.event", event.name());
        own.insert("connection.received.bytes", received - received_before);
        own.insert("connection.received.bytes_total", received);
        own.insert("connection.sent.bytes", sent - sent_before);
        own.insert("connection.sent.bytes_total", sent);
        match event {
            Event::Open => connection.phase = Phase::Open,
            Event::Continue => connection.told = (received, sent),
            Event::Close => {
                let span = attributes::Duration::from(now.tick.since(connection.opened));
                own.insert("connection.duration", Value::Duration(span));
            }
        }
        if !stream.report {
            return;
        }
        stream.note_outcome(&self.own_names);
        // Where it goes may have become known since the last report.
        stream.attributes.forget_what_changes();
        self.note_report(&stream.attributes, host, now);
    }
}

/// Whether the peer has presented a certificate.
fn is_presented(host: &dyn Host) -> bool {
    host.property(path_of!("connection", "mtls")).and_then(|bytes| property::bool(&bytes)).unwrap_or(false)
}
