//! Quotas: what requests are charged, and from where.
//!
//! Beside the first-level cache. A request whose verdict the cache has takes its tokens from pools and is answered at
//! once; the pools are filled in the background, by checks that carry only quotas. A request that the server is
//! asked about anyway, or whose tokens are not to be fetched ahead, asks for them with its check. So does one of which it
//! is not known yet what it is counted with.
//!
//! Invariants: of several quotas all are charged or none. No request passes on the tokens of another counter than its own,
//! and none is booked there. No request waits for another's fetch. What waits and what is on its way is at most
//! [`limits::ALLOCATIONS`].

mod allocation;
pub(crate) mod config;
mod demand;
mod pool;
mod pools;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use attributes::{AttributeSource, Bag};
use checkcache::wire::{Grant, QuotaAnswer};
use checkcache::{Code, Revision, Status, Tick};

use self::allocation::Purpose;
pub(crate) use self::allocation::{Allocations, Waiting};
use self::pool::{Fetched, Shortage};
use self::pools::{PoolId, Pools, Told, Unused};
pub(crate) use self::rules::{Charge, Rules};
use crate::failure::{FailurePolicies, FailurePolicy};
use crate::{FailureClass, limits};

/// How often pools are looked through for tokens that nobody uses.
const SWEEP: Duration = Duration::from_secs(1);

/// Why a request has not got its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Denial {
    /// There are no more of these quotas.
    Exhausted(Vec<Arc<str>>),
    /// The server gives no answer, and requests do not pass without.
    Failed(FailureClass),
}

/// What a server said of a quota.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) answer: QuotaAnswer,
    /// Whether it is a server that takes tokens back.
    pub(crate) takes_back: bool,
}

/// A request's attributes as they are said to the server, when there is something to say.
pub(crate) type Said<'a> = &'a dyn Fn() -> (Revision, Bag);

/// The quotas of a machine.
#[derive(Debug)]
pub(crate) struct Quotas {
    rules: Rules,
    prefetch: bool,
    failure: FailurePolicies,
    pools: Pools,
    pub(crate) allocations: Allocations,
    swept: Tick,
}

/// How quotas are configured.
#[derive(Debug, Clone)]
pub(crate) struct QuotaConfig {
    pub(crate) rules: Rules,
    pub(crate) prefetch: bool,
    pub(crate) max_pools: usize,
    pub(crate) failure: FailurePolicies,
}

// === impl Denial ===

impl Denial {
    /// What a refused request is told.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Exhausted(quotas) => {
                Status::new(Code::ResourceExhausted, format!("Quota is exhausted for: {}", quotas.join(",")))
            }
            Self::Failed(class) => class.status(),
        }
    }

    /// Of several reasons one that the caller can do something about goes first.
    fn of(exhausted: Vec<Arc<str>>, failed: Option<FailureClass>) -> Result<(), Self> {
        match failed {
            _ if !exhausted.is_empty() => Err(Self::Exhausted(exhausted)),
            Some(class) => Err(Self::Failed(class)),
            None => Ok(()),
        }
    }
}

// === impl Quotas ===

impl Quotas {
    pub(crate) fn new(config: QuotaConfig, seed: [u8; 16]) -> Self {
        let QuotaConfig { rules, prefetch, max_pools, failure } = config;
        let pools = Pools::new(max_pools, seed);
        let allocations = Allocations::default();
        Self { rules, prefetch, failure, pools, allocations, swept: Tick::default() }
    }

    /// What a request is charged by configuration.
    pub(crate) fn charges(&self, source: &impl AttributeSource) -> Vec<Charge> {
        self.rules.charges(source)
    }

    /// What becomes of a request whose tokens the server says nothing of.
    pub(crate) fn policy(&self, class: FailureClass) -> FailurePolicy {
        self.failure.of(class)
    }

    /// How many pools there are.
    pub(crate) fn pools(&self) -> usize {
        self.pools.len()
    }

