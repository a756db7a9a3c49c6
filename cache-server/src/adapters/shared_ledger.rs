//! A ledger of quotas that many threads share.
//!
//! It is kept in parts with a lock each, and a counter is always in the same part. A lock is held for as long as one
//! request is counted and never while anything is waited for.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quota::{Algorithm, Course, Key, Ledger, Limit, Request, Settings, Tick};
use tokio::time::Instant;

use super::{Grant, QuotaRequest};
use crate::limits;
use crate::telemetry::Telemetry;

/// A ledger with a clock, behind locks.
pub(super) struct SharedLedger {
    handler: String,
    /// When its time began.
    began: Instant,
    parts: Vec<Mutex<Ledger>>,
    /// Says which part a key is in. Its seed is random, so that nobody can choose keys of one part.
    spread: RandomState,
    telemetry: Arc<Telemetry>,
}

impl SharedLedger {
    /// One in which nothing is counted yet.
    pub(super) fn new(
        handler: &str,
        algorithm: Algorithm,
        deduplication: Duration,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let settings = Settings {
            algorithm,
            deduplication,
            cells: limits::QUOTA_CELLS / limits::QUOTA_SHARDS,
            answers: limits::QUOTA_ANSWERS / limits::QUOTA_SHARDS,
        };
        Self {
            handler: handler.to_owned(),
            began: Instant::now(),
            parts: (0..limits::QUOTA_SHARDS).map(|_| Mutex::new(Ledger::new(settings))).collect(),
            spread: RandomState::new(),
            telemetry,
        }
    }

    /// Grants what is asked for, or takes back what is given back, within a limit that need not be the request's own.
    pub(super) fn settle(&self, request: &QuotaRequest, limit: Limit) -> Grant {
        let key = Key::new(&request.quota.name, &request.quota.labels);
        let part = self.spread.hash_one(&key) as usize % self.parts.len();
        let asked = Request {
            key: &key,
            limit,
            amount: request.amount,
            best_effort: request.best_effort,
            deduplication_id: request.deduplication_id.as_deref().unwrap_or_default(),
        };
        let settled = {
            let mut ledger = self.parts[part].lock().unwrap_or_else(PoisonError::into_inner);
            ledger.settle(&asked, Tick::from(self.began.elapsed()))
        };
        match settled.course {
            Course::Counted | Course::Repeated => {}
            Course::Unremembered => self.telemetry.quota_exception(&self.handler, "no room for the id"),
            Course::NoRoom => self.telemetry.quota_exception(&self.handler, "no room to count"),
        }
        let amount = i64::try_from(settled.amount).unwrap_or(i64::MAX);
        Grant { amount, valid_for: settled.valid_for }
    }
}
