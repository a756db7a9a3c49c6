//! What happens while Redis is away.

use policy::QuotaInstance;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::super::super::quota_suite::{quota, request};
use super::server::until;
use super::*;
use crate::limits;

/// What the runtime's timers are exact to.
const TIMER: Duration = Duration::from_millis(2);

const HOUR: Duration = Duration::from_secs(3600);

fn hourly() -> QuotaInstance {
    quota("hourly", 10, Some(HOUR))
}

async fn ask(handler: &RedisQuota, amount: i64) -> Result<i64, HandlerError> {
    handler.allocate(request(&hourly(), amount)).await.map(|grant| grant.amount)
}

/// How often something happened instead of counting.
fn exceptions(handler: &RedisQuota, reason: &str) -> u64 {
    let mut page = String::new();
    handler.telemetry.write(None, &mut page);
    let line =
        format!("mixer_quota_exceptions_total{{handler=\"{}\",reason=\"{reason}\"}} ", handler.handler);
    page.lines().find_map(|found| found.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn it_comes_back_by_itself() {
    let Some(mut server) = RedisServer::or_skip().await else { return };
    let params = json!({ "redisServerUrl": server.socket(), "socketType": "unix", "connectionPoolSize": 8 });
    server.kill();
    // A block comes alive though Redis is away.
    let handler = with("requests", &params);
    for _ in 0..10 {
        let error = ask(&handler, 1).await.unwrap_err();
        assert!(matches!(error, HandlerError::Unavailable(_)), "{error}");
    }
    assert_eq!(exceptions(&handler, "redis unavailable, failed"), 10);
    for round in 0..2 {
        server.restart().await;
        let granted = until("Redis to be found", async || ask(&handler, 6).await.ok()).await;
        assert_eq!(granted, 6, "round {round}: a Redis that started anew counts from zero");
        for _ in 0..20 {
            assert_eq!(ask(&handler, 6).await, Ok(0), "round {round}: all connections work");
        }
        server.kill();
        assert!(ask(&handler, 1).await.is_err());
    }
}

#[tokio::test]
async fn when_unavailable_says_what_is_answered() {
    let Some(mut server) = RedisServer::or_skip().await else { return };
    let address = (server.socket(), "unix");
    let of = |block: &str, more: serde_json::Value| {
        let mut params = json!({ "redisServerUrl": address.0, "socketType": address.1 });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        with(block, &params)
    };
    let open = of("open", json!({ "whenUnavailable": "open" }));
    let part = of("part", json!({ "whenUnavailable": "local", "localShare": 0.25 }));
    let amount = of("amount", json!({ "whenUnavailable": "LOCAL", "localAmount": 4 }));
    for handler in [&open, &part, &amount] {
        assert_eq!(ask(handler, 10).await, Ok(10), "Redis is there");
        assert_eq!(ask(handler, 1).await, Ok(0), "and counts");
    }
    server.kill();
    for _ in 0..20 {
        let grant = open.allocate(request(&hourly(), 7)).await;
        assert_eq!(grant, Ok(Grant { amount: 7, valid_for: HOUR }), "nobody counts");
    }
    assert_eq!(exceptions(&open, "redis unavailable, not counted"), 20);
    // Here no Redis is part of the count: two of ten, and four of ten.
    for (handler, share) in [(&part, 2), (&amount, 4)] {
        assert_eq!(ask(handler, share + 1).await, Ok(0));
        assert_eq!(ask(handler, share).await, Ok(share));
        assert_eq!(ask(handler, 1).await, Ok(0));
        assert_eq!(ask(handler, -1).await, Ok(1));
        assert_eq!(exceptions(handler, "redis unavailable, counted here"), 4);
    }
    server.restart().await;
    until("Redis to be found", async || (ask(&part, 10).await == Ok(10)).then_some(())).await;
}

/// Time is such that it passes at once when nothing else happens: what is measured is what is waited for.
#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_a_redis_that_hangs() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let handler = with("requests", &json!({ "redisServerUrl": address, "deadline": "50ms" }));
    let deadline = Duration::from_millis(50);
    // The first few wait, not longer than they may.
    for _ in 0..limits::REDIS_FAILURES {
        let began = Instant::now();
        assert!(ask(&handler, 1).await.is_err());
        assert!(began.elapsed() <= deadline + TIMER, "{:?}", began.elapsed());
    }
    // Then nobody does, but for one now and then that finds out.
    let began = Instant::now();
    for _ in 0..100 {
        let error = ask(&handler, 1).await.unwrap_err();
        assert_eq!(error, HandlerError::Unavailable("Redis is unavailable".to_owned()));
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    for _ in 0..3 {
        tokio::time::advance(limits::REDIS_RETRY).await;
        let began = Instant::now();
        for _ in 0..100 {
            assert!(ask(&handler, 1).await.is_err());
        }
        assert!(began.elapsed() <= deadline + TIMER, "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_says_nothing_about_redis() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let handler = with("requests", &json!({ "redisServerUrl": listener.local_addr().unwrap().to_string() }));
    for _ in 0..limits::REDIS_FAILURES * 2 {
        let impatient = tokio::time::timeout(Duration::from_millis(1), ask(&handler, 1)).await;
        assert!(impatient.is_err(), "still waiting");
    }
    let error = ask(&handler, 1).await.unwrap_err();
    assert!(error.to_string().contains("did not answer within"), "{error}");
}
