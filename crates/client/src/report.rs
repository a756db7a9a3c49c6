//! Reports that wait to be sent: filled when a request ends, emptied by the tick. Never in a request's way.

use std::collections::VecDeque;
use std::time::Duration;

use attributes::Bag;
use checkcache::Tick;

use crate::limits;

/// A bounded queue that hands out batches when they are full or old enough.
#[derive(Debug)]
pub(crate) struct ReportQueue {
    waiting: VecDeque<Bag>,
    /// When the first report that waits came.
    since: Tick,
    batch_max: usize,
    batch_interval: Duration,
    in_flight: usize,
}

impl ReportQueue {
    pub(crate) fn new(batch_max: usize, batch_interval: Duration) -> Self {
        Self { waiting: VecDeque::new(), since: Tick::default(), batch_max, batch_interval, in_flight: 0 }
    }

    /// Adds a report; if too many wait already, says so and forgets it.
    pub(crate) fn add(&mut self, bag: Bag, now: Tick) -> bool {
        if self.waiting.len() >= limits::REPORTS_WAITING {
            return false;
        }
        if self.waiting.is_empty() {
            self.since = now;
        }
        self.waiting.push_back(bag);
        true
    }

    /// The next batch to send, if one is due.
    pub(crate) fn next_batch(&mut self, now: Tick) -> Option<Vec<Bag>> {
        let full = self.waiting.len() >= self.batch_max;
        let old = !self.waiting.is_empty() && now.since(self.since) >= self.batch_interval;
        if !(full || old) || self.in_flight >= limits::REPORTS_IN_FLIGHT {
            return None;
        }
        let size = self.waiting.len().min(self.batch_max);
        // What is left is younger than what goes; its time starts anew.
        self.since = now;
        self.in_flight += 1;
        Some(self.waiting.drain(..size).collect())
    }

    /// Whether nothing waits and nothing is on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.in_flight == 0
    }

    /// A batch has arrived, or is lost.
    pub(crate) fn settle(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}
