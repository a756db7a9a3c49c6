//! The pools of a machine, each for the requests that the server counts together.
//!
//! Which those are the server says with each grant: the trace of how it found the counter, how long that holds, and the
//! counter's name. The traces are kept in a tree of their own, as verdicts are, under the revision and the quota's name,
//! and each leads to a pool. A request that no trace is known for has no pool: it asks the server itself, and what that
//! answers is learned. So the tokens of one counter are never used for what is counted by another.
//!
//! A pool belongs to a counter and stays when the traces that led there go, with its tokens, its debts and what it knows of
//! the server; under the next revision it is found again by the counter's name. A Mixer that names no counters has a
//! pool for each trace, which ends with it.
//!
//! Invariant: at most as many pools as the configuration says; the one that was used longest ago goes first.

use std::sync::Arc;
use std::time::Duration;

use attributes::{AttributeSource, Bag};
use checkcache::wire::Counter;
use checkcache::{
    CheckCache, Code, Hit, Limits, Lookup, Revision, Root, Status, Tick, Trace, Vacancy, Validity, Verdict,
};

use super::pool::{Fetch, Fetched, Pool};
use crate::limits;

/// A pool, by its counter and a number that is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PoolId {
    /// The counter's name as a number; one that is made up if the server gives none.
    name: u128,
    number: u64,
}

/// A pool and what it is for.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) quota: Arc<str>,
    pub(super) pool: Pool,
    id: PoolId,
    /// The counter, if the server names it.
    pub(super) counter: Option<Counter>,
    /// With what the server takes unused tokens back, if it does: attributes, and the revision that they were chosen by.
    pub(super) returnable: Option<(Revision, Bag)>,
}

/// Which requests the server counts together with one that it was asked about.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) quota: Arc<str>,
    /// What it looked at to find the counter, and the revision; `None` if that cannot be used for other requests.
    pub(super) trace: Option<(Revision, Trace)>,
    /// How long the trace leads there.
    pub(super) validity: Validity,
    /// The counter, if the server names it.
    pub(super) counter: Option<Counter>,
}

/// Tokens that nobody used.
#[derive(Debug)]
pub(super) struct Unused {
    pub(super) quota: Arc<str>,
    pub(super) amount: u64,
    pub(super) counter: Option<Counter>,
    pub(super) demanded: Revision,
    pub(super) bag: Bag,
}

#[derive(Debug)]
pub(super) struct Pools {
    /// Where a trace leads: the message of its verdict is the name of a counter.
    traces: CheckCache,
    /// In the order of the names of counters, in which they are searched: who asks has a say in what these are. A new one
    /// moves those behind it, which is less than a tree would be of the module.
    #[allow(clippy::vec_box, reason = "what is moved should be small")]
    entries: Vec<Box<Entry>>,
    /// Pools that have ended while something is on its way to them: at most as many as there are allocations.
    ended: Vec<Entry>,
    count: u64,
    max: usize,
    /// What was in pools that are no more, or that nobody has asked for lately.
    unused: Vec<Unused>,
}

