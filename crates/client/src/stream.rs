//! A stream: what is known of it, how far its check has come, and what a verdict does to it.

use attributes::Value;
use checkcache::{
    HeaderOperation, MissReason, Operation, Revision, RouteDirective, Status, Tick, Vacancy, Verdict,
};

use crate::attribute::{OwnNames, StreamAttributes};
use crate::explain::EXPLANATION;
use crate::line::Ticket;
use crate::quota::Charge;
use crate::tcp::Connection;
use crate::{Effect, LocalReply, StreamId};

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) attributes: StreamAttributes,
    pub(crate) check: bool,
    pub(crate) report: bool,
    /// What its route charges, instead of what the configuration says.
    pub(crate) charges: Option<Vec<Charge>>,
    /// Whether its route's metadata cannot be read.
    pub(crate) is_misconfigured: bool,
    /// Headers to take out of the request before it goes on.
    pub(crate) strip: Vec<&'static str>,
    /// For a trusted peer that asked: how the decision came about.
    pub(crate) explain: Explain,
    pub(crate) tokens: Tokens,
    /// For connections.
    pub(crate) connection: Option<Connection>,
    pub(crate) state: State,
}

#[derive(Debug)]
pub(crate) enum State {
    /// Nothing is decided, or nothing had to be.
    Unchecked,
    /// The server was asked.
    Calling(Calling),
    /// It goes on; what is to be done to the response.
    Allowed { cache_hit: bool, response_headers: Vec<HeaderOperation> },
    /// It was answered.
    Answered { cache_hit: bool, status: Status },
}

/// Where the answer came from whether there are tokens for a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tokens {
    /// From the server, or it needed none.
    #[default]
    Server,
    /// From the pools.
    Pools,
}

/// Whether a decision is explained, and how.
#[derive(Debug, Default)]
pub(crate) enum Explain {
    /// Nobody asked, or nobody who may.
    #[default]
    No,
    /// The decision is not there yet.
    Asked,
    /// This is how it came about.
    Said(String),
}

/// A check on its way to the server.
#[derive(Debug)]
pub(crate) struct Calling {
    pub(crate) deadline: Tick,
    /// The call, by the number that the shell gave it.
    pub(crate) token: Option<u32>,
    /// The question, if it was asked on the line.
    pub(crate) ticket: Option<Ticket>,
    /// How many words of the dictionary it uses.
    pub(crate) word_count: u32,
    /// The same for all tries.
    pub(crate) id: String,
    pub(crate) vacancy: Option<Vacancy>,
    /// Why the cache had no verdict.
    pub(crate) missed: MissReason,
    /// The verdict that the cache had, if only quotas are to be asked for.
    pub(crate) hit: Option<Box<Verdict>>,
    /// The cache's, when it was asked.
    pub(crate) generation: u64,
    /// The quotas to ask for.
    pub(crate) charges: Vec<Charge>,
    /// The revision that was looked up when it was made.
    pub(crate) asked_under: Revision,
    pub(crate) extent: Extent,
}

/// How much of what is known of a request a check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What the policy reads, as far as is known.
    Demanded,
    /// What it reads, as the server has just said.
    DemandedAnew,
    /// All of it.
    Everything,
}

// === impl Stream ===

impl Stream {
    /// Whether it is a connection of which nobody knows yet who is at the other end.
    pub(crate) fn is_in_handshake(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_in_handshake)
    }

    /// Sets what is reported of the check.
    pub(crate) fn note_outcome(&mut self, names: &OwnNames) {
        let own = &mut self.attributes.own;
        match &self.state {
            State::Unchecked => {}
            // The client went away before the answer came.
            State::Calling(_) => {
                own.insert(names.cache_hit.clone(), false);
            }
            State::Allowed { cache_hit, .. } => {
                own.insert(names.cache_hit.clone(), *cache_hit);
                own.insert(names.quota_hit.clone(), self.tokens == Tokens::Pools);
            }
            State::Answered { cache_hit, status } => {
                own.insert(names.cache_hit.clone(), *cache_hit);
                own.insert(names.quota_hit.clone(), self.tokens == Tokens::Pools);
                if !status.is_ok() {
                    own.insert(names.error_code.clone(), i64::from(status.code.number()));
                    own.insert(names.error_message.clone(), Value::from(status.to_string().as_str()));
                    if self.connection.is_none() {
                        own.insert("response.code", i64::from(status.code.http()));
                    }
                }
            }
        }
    }
}

/// Does what a verdict says.
pub(crate) fn apply(
    id: StreamId,
    stream: &mut Stream,
    verdict: Verdict,
    cache_hit: bool,
    effects: &mut Vec<Effect>,
) {
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

pub(crate) fn allow(
    id: StreamId,
    stream: &mut Stream,
    directive: RouteDirective,
    cache_hit: bool,
    effects: &mut Vec<Effect>,
) {
    let RouteDirective { request_headers, mut response_headers, .. } = directive;
    let paused = matches!(stream.state, State::Calling(_));
    strip(id, stream, effects);
    // A connection has no headers.
    if !request_headers.is_empty() && stream.connection.is_none() {
        effects.push(Effect::EditRequest { stream: id, operations: request_headers });
    }
    if let Explain::Said(how) = std::mem::take(&mut stream.explain) {
        response_headers
            .push(HeaderOperation { name: EXPLANATION.to_owned(), operation: Operation::Replace(how) });
    }
    stream.state = State::Allowed { cache_hit, response_headers };
    if paused {
        effects.push(Effect::Resume { stream: id });
    }
}

pub(crate) fn refuse(
    id: StreamId,
    stream: &mut Stream,
    status: Status,
    cache_hit: bool,
    effects: &mut Vec<Effect>,
) {
    let reply = LocalReply::refusal(&status);
    answer(id, stream, status, reply, cache_hit, effects);
}

fn answer(
    id: StreamId,
    stream: &mut Stream,
    status: Status,
    mut reply: LocalReply,
    cache_hit: bool,
    effects: &mut Vec<Effect>,
) {
    if let Explain::Said(how) = std::mem::take(&mut stream.explain) {
        reply.headers.push((EXPLANATION.to_owned(), how));
    }
    stream.state = State::Answered { cache_hit, status };
    effects.push(Effect::Reply { stream: id, reply });
}

/// Takes out headers that are between the client and the filter, or that nobody here believes.
pub(crate) fn strip(id: StreamId, stream: &mut Stream, effects: &mut Vec<Effect>) {
    let names = std::mem::take(&mut stream.strip);
    if !names.is_empty() {
        let remove = |name: &str| HeaderOperation { name: name.to_owned(), operation: Operation::Remove };
        let operations = names.into_iter().map(remove).collect();
        effects.push(Effect::EditRequest { stream: id, operations });
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
