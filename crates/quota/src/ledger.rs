//! All that is counted under one configuration block.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use crate::cell::{Algorithm, Cell};
use crate::deduplication::{Answered, Deduplication, Fingerprint};
use crate::tick::nanos;
use crate::{Key, Limit, Tick, limits};

/// How a ledger counts, and how much it holds.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How rates are counted.
    pub algorithm: Algorithm,
    /// For how long at least an answer is given again to whoever asks with the same id.
    pub deduplication: Duration,
    /// Cells at most. A key on top, while no cell is idle, is refused.
    pub cells: usize,
    /// Remembered answers at most. One on top is not remembered, so that asking again counts again.
    pub answers: usize,
}

/// How much is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Which counter.
    pub key: &'a Key,
    /// How much there is.
    pub limit: Limit,
    /// How much; what is negative is given back.
    pub amount: i64,
    /// Whether less will do.
    pub best_effort: bool,
    /// What tells the request from others that are about the same counter; empty if nothing does.
    pub deduplication_id: &'a str,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// How much is granted, or how much was given back.
    pub amount: u64,
    /// For how long a grant may be used; without end if zero.
    pub valid_for: Duration,
    /// How it came about.
    pub course: Course,
}

/// How an answer came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// The limit decided.
    Counted,
    /// The request was answered before, and this is that answer.
    Repeated,
    /// The limit decided, and there was no room to remember the answer.
    Unremembered,
    /// Refused, since there was no room to count.
    NoRoom,
}

/// Counts amounts for keys.
#[derive(Debug)]
pub struct Ledger {
    settings: Settings,
    /// The latest time that was told.
    now: Tick,
    cells: BTreeMap<Key, Slot>,
    /// When cells were said to be idle, the earliest first. They may have been used since: then they are put in again
    /// when their turn comes. A cell is in it once, or not at all while time alone does not empty it.
    idle: BinaryHeap<Reverse<(Tick, Key)>>,
    answers: Deduplication,
}

#[derive(Debug)]
struct Slot {
    cell: Cell,
    is_queued: bool,
}

// === impl Ledger ===

impl Ledger {
    /// One in which nothing is counted yet.
    pub fn new(settings: Settings) -> Self {
        let answers = Deduplication::new(nanos(settings.deduplication).max(1), settings.answers);
        Self { settings, now: Tick::default(), cells: BTreeMap::new(), idle: BinaryHeap::new(), answers }
    }

    /// Grants what is asked for, or takes back what is given back.
    pub fn settle(&mut self, request: &Request<'_>, now: Tick) -> Settled {
        self.now = self.now.max(now);
        self.reclaim();
        if request.amount == 0 {
            return Settled::nothing(Course::Counted);
        }
        if request.deduplication_id.is_empty() {
            return self.count(request);
        }
        let fingerprint = Fingerprint::new(request.deduplication_id, request.key, request.amount < 0);
        if let Some(answered) = self.answers.find(&fingerprint, self.now) {
            return Settled::again(answered, self.now);
        }
        let settled = self.count(request);
        // Nothing was counted, so nothing is counted twice; next time there may be room.
        if settled.course == Course::NoRoom || self.answers.remember(fingerprint, settled.answered(self.now))
        {
            return settled;
        }
        Settled { course: Course::Unremembered, ..settled }
    }

    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.cells.len()
    }

    fn count(&mut self, request: &Request<'_>) -> Settled {
        let (algorithm, limit) = (self.settings.algorithm, request.limit);
        if let Some(slot) = self.cells.get_mut(request.key) {
            if !slot.cell.suits(limit) {
                slot.cell = Cell::new(algorithm, limit);
            }
            let settled = change(&mut slot.cell, request, self.now);
            self.keep(request.key);
            return settled;
        }
        let mut cell = Cell::new(algorithm, limit);
        let settled = change(&mut cell, request, self.now);
        // A cell that holds nothing need not be kept.
        if settled.amount == 0 || request.amount < 0 {
            return settled;
        }
        if self.cells.len() >= self.settings.cells {
            return Settled::nothing(Course::NoRoom);
        }
        self.cells.insert(request.key.clone(), Slot { cell, is_queued: false });
        self.keep(request.key);
        settled
    }

    /// Sees to it that a cell goes once it holds nothing.
    fn keep(&mut self, key: &Key) {
        let Some(slot) = self.cells.get_mut(key).filter(|slot| !slot.is_queued) else { return };
        match slot.cell.count().idle_at() {
            Some(idle_at) if idle_at <= self.now => {
                self.cells.remove(key);
            }
            Some(idle_at) => {
                slot.is_queued = true;
                self.idle.push(Reverse((idle_at, key.clone())));
            }
            None => {}
        }
    }

    /// Throws cells away that hold nothing, a few at a time.
    fn reclaim(&mut self) {
        for _ in 0..limits::RECLAIM_STEPS {
            let is_due = self.idle.peek().is_some_and(|Reverse((idle_at, _))| *idle_at <= self.now);
            let Some(Reverse((_, key))) = is_due.then(|| self.idle.pop()).flatten() else { return };
            if let Some(slot) = self.cells.get_mut(&key) {
                slot.is_queued = false;
                self.keep(&key);
            }
        }
    }
}

/// Grants or takes back, as far as the cell allows.
fn change(cell: &mut Cell, request: &Request<'_>, now: Tick) -> Settled {
    let (count, limit, asked) = (cell.count(), request.limit, request.amount.unsigned_abs());
    if request.amount < 0 {
        let amount = count.release(limit, now, asked);
        return Settled { amount, ..Settled::nothing(Course::Counted) };
    }
    let available = count.available(limit, now);
    let amount = match (asked <= available, request.best_effort) {
        (true, _) => asked,
        (false, true) => available,
        (false, false) => 0,
    };
    if amount == 0 {
        return Settled::nothing(Course::Counted);
    }
    Settled { amount, valid_for: count.take(limit, now, amount), course: Course::Counted }
}

// === impl Settled ===

impl Settled {
    fn nothing(course: Course) -> Self {
        Self { amount: 0, valid_for: Duration::ZERO, course }
    }

    fn again(answered: Answered, now: Tick) -> Self {
        let valid_for = match answered.valid_until {
            // Zero would mean that it is valid without end.
            Some(until) => Duration::from_nanos(until.since(now).max(1)),
            None => Duration::ZERO,
        };
        Self { amount: answered.amount, valid_for, course: Course::Repeated }
    }

    fn answered(&self, now: Tick) -> Answered {
        let valid_until = (!self.valid_for.is_zero()).then(|| now.after(nanos(self.valid_for)));
        Answered { amount: self.amount, valid_until }
    }
}
