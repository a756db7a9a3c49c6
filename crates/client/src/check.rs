//! The state machine: what happens to streams, and what is to be done about it.

use std::collections::VecDeque;
use std::time::Duration;

use attributes::Bag;
use checkcache::{
    CheckCache, Code, HeaderOperation, Limits, Lookup, MissReason, Revision, Root, Status, Tick, Vacancy,
    Verdict,
};
use hashbrown::HashMap;

use crate::attribute::{FORWARDED_ATTRIBUTES, OwnNames, Phase, StreamAttributes, View};
use crate::counters::Counters;
use crate::demand::Demanded;
use crate::explain::{self, EXPLANATION, Origin};
use crate::feed::Feed;
use crate::line::Line;
use crate::quota::{Charge, Quotas};
use crate::renewal::{Renewal, Renewals};
use crate::report::ReportQueue;
use crate::route::Override;
use crate::stream::{Calling, Explain, Extent, State, Stream, Tokens, apply, refuse, strip};
use crate::tcp::Looks;
use crate::wire::{self, Asked};
use crate::{Answer, Call, Config, Counter, Effect, FailureClass, Host, Now, Proceed, StreamId};

/// The filter's brain: one for each virtual machine of the proxy.
#[derive(Debug)]
pub struct Client {
    pub(crate) config: Config,
    pub(crate) cache: CheckCache,
    /// The server that was heard of first, by the seed that it sends.
    pub(crate) server: Option<[u8; 16]>,
    /// What verdicts are looked up under.
    pub(crate) revision: Revision,
    /// What the policy reads; `None` as long as nobody has said.
    pub(crate) demanded: Option<Demanded>,
    /// How many words of the dictionary the server is known to have: none until it proved it, since an index that is
    /// read with another list makes another request.
    pub(crate) word_count: u32,
    pub(crate) counters: Counters,
    pub(crate) own_names: OwnNames,
    pub(crate) reports: ReportQueue,
    pub(crate) feed: Feed,
    pub(crate) line: Line,
    pub(crate) renewals: Renewals,
    pub(crate) quotas: Quotas,
    pub(crate) streams: HashMap<StreamId, Box<Stream>>,
    pub(crate) looks: Looks,
    /// The deadlines of calls, in order, since all are given the same time.
    deadlines: VecDeque<(Tick, StreamId)>,
    calls: u64,
    pub(crate) id_prefix: String,
    warned: Option<Tick>,
}

/// What the server is asked about a request.
struct Question {
    vacancy: Option<Vacancy>,
    missed: MissReason,
    /// The verdict that the cache had, if only quotas are to be asked for.
    hit: Option<Box<Verdict>>,
    charges: Vec<Charge>,
}

// === impl Client ===