    /// Takes what a request is charged from the pools, and has them filled. `None` if the server has to be asked.
    pub(crate) fn charge(
        &mut self,
        charges: &[Charge],
        revision: Revision,
        source: &impl AttributeSource,
        said: Said<'_>,
        now: Tick,
    ) -> Option<Result<(), Denial>> {
        let pools = self.pools_of(charges, revision, source, now)?;
        let overloaded = self.failure(FailureClass::Overloaded);
        let mut bag = None;
        for (id, Charge { quota, amount }) in pools.iter().copied().zip(charges) {
            let Some(entry) = self.pools.get(id) else { continue };
            let Some(fetch) = entry.pool.expect(*amount, now) else { continue };
            if !self.allocations.has_room() {
                // As if the server were overloaded, which it most likely is.
                entry.pool.settle(fetch, overloaded, now);
                continue;
            }
            let (demanded, bag) = bag.get_or_insert_with(said).clone();
            let purpose = Purpose::Fetch { pool: id, fetch };
            self.allocations.add(Waiting {
                quota: Arc::clone(quota),
                amount: i64::try_from(fetch.amount).unwrap_or(i64::MAX),
                purpose,
                demanded,
                bag,
            });
        }
        self.return_unused();

        let (mut exhausted, mut failed) = (Vec::new(), None);
        for (id, Charge { quota, amount }) in pools.iter().zip(charges) {
            match self.pools.get(*id).map_or(Err(Shortage::Exhausted), |entry| entry.pool.offers(*amount)) {
                Ok(()) => {}
                Err(Shortage::Exhausted) => exhausted.push(Arc::clone(quota)),
                Err(Shortage::Failed(class)) => failed = Some(class),
            }
        }
        let outcome = Denial::of(exhausted, failed);
        if outcome.is_ok() {
            for (id, charge) in pools.iter().zip(charges) {
                if let Some(entry) = self.pools.get(*id) {
                    entry.pool.take(charge.amount);
                }
            }
        }
        Some(outcome)
    }

    /// The pools that a request's tokens come from, if it is known of all of them and there is no doubt about any.
    fn pools_of(
        &mut self,
        charges: &[Charge],
        revision: Revision,
        source: &impl AttributeSource,
        now: Tick,
    ) -> Option<Vec<PoolId>> {
        if !self.prefetch {
            return None;
        }
        let mut pools = Vec::with_capacity(charges.len());
        for Charge { quota, .. } in charges {
            let id = self.pools.of_request(revision, quota, source, now)?;
            if self.pools.get(id)?.pool.is_in_doubt() {
                return None;
            }
            pools.push(id);
        }
        Some(pools)
    }

    /// The server has answered a check that asked for what a request is charged. `revision` is the answer's, if it is the
    /// one that is in force.
    pub(crate) fn settle(
        &mut self,
        charges: &[Charge],
        answers: Vec<Option<Answered>>,
        revision: Option<Revision>,
        source: &impl AttributeSource,
        said: Said<'_>,
        now: Tick,
    ) -> Result<(), Denial> {
        let (mut exhausted, mut failed) = (Vec::new(), None);
        let mut settled = Vec::new();
        for (charge, answered) in charges.iter().zip(answers) {
            let Some(answered) = answered else {
                failed = self.failed(FailureClass::BadResponse).or(failed);
                continue;
            };
            if is_failure(&answered.answer) {
                failed = self.failed(FailureClass::ServerError).or(failed);
                continue;
            }
            let granted = u64::try_from(answered.answer.grant.amount).unwrap_or_default();
            if granted < charge.amount {
                exhausted.push(Arc::clone(&charge.quota));
            }
            settled.push((charge, answered, granted));
        }
        let outcome = Denial::of(exhausted, failed);
        for (charge, answered, granted) in settled {
            let is_short = granted < charge.amount;
            let spent = if outcome.is_ok() { charge.amount.min(granted) } else { 0 };
            self.keep(&charge.quota, answered, granted - spent, is_short, revision, source, said, now);
        }
        outcome
    }

    /// Keeps what a request did not use of a grant: in the pool that the grant belongs to, or by giving it back.
    #[allow(clippy::too_many_arguments, reason = "an answer and the request that it is for")]
    fn keep(
        &mut self,
        quota: &Arc<str>,
        answered: Answered,
        left: u64,
        is_short: bool,
        revision: Option<Revision>,
        source: &impl AttributeSource,
        said: Said<'_>,
        now: Tick,
    ) {
        let Answered { answer, takes_back } = answered;
        let (grant, told) = told(Arc::clone(quota), answer, revision);
        let counter = told.counter;
        let id = self.learn(told, source, now);
        if let Some(entry) = id.and_then(|id| self.pools.get(id)) {
            entry.pool.add(left, grant.valid_for.unwrap_or(pool::GRANT_TTL), now);
            if is_short {
                entry.pool.close(now);
            }
        } else if takes_back && left > 0 {
            let (demanded, bag) = said();
            self.give_back(Unused { quota: Arc::clone(quota), amount: left, counter, demanded, bag });
        }
    }

    /// The pool that a grant belongs to, if there is one.
    fn learn(&mut self, told: Told, source: &impl AttributeSource, now: Tick) -> Option<PoolId> {
        let id = if self.prefetch { self.pools.learn(told, source, now) } else { None };
        self.return_unused();
        id
    }

