//! What is counted in Redis.

use policy::{QuotaInstance, QuotaLimit};
use quota::{Key, Ledger, Request, Settings, Tick};

use super::super::super::quota_suite::{self, ALGORITHMS, quota, request};
use super::server::until;
use super::*;

/// The largest number that Lua counts to.
const EXACT: i64 = (1 << 53) - 1;

const MINUTE: Duration = Duration::from_secs(60);

async fn granted(handler: &RedisQuota, quota: &QuotaInstance, amount: i64) -> i64 {
    handler.allocate(request(quota, amount)).await.unwrap().amount
}

#[tokio::test]
async fn it_does_what_every_adapter_of_quotas_does() {
    let Some(server) = RedisServer::or_skip().await else { return };
    for algorithm in ALGORITHMS {
        let subject = InRedis::new(&server, "requests", algorithm);
        quota_suite::holds_for(&subject, algorithm).await;
        // Each algorithm, too, has counters of its own; but what is allocated is the same for all of them.
        server.command::<()>(&["FLUSHALL"]).await;
    }
}

#[tokio::test]
async fn it_does_so_in_a_cluster() {
    let Some(server) = RedisServer::with(&["--cluster-enabled", "yes"]).await else { return };
    server.command::<()>(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    until("the cluster", async || {
        let info: String = server.command(&["CLUSTER", "INFO"]).await;
        info.contains("cluster_state:ok").then_some(())
    })
    .await;
    // Redis refuses a script whose keys do not belong together.
    let subject = InRedis::new(&server, "requests", Algorithm::RollingWindow);
    quota_suite::holds_for(&subject, Algorithm::RollingWindow).await;
}

#[tokio::test]
async fn it_counts_as_mixer_did() {
    let Some(server) = RedisServer::or_skip().await else { return };
    let subject = InRedis::new(&server, "requests", Algorithm::RollingWindow);
    quota_suite::allocations_and_releases_have_their_outcome(&subject).await;
}

/// The script and the ledger are two hands of one mind.
#[tokio::test]
async fn it_counts_as_in_memory() {
    let Some(server) = RedisServer::or_skip().await else { return };
    for algorithm in ALGORITHMS {
        for seed in 1..=6u64 {
            let block = format!("{algorithm:?} {seed}");
            same_history(&InRedis::new(&server, &block, algorithm), algorithm, seed).await;
        }
    }
}

async fn same_history(subject: &InRedis, algorithm: Algorithm, seed: u64) {
    let settings = Settings { algorithm, deduplication: DEDUPLICATION, cells: 10, answers: 10_000 };
    let (mut ledger, mut state) = (Ledger::new(settings), seed);
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for step in 0..150 {
        let below = [1, 1000, 700_000, 20_000_000][random(4) as usize];
        subject.pass(Duration::from_micros(random(below))).await;
        // One quota whose limit changes now and then, and one of amounts in use.
        let (name, window) = if random(5) == 0 { ("used", None) } else { ("rate", Some(MINUTE)) };
        let max = if seed.is_multiple_of(2) { 10 } else { 10 + (step / 40) * 3 };
        let quota = quota(name, max, window);
        let amount = random(15) as i64 - 4;
        let asked = QuotaRequest {
            best_effort: random(2) == 0,
            deduplication_id: (random(3) == 0).then(|| step.to_string().into()),
            ..request(&quota, amount)
        };
        for _ in 0..2 {
            let grant = subject.quota.allocate(asked.clone()).await.unwrap();
            let same = Request {
                key: &Key::new(name, &quota.labels),
                limit: Limit::new(max, window),
                amount,
                best_effort: asked.best_effort,
                deduplication_id: asked.deduplication_id.as_deref().unwrap_or_default(),
            };
            let now = Tick(subject.now.load(Ordering::SeqCst) * 1000);
            let settled = ledger.settle(&same, now);
            let settled = (settled.amount as i64, settled.valid_for);
            assert_eq!(
                (grant.amount, grant.valid_for),
                settled,
                "{algorithm:?}, seed {seed}, step {step}: {asked:?}"
            );
        }
    }
}

#[tokio::test]
async fn handlers_on_one_redis_share_the_count() {
    let Some(server) = RedisServer::or_skip().await else { return };
    for algorithm in ALGORITHMS {
        let quota = quota("shared", 50, Some(MINUTE * 60));
        let handlers = [(); 2].map(|()| InRedis::new(&server, &format!("{algorithm:?}"), algorithm));
        let all = (0..200).map(|number| granted(&handlers[number % 2].quota, &quota, 1));
        assert_eq!(futures::future::join_all(all).await.iter().sum::<i64>(), 50, "{algorithm:?}");
        // A block of another name counts for itself.
        let other = InRedis::new(&server, &format!("other {algorithm:?}"), algorithm);
        assert_eq!(granted(&other.quota, &quota, 50).await, 50);
    }
}

#[tokio::test]
async fn every_key_goes_in_the_end() {
    let Some(server) = RedisServer::or_skip().await else { return };
    let of = |name: &str| quota(name, 10, Some(MINUTE));
    for algorithm in ALGORITHMS {
        let handler = handler(&server, "requests", algorithm);
        for amount in [3, 100, -1, -1] {
            let asked = QuotaRequest { deduplication_id: Some("id".into()), ..request(&of("rate"), amount) };
            handler.allocate(asked).await.unwrap();
        }
        assert_eq!(granted(&handler, &quota("used", 10, None), 4).await, 4);
        let keys: Vec<String> = server.command(&["KEYS", "*"]).await;
        assert_eq!(keys.len(), 4, "{keys:?}");
        for key in &keys {
            let ttl: i64 = server.command(&["PTTL", key]).await;
            if key.starts_with("mixer:quota:used:") {
                assert_eq!(ttl, -1, "what is in use stays");
            } else {
                let most = if key.ends_with(":count") { MINUTE } else { DEDUPLICATION };
                assert!(ttl > 0 && ttl as u128 <= most.as_millis() + 2, "{key}: {ttl}");
            }
        }
        // What holds nothing is not kept. A bucket holds parts of a token, which nobody can give back.
        granted(&handler, &of("rate"), -10).await;
        assert_eq!(granted(&handler, &quota("used", 10, None), -10).await, 4);
        let keys: Vec<String> = server.command(&["KEYS", "*:count"]).await;
        assert!(keys.is_empty() || algorithm == Algorithm::TokenBucket, "{keys:?}");
        server.command::<()>(&["FLUSHALL"]).await;
    }
}

#[tokio::test]
async fn time_is_that_of_redis() {
    let Some(server) = RedisServer::or_skip().await else { return };
    for algorithm in ALGORITHMS {
        let handler = handler(&server, "requests", algorithm);
        let quota = quota("short", 5, Some(Duration::from_millis(250)));
        let grant = handler.allocate(request(&quota, 5)).await.unwrap();
        assert_eq!(grant, Grant { amount: 5, valid_for: Duration::from_millis(250) });
        let again = async || (granted(&handler, &quota, 5).await == 5).then_some(());
        until("all of it to come back", again).await;
    }
}

#[tokio::test]
async fn a_clock_that_goes_backwards_frees_nothing_early() {
    let Some(server) = RedisServer::or_skip().await else { return };
    for algorithm in ALGORITHMS {
        let subject = InRedis::new(&server, "requests", algorithm);
        let quota = quota("backwards", 5, Some(MINUTE));
        assert_eq!(granted(&subject.quota, &quota, 5).await, 5);
        subject.now.fetch_sub(3_600_000_000, Ordering::SeqCst);
        assert_eq!(granted(&subject.quota, &quota, 1).await, 0);
        subject.pass(MINUTE * 2).await;
        assert_eq!(granted(&subject.quota, &quota, 1).await, 0);
        subject.pass(MINUTE * 60).await;
        assert_eq!(granted(&subject.quota, &quota, 5).await, 5);
    }
}

#[tokio::test]
async fn numbers_beyond_what_lua_counts_are_refused_or_cut() {
    let Some(server) = RedisServer::or_skip().await else { return };
    for algorithm in ALGORITHMS {
        for window in [Some(MINUTE), Some(Duration::MAX)] {
            let subject = InRedis::new(&server, &format!("{window:?}"), algorithm);
            let quota = quota("huge", i64::MAX, window);
            assert_eq!(granted(&subject.quota, &quota, i64::MAX).await, 0);
            assert_eq!(granted(&subject.quota, &quota, EXACT - 1).await, EXACT - 1, "{algorithm:?}");
            let rest = QuotaRequest { best_effort: true, ..request(&quota, i64::MAX) };
            assert_eq!(subject.quota.allocate(rest).await.unwrap().amount, 1, "{algorithm:?}");
            assert_eq!(granted(&subject.quota, &quota, 1).await, 0, "{algorithm:?}");
        }
    }
}

#[tokio::test]
async fn redis_is_found_by_socket_url_and_password() {
    let Some(server) = RedisServer::with(&["--requirepass", "sesame"]).await else { return };
    let quota = quota("found", 10, Some(MINUTE));
    let url = format!("redis://:sesame@{}/3", server.address());
    assert_eq!(granted(&with("url", &json!({ "redis_server_url": url })), &quota, 1).await, 1);
    let socket = format!("redis+unix://{}?pass=sesame", server.socket());
    let params = json!({ "redisServerUrl": socket, "socketType": "unix", "connectionPoolSize": 1 });
    assert_eq!(granted(&with("socket", &params), &quota, 1).await, 1);
    let wrong = with("wrong", &json!({ "redisServerUrl": format!("redis://:hush@{}", server.address()) }));
    let error = wrong.allocate(request(&quota, 1)).await.unwrap_err();
    assert!(matches!(&error, HandlerError::Unavailable(reason) if !reason.contains("hush")), "{error}");
}

/// Through the whole server of the system that came before; here with the limit that its overrides come to.
#[tokio::test]
async fn checks_have_their_outcome() {
    let Some(vectors) = quota_suite::vectors() else { return };
    let Some(mut server) = RedisServer::or_skip().await else { return };
    let cases = vectors["redisquota_check_scenarios"]["cases"].as_array().unwrap();
    let mut ran = 0;
    for algorithm in [Algorithm::FixedWindow, Algorithm::RollingWindow] {
        for (number, case) in cases.iter().enumerate() {
            let attribute = |name: &str| case["attrs"][name].as_str().unwrap_or("unknown").to_owned();
            let (source, destination) = (attribute("source.name"), attribute("destination.service.name"));
            let max_amount = match (source.as_str(), destination.as_str()) {
                ("reviews", "ratings") => 12,
                (_, "reviews") => 5,
                _ => 50,
            };
            let asked = QuotaRequest {
                quota: QuotaInstance {
                    name: "requestCount".into(),
                    labels: vec![
                        ("destination".into(), destination.as_str().into()),
                        ("source".into(), source.as_str().into()),
                    ],
                    limit: QuotaLimit { max_amount, window: Some(Duration::from_secs(30)) },
                },
                amount: case["amount"].as_i64().unwrap(),
                best_effort: case["best_effort"].as_bool().unwrap(),
                deduplication_id: None,
            };
            let subject = InRedis::new(&server, &format!("{algorithm:?} {number}"), algorithm);
            if case["redis_down"] == true {
                server.kill();
                // An error, whose code is the same: UNAVAILABLE.
                let error = subject.quota.allocate(asked).await.unwrap_err();
                assert!(matches!(error, HandlerError::Unavailable(_)), "{error}");
                server.restart().await;
            } else {
                let grant = subject.quota.allocate(asked).await.unwrap();
                assert_eq!(grant.amount, case["granted"].as_i64().unwrap(), "{case}");
                assert_eq!(
                    format!("{}s", grant.valid_for.as_secs()),
                    case["valid"].as_str().unwrap(),
                    "{case}"
                );
            }
            ran += 1;
        }
    }
    println!("{ran} checks to the letter");
}
