//! Tests with a real Redis: what is counted, and what happens while it is away.

mod away;
mod counting;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quota::Algorithm;
use serde_json::json;

use self::server::{PATIENCE, RedisServer};
use super::super::quota_suite::{DEDUPLICATION, Subject};
use super::*;

/// A handler on a Redis that is told the time.
struct InRedis {
    quota: RedisQuota,
    now: Arc<AtomicU64>,
}

impl InRedis {
    fn new(server: &RedisServer, block: &str, algorithm: Algorithm) -> Self {
        let mut quota = handler(server, block, algorithm);
        let now = Arc::new(AtomicU64::new(1_800_000_000_000_000));
        quota.script.pinned = Some(Arc::clone(&now));
        Self { quota, now }
    }
}

impl Subject for InRedis {
    fn handler(&self) -> &dyn Handler {
        &self.quota
    }

    async fn pass(&self, time: Duration) {
        self.now.fetch_add(u64::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

/// A handler on Redis' own time.
fn handler(server: &RedisServer, block: &str, algorithm: Algorithm) -> RedisQuota {
    let name = match algorithm {
        Algorithm::RollingWindow => "ROLLING_WINDOW",
        Algorithm::FixedWindow => "FIXED_WINDOW",
        Algorithm::TokenBucket => "TOKEN_BUCKET",
    };
    with(
        block,
        &json!({
            "redisServerUrl": server.address(),
            "rateLimitAlgorithm": name,
            "minDeduplicationDuration": format!("{}s", DEDUPLICATION.as_secs()),
        }),
    )
}

/// Without a deadline of its own, a handler has all the time of a slow machine.
fn with(block: &str, params: &serde_json::Value) -> RedisQuota {
    let mut read = RedisParams::parse(params).unwrap();
    if params.get("deadline").is_none() {
        read.deadline = PATIENCE;
    }
    RedisQuota::new(block, read, Arc::default()).unwrap()
}