impl Pools {
    pub(super) fn new(max: usize, seed: [u8; 16]) -> Self {
        Self {
            traces: CheckCache::new(Limits::of_entries(max), seed),
            entries: Vec::new(),
            ended: Vec::new(),
            count: 0,
            max,
            unused: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&mut self, id: PoolId) -> Option<&mut Entry> {
        let place = self.place(id.name).ok()?;
        self.entries.get_mut(place).map(|entry| &mut **entry).filter(|entry| entry.id == id)
    }

    /// The pool for a request, if it is known which that is.
    pub(super) fn of_request(
        &mut self,
        revision: Revision,
        quota: &str,
        source: &impl AttributeSource,
        now: Tick,
    ) -> Option<PoolId> {
        let root = Root { revision, quota: Some(quota.into()) };
        let Lookup::Hit(hit) = self.traces.lookup(&root, source, now) else { return None };
        let name = name(&hit)?;
        self.named(name)
    }

    /// The server has said which requests it counts together with one: the pool for them; a new one if there is none, for
    /// which another may have to go. `None` if nothing is known of other requests and there is no pool either.
    pub(super) fn learn(&mut self, told: Told, source: &impl AttributeSource, now: Tick) -> Option<PoolId> {
        let Told { quota, trace, validity, counter } = told;
        let named = counter.map(|Counter(name)| u128::from_be_bytes(name));
        let Some((revision, trace)) = trace.filter(|_| validity.is_cacheable()) else {
            return self.named(named?);
        };
        let root = Root { revision, quota: Some((*quota).into()) };
        let (known, vacancy) = self.known(&root, &trace, named, source, now);
        // Without a name no other trace leads there. The server's names are digests, and none of them is so small.
        let name = known.or(named).unwrap_or(self.count.into());
        if let Some(vacancy) = vacancy {
            // A server that names no revisions may have changed its mind unnoticed.
            let longest = if revision == Revision::default() {
                Validity::For { ttl: limits::VERDICT_TTL, uses: None }
            } else {
                Validity::Revision
            };
            let leads_to = Verdict::new(Status::new(Code::Ok, format!("{name:x}")), validity.fold(longest));
            self.traces.insert(vacancy, &root, trace, leads_to, now);
        }
        Some(self.named(name).unwrap_or_else(|| self.add(quota, name, counter, now)))
    }

    /// Where a trace leads by now, and the right to say where it leads if that is not said or soon forgotten.
    fn known(
        &mut self,
        root: &Root,
        trace: &Trace,
        named: Option<u128>,
        source: &impl AttributeSource,
        now: Tick,
    ) -> (Option<u128>, Option<Vacancy>) {
        match self.traces.lookup(root, source, now) {
            Lookup::Miss(vacancy) => return (None, Some(vacancy)),
            Lookup::Hit(hit) if hit.trace() == *trace && (named.is_none() || named == name(&hit)) => {
                return (name(&hit), hit.renew());
            }
            // The server counts this request otherwise by now. What else it counts otherwise is not known.
            Lookup::Hit(_) => {}
        }
        self.traces.clear();
        match self.traces.lookup(root, source, now) {
            Lookup::Miss(vacancy) => (None, Some(vacancy)),
            Lookup::Hit(_) => (None, None),
        }
    }

    /// The tokens that nobody used since the last time.
    pub(super) fn take_unused(&mut self) -> Vec<Unused> {
        std::mem::take(&mut self.unused)
    }

    /// Nothing that was learned under another revision counts any more.
    pub(super) fn retain(&mut self, revision: Revision) {
        self.traces.retain(revision);
        self.end_unnamed();
    }

    /// Forgets which requests are counted together.
    pub(super) fn forget(&mut self) {
        self.traces.clear();
        self.end_unnamed();
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, now: Tick) {
        self.traces.clear();
        for entry in std::mem::take(&mut self.entries) {
            self.end(*entry, now);
        }
    }

    /// The pool that a fetch is for, which may have ended since.
    pub(super) fn asker(&mut self, id: PoolId) -> Option<&mut Entry> {
        if let Ok(place) = self.place(id.name)
            && self.entries.get(place).is_some_and(|entry| entry.id == id)
        {
            return self.entries.get_mut(place).map(|entry| &mut **entry);
        }
        self.ended.iter_mut().find(|entry| entry.id == id)
    }

    /// Whether a pool has ended that belonged to a counter.
    pub(super) fn has_ended_as(&self, id: PoolId, counter: Option<Counter>) -> bool {
        self.ended.iter().any(|entry| entry.id == id && entry.counter == counter)
    }

    /// A fetch has ended.
    pub(super) fn settle(&mut self, id: PoolId, fetch: Fetch, fetched: Fetched, now: Tick) {
        if let Some(entry) = self.asker(id) {
            entry.pool.settle(fetch, fetched, now);
        }
        for ended in std::mem::take(&mut self.ended) {
            self.end(ended, now);
        }
    }

    /// A pool ends: what is in it goes back, as soon as nothing is on its way to it any more and it is known how much of that
    /// was used beforehand.
    fn end(&mut self, mut entry: Entry, now: Tick) {
        if entry.pool.is_awaiting() {
            self.ended.push(entry);
        } else {
            self.unused.extend(entry.take_unused(Duration::ZERO, now));
        }
    }

    /// Keys the hash table anew.
    pub(super) fn reseed(&mut self, seed: [u8; 16]) {
        self.traces.reseed(seed);
    }

    /// Takes tokens out of pools that nobody has asked for lately, and forgets pools that nobody has asked for long.
    pub(super) fn sweep(&mut self, idle: Duration, forgotten: Duration, now: Tick) {
        self.entries.retain_mut(|entry| {
            if entry.returnable.is_some() {
                self.unused.extend(entry.take_unused(idle, now));
            }
            entry.pool.idle(now) < forgotten
        });
    }

    fn named(&self, name: u128) -> Option<PoolId> {
        let place = self.place(name).ok()?;
        self.entries.get(place).map(|entry| entry.id)
    }

    /// Where the pool of a counter is, or would be.
    fn place(&self, name: u128) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&name, |entry| entry.id.name)
    }

    fn add(&mut self, quota: Arc<str>, name: u128, counter: Option<Counter>, now: Tick) -> PoolId {
        if self.entries.len() >= self.max {
            let idle = self.entries.iter().map(|entry| entry.pool.idle(now)).enumerate();
            let oldest = idle.max_by_key(|(_, idle)| *idle).map(|(place, _)| place);
            if let Some(oldest) = oldest {
                let oldest = self.entries.remove(oldest);
                self.end(*oldest, now);
            }
        }
        let id = PoolId { name, number: self.count };
        self.count += 1;
        // Nobody adds a pool that is there.
        let (Ok(place) | Err(place)) = self.place(name);
        let entry = Entry { quota, pool: Pool::new(now), id, counter, returnable: None };
        self.entries.insert(place, Box::new(entry));
        id
    }

    /// Ends the pools of counters that have no name: nothing leads there any more.
    fn end_unnamed(&mut self) {
        self.entries.retain(|entry| entry.counter.is_some());
    }
}

/// The name of the counter that a trace was found to lead to.
fn name(hit: &Hit<'_>) -> Option<u128> {
    u128::from_str_radix(&hit.verdict().status.message, 16).ok()
}

impl Entry {
    fn take_unused(&mut self, idle: Duration, now: Tick) -> Option<Unused> {
        let amount = self.pool.take_unused(idle, now);
        let (demanded, bag) = self.returnable.clone()?;
        let (quota, counter) = (Arc::clone(&self.quota), self.counter);
        (amount > 0).then_some(Unused { quota, amount, counter, demanded, bag })
    }
}
