//! When a stream to the server that was lost is opened again: later each time, until it has proved its worth.

use std::time::Duration;

use checkcache::{Code, Tick};

/// The wait before the second try; doubles up to [`WAIT_MAX`].
const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The wait before a server that has no such service is asked again.
const WAIT_UNIMPLEMENTED: Duration = Duration::from_secs(60);

/// When to try again.
#[derive(Debug)]
pub(crate) struct Retry {
    at: Tick,
    wait: Duration,
}

impl Retry {
    /// At once.
    pub(crate) fn new() -> Self {
        Self { at: Tick::default(), wait: WAIT_MIN }
    }

    pub(crate) fn is_due(&self, now: Tick) -> bool {
        now >= self.at
    }

    /// The stream does what it is for; should it be lost, that counts as the first time.
    pub(crate) fn succeeded(&mut self) {
        self.wait = WAIT_MIN;
    }

    /// The stream is lost, or could not be opened. The tries of many filters are spread over half of the wait.
    pub(crate) fn failed(&mut self, code: Code, now: Tick) {
        let wait = if code == Code::Unimplemented { WAIT_UNIMPLEMENTED } else { self.wait };
        let spread = now.0 % (wait.as_nanos() as u64 / 2);
        self.at = now.after(wait / 2 + Duration::from_nanos(spread));
        self.wait = (self.wait * 2).min(WAIT_MAX);
    }
}
