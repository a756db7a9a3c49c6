//! What becomes of the reports that wait when Envoy lets go of the filter.
//!
//! Where nothing else is said, reports wait for a minute and a batch is never full: what arrives was sent because of
//! the end.

use anyhow::Result;
use serde_json::{Value, json};
use tests::stack::Plan;
use tests::{Bootstrap, Client, Programs, Stack, decode};

/// A stack whose reports wait for so long.
fn waiting(programs: Programs, interval: &str) -> Result<Plan> {
    let report = json!({"enabled": true, "batch_max": 1000, "batch_interval": interval});
    Ok(Stack::plan(programs)?.changing_listeners().plugin(|plugin| plugin["report"] = report))
}

/// Three requests, whose reports wait.
async fn ask(stack: &Stack) -> Result<()> {
    for path in ["/a", "/b", "/c"] {
        stack.client().get(path).await?;
    }
    stack.envoy.wait_for_counter("total_report_calls", 3).await
}

fn with_other_plugin(bootstrap: Bootstrap) -> Bootstrap {
    bootstrap.edit_plugin(|plugin: &mut Value| plugin["report"]["batch_max"] = json!(999))
}

#[tokio::test]
async fn another_configuration_of_the_filter_sends_what_waits() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = waiting(programs, "60s")?.scripted().start().await?;
    ask(&stack).await?;
    assert!(stack.scripted()?.reports().is_empty(), "nothing was due");
    stack.change_listeners(with_other_plugin)?;
    let reports = stack.scripted()?.wait_for_messages(3).await?;
    let paths: Vec<Value> =
        decode::report(&reports[0])?.iter().map(|message| message["request.path"].clone()).collect();
    assert_eq!((reports.len(), paths), (1, vec![json!("/a"), json!("/b"), json!("/c")]));
    // The machine lives on, so the answer came, and was counted.
    stack.envoy.wait_for_counter("total_remote_report_successes", 1).await?;
    assert_eq!(stack.envoy.counter("total_reports_dropped").await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_listener_that_goes_sends_what_waits() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = waiting(programs, "60s")?.start().await?;
    ask(&stack).await?;
    stack.change_listeners(Bootstrap::without_listeners)?;
    // Envoy takes the call back as soon as it has made it, since the machine is gone; the server does the work.
    let server = stack.server()?;
    for path in ["/a", "/b", "/c"] {
        server.wait_for_log(path, |entry| entry["labels"]["path"] == path).await?;
    }
    Ok(())
}

#[tokio::test]
async fn drained_listeners_leave_the_filter_its_tick() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let mut stack = waiting(programs, "3s")?.scripted().start().await?;
    ask(&stack).await?;
    Client::http1(stack.envoy.admin()).post("/drain_listeners?graceful", "").await?;
    // What docs/filter.md has operators do: wait so long, then end Envoy.
    stack.scripted()?.wait_for_messages(3).await?;
    stack.envoy.wait_for_counter("total_remote_report_successes", 1).await?;
    stack.envoy.process().terminate().await?;
    Ok(())
}