impl Client {
    /// A client that has seen nothing yet.
    pub fn new(config: Config, now: Now) -> Self {
        // Until the server sends a seed there is nothing to seed with but the time.
        let seed = (u128::from(now.unix_nanos) << 64 | u128::from(now.tick.0)).to_le_bytes();
        Self {
            cache: CheckCache::new(Limits::of_entries(config.cache_entries), seed),
            server: None,
            revision: Revision::default(),
            demanded: None,
            word_count: 0,
            counters: Counters::default(),
            own_names: OwnNames::new(),
            reports: ReportQueue::new(config.batch_max, config.batch_interval),
            feed: Feed::new(config.feed_enabled),
            line: Line::new(config.line_enabled, config.check_timeout),
            renewals: Renewals::default(),
            quotas: Quotas::new(config.quotas.clone(), seed),
            streams: HashMap::new(),
            looks: Looks::default(),
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

    /// A newer configuration has taken over: finishes what it has, and hears of no more changes.
    pub fn retire(&mut self, now: Now) {
        self.feed = Feed::new(false);
        self.line.disable();
        self.quotas.retire(now.tick);
    }

    /// The proxy lets go of the filter: sends all reports that wait, and gives back the tokens that nobody used. Every
    /// stream has ended before.
    pub fn on_end(&mut self, now: Now) -> Vec<Effect> {
        self.retire(now);
        self.reports.end();
        let mut effects = self.due_reports(now);
        effects.extend(self.due_allocations(now));
        effects.extend(self.line.end());
        effects
    }

    /// Whether a stream waits for the answer to a call of this number. Whoever notes calls may forget the others: a call
    /// that was cancelled has no answer.
    pub fn awaits(&self, id: StreamId, token: u32) -> bool {
        self.streams.get(&id).is_some_and(
            |stream| matches!(&stream.state, State::Calling(calling) if calling.token == Some(token)),
        )
    }

    /// Whether no stream is open and nothing waits.
    pub fn is_idle(&self) -> bool {
        self.streams.is_empty()
            && self.line.is_closed()
            && self.reports.is_empty()
            && self.renewals.is_empty()
            && self.quotas.allocations.is_empty()
    }

    /// What was counted since the last time. The change of a gauge may be negative.
    pub fn take_counts(&mut self) -> impl Iterator<Item = (Counter, i64)> + use<> {
        self.counters.take(self.cache.statistics(), self.quotas.pools())
    }

    /// Whether a stream may go on.
    pub fn proceed(&self, stream: StreamId) -> Proceed {
        let stream = self.streams.get(&stream);
        if stream.is_some_and(|stream| stream.check && stream.is_in_handshake()) {
            return Proceed::Pause;
        }
        match stream.map(|stream| &stream.state) {
            Some(State::Calling(_) | State::Answered { .. }) => Proceed::Pause,
            Some(State::Unchecked | State::Allowed { .. }) | None => Proceed::Continue,
        }
    }

    /// A request's headers have come.
    pub fn on_request_headers(&mut self, id: StreamId, host: &dyn Host, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut stream = self.open(host, now, &mut effects);
        if self.is_to_be_checked(id, &mut stream, host, now, &mut effects) {
            self.look_up(id, &mut stream, host, now, &mut effects);
        }
        self.streams.insert(id, stream);
        effects
    }

    /// Whether there is something to decide: the request is not let go unchecked, nor refused unseen.
    fn is_to_be_checked(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        host: &dyn Host,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if stream.is_misconfigured {
            // Which service it is for, and whether it is to be checked, is not known.
            self.counters.count(Counter::FailedClosed);
            let status = Status::new(Code::Internal, "the route's policy metadata cannot be read");
            refuse(id, stream, status, false, effects);
            return false;
        }
        let view = view(&self.config, &stream.attributes, host, Phase::Check);
        if view.brings_attributes() {
            stream.strip.push(FORWARDED_ATTRIBUTES);
        }
        let (asks, explain) = explain::ask(&self.config, &view);
        if asks {
            stream.strip.push(EXPLANATION);
        }
        stream.explain = explain;
        if !stream.check {
            strip(id, stream, effects);
            return false;
        }
        self.counters.count(Counter::CheckCalls);
        if !view.is_readable() {
            // A rule about a header would find it absent and pass the request by. There is nothing to ask the server.
            self.counters.count(Counter::CheckCacheMisses);
            self.counters.count(Counter::FailedClosed);
            let warning = "the proxy does not hand out a request's headers; it is refused";
            effects.extend(self.warn(warning.to_owned(), now));
            refuse(id, stream, Status::new(Code::Internal, "the request cannot be read"), false, effects);
            return false;
        }
        true
    }

    /// Decides by the cache, or asks the server.
    pub(crate) fn look_up(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        host: &dyn Host,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let view = view(&self.config, &stream.attributes, host, Phase::Check);
        let root = Root { revision: self.revision, quota: None };
        let vacancy = match self.cache.lookup(&root, &view, now.tick) {
            Lookup::Miss(vacancy) => vacancy,
            Lookup::Hit(hit) => {
                let verdict = hit.verdict().clone();
                let renewal = if self.renewals.has_room() { hit.renew() } else { None };
                let trace = matches!(stream.explain, Explain::Asked).then(|| hit.trace());
                self.counters.count(Counter::CheckCacheHits);
                self.counters.count(if verdict.status.is_ok() {
                    Counter::CheckCacheHitAccepts
                } else {
                    Counter::CheckCacheHitDenies
                });
                if let Some(vacancy) = renewal {
                    let (demanded, bag) = said(self.demanded.as_ref(), &view, Extent::Demanded);
                    self.renewals.add(Renewal { bag, demanded, vacancy });
                }
                if let Some(trace) = trace {
                    explain::note(stream, Origin::Cache, self.revision, &verdict, Ok(&trace));
                }
                self.spend(id, stream, verdict, host, now, effects);
                return;
            }
        };
        self.counters.count(Counter::CheckCacheMisses);
        self.counters.count(Counter::RemoteCheckCalls);
        let charges = self.charges(stream, host);
        let missed = vacancy.reason();
        self.ask(
            id,
            stream,
            Question { vacancy: Some(vacancy), missed, hit: None, charges },
            host,
            now,
            effects,
        );
    }

    /// What a request is charged: what its route says, or else the configuration.
    fn charges(&self, stream: &Stream, host: &dyn Host) -> Vec<Charge> {
        match &stream.charges {
            Some(charges) => charges.clone(),
            None => self.quotas.charges(&view(&self.config, &stream.attributes, host, Phase::Check)),
        }
    }

    /// Does what a verdict of the cache says, if the request has the tokens that it needs.
    fn spend(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        verdict: Verdict,
        host: &dyn Host,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let charges = if verdict.status.is_ok() { self.charges(stream, host) } else { Vec::new() };
        if charges.is_empty() {
            return apply(id, stream, verdict, true, effects);
        }
        let view = view(&self.config, &stream.attributes, host, Phase::Check);
        let said = || said(self.demanded.as_ref(), &view, Extent::Demanded);
        let Some(charged) = self.quotas.charge(&charges, self.revision, &view, &said, now.tick) else {
            let (vacancy, missed) = (None, MissReason::Ending);
            let question = Question { vacancy, missed, hit: Some(Box::new(verdict)), charges };
            return self.ask(id, stream, question, host, now, effects);
        };
        stream.tokens = Tokens::Pools;
        self.counters.count(Counter::QuotaCalls);
        self.counters.count(Counter::QuotaCacheHits);
        match charged {
            Ok(()) => {
                self.counters.count(Counter::QuotaCacheHitAccepts);
                apply(id, stream, verdict, true, effects);
            }
            Err(denial) => {
                self.counters.count(Counter::QuotaCacheHitDenies);
                refuse(id, stream, denial.status(), true, effects);
            }
        }
    }

    /// Asks the server.
    fn ask(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        question: Question,
        host: &dyn Host,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Question { vacancy, missed, hit, charges } = question;
        let deadline = now.tick.after(self.config.check_timeout);
        let mut calling = Calling {
            deadline,
            token: None,
            ticket: None,
            word_count: self.word_count,
            id: self.next_id(),
            missed,
            asked_under: self.revision,
            vacancy,
            hit,
            generation: self.cache.generation(),
            charges,
            extent: Extent::Demanded,
        };
        if !calling.charges.is_empty() {
            self.counters.count(Counter::QuotaCalls);
            self.counters.count(Counter::QuotaCacheMisses);
            self.counters.count(Counter::RemoteQuotaCalls);
        }
        self.deadlines.push_back((deadline, id));
        effects.push(self.call(id, &stream.attributes, &mut calling, host, now));
        stream.state = State::Calling(calling);
    }

    /// What tells one call from all others.
    pub(crate) fn next_id(&mut self) -> String {
        self.calls += 1;
        format!("{}-{:x}", self.id_prefix, self.calls)
    }

    /// A call is on its way; the shell knows it by a number.
    pub fn on_call_sent(&mut self, id: StreamId, number: u32) {
        if let Some(State::Calling(calling)) = self.streams.get_mut(&id).map(|stream| &mut stream.state) {
            calling.token = Some(number);
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
        if stream.connection.is_some() {
            self.end(id, &mut stream, host, now);
        } else if stream.report {
            stream.note_outcome(&self.own_names);
            self.note_report(&stream.attributes, host, now);
        }
        effects
    }

    /// A stream is gone, logged or not.
    pub fn on_closed(&mut self, id: StreamId) -> Vec<Effect> {
        let Some(stream) = self.streams.remove(&id) else { return Vec::new() };
        self.forget_look(id, &stream);
        self.cancel(&stream).into_iter().collect()
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
            if let State::Calling(Calling { deadline: own, token, .. }) = stream.state
                && own == deadline
            {
                effects.extend(token.map(|token| Effect::Cancel { token }));
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
        effects.extend(self.due_looks(now));
        effects.extend(self.due_reports(now));
        effects.extend(self.due_renewals(now));
        effects.extend(self.due_allocations(now));
        effects.extend(self.watch(now));
        effects.extend(self.due_line(now));
        effects
    }

    pub(crate) fn open(&mut self, host: &dyn Host, now: Now, effects: &mut Vec<Effect>) -> Box<Stream> {
        let overrides = Override::of_route(host);
        let is_misconfigured = overrides.is_err();
        let overrides = overrides.unwrap_or_else(|error| {
            self.counters.count(Counter::InvalidRouteOverrides);
            effects.extend(self.warn(error.to_string(), now));
            Override::default()
        });
        Box::new(Stream {
            attributes: StreamAttributes::new(now.unix_nanos, self.is_tcp(), overrides.attributes),
            check: overrides.check.unwrap_or(self.config.check_enabled),
            report: overrides.report.unwrap_or(self.config.report_enabled),
            charges: overrides.charges,
            is_misconfigured,
            strip: Vec::new(),
            explain: Explain::No,
            tokens: Tokens::default(),
            connection: None,
            state: State::Unchecked,
        })
    }

    pub(crate) fn call(
        &mut self,
        id: StreamId,
        attributes: &StreamAttributes,
        calling: &mut Calling,
        host: &dyn Host,
        now: Now,
    ) -> Effect {
        self.counters.count(Counter::RemoteCalls);
        let view = view(&self.config, attributes, host, Phase::Check);
        let (revision, bag) = said(self.demanded.as_ref(), &view, calling.extent);
        let (dictionary, words) = (&self.config.dictionary, calling.word_count);
        let quotas = calling.charges.iter().map(Asked::from);
        let message = wire::encode_check(&bag, revision, dictionary, words, calling.id.clone(), quotas);
        let timeout = calling.deadline.since(now.tick).max(Duration::from_millis(1));
        if let Some((token, ticket)) = self.line.ticket(id, message.len(), now.tick) {
            self.counters.count(Counter::LineQuestions);
            let message = wire::encode_question(ticket.id, &message, timeout);
            calling.ticket = Some(ticket);
            return Effect::Ask { stream: id, token, message };
        }
        Effect::Check { stream: id, call: Call { method: proto::path::CHECK, message, timeout } }
    }

    fn cancel(&mut self, stream: &Stream) -> Option<Effect> {
        let State::Calling(calling) = &stream.state else { return None };
        self.counters.count(Counter::RemoteCallCancellations);
        calling.token.map(|token| Effect::Cancel { token })
    }

    /// At most one warning a second: what goes wrong goes wrong for every request.
    pub(crate) fn warn(&mut self, text: String, now: Now) -> Option<Effect> {
        if self.warned.is_some_and(|last| now.tick.since(last) < Duration::from_secs(1)) {
            return None;
        }
        self.warned = Some(now.tick);
        Some(Effect::Warn(text))
    }
}

/// What a check says of a request, and the revision that it was chosen by; none if it was not chosen.
pub(crate) fn said(demanded: Option<&Demanded>, view: &View<'_>, extent: Extent) -> (Revision, Bag) {
    match demanded.filter(|_| extent != Extent::Everything) {
        Some(Demanded { revision, check: Some(demand), .. }) => (*revision, demand.select(view)),
        Some(Demanded { check: None, .. }) | None => (Revision::default(), view.bag()),
    }
}

pub(crate) fn view<'a>(
    config: &'a Config,
    stream: &'a StreamAttributes,
    host: &'a dyn Host,
    phase: Phase,
) -> View<'a> {
    View { configured: &config.attributes, stream, host, phase }
}
