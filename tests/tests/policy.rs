//! Changes of policy, and the law of the cache, seen from outside.

use std::net::IpAddr;
use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use anyhow::{Context as _, Result};
use http::Method;
use http_body_util::Full;
use serde_json::json;
use tests::{Client, Programs, Stack, paths, wait};

/// The virtual machines of an Envoy with one worker: the worker's, and the main thread's. Each has its own feed.
const MACHINES: u64 = 2;

/// A copy of the demo's configuration that a test may change.
fn copy_of_demo() -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    paths::copy_tree(&paths::config("demo"), folder.path())?;
    Ok(folder)
}

/// Replaces a text in the product page's rules, as an editor does: a new file under the old name.
fn change_rules(tree: &Path, from: &str, to: &str) -> Result<()> {
    let rules = tree.join("scopes/global/subjects/productpage.default.svc.cluster.local/rules.yml");
    let text = fs::read_to_string(&rules)?;
    anyhow::ensure!(text.contains(from), "the rules do not have `{from}`");
    let fresh = rules.with_extension("new");
    fs::write(&fresh, text.replace(from, to))?;
    fs::rename(fresh, rules)?;
    Ok(())
}

#[tokio::test]
async fn a_change_of_policy_reaches_an_envoy_that_serves_only_hits() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let tree = copy_of_demo()?;
    let stack = Stack::plan(programs)?.config(tree.path().to_owned()).start().await?;
    stack.envoy.wait_for_counter("total_feed_updates", MACHINES).await?;
    let client = stack.client();
    for _ in 0..20 {
        assert_eq!(client.get("/productpage").await?.status, 200);
    }
    stack.envoy.wait_for_counter("total_check_cache_hits", 19).await?;

    change_rules(tree.path(), "\"/admin\"", "\"/product\"")?;
    let changed = Instant::now();
    let denied = wait::until("the new policy", async || {
        let answer = client.get("/productpage").await.ok()?;
        (answer.status == 403).then_some(answer)
    })
    .await?;
    println!("from the change of a file to the first refusal: {:?}", changed.elapsed());
    assert_eq!(denied.text(), "PERMISSION_DENIED:the admin pages are closed");
    assert_eq!(client.get("/admin").await?.status, 200, "and what was refused is allowed");
    stack.envoy.wait_for_counter("total_feed_updates", 2 * MACHINES).await?;

    // A broken change changes nothing.
    change_rules(tree.path(), "kind: denials", "kind: denails")?;
    let server = stack.server()?;
    wait::until("the refusal of a broken tree", async || {
        let metrics = server.metrics().await.ok()?;
        (metrics.count("mixer_config_load_errors_total", &[]) >= 1).then_some(())
    })
    .await?;
    assert_eq!(client.get("/productpage").await?.status, 403);
    assert_eq!(client.get("/admin").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn dropping_caches_makes_the_next_request_a_miss() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let mixer = programs.server.clone();
    let stack = Stack::plan(programs)?.start().await?;
    stack.envoy.wait_for_counter("total_feed_updates", MACHINES).await?;
    for _ in 0..3 {
        stack.client().get("/productpage").await?;
    }
    stack.envoy.wait_for_counter("total_check_cache_hits", 2).await?;

    let admin = stack.server()?.admin().to_string();
    let output =
        tokio::process::Command::new(mixer).args(["cache", "drop", "--admin", &admin]).output().await?;
    assert!(output.status.success(), "{output:?}");
    stack.envoy.wait_for_counter("total_check_cache_drops", MACHINES).await?;
    stack.client().get("/productpage").await?;
    stack.envoy.wait_for_counter("total_remote_check_calls", 2).await?;
    assert_eq!(stack.server()?.metrics().await?.count("mixer_checks_total", &[("cache", "miss")]), 2);
    Ok(())
}

#[tokio::test]
async fn a_trusted_peer_is_told_why() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let trust = |plugin: &mut serde_json::Value| plugin["explain"] = json!({ "trusted": ["127.0.0.1"] });
    let stack = Stack::plan(programs)?.plugin(trust).start().await?;
    stack.envoy.wait_for_counter("total_feed_updates", MACHINES).await?;
    let ask = async |path: &str| stack.client().get_with(path, "x-mixer-explain", b"1").await;
    for (path, begins, status) in [
        ("/admin/1", "cache miss (cold); ", 403),
        ("/admin/2", "cache hit; ", 403),
        ("/productpage", "cache miss (cold); ", 200),
        ("/other", "cache hit; ", 200),
    ] {
        let answer = ask(path).await?;
        let [how] = &answer.header("x-mixer-explain")[..] else { panic!("{path}: {:?}", answer.headers) };
        println!("{path}: {how}");
        assert_eq!(answer.status, status);
        assert!(how.starts_with(begins), "{path}: {how}");
        let refused_by = "PERMISSION_DENIED by global/productpage.default.svc.cluster.local";
        assert_eq!(how.contains(refused_by), status == 403, "{path}: {how}");
        let looked = r#"request.path starts with "/admin"?"#;
        assert!(how.contains(looked), "{path}: {how}");
    }
    let stranger = stack.client().from_address("127.0.0.3".parse()?);
    let answer = stranger.get_with("/other", "x-mixer-explain", b"1").await?;
    assert_eq!(answer.header("x-mixer-explain"), Vec::<String>::new());
    for seen in stack.upstream.seen() {
        assert!(
            !format!("{seen:?}").contains("x-mixer-explain"),
            "the application sees nothing of it: {seen:?}"
        );
    }
    Ok(())
}

