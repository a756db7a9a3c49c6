//! Quotas, end to end: what passes through the real Envoy is what the server's limits allow, counted from outside.
//!
//! The bounds are those of `docs/quotas.md`. The long form, a minute of traffic for each way of counting, runs with
//! `MIXER_LONG=1`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::mixer::Options;
use tests::{Bootstrap, Envoy, Load, MixerServer, Programs, Redis, Upstream, wait};

/// Set to let the traffic last a minute.
const LONG: &str = "MIXER_LONG";

/// Envoy's workers, each with its own pools.
const WORKERS: u32 = 2;

/// Times the limit that is asked for.
const DEMAND: u32 = 5;

/// The limit and its window.
const LIMIT: u32 = 100;
const WINDOW: Duration = Duration::from_secs(2);

/// How long a check may take, a fetch of tokens too.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Envoy with servers behind it.
struct Stack {
    // In the order of ending: who asks ends before who is asked.
    envoy: Envoy,
    _servers: Vec<MixerServer>,
    _upstream: Upstream,
    _folder: TempDir,
}

impl Stack {
    async fn start(programs: &Programs, config: &Path, servers: usize, prefetch: bool) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mixer-quotas-").tempdir()?;
        let upstream = Upstream::start().await?;
        let mut running = Vec::new();
        for _ in 0..servers {
            running.push(MixerServer::start(&programs.server, &Options::new(config)).await?);
        }
        let mut bootstrap = Bootstrap::load("demo")?
            .on_loopback()
            .with_module(&programs.filter)
            .with_cluster("mixer", running.first().context("no server")?.address())?
            .with_cluster("upstream", upstream.address())?
            .edit_plugin(|plugin| {
                plugin["mixer"]["timeout"] = json!(format!("{}s", TIMEOUT.as_secs()));
                plugin["quotas"] = json!({
                    "rules": [{ "charge": { "RequestCount": 1 } }],
                    "prefetch": prefetch,
                    // What is let through because a slow machine did not answer would be told as a mistake in counting.
                    "failure": { "policy": "closed" },
                });
            });
        for server in running.iter().skip(1) {
            bootstrap = bootstrap.with_endpoint("mixer", server.address())?;
        }
        let envoy = Envoy::start(&programs.envoy, &bootstrap, WORKERS, folder.path()).await?;
        Ok(Self { envoy, _servers: running, _upstream: upstream, _folder: folder })
    }
}

/// A configuration with one quota, counted by `adapter`.
fn configuration(adapter: &Value, limit: u32, window: Duration) -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("mixer-quota-config-").tempdir()?;
    let global = folder.path().join("scopes/global");
    fs::create_dir_all(global.join("subjects/global"))?;
    let quota = json!({
        "descriptorName": "RequestCount",
        "maxAmount": limit,
        "expiration": format!("{}s", window.as_secs()),
    });
    for (file, content) in [
        ("adapters.yml", json!({ "adapters": [adapter] })),
        ("descriptors.yml", json!({ "quotas": [{ "name": "RequestCount", "rateLimit": true }] })),
        (
            "subjects/global/rules.yml",
            json!({ "rules": [{ "aspects": [
                { "kind": "quotas", "adapter": adapter["name"], "params": { "quotas": [quota] } }
            ]}]}),
        ),
    ] {
        fs::write(global.join(file), content.to_string())?;
    }
    Ok(folder)
}

/// A block that counts in Redis, together with all others of its name.
fn counted_in(redis: &Redis, name: &str, algorithm: &str) -> Value {
    json!({
        "name": name,
        "kind": "quotas",
        "impl": "redisQuota",
        "params": {
            "redisServerUrl": redis.address().to_string(),
            "rateLimitAlgorithm": algorithm,
            // A slow machine is no reason to refuse.
            "deadline": "500ms",
        },
    })
}

/// What servers grant in a time, at most: whole windows and the one that is open at either end, or a full bucket and what
/// fills up.
fn granted_at_most(algorithm: &str, time: Duration) -> f64 {
    let windows = time.as_secs_f64() / WINDOW.as_secs_f64();
    let limit = f64::from(LIMIT);
    match algorithm {
        "token-bucket" => limit * (1. + windows),
        _ => limit * (windows.floor() + 1.),
    }
}

/// What came of traffic, and what was to come of it.
struct Row {
    algorithm: &'static str,
    prefetch: bool,
    least: f64,
    admitted: f64,
    most: f64,
    refused: f64,
}

