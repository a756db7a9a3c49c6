//! Checks that carry only quotas: fetches for pools, and returns of tokens that nobody used. In nobody's way.

use std::collections::VecDeque;
use std::sync::Arc;

use attributes::Bag;
use checkcache::wire::Counter as Counted;
use checkcache::{Revision, Tick};

use super::pool::{Fetch, Fetched};
use super::pools::PoolId;
use super::{Charge, is_failure};
use crate::demand::Demanded;
use crate::wire::{self, Asked, Content};
use crate::{AllocationId, Answer, Call, Client, Counter, Effect, FailureClass, Now, limits};

/// Allocations that wait for the next tick, and those on their way.
#[derive(Debug, Default)]
pub(crate) struct Allocations {
    waiting: VecDeque<Waiting>,
    sent: Vec<Sent>,
    count: u32,
}

/// What is to be asked of the server.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(super) quota: Arc<str>,
    /// How much; what is negative is given back.
    pub(super) amount: i64,
    pub(super) purpose: Purpose,
    pub(super) demanded: Revision,
    /// The attributes of the request that it began with.
    pub(super) bag: Bag,
}

/// What for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Fetch {
        pool: PoolId,
        fetch: Fetch,
    },
    /// To the counter that gave them, if that has a name.
    Return {
        counter: Option<Counted>,
    },
}

#[derive(Debug)]
struct Sent {
    id: AllocationId,
    waiting: Waiting,
    word_count: u32,
    deadline: Tick,
    token: Option<u32>,
}

impl Allocations {
    /// Whether there is room for one more.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() + self.sent.len() < limits::ALLOCATIONS
    }

    pub(super) fn add(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
    }

    /// Takes out the fetches that were not sent yet.
    pub(super) fn drop_fetches(&mut self) -> Vec<(PoolId, Fetch)> {
        let fetch = |waiting: &Waiting| match waiting.purpose {
            Purpose::Fetch { pool, fetch } => Some((pool, fetch)),
            Purpose::Return { .. } => None,
        };
        let dropped = self.waiting.iter().filter_map(fetch).collect();
        self.waiting.retain(|waiting| fetch(waiting).is_none());
        dropped
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    fn settle(&mut self, id: AllocationId) -> Option<Sent> {
        let index = self.sent.iter().position(|sent| sent.id == id)?;
        Some(self.sent.swap_remove(index))
    }

    fn overdue(&self, now: Tick) -> Option<AllocationId> {
        self.sent.iter().find(|sent| sent.deadline <= now).map(|sent| sent.id)
    }
}

impl Client {
    pub(crate) fn due_allocations(&mut self, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(id) = self.quotas.allocations.overdue(now.tick) {
            let Some(sent) = self.quotas.allocations.settle(id) else { break };
            effects.extend(sent.token.map(|token| Effect::Cancel { token }));
            self.counters.count(Counter::RemoteCallTimeouts);
            self.allocation_failed(sent.waiting, FailureClass::Timeout, now);
        }
        self.quotas.sweep(now.tick);
        while let Some(waiting) = self.quotas.allocations.waiting.pop_front() {
            effects.push(self.allocate(waiting, now));
        }
        effects
    }

    fn allocate(&mut self, waiting: Waiting, now: Now) -> Effect {
        self.counters.count(Counter::RemoteCalls);
        let counter = match waiting.purpose {
            Purpose::Fetch { .. } => {
                self.counters.count(Counter::RemoteQuotaCalls);
                self.counters.count(Counter::RemoteQuotaPrefetchCalls);
                None
            }
            Purpose::Return { counter } => {
                self.counters.add(Counter::QuotaReturned, waiting.amount.unsigned_abs() as usize);
                counter
            }
        };
        let deduplication_id = self.next_id();
        let allocations = &mut self.quotas.allocations;
        allocations.count = allocations.count.wrapping_add(1);
        let (id, word_count) = (AllocationId(allocations.count), self.word_count);
        let asked = Asked { quota: &waiting.quota, amount: waiting.amount, best_effort: true, counter };
        let message = wire::encode_check(
            &waiting.bag,
            waiting.demanded,
            &self.config.dictionary,
            word_count,
            deduplication_id,
            [asked],
        );
        let timeout = self.config.check_timeout;
        let deadline = now.tick.after(timeout);
        allocations.sent.push(Sent { id, waiting, word_count, deadline, token: None });
        Effect::Allocate { allocation: id, call: Call { method: proto::path::CHECK, message, timeout } }
    }

    /// An allocation is on its way; the shell knows its call by a number.
    pub fn on_allocation_sent(&mut self, id: AllocationId, token: u32) {
        if let Some(sent) = self.quotas.allocations.sent.iter_mut().find(|sent| sent.id == id) {
            sent.token = Some(token);
        }
    }

    /// An allocation was answered, or is lost.
    pub fn on_allocation_answer(&mut self, id: AllocationId, answer: Answer<'_>, now: Now) -> Vec<Effect> {
        let Some(Sent { waiting, word_count, .. }) = self.quotas.allocations.settle(id) else {
            return Vec::new();
        };
        let message = match answer {
            Ok(message) => message,
            Err(failure) => {
                let class = failure.class();
                self.count_failed_call(class);
                if attributes::wire::DictionaryMismatch::parse(&failure.message).is_some() {
                    // The next one has all words in it.
                    self.word_count = 0;
                    self.quotas.fetched(waiting, Err(Fetched::Void), None, now.tick);
                    return Vec::new();
                }
                self.allocation_failed(waiting, class, now);
                let warning = format!("tokens of a quota are not fetched: {}", failure.message);
                return self.warn(warning, now).into_iter().collect();
            }
        };
        let charges = [Charge { quota: Arc::clone(&waiting.quota), amount: waiting.amount.unsigned_abs() }];
        let dictionary = &self.config.dictionary;
        let Ok(answer) = wire::decode_check(message, dictionary, word_count, &charges, &waiting.bag) else {
            self.counters.count(Counter::RemoteCallOtherErrors);
            self.allocation_failed(waiting, FailureClass::BadResponse, now);
            return Vec::new();
        };
        self.counters.count(Counter::RemoteCallSuccesses);
        let in_force = Some(answer.revision).filter(|revision| *revision == self.revision);
        let answered = match (answer.quotas.into_iter().next().flatten(), answer.content) {
            // Which attributes it needs is known now; the next fetch says them.
            (_, Content::Demand(demand)) => {
                self.counters.count(Counter::StaleDemand);
                self.demanded =
                    Some(Demanded { revision: answer.revision, check: Some(demand), report: None });
                Err(Fetched::Void)
            }
            (Some(answered), Content::Precondition(_)) if !is_failure(&answered.answer) => Ok(answered),
            (Some(_), Content::Precondition(_)) => Err(self.quota_failed(FailureClass::ServerError)),
            // Nothing is taken for what does not go ahead.
            (None, Content::Precondition(verdict)) if !verdict.verdict.status.is_ok() => Err(Fetched::Denied),
            (None, Content::Precondition(_)) => Err(self.quota_failed(FailureClass::BadResponse)),
        };
        self.quotas.fetched(waiting, answered, in_force, now.tick);
        Vec::new()
    }

    fn allocation_failed(&mut self, waiting: Waiting, class: FailureClass, now: Now) {
        let fetched = self.quota_failed(class);
        self.quotas.fetched(waiting, Err(fetched), None, now.tick);
    }

    /// What a failure does to a pool, counted.
    fn quota_failed(&mut self, class: FailureClass) -> Fetched {
        self.counters.count(Counter::QuotaFetchesFailed);
        self.quotas.failure(class)
    }
}
