//! Tests of counting in memory, by the hour that time stands still.

use std::sync::Arc;
use std::time::Duration;

use policy::QuotaInstance;

use super::super::quota_suite::{self, ALGORITHMS, DEDUPLICATION, Subject, quota, request};
use super::*;
use crate::limits;
use crate::telemetry::Telemetry;

struct InMemory(MemQuota);

impl InMemory {
    fn new(algorithm: Algorithm, telemetry: Arc<Telemetry>) -> Self {
        Self(MemQuota(SharedLedger::new("requests", algorithm, DEDUPLICATION, telemetry)))
    }

    async fn granted(&self, quota: &QuotaInstance) -> i64 {
        self.0.allocate(request(quota, 1)).await.unwrap().amount
    }
}

impl Subject for InMemory {
    fn handler(&self) -> &dyn Handler {
        &self.0
    }

    async fn pass(&self, time: Duration) {
        tokio::time::advance(time).await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_does_what_every_adapter_of_quotas_does() {
    for algorithm in ALGORITHMS {
        quota_suite::holds_for(&InMemory::new(algorithm, Arc::default()), algorithm).await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_counts_as_mixer_did() {
    let subject = InMemory::new(Algorithm::RollingWindow, Arc::default());
    quota_suite::allocations_and_releases_have_their_outcome(&subject).await;
}

#[tokio::test(start_paused = true)]
async fn keys_without_room_are_refused_and_counted() {
    let telemetry = Arc::new(Telemetry::new());
    let subject = InMemory::new(Algorithm::RollingWindow, Arc::clone(&telemetry));
    let of = |number: usize| quota(&format!("q{number}"), 1, Some(Duration::from_secs(60)));
    let (mut granted, all) = (0, limits::QUOTA_CELLS + limits::QUOTA_CELLS / 4);
    for number in 0..all {
        granted += subject.granted(&of(number)).await;
    }
    assert!(granted as usize <= limits::QUOTA_CELLS);
    let refused = all - granted as usize;
    let mut page = String::new();
    telemetry.write(None, &mut page);
    let line = format!(
        "mixer_quota_exceptions_total{{handler=\"requests\",reason=\"no room to count\"}} {refused}\n"
    );
    assert!(page.contains(&line), "{refused}: {page}");
    // Nothing that counts was thrown away for it.
    assert_eq!(subject.granted(&of(0)).await, 0);
    subject.pass(Duration::from_secs(60)).await;
    for number in 0..100 {
        assert_eq!(subject.granted(&of(number)).await, 1);
    }
}

#[tokio::test]
async fn threads_share_one_count() {
    let handler = Arc::new(MemQuota(SharedLedger::new(
        "requests",
        Algorithm::RollingWindow,
        DEDUPLICATION,
        Arc::default(),
    )));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let handler = Arc::clone(&handler);
            std::thread::spawn(move || {
                let quota = quota("shared", 1000, Some(Duration::from_secs(3600)));
                let limit = Limit::new(1000, quota.limit.window);
                (0..500).map(|_| handler.0.settle(&request(&quota, 1), limit).amount).sum::<i64>()
            })
        })
        .collect();
    let granted: i64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(granted, 1000);
}
