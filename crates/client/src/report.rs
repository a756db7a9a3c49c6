//! Reports that wait to be sent: filled when a request ends, emptied by the tick. Never in a request's way.

use std::collections::VecDeque;
use std::time::Duration;

use attributes::Bag;
use attributes::wire::{DictionaryMismatch, ReportEncoding};
use checkcache::{Code, Revision, Tick};

use crate::attribute::{Phase, StreamAttributes};
use crate::check::view;
use crate::demand::Demanded;
use crate::{
    Answer, BatchId, Call, Client, Counter, Effect, FailureClass, GrpcFailure, Host, Now, limits, wire,
};

/// A bounded queue that hands out batches when they are full or old enough.
#[derive(Debug)]
pub(crate) struct ReportQueue {
    waiting: VecDeque<Waiting>,
    /// What those that wait weigh.
    bytes: usize,
    /// When the first report that waits came.
    since: Tick,
    batch_max: usize,
    batch_interval: Duration,
    /// Whether all that waits goes at once, since nobody comes any more.
    is_ending: bool,
    sent: Vec<Sent>,
    batches: u32,
    server: Server,
}

/// A report that waits.
#[derive(Debug)]
struct Waiting {
    /// The revision that its attributes were chosen by.
    demanded: Revision,
    bag: Bag,
    /// What the bag weighs.
    weight: usize,
}

/// What is known of the server that takes reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    /// It has not said that it understands messages that build on each other.
    Unsure,
    /// It has.
    AcceptsChanges,
    /// One said so, and another, which does not understand them, got some: there is no telling who gets the next.
    Mixed,
}

/// A batch to be sent.
#[derive(Debug)]
struct Batch {
    id: BatchId,
    /// The revision that all of its attributes were chosen by.
    demanded: Revision,
    encoding: ReportEncoding,
    bags: Vec<Bag>,
}

/// A batch on its way.
#[derive(Debug)]
struct Sent {
    batch: BatchId,
    requests: usize,
    deadline: Tick,
    encoding: ReportEncoding,
    /// The call, by the number that the shell gave it.
    token: Option<u32>,
}

impl ReportQueue {
    pub(crate) fn new(batch_max: usize, batch_interval: Duration) -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            since: Tick::default(),
            batch_max,
            batch_interval,
            is_ending: false,
            sent: Vec::new(),
            batches: 0,
            server: Server::Unsure,
        }
    }

    /// Adds a report; if too many wait already, says so and forgets it.
    pub(crate) fn add(&mut self, demanded: Revision, bag: Bag, now: Tick) -> bool {
        let weight = bag.weight();
        let is_too_many = self.waiting.len() >= limits::REPORTS_WAITING
            || self.bytes + weight > limits::REPORT_BYTES_WAITING
            || weight > limits::BATCH_BYTES;
        if is_too_many {
            return false;
        }
        self.bytes += weight;
        if self.waiting.is_empty() {
            self.since = now;
        }
        self.waiting.push_back(Waiting { demanded, bag, weight });
        true
    }

    /// Has everything that waits go at once.
    pub(crate) fn end(&mut self) {
        self.is_ending = true;
    }

    /// The next batch to send, if one is due.
    fn next_batch(&mut self, now: Tick) -> Option<Batch> {
        let full = self.waiting.len() >= self.batch_max || self.bytes >= limits::BATCH_BYTES;
        let old = !self.waiting.is_empty() && now.since(self.since) >= self.batch_interval;
        let due = (full || old) && self.sent.len() < limits::REPORTS_IN_FLIGHT;
        if !due && !self.is_ending {
            return None;
        }
        let demanded = self.waiting.front()?.demanded;
        let mut bytes = 0;
        let fitting = self.waiting.iter().take(self.batch_max).take_while(|report| {
            bytes += report.weight;
            report.demanded == demanded && bytes <= limits::BATCH_BYTES
        });
        let fitting = fitting.count();
        let mut bags = Vec::with_capacity(fitting);
        for Waiting { bag, weight, .. } in self.waiting.drain(..fitting) {
            self.bytes -= weight;
            bags.push(bag);
        }
        if fitting >= self.batch_max || self.waiting.is_empty() {
            // What is left is younger than what goes; its time starts anew.
            self.since = now;
        }
        self.batches = self.batches.wrapping_add(1);
        let (id, encoding) = (BatchId(self.batches), self.server.encoding());
        let deadline = now.after(limits::REPORT_TIMEOUT);
        self.sent.push(Sent { batch: id, requests: bags.len(), deadline, encoding, token: None });
        Some(Batch { id, demanded, encoding, bags })
    }

    /// The report that was added last.
    #[cfg(test)]
    pub(crate) fn last(&self) -> Option<&Bag> {
        self.waiting.back().map(|report| &report.bag)
    }

    /// Whether nothing waits and nothing is on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    /// A batch has arrived, or is lost. `None` if that is known already.
    fn settle(&mut self, batch: BatchId) -> Option<Sent> {
        let index = self.sent.iter().position(|sent| sent.batch == batch)?;
        Some(self.sent.swap_remove(index))
    }

    /// A batch whose time is up.
    fn overdue(&self, now: Tick) -> Option<BatchId> {
        self.sent.iter().find(|sent| sent.deadline <= now).map(|sent| sent.batch)
    }
}

