//! The way to a backend that may be slow or away: a bounded queue, and one task that empties it.
//!
//! Between the handlers that write over the network and their backends. A request only ever puts records into the
//! queue; it waits for nobody. The task begins when the handler's configuration comes into force, sends what has come
//! together when there is enough of it or it is old enough, tries again – later and later, not quite regularly – while
//! the backend is away, and ends soon after the handler is gone.
//!
//! Invariants: what waits is bounded in records and in bytes, whatever the backend does, and every record is sent or
//! counted as dropped, with the reason. A record may be sent twice – when the backend took it and its answer was lost.

mod queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout, timeout_at};

pub(super) use self::queue::Bounds;
use self::queue::{Queue, Step};
use crate::limits;
use crate::telemetry::{self, Telemetry};

/// A backend.
#[async_trait]
pub(super) trait Sink<T>: Send + 'static {
    /// Sends records. Those that did not get through are given again, the same ones, until they do.
    ///
    /// May be dropped before it is done, when it takes too long, and counts as away then.
    async fn send(&mut self, records: &[T]) -> Result<(), Unsent>;
}

/// Why records were not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unsent {
    /// The backend is not there, or not now. They are kept.
    Away(String),
    /// So many of them will never be taken, and the others were.
    Refused(usize, String),
}

/// A handler's end of the queue. When it is dropped, what is left is sent within a bound.
pub(super) struct Outbox<T> {
    shared: Arc<Shared<T>>,
    /// What the task starts with, until it does.
    sender: Mutex<Option<Sender<T>>>,
}

struct Shared<T> {
    handler: String,
    telemetry: Arc<Telemetry>,
    queue: Mutex<Queue<T>>,
    /// The next step may be another.
    changed: Notify,
    /// How many records are done with.
    settled: watch::Sender<u64>,
}

struct Sender<T> {
    shared: Arc<Shared<T>>,
    sink: Box<dyn Sink<T>>,
    /// How long sending one batch may take.
    patience: Duration,
}

// === impl Outbox ===

impl<T: Send + Sync + 'static> Outbox<T> {
    /// An outbox of the block `handler`. `patience` is how long sending one batch may take.
    pub(super) fn new(
        handler: &str,
        bounds: Bounds,
        patience: Duration,
        sink: Box<dyn Sink<T>>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let shared = Arc::new(Shared {
            handler: handler.to_owned(),
            telemetry,
            queue: Mutex::new(Queue::new(bounds)),
            changed: Notify::new(),
            settled: watch::Sender::new(0),
        });
        let sender = Sender { shared: Arc::clone(&shared), sink, patience };
        Self { shared, sender: Mutex::new(Some(sender)) }
    }

    /// Takes a record of about this many bytes, or counts it as dropped.
    pub(super) fn push(&self, record: T, size: usize) {
        let pushed = self.shared.queue().push(record, size, Instant::now());
        match pushed {
            Ok(true) => self.shared.changed.notify_one(),
            Ok(false) => {}
            Err(why) => self.shared.telemetry.dropped(&self.shared.handler, why.as_str(), 1),
        }
    }

    /// Counts records as dropped that cannot be one.
    pub(super) fn drop_records(&self, reason: &str, number: u64) {
        self.shared.telemetry.dropped(&self.shared.handler, reason, number);
    }

    /// Sends from now on. Once is enough.
    pub(super) fn start(&self) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            tokio::spawn(sender.run());
        }
    }

    /// Sends everything that is here by now, unless that takes too long.
    pub(super) async fn flush(&self) {
        if self.sender.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            // Nobody sends.
            return;
        }
        let wanted = self.shared.queue().hurry();
        self.shared.changed.notify_one();
        let mut settled = self.shared.settled.subscribe();
        // Neither is an error: it took too long, or the task is gone and nothing will come of it.
        let _ = timeout(limits::OUTBOX_FLUSH, settled.wait_for(|settled| *settled >= wanted)).await;
    }
}

impl<T> Drop for Outbox<T> {
    fn drop(&mut self) {
        self.shared.queue().close(Instant::now() + limits::OUTBOX_FLUSH);
        self.shared.changed.notify_one();
    }
}

// === impl Shared ===

impl<T> Shared<T> {
    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Sender ===

impl<T: Send + Sync + 'static> Sender<T> {
    async fn run(mut self) {
        loop {
            let step = self.shared.queue().step(Instant::now());
            match step {
                Step::Send(records) => self.send(&records).await,
                Step::WaitUntil(then) => {
                    // Running out of time is what it waits for.
                    let _ = timeout_at(then, self.shared.changed.notified()).await;
                }
                Step::Wait => self.shared.changed.notified().await,
                Step::End => break,
            }
        }
        let left = self.shared.queue().clear();
        self.shared.telemetry.dropped(&self.shared.handler, "not sent in time", left as u64);
        self.tell_settled();
    }

    async fn send(&mut self, records: &[T]) {
        let now = Instant::now();
        let closes = self.shared.queue().closes();
        let until = closes.map_or(now + self.patience, |end| end.min(now + self.patience));
        let result = match timeout_at(until, self.sink.send(records)).await {
            Ok(result) => result,
            Err(_) => Err(Unsent::Away("it took too long".to_owned())),
        };
        let shared = &self.shared;
        match result {
            Ok(()) => {
                shared.queue().settle();
            }
            Err(Unsent::Refused(number, reason)) => {
                shared.queue().settle();
                shared.telemetry.dropped(&shared.handler, "refused", number as u64);
                shared.telemetry.adapter_failed(&shared.handler, &reason);
            }
            Err(Unsent::Away(reason)) => {
                let failures = shared.queue().fail(Instant::now(), chance());
                if failures == 1 {
                    telemetry::backend_away(&shared.handler, &reason);
                }
            }
        }
        self.tell_settled();
    }

    fn tell_settled(&self) {
        let settled = self.shared.queue().settled();
        self.shared.settled.send_replace(settled);
    }
}

/// A number between 0 and 1. A system without random bytes gives the middle: then all retries are regular.
fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests;
