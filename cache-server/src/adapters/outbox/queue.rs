//! What waits for a backend, as a state machine: records come in, and each step says what is to be done next.
//!
//! It knows no clock, no socket and no task; the time and chance come in as values.
//!
//! Records leave in the order in which they came, a batch at a time, and a batch that did not get through is the next
//! one again. When there is no room it is the *newest* record that is turned away: what was accepted is then written
//! without holes, an outage shows how it began, and nothing is taken out of a batch that may be half sent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::limits;

/// How much may wait, and what is sent at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::adapters) struct Bounds {
    /// Records, waiting and being sent.
    pub(in crate::adapters) records: usize,
    /// Bytes of them.
    pub(in crate::adapters) bytes: usize,
    /// Records after which a batch is sent.
    pub(in crate::adapters) batch_records: usize,
    /// Bytes after which a batch is sent. A batch has more only if its one record does.
    pub(in crate::adapters) batch_bytes: usize,
    /// How long a record waits for company.
    pub(in crate::adapters) interval: Duration,
}

/// Records on their way to a backend.
#[derive(Debug)]
pub(super) struct Queue<T> {
    bounds: Bounds,
    waiting: VecDeque<Record<T>>,
    waiting_bytes: usize,
    batch: Option<Batch<T>>,
    /// How many records were ever accepted.
    accepted: u64,
    /// How many of them are done with, sent or not. They are in order, so these are the first ones.
    settled: u64,
    /// Up to which one they are to be sent without waiting for company.
    hurried: u64,
    /// Failures in a row.
    failures: u32,
    /// Until when everything has to be done with, once nothing more comes.
    closes: Option<Instant>,
}

#[derive(Debug)]
struct Record<T> {
    value: T,
    size: usize,
    came: Instant,
}

#[derive(Debug)]
struct Batch<T> {
    records: Arc<Vec<T>>,
    bytes: usize,
    /// Not before then.
    retry: Option<Instant>,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<T> {
    /// Send these, and say what became of them.
    Send(Arc<Vec<T>>),
    /// Nothing before then, unless something changes.
    WaitUntil(Instant),
    /// Nothing, unless something changes.
    Wait,
    /// Nothing ever.
    End,
}

/// Why a record was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// There is no room now.
    Full,
    /// There is never room for one so large.
    TooLarge,
}

// === impl Turned ===

impl Turned {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "queue full",
            Self::TooLarge => "too large",
        }
    }
}

// === impl Queue ===

impl<T> Queue<T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            batch: None,
            accepted: 0,
            settled: 0,
            hurried: 0,
            failures: 0,
            closes: None,
        }
    }

    /// Takes a record up. Says whether the next step may be another now.
    pub(super) fn push(&mut self, value: T, size: usize, now: Instant) -> Result<bool, Turned> {
        if size > self.bounds.bytes {
            return Err(Turned::TooLarge);
        }
        let (records, bytes) = self.batch.as_ref().map_or((0, 0), |batch| (batch.records.len(), batch.bytes));
        if records + self.waiting.len() >= self.bounds.records
            || bytes + self.waiting_bytes + size > self.bounds.bytes
        {
            return Err(Turned::Full);
        }
        let was_full = self.is_full_batch();
        self.waiting.push_back(Record { value, size, came: now });
        self.waiting_bytes += size;
        self.accepted += 1;
        Ok(self.waiting.len() == 1 || !was_full && self.is_full_batch())
    }

    /// What is to be done now.
    pub(super) fn step(&mut self, now: Instant) -> Step<T> {
        let is_empty = self.batch.is_none() && self.waiting.is_empty();
        if self.closes.is_some_and(|end| is_empty || now >= end) {
            return Step::End;
        }
        if let Some(batch) = &self.batch {
            return match batch.retry.filter(|retry| *retry > now) {
                Some(retry) => Step::WaitUntil(self.closes.map_or(retry, |end| end.min(retry))),
                None => Step::Send(Arc::clone(&batch.records)),
            };
        }
        let Some(first) = self.waiting.front() else { return Step::Wait };
        let due = first.came + self.bounds.interval;
        let is_hurried = self.settled < self.hurried || self.closes.is_some();
        if !is_hurried && !self.is_full_batch() && now < due {
            return Step::WaitUntil(due);
        }
        Step::Send(self.take_batch())
    }

    /// The batch is done with. Says how many records it had.
    pub(super) fn settle(&mut self) -> usize {
        let records = self.batch.take().map_or(0, |batch| batch.records.len());
        self.settled += records as u64;
        self.failures = 0;
        records
    }

    /// The batch did not get through. `chance` is between 0 and 1, and spreads retries of many. Says how often in a
    /// row that has been.
    pub(super) fn fail(&mut self, now: Instant, chance: f64) -> u32 {
        let doublings = self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        let longest = limits::OUTBOX_RETRY.saturating_mul(1 << doublings).min(limits::OUTBOX_RETRY_MAX);
        if let Some(batch) = &mut self.batch {
            batch.retry = Some(now + longest.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0));
        }
        self.failures
    }

    /// Has everything that is here sent at once. Says up to which record.
    pub(super) fn hurry(&mut self) -> u64 {
        self.hurried = self.accepted;
        if let Some(batch) = &mut self.batch {
            batch.retry = None;
        }
        self.hurried
    }

    /// Nothing more comes, and what is here has time until then.
    pub(super) fn close(&mut self, end: Instant) {
        self.hurry();
        self.closes = Some(end);
    }

    /// Until when everything has to be done with.
    pub(super) fn closes(&self) -> Option<Instant> {
        self.closes
    }

    /// How many records are done with.
    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// Gives up what is left. Says how many records that are.
    pub(super) fn clear(&mut self) -> usize {
        let left = self.accepted - self.settled;
        self.batch = None;
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.settled = self.accepted;
        left as usize
    }

    fn is_full_batch(&self) -> bool {
        self.waiting.len() >= self.bounds.batch_records || self.waiting_bytes >= self.bounds.batch_bytes
    }

    fn take_batch(&mut self) -> Arc<Vec<T>> {
        let mut records = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.waiting.front() {
            let has_room =
                records.len() < self.bounds.batch_records && bytes + next.size <= self.bounds.batch_bytes;
            if !has_room && !records.is_empty() {
                break;
            }
            bytes += next.size;
            records.extend(self.waiting.pop_front().map(|record| record.value));
        }
        self.waiting_bytes -= bytes;
        let records = Arc::new(records);
        self.batch = Some(Batch { records: Arc::clone(&records), bytes, retry: None });
        records
    }
}