    /// A fetch has ended.
    fn fetched(
        &mut self,
        waiting: Waiting,
        answered: Result<Answered, Fetched>,
        revision: Option<Revision>,
        now: Tick,
    ) {
        let Waiting { quota, purpose, demanded, bag, amount: _ } = waiting;
        let Purpose::Fetch { pool: asked, fetch } = purpose else { return };
        let Answered { answer, takes_back } = match answered {
            Ok(answered) => answered,
            Err(fetched) => {
                self.pools.settle(asked, fetch, fetched, now);
                self.return_unused();
                return;
            }
        };
        let (grant, told) = told(Arc::clone(&quota), answer, revision);
        let counter = told.counter;
        let id = self.learn(told, &bag, now);
        let amount = u64::try_from(grant.amount).unwrap_or_default();
        let is_returnable = takes_back && bag.weight() <= limits::RETURN_BYTES;
        // Else the server counts the request otherwise by now. Who passed in the meantime was counted where it was asked.
        if id == Some(asked) || self.pools.has_ended_as(asked, counter) {
            if let Some(entry) = self.pools.asker(asked).filter(|_| is_returnable) {
                entry.returnable = Some((demanded, bag));
            }
            let granted = Fetched::Granted { amount, valid_for: grant.valid_for };
            self.pools.settle(asked, fetch, granted, now);
            self.return_unused();
            return;
        }
        self.pools.settle(asked, fetch, Fetched::Void, now);
        self.return_unused();
        match id.and_then(|id| self.pools.get(id)) {
            Some(entry) => {
                entry.pool.add(amount, grant.valid_for.unwrap_or(pool::GRANT_TTL), now);
                if is_returnable {
                    entry.returnable = Some((demanded, bag));
                }
            }
            None if takes_back && amount > 0 => {
                self.give_back(Unused { quota, amount, counter, demanded, bag });
            }
            None => {}
        }
    }

    /// Another revision is in force: which requests are counted together is learned anew.
    pub(crate) fn retain(&mut self, revision: Revision) {
        self.pools.retain(revision);
    }

    /// Which requests are counted together is learned anew.
    pub(crate) fn forget(&mut self) {
        self.pools.forget();
    }

    /// There will be no more requests: what there is is given back, and so is what still comes.
    pub(crate) fn retire(&mut self, now: Tick) {
        self.prefetch = false;
        // Nobody would use what was not asked for yet.
        for (pool, fetch) in self.allocations.drop_fetches() {
            self.pools.settle(pool, fetch, Fetched::Void, now);
        }
        self.pools.clear(now);
        self.return_unused();
    }

    /// Keys the hash table anew.
    pub(crate) fn reseed(&mut self, seed: [u8; 16]) {
        self.pools.reseed(seed);
    }

    /// Time has passed.
    fn sweep(&mut self, now: Tick) {
        if now.since(self.swept) < SWEEP {
            return;
        }
        self.swept = now;
        self.pools.sweep(limits::TOKENS_IDLE, limits::POOL_IDLE, now);
        self.return_unused();
    }

    fn return_unused(&mut self) {
        for unused in self.pools.take_unused() {
            self.give_back(unused);
        }
    }

    /// Has tokens given back if there is room for it; otherwise they expire in their time.
    fn give_back(&mut self, unused: Unused) {
        let Unused { quota, amount, counter, demanded, bag } = unused;
        if self.allocations.has_room() {
            let amount = -i64::try_from(amount).unwrap_or(i64::MAX);
            let purpose = Purpose::Return { counter };
            self.allocations.add(Waiting { quota, amount, purpose, demanded, bag });
        }
    }

    fn failed(&self, class: FailureClass) -> Option<FailureClass> {
        match self.policy(class) {
            FailurePolicy::Open => None,
            FailurePolicy::Closed => Some(class),
        }
    }

    /// What a failure does to a pool.
    fn failure(&self, class: FailureClass) -> Fetched {
        match self.policy(class) {
            FailurePolicy::Open => Fetched::FailedOpen,
            FailurePolicy::Closed => Fetched::FailedClosed(class),
        }
    }
}

/// A grant, and what the server says with it of other requests. `revision` is the answer's, if it is the one in force.
fn told(quota: Arc<str>, answer: QuotaAnswer, revision: Option<Revision>) -> (Grant, Told) {
    let QuotaAnswer { grant, trace, validity, counter } = answer;
    (grant, Told { quota, trace: revision.zip(trace.ok()), validity, counter })
}

/// Whether the server said nothing of a quota, or failed at it.
pub(crate) fn is_unanswered(answered: Option<&Answered>) -> bool {
    answered.is_none_or(|answered| is_failure(&answered.answer))
}

/// Whether nothing was granted for another reason than that there is nothing left.
fn is_failure(answer: &QuotaAnswer) -> bool {
    answer.grant.amount <= 0 && !matches!(answer.grant.status.code, Code::Ok | Code::ResourceExhausted)
}
