//! The pools of a machine, each for the requests that the server counts together.
//!
//! Which those are the server says with each grant: the trace of how it found the counter. The traces are kept in a
//! tree of their own, as verdicts are, under the revision and the quota's name, and each leads to a pool. Requests that
//! no trace is known for share one pool of the quota until the first answer says whose it is.
//!
//! Invariant: at most as many pools as the configuration says; the one that was used longest ago goes first.

use std::sync::Arc;
use std::time::Duration;

use attributes::{AttributeSource, Bag};
use checkcache::{CheckCache, Code, Limits, Lookup, Revision, Root, Status, Tick, Trace, Validity, Verdict};
use hashbrown::HashMap;

use super::pool::Pool;
use crate::limits;

/// A pool, by a number that is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PoolId(u64);

/// A pool and what it is for.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) quota: Arc<str>,
    pub(super) pool: Pool,
    /// Where its trace ends in the tree; none is known yet for a shared pool.
    serial: Option<u64>,
    /// With what the server takes unused tokens back, if it does: attributes, and the revision that they were chosen by.
    pub(super) returnable: Option<(Revision, Bag)>,
}

/// Tokens that a pool held and that nobody used.
#[derive(Debug)]
pub(super) struct Unused {
    pub(super) quota: Arc<str>,
    pub(super) amount: u64,
    pub(super) demanded: Revision,
    pub(super) bag: Bag,
}

#[derive(Debug)]
pub(super) struct Pools {
    traces: CheckCache,
    entries: HashMap<PoolId, Entry>,
    by_serial: HashMap<u64, PoolId>,
    shared: HashMap<Arc<str>, PoolId>,
    count: u64,
    max: usize,
    /// What was in pools that are no more, or that nobody has asked for lately.
    unused: Vec<Unused>,
}

impl Pools {
    pub(super) fn new(max: usize, seed: [u8; 16]) -> Self {
        Self {
            traces: CheckCache::new(Limits::of_entries(max), seed),
            entries: HashMap::new(),
            by_serial: HashMap::new(),
            shared: HashMap::new(),
            count: 0,
            max,
            unused: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&mut self, id: PoolId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    /// The pool for a request; a new one if there is none, for which another may have to go.
    pub(super) fn of_request(
        &mut self,
        revision: Revision,
        quota: &Arc<str>,
        source: &impl AttributeSource,
        now: Tick,
    ) -> PoolId {
        let serial = self.serial(revision, quota, source, now);
        let known = match serial {
            Some(serial) => self.by_serial.get(&serial),
            None => self.shared.get(quota),
        };
        if let Some(id) = known.copied() {
            return id;
        }
        let id = self.add(quota, serial, now);
        match serial {
            Some(serial) => self.by_serial.insert(serial, id),
            None => self.shared.insert(Arc::clone(quota), id),
        };
        id
    }

    /// The server says which requests it counts together with one: the pool for them. A shared pool that asked becomes
    /// theirs, if there is none yet.
    pub(super) fn learn(
        &mut self,
        asked: Option<PoolId>,
        revision: Revision,
        quota: &Arc<str>,
        trace: Trace,
        source: &impl AttributeSource,
        now: Tick,
    ) -> PoolId {
        let root = Root { revision, quota: Some((**quota).into()) };
        if let Lookup::Miss(vacancy) = self.traces.lookup(&root, source, now) {
            // A server that names no revisions may have changed its mind unnoticed.
            let validity = if revision == Revision::default() {
                Validity::For { ttl: limits::VERDICT_TTL, uses: None }
            } else {
                Validity::Revision
            };
            let grant = Verdict::new(Status::new(Code::Ok, ""), validity);
            self.traces.insert(vacancy, &root, trace, grant, now);
        }
        let shared = asked.filter(|id| self.shared.get(quota) == Some(id));
        let serial = self.serial(revision, quota, source, now);
        if let (Some(id), Some(serial)) = (shared, serial)
            && !self.by_serial.contains_key(&serial)
        {
            self.shared.remove(quota);
            self.by_serial.insert(serial, id);
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.serial = Some(serial);
            }
            return id;
        }
        self.of_request(revision, quota, source, now)
    }

    /// The tokens that nobody used since the last time.
    pub(super) fn take_unused(&mut self) -> Vec<Unused> {
        std::mem::take(&mut self.unused)
    }

    /// Nothing that was learned under another revision counts any more.
    pub(super) fn retain(&mut self, revision: Revision, now: Tick) {
        self.traces.retain(revision);
        self.drain(now);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, now: Tick) {
        self.traces.clear();
        self.drain(now);
    }

    /// Keys the hash table anew.
    pub(super) fn reseed(&mut self, seed: [u8; 16]) {
        self.traces.reseed(seed);
    }

    /// Takes tokens out of pools that nobody has asked for lately, and forgets pools that nobody has asked for long.
    pub(super) fn sweep(&mut self, idle: Duration, forgotten: Duration, now: Tick) {
        let mut gone = Vec::new();
        for (id, entry) in &mut self.entries {
            if entry.returnable.is_some() {
                self.unused.extend(entry.take_unused(idle, now));
            }
            if entry.pool.idle(now) >= forgotten {
                gone.push(*id);
            }
        }
        for id in gone {
            self.remove(id);
        }
    }

    fn serial(
        &mut self,
        revision: Revision,
        quota: &str,
        source: &impl AttributeSource,
        now: Tick,
    ) -> Option<u64> {
        let root = Root { revision, quota: Some(quota.into()) };
        match self.traces.lookup(&root, source, now) {
            Lookup::Hit(hit) => Some(hit.serial()),
            Lookup::Miss(_) => None,
        }
    }

    fn add(&mut self, quota: &Arc<str>, serial: Option<u64>, now: Tick) -> PoolId {
        if self.entries.len() >= self.max {
            let oldest = self.entries.iter().max_by_key(|(_, entry)| entry.pool.idle(now));
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                let entry = self.remove(oldest);
                self.unused.extend(entry.and_then(|mut entry| entry.take_unused(Duration::ZERO, now)));
            }
        }
        self.count += 1;
        let id = PoolId(self.count);
        let entry = Entry { quota: Arc::clone(quota), pool: Pool::new(now), serial, returnable: None };
        self.entries.insert(id, entry);
        id
    }

    fn remove(&mut self, id: PoolId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        match entry.serial {
            Some(serial) => self.by_serial.remove(&serial),
            None => self.shared.remove(&entry.quota),
        };
        Some(entry)
    }

    fn drain(&mut self, now: Tick) {
        self.by_serial.clear();
        self.shared.clear();
        let entries = self.entries.drain();
        self.unused.extend(entries.filter_map(|(_, mut entry)| entry.take_unused(Duration::ZERO, now)));
    }
}

impl Entry {
    fn take_unused(&mut self, idle: Duration, now: Tick) -> Option<Unused> {
        let amount = self.pool.take_unused(idle, now);
        let (demanded, bag) = self.returnable.clone()?;
        (amount > 0).then(|| Unused { quota: Arc::clone(&self.quota), amount, demanded, bag })
    }
}
