//! The connections to Redis, and what happens while it is away.
//!
//! Connections are made when they are first needed and thrown away with the first failure on them; with a failure that
//! tells of all of them, all are. Every call ends in time: it has a deadline, connecting included, and after some failures
//! in a row a circuit opens, and calls fail at once. Now and then one of them is let through to find out; when it succeeds
//! the circuit closes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisError, RedisResult};
use thiserror::Error;
use tokio::time::Instant;

use crate::{limits, telemetry};

/// Redis did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Unavailable {
    /// It failed to so often that it was not asked.
    #[error("Redis is unavailable")]
    Known,
    /// It did not within the deadline.
    #[error("Redis did not answer within {0:?}")]
    Late(Duration),
    /// It cannot be reached, or answered with an error.
    #[error("Redis failed: {0}")]
    Failed(String),
}

/// A Redis, as one handler knows it.
pub(super) struct Redis {
    handler: String,
    /// Where it is, without credentials.
    address: String,
    client: Client,
    connections: Vec<tokio::sync::Mutex<Option<Open>>>,
    /// The number of the next call.
    next: AtomicUsize,
    /// Connections that were made by calls before this one are no good any more.
    stale: AtomicUsize,
    deadline: Duration,
    circuit: Mutex<Circuit>,
}

/// A connection, and the number of the call that made it.
#[derive(Clone)]
struct Open {
    connection: MultiplexedConnection,
    number: usize,
}

/// Whether Redis is asked.
#[derive(Debug, Default)]
struct Circuit {
    /// Failures in a row.
    failures: u32,
    /// While it is open: when somebody may try.
    retry_at: Option<Instant>,
}

// === impl Redis ===

impl Redis {
    /// Does not connect yet.
    pub(super) fn new(
        handler: &str,
        info: ConnectionInfo,
        connections: u32,
        deadline: Duration,
    ) -> Result<Self, RedisError> {
        Ok(Self {
            handler: handler.to_owned(),
            address: info.addr().to_string(),
            client: Client::open(info)?,
            connections: (0..connections.max(1)).map(|_| tokio::sync::Mutex::default()).collect(),
            next: AtomicUsize::new(0),
            stale: AtomicUsize::new(0),
            deadline,
            circuit: Mutex::default(),
        })
    }

    /// Does some work on a connection, within the deadline.
    pub(super) async fn call<T>(
        &self,
        work: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, Unavailable> {
        self.enter()?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let place = &self.connections[number % self.connections.len()];
        let mut used = None;
        let result = tokio::time::timeout(self.deadline, async {
            let open = self.connected(place, number).await?;
            used = Some(open.number);
            let Open { mut connection, .. } = open;
            work(&mut connection).await
        });
        let (failure, concerns_all) = match result.await {
            Ok(Ok(done)) => {
                self.succeeded();
                return Ok(done);
            }
            Ok(Err(error)) => {
                (Unavailable::Failed(error.to_string()), error.is_io_error() || error.is_connection_dropped())
            }
            Err(_) => (Unavailable::Late(self.deadline), false),
        };
        if self.failed(&failure) || concerns_all {
            self.stale.fetch_max(self.next.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        // Somebody else may have put a new one there meanwhile, or be about to: then there is nothing to throw away.
        if let (Some(used), Ok(mut open)) = (used, place.try_lock()) {
            open.take_if(|open| open.number == used);
        }
        Err(failure)
    }

    /// The connection of a place; one is made where there is none that is good.
    async fn connected(&self, place: &tokio::sync::Mutex<Option<Open>>, number: usize) -> RedisResult<Open> {
        let mut open = place.lock().await;
        if let Some(open) = open.as_ref().filter(|open| open.number >= self.stale.load(Ordering::Relaxed)) {
            return Ok(open.clone());
        }
        // The deadline of the call is around all of it.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(open.insert(Open { connection, number }).clone())
    }

    /// Whether Redis may be asked now. A caller that gives up before it knows says nothing about Redis.
    fn enter(&self) -> Result<(), Unavailable> {
        let mut circuit = self.circuit.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(retry_at) = &mut circuit.retry_at {
            let now = Instant::now();
            if now < *retry_at {
                return Err(Unavailable::Known);
            }
            // This one tries; the others go on failing at once until it knows.
            *retry_at = now + limits::REDIS_RETRY;
        }
        Ok(())
    }

    fn succeeded(&self) {
        let was_open = {
            let mut circuit = self.circuit.lock().unwrap_or_else(PoisonError::into_inner);
            circuit.failures = 0;
            circuit.retry_at.take().is_some()
        };
        if was_open {
            telemetry::redis_found(&self.handler, &self.address);
        }
    }

    /// Says whether the circuit is open now.
    fn failed(&self, failure: &Unavailable) -> bool {
        let (opens, is_open) = {
            let mut circuit = self.circuit.lock().unwrap_or_else(PoisonError::into_inner);
            circuit.failures = circuit.failures.saturating_add(1);
            let opens = circuit.failures >= limits::REDIS_FAILURES && circuit.retry_at.is_none();
            if opens {
                circuit.retry_at = Some(Instant::now() + limits::REDIS_RETRY);
            }
            (opens, circuit.retry_at.is_some())
        };
        if opens {
            telemetry::redis_lost(&self.handler, &self.address, &failure.to_string());
        }
        is_open
    }
}
