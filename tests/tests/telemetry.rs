//! What is told about requests arrives or is counted as lost, each request once, whatever becomes of the server.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tempfile::TempDir;
use tests::{Load, Programs, Stack, wait};

/// Set to send ten times as much.
const LONG: &str = "MIXER_LONG";

/// How long the last reports may take to be written; only ever spent on failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// The file with a line for each record.
const FILE: &str = "records.log";

fn configuration() -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("mixer-telemetry-config-").tempdir()?;
    let global = folder.path().join("scopes/global");
    fs::create_dir_all(global.join("subjects/global"))?;
    let file = json!({ "file": FILE, "maxSizeBytes": 1_000_000_000 });
    let log = json!({
        "logName": "records",
        "log": { "descriptorName": "record", "templateExpressions": { "path": "request.path" } },
    });
    for (name, content) in [
        (
            "adapters.yml",
            json!({ "adapters": [
                { "name": "records", "kind": "access-logs", "impl": "fileLogger", "params": file }
            ]}),
        ),
        (
            "descriptors.yml",
            json!({
                "manifests": [
                    { "name": "envoy-filter", "attributes": { "request.path": { "valueType": "STRING" } } }
                ],
                "logs": [{ "name": "record", "payloadFormat": "TEXT", "logTemplate": "{{.path}}" }],
            }),
        ),
        (
            "subjects/global/rules.yml",
            json!({ "rules": [
                { "aspects": [{ "kind": "access-logs", "adapter": "records", "params": log }] }
            ]}),
        ),
    ] {
        fs::write(global.join(name), content.to_string())?;
    }
    Ok(folder)
}

/// How many records have been written.
fn delivered(logs: &Path) -> u64 {
    fs::read_to_string(logs.join(FILE)).unwrap_or_default().lines().count() as u64
}

#[tokio::test]
async fn each_request_is_delivered_or_counted_as_dropped() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let requests = if std::env::var_os(LONG).is_some() { 200_000 } else { 20_000 };
    let (config, logs) = (configuration()?, tempfile::tempdir()?);
    let plan = Stack::plan(programs)?
        .config(config.path().to_owned())
        .log_root(logs.path().to_owned())
        .concurrency(2)
        .plugin(|plugin| {
            plugin["check"]["failure"]["policy"] = json!("open");
            plugin["report"]["batch_interval"] = json!("100ms");
        });
    let mut stack = plan.start().await?;
    let load = Load {
        address: stack.envoy.address(),
        path: "/",
        connections: 16,
        requests,
        duration: Duration::ZERO,
    };
    let traffic = tokio::spawn(load.run());
    let passed = async |stack: &Stack, third: u64| {
        let enough = u64::from(requests) * third / 3;
        wait::until_within(PATIENCE * 5, "a third of the traffic", async || {
            (stack.envoy.counter("total_report_calls").await.ok()? >= enough).then_some(())
        })
        .await
    };
    passed(&stack, 1).await?;
    stack.stop_server().await?;
    stack.start_server().await?;
    passed(&stack, 2).await?;
    // This time it stays away for so long that something is lost.
    stack.stop_server().await?;
    wait::until("reports that nobody takes", async || {
        (stack.envoy.counter("total_reports_dropped").await.ok()? > 0).then_some(())
    })
    .await?;
    stack.start_server().await?;
    assert!(!traffic.is_finished(), "the server was to be away while there is traffic");
    let tally = traffic.await??;
    ensure!(tally.of(200) == requests, "other answers: {tally:?}");
    let requests = u64::from(requests);
    stack.envoy.wait_for_counter("total_report_calls", requests).await?;

    let dropped = async || stack.envoy.counter("total_reports_dropped").await;
    let settled = wait::until_within(PATIENCE, "the last records", async || {
        (delivered(logs.path()) + dropped().await.ok()? >= requests).then_some(())
    })
    .await;
    let dropped = dropped().await?;
    stack.stop_server().await?;
    let delivered = delivered(logs.path());
    println!("{requests} requests, two restarts: {delivered} delivered, {dropped} counted as dropped");
    settled.context(format!("{delivered} delivered, {dropped} dropped"))?;
    assert_eq!(delivered + dropped, requests);
    assert!(delivered > requests / 2 && dropped > 0, "both are to be seen");
    Ok(())
}