/// Numbers that look random and are the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

/// One of the requests that the demo's rules tell apart, and many that they do not.
struct Draw {
    method: Method,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    from: &'static str,
}

impl Draw {
    fn new(numbers: &mut Numbers) -> Self {
        let path = match numbers.below(4) {
            0 => format!("/{}", numbers.below(1_000_000)),
            1 => format!("/admin{}", numbers.of(&["", "/", "/x", "istrator", "?a=1"])),
            2 => format!("/reviews{}", numbers.of(&["", "/1", "/2?x"])),
            _ => numbers.of(&["/", "/productpage", "/adm", "/Admin", "/static/a.css", "/?admin"]).to_owned(),
        };
        let mut headers = Vec::new();
        for (name, values) in [
            ("x-approved-by", ["", "ops", "eve"].as_slice()),
            ("user-agent", &["BadBot/1.0", "tests", "sqlmap/1.7"]),
            ("x-noise", &["1", "2", "3"]),
        ] {
            // Absent, once, or twice.
            for _ in 0..numbers.below(3) {
                headers.push((name, numbers.of(values)));
            }
        }
        Self {
            method: [Method::GET, Method::GET, Method::DELETE, Method::HEAD][numbers.below(4)].clone(),
            path,
            headers,
            from: numbers.of(&["127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.3"]),
        }
    }

    /// What a client sees of the decision: the status and, for a refusal, the body.
    async fn send(&self, client: Client) -> Result<(u16, String)> {
        let mut request = http::Request::builder().method(&self.method).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        let from: IpAddr = self.from.parse()?;
        let answer = client.from_address(from).send(request.body(Full::default())?).await?;
        let body = if answer.status == 200 { String::new() } else { answer.text() };
        Ok((answer.status.as_u16(), body))
    }
}

#[tokio::test]
async fn an_envoy_with_caches_answers_like_one_without() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    // What is compared is decisions, not how fast the machine is.
    let patient = |plugin: &mut serde_json::Value| plugin["mixer"]["timeout"] = json!("20s");
    let cached = Stack::plan(programs.clone())?.plugin(patient).start().await?;
    let plan = Stack::plan(programs)?.plugin(patient);
    let plan = plan.plugin(|plugin| plugin["check"]["cache"]["enabled"] = json!(false));
    let fresh = plan.l2_entries(0).start().await?;
    let seed = match env::var("MIXER_SEED") {
        Ok(seed) => seed.parse().context("MIXER_SEED is a number")?,
        Err(_) => 1,
    };
    println!("seed {seed}");
    let mut numbers = Numbers(seed);
    let requests = 3000;
    let (mut refused, mut checked) = (0, 0);
    for _ in 0..requests {
        let draw = Draw::new(&mut numbers);
        let (with, without) = tokio::try_join!(draw.send(cached.client()), draw.send(fresh.client()))?;
        let Draw { method, path, headers, from } = &draw;
        assert_eq!(with, without, "{method} {path} {headers:?} from {from}");
        refused += u32::from(with.0 != 200);
        checked += u64::from(!path.starts_with("/static"));
    }
    cached.envoy.wait_for_counter("total_check_calls", checked).await?;
    let misses = cached.envoy.counter("total_check_cache_misses").await?;
    let hits = checked - misses;
    println!("{requests} requests, {refused} refused; with caches {hits} hits and {misses} misses");
    assert!(refused > requests / 10 && refused < requests * 9 / 10, "both answers count");
    assert!(hits > misses, "a cache that does not hit proves nothing");
    Ok(())
}

#[tokio::test]
async fn traffic_of_ever_new_paths_is_answered_from_the_cache() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.start().await?;
    let client = stack.client();
    for number in 0..500 {
        assert_eq!(client.get(&format!("/page/{number}?n={number}")).await?.status, 200);
        assert_eq!(client.get(&format!("/admin/{number}")).await?.status, 403);
    }
    stack.envoy.wait_for_counter("total_check_calls", 1000).await?;
    let misses = stack.envoy.counter("total_check_cache_misses").await?;
    println!("1000 requests with as many paths: {misses} misses");
    assert!(misses <= 10, "the proxy learns the rule, not the path");
    Ok(())
}