impl Server {
    fn encoding(self) -> ReportEncoding {
        match self {
            Self::Unsure | Self::Mixed => ReportEncoding::Independent,
            Self::AcceptsChanges => ReportEncoding::Changes,
        }
    }
}

impl Client {
    /// Adds a finished stream to the reports that wait.
    pub(crate) fn note_report(&mut self, stream: &StreamAttributes, host: &dyn Host, now: Now) {
        self.counters.count(Counter::ReportCalls);
        let view = view(&self.config, stream, host, Phase::Report);
        let (revision, bag) = match &self.demanded {
            Some(Demanded { revision, report: Some(demand), .. }) => {
                (*revision, demand.select_with_own(&view))
            }
            Some(Demanded { report: None, .. }) | None => (Revision::default(), view.bag()),
        };
        if !self.reports.add(revision, bag, now.tick) {
            self.counters.count(Counter::ReportsDropped);
        }
    }

    pub(crate) fn due_reports(&mut self, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(batch) = self.reports.overdue(now.tick) {
            let Some(sent) = self.reports.settle(batch) else { break };
            effects.extend(sent.token.map(|token| Effect::Cancel { token }));
            let message = "no answer within the deadline".to_owned();
            effects.extend(self.lost(&sent, &GrpcFailure { code: Code::DeadlineExceeded, message }, now));
        }
        while let Some(Batch { id, demanded, encoding, bags }) = self.reports.next_batch(now.tick) {
            self.counters.count(Counter::RemoteReportCalls);
            let message =
                wire::encode_report(&bags, encoding, demanded, &self.config.dictionary, self.word_count);
            let call = Call { method: proto::path::REPORT, message, timeout: limits::REPORT_TIMEOUT };
            effects.push(Effect::Report { batch: id, call });
        }
        effects
    }

    /// A report is on its way; the shell knows its call by a number.
    pub fn on_report_sent(&mut self, batch: BatchId, token: u32) {
        if let Some(sent) = self.reports.sent.iter_mut().find(|sent| sent.batch == batch) {
            sent.token = Some(token);
        }
    }

    /// A report has arrived, or is lost.
    pub fn on_report_answer(&mut self, batch: BatchId, answer: Answer<'_>, now: Now) -> Vec<Effect> {
        let Some(sent) = self.reports.settle(batch) else { return Vec::new() };
        match answer {
            Ok(answer) => match (sent.encoding, wire::accepts_changes(answer)) {
                (ReportEncoding::Changes, false) => {
                    self.reports.server = Server::Mixed;
                    let message = "one of several servers did not understand it".to_owned();
                    let failure = GrpcFailure { code: Code::Unimplemented, message };
                    self.lost(&sent, &failure, now).into_iter().collect()
                }
                (_, accepts) => {
                    if accepts && self.reports.server == Server::Unsure {
                        self.reports.server = Server::AcceptsChanges;
                    }
                    self.counters.count(Counter::RemoteReportSuccesses);
                    Vec::new()
                }
            },
            Err(failure) => self.lost(&sent, &failure, now).into_iter().collect(),
        }
    }

    fn lost(&mut self, sent: &Sent, failure: &GrpcFailure, now: Now) -> Option<Effect> {
        if DictionaryMismatch::parse(&failure.message).is_some() {
            self.word_count = 0;
        }
        self.counters.add(Counter::ReportsDropped, sent.requests);
        self.counters.count(match failure.class() {
            FailureClass::Timeout => Counter::RemoteReportTimeouts,
            FailureClass::Unreachable => Counter::RemoteReportSendErrors,
            FailureClass::ServerError
            | FailureClass::Overloaded
            | FailureClass::BadResponse
            | FailureClass::NoConfig => Counter::RemoteReportOtherErrors,
        });
        self.warn(format!("a report of {} requests was lost: {}", sent.requests, failure.message), now)
    }
}
