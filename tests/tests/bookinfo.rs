//! The configuration that Mixer 0.1.6 shipped, as it is, with the rules of its demo application, through the real Envoy.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Programs, Stack, paths, wait};

/// The service whose rules are tried.
const RATINGS: &str = "ratings.default.svc.cluster.local";

/// What its rule allows in a second.
const LIMIT: u64 = 5;

/// The shipped configuration with one rule of the demo application in its place, or nothing where it is missing.
fn configuration(rule: &str) -> Result<Option<TempDir>> {
    let Some(vectors) = paths::vectors_or_skip() else { return Ok(None) };
    let folder = tempfile::Builder::new().prefix("mixer-bookinfo-").tempdir()?;
    paths::copy_tree(&vectors.join("configs/mixer-0.1.6"), folder.path())?;
    let subject = folder.path().join("scopes/global/subjects").join(RATINGS);
    fs::create_dir_all(&subject)?;
    fs::copy(vectors.join("configs/bookinfo-0.1.6").join(rule), subject.join("rules.yml"))?;
    Ok(Some(folder))
}

/// Sends requests for the service, charged as the old proxies charged them; so few are not fetched ahead.
fn to_ratings(plugin: &mut Value) {
    plugin["attributes"]["target.service"] = json!(RATINGS);
    plugin["quotas"] = json!({ "rules": [{ "charge": { "RequestCount": 1 } }], "prefetch": false });
    plugin["report"]["batch_max"] = json!(1);
}

#[tokio::test]
async fn its_rate_limit_answers_429_and_is_told() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let Some(config) = configuration("mixer-rule-ratings-ratelimit.yaml")? else { return Ok(()) };
    let stack = Stack::plan(programs)?.config(config.path().to_owned()).plugin(to_ratings).start().await?;
    let (client, started) = (stack.client(), Instant::now());
    let (mut admitted, mut refused) = (0_u64, 0_u64);
    while refused < 20 {
        let answer = client.get("/ratings/0").await?;
        if answer.status == 200 {
            admitted += 1;
        } else {
            let text = "RESOURCE_EXHAUSTED:Quota is exhausted for: RequestCount";
            assert_eq!((answer.status.as_u16(), answer.text().as_str()), (429, text));
            refused += 1;
        }
    }
    let most = LIMIT * (started.elapsed().as_secs() + 1);
    println!("{admitted} admitted and {refused} refused in {:?}", started.elapsed());
    assert!((LIMIT..=most).contains(&admitted), "{admitted} admitted, {most} at most");
    // A second after the last of them there are as many again.
    wait::until("tokens that come back", async || {
        let answer = client.get("/ratings/0").await.ok()?;
        if answer.status == 200 {
            admitted += 1;
            return Some(());
        }
        refused += 1;
        None
    })
    .await?;

    let server = stack.server()?;
    for (code, count) in [("200", admitted), ("429", refused)] {
        let labels = [
            ("source", "unknown"),
            ("target", RATINGS),
            ("service", "unknown"),
            ("method", "/ratings/0"),
            ("version", "unknown"),
            ("response_code", code),
        ];
        server.wait_for_metric("request_count", &labels, count).await?;
        server.wait_for_metric("request_duration_count", &labels, count).await?;
    }
    // What is told of a request is counted and written by two adapters, neither of which waits for the other.
    let lines = wait::until("a line for each request", async || {
        let all = server.stderr().all();
        let entries = all.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let entries: Vec<Value> = entries.filter(|entry| entry["logName"] == "access_log").collect();
        (entries.len() as u64 >= admitted + refused).then_some(entries)
    })
    .await?;
    let mut codes = (0, 0);
    for entry in &lines {
        let text = entry["textPayload"].as_str().context("an entry is text")?;
        let line = CommonLog::parse(text).with_context(|| format!("not in the common log format: {text}"))?;
        assert_eq!((line.host, line.user), ("127.0.0.1", "-"), "{text}");
        assert!(line.request.starts_with("GET /ratings/0 "), "{text}");
        match line.status {
            200 => codes.0 += 1,
            429 => codes.1 += 1,
            other => panic!("{other}: {text}"),
        }
    }
    assert_eq!(codes, (admitted, refused));
    Ok(())
}

#[tokio::test]
async fn its_denial_refuses_the_third_version_only() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let Some(config) = configuration("mixer-rule-ratings-denial.yaml")? else { return Ok(()) };
    for (version, status) in [("v3", 400), ("v2", 200)] {
        let labels = json!({ "string_map": { "app": "reviews", "version": version } });
        let plan = Stack::plan(programs.clone())?.config(config.path().to_owned()).plugin(|plugin| {
            to_ratings(plugin);
            plugin["attributes"]["source.labels"] = labels;
        });
        let stack = plan.start().await?;
        let answer = stack.client().get("/ratings/0").await?;
        // The adapter's own code where its block names none: FAILED_PRECONDITION.
        assert_eq!(answer.status, status, "{version}: {}", answer.text());
        assert_eq!(answer.text() == "FAILED_PRECONDITION", status == 400, "{}", answer.text());
    }
    Ok(())
}

/// `host - user [day/Mon/year:hour:minute:second zone] "request" status size`
struct CommonLog<'a> {
    host: &'a str,
    user: &'a str,
    request: &'a str,
    status: u16,
}

impl<'a> CommonLog<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (host, rest) = line.split_once(" - ")?;
        let (user, rest) = rest.split_once(" [")?;
        let (time, rest) = rest.split_once("] \"")?;
        let (request, rest) = rest.rsplit_once("\" ")?;
        let (status, size) = rest.split_once(' ')?;
        let (date, zone) = time.split_once(' ')?;
        let is_number = |text: &str, digits: usize| text.len() == digits && text.parse::<u32>().is_ok();
        let mut parts = date.split(['/', ':']);
        let is_date = is_number(parts.next()?, 2)
            && parts.next()?.len() == 3
            && is_number(parts.next()?, 4)
            && parts.clone().count() == 3
            && parts.all(|part| is_number(part, 2));
        let is_zone = zone.len() == 5 && zone.starts_with(['+', '-']) && is_number(zone.get(1..)?, 4);
        let is_size = size == "-" || size.parse::<u64>().is_ok();
        (is_date && is_zone && is_size).then_some(())?;
        Some(Self { host, user, request, status: status.parse().ok()? })
    }
}
