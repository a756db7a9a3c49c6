//! slot: an adapter block that is alive, and its end.
//!
//! A handler lives as long as a configuration that it is part of: while that is in force, and until the last request is
//! over that began under it. Then it writes out what it holds, in a task of its own and within a bound. Nobody counts
//! requests for that: each holds its configuration, which holds its handlers, and whoever lets go last ends them.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use policy::HandlerConfig;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use crate::adapters::Handler;
use crate::limits;

/// A block that came alive.
#[derive(Clone)]
pub(crate) struct Slot {
    pub(super) config: HandlerConfig,
    pub(super) handler: Arc<Live>,
}

/// A handler that is flushed when the last configuration that it is part of is gone.
pub(crate) struct Live {
    handler: Arc<dyn Handler>,
    /// Whether it was in force, and was not flushed since. One that never was holds nothing.
    is_used: AtomicBool,
    /// The calls that may begin yet.
    calls: Semaphore,
    endings: Endings,
}

/// The handlers that are being ended.
#[derive(Clone, Default)]
pub(super) struct Endings(watch::Sender<usize>);

/// One of them.
struct Ending(Endings);

// === impl Slot ===

impl Slot {
    /// A block with the handler that was made of it.
    pub(super) fn new(config: HandlerConfig, handler: Arc<dyn Handler>, endings: &Endings) -> Self {
        let endings = endings.clone();
        let calls = Semaphore::new(limits::HANDLER_CALLS);
        let handler = Arc::new(Live { handler, is_used: AtomicBool::new(false), calls, endings });
        Self { config, handler }
    }

    /// The right to one call, as long as it is held; `None` if as many as there may be are under way.
    pub(super) fn begin_call(&self) -> Option<SemaphorePermit<'_>> {
        self.handler.calls.try_acquire().ok()
    }

    /// Tells the handler that its configuration is in force.
    pub(super) fn in_force(&self) {
        self.handler.is_used.store(true, Ordering::Relaxed);
        self.handler.handler.in_force();
    }

    /// Writes out what the handler holds, for the last time.
    pub(super) async fn flush(&self) {
        if self.handler.is_used.swap(false, Ordering::Relaxed) {
            self.handler.handler.flush().await;
        }
    }
}

// === impl Live ===

impl Deref for Live {
    type Target = dyn Handler;

    fn deref(&self) -> &Self::Target {
        &*self.handler
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Without threads to do it on, the server is gone, and said so to the handler before.
        let (true, Ok(threads)) = (*self.is_used.get_mut(), Handle::try_current()) else { return };
        let (handler, ending) = (Arc::clone(&self.handler), self.endings.begin());
        threads.spawn(async move {
            // What is not written in time is lost; that it may be is in the documentation of the limit.
            let _ = tokio::time::timeout(limits::FLUSH, handler.flush()).await;
            drop(ending);
        });
    }
}

// === impl Endings ===

impl Endings {
    fn begin(&self) -> Ending {
        self.0.send_modify(|count| *count += 1);
        Ending(self.clone())
    }

    /// Waits until none is under way.
    pub(super) async fn wait(&self) {
        // The sender is here, so this cannot fail.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests;