async fn measure(
    programs: &Programs,
    redis: &Redis,
    algorithm: &'static str,
    prefetch: bool,
    duration: Duration,
) -> Result<Row> {
    // Each has its own counters.
    let name = format!("{algorithm}-{prefetch}");
    let config = configuration(&counted_in(redis, &name, algorithm), LIMIT, WINDOW)?;
    let stack = Stack::start(programs, config.path(), 2, prefetch).await?;
    let windows = (duration.as_secs() / WINDOW.as_secs()) as u32;
    let requests = LIMIT * DEMAND * windows;
    let load = Load { address: stack.envoy.address(), path: "/", connections: 16, requests, duration };
    let started = Instant::now();
    let tally = load.run().await?;
    let took = started.elapsed();
    ensure!(tally.of(200) + tally.of(429) == requests, "{algorithm}: other answers: {tally:?}");
    let per_second = f64::from(requests) / duration.as_secs_f64();
    // What is asked for in twice the time that a fetch may take, and a quarter of each worker's greatest fetch.
    let credit = if prefetch { per_second * (2. * TIMEOUT.as_secs_f64() + 0.25) } else { 0. };
    Ok(Row {
        algorithm,
        prefetch,
        least: 0.95 * f64::from(LIMIT * windows),
        admitted: f64::from(tally.of(200)),
        most: granted_at_most(algorithm, took) + credit,
        refused: f64::from(tally.of(429)),
    })
}

#[tokio::test]
async fn what_passes_is_within_the_bounds() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let Some(redis) = Redis::or_skip().await? else { return Ok(()) };
    let duration = Duration::from_secs(if std::env::var_os(LONG).is_some() { 60 } else { 6 });
    let mut table = format!(
        "{LIMIT} in {WINDOW:?}, {DEMAND} times as much for {duration:?}, {WORKERS} workers, 2 servers, 1 Redis\n\
         {:<16}{:>9}{:>9}{:>9}{:>9}{:>9}\n",
        "", "prefetch", "at least", "admitted", "at most", "refused"
    );
    let mut is_outside = false;
    for algorithm in ["fixed-window", "rolling-window", "token-bucket"] {
        let with = measure(&programs, &redis, algorithm, true, duration);
        let without = measure(&programs, &redis, algorithm, false, duration);
        let (with, without) = tokio::try_join!(with, without)?;
        for Row { algorithm, prefetch, least, admitted, most, refused } in [with, without] {
            let prefetch = if prefetch { "on" } else { "off" };
            writeln!(
                table,
                "{algorithm:<16}{prefetch:>9}{least:>9.0}{admitted:>9.0}{most:>9.0}{refused:>9.0}"
            )?;
            is_outside |= admitted < least || admitted > most;
        }
    }
    println!("{table}");
    ensure!(!is_outside, "outside of the bounds:\n{table}");
    Ok(())
}

#[tokio::test]
async fn what_one_proxy_did_not_use_another_gets() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let Some(redis) = Redis::or_skip().await? else { return Ok(()) };
    let (limit, window) = (30, Duration::from_secs(600));
    for algorithm in ["fixed-window", "rolling-window"] {
        let config = configuration(&counted_in(&redis, algorithm, algorithm), limit, window)?;
        let first = Stack::start(&programs, config.path(), 1, true).await?;
        let send = async |stack: &Stack, requests| {
            let address = stack.envoy.address();
            let load = Load { address, path: "/", connections: 1, requests, duration: Duration::ZERO };
            load.run().await
        };
        // The first asks with its check, the next are answered from the pool that one of them has filled.
        let used = send(&first, 5).await?.of(200);
        ensure!(used == 5, "{algorithm}: {used} of 5 passed");
        wait::until("tokens that nobody asked for", async || {
            (first.envoy.counter("total_quota_returned").await.ok()? > 0).then_some(())
        })
        .await?;
        let returned = first.envoy.counter("total_quota_returned").await?;
        // Without fetching ahead the other gets what there is, to the last token.
        let second = Stack::start(&programs, config.path(), 1, false).await?;
        let left = send(&second, limit).await?.of(200);
        println!("{algorithm}: {used} used, {returned} returned, {left} left of {limit} for another");
        ensure!(used + left == limit, "{algorithm}: {used} and {left} of {limit}");
    }
    Ok(())
}
