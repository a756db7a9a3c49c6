//! What is told after the request: batches, what stands in them, and what the server's adapters make of them.

use anyhow::Result;
use serde_json::json;
use tests::scripted::Reply;
use tests::{Programs, Stack, decode};

#[tokio::test]
async fn a_full_batch_is_one_rpc_with_every_message() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let plan = Stack::plan(programs)?.scripted().plugin(|plugin| {
        plugin["report"] = json!({"enabled": true, "batch_max": 6, "batch_interval": "60s"});
    });
    let stack = plan.start().await?;
    let client = stack.client();
    for index in 0..5 {
        client.get(&format!("/item/{index}?a=b&status=20{index}")).await?;
    }
    assert!(stack.scripted()?.reports().is_empty(), "the batch was sent before it was full");
    client.post("/echo", "Hello World!").await?;

    let reports = stack.scripted()?.wait_for_messages(6).await?;
    assert_eq!(reports.len(), 1, "six messages in one RPC");
    let messages = decode::report(&reports[0])?;
    assert_eq!(messages.len(), 6);
    for (index, message) in messages[..5].iter().enumerate() {
        assert_eq!(message["request.path"], format!("/item/{index}?a=b&status=20{index}"));
        assert_eq!(message["request.url_path"], format!("/item/{index}"));
        assert_eq!(message["request.query_params"]["a"], "b");
        assert_eq!(message["request.method"], "GET");
        assert_eq!(message["response.code"], 200 + index);
        assert_eq!(message["request.size"], 0);
        assert_eq!(message["target.service"], "productpage.default.svc.cluster.local");
        assert_eq!(message["origin.ip"], json!([127, 0, 0, 1]));
        assert_eq!(message["request.headers"]["user-agent"], "tests");
        assert_eq!(message["request.headers"][":path"], message["request.path"]);
        assert_eq!(message["context.protocol"], "http");
        assert_eq!(message["check.cache_hit"], index > 0);
        for time in ["request.time", "response.time"] {
            assert!(message[time]["seconds"].as_i64() > Some(1_700_000_000), "{time}: {}", message[time]);
        }
        assert!(message.contains_key("response.duration"));
        // Nothing of one request may stand in the message of another.
        assert!(!message.contains_key("check.error_code"));
    }
    let post = &messages[5];
    assert_eq!((&post["request.method"], &post["request.size"]), (&json!("POST"), &json!(12)));
    assert_eq!(post["response.size"], 12);
    assert!(!post.contains_key("request.query_params"), "an attribute of an earlier message lives on");
    stack.envoy.wait_for_counter("total_remote_report_successes", 1).await?;
    stack.envoy.wait_for_counter("total_report_calls", 6).await?;
    stack.envoy.wait_for_counter("total_remote_report_calls", 1).await?;
    Ok(())
}

#[tokio::test]
async fn a_batch_that_does_not_fill_goes_with_the_tick() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let plan = Stack::plan(programs)?
        .scripted()
        .plugin(|plugin| plugin["report"]["batch_interval"] = json!("300ms"));
    let stack = plan.start().await?;
    stack.client().get("/a").await?;
    let reports = stack.scripted()?.wait_for_messages(1).await?;
    assert_eq!(decode::report(&reports[0])?[0]["request.path"], "/a");
    Ok(())
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let plan = Stack::plan(programs)?.scripted().plugin(|plugin| plugin["report"]["batch_max"] = json!(1));
    let stack = plan.start().await?;
    stack.scripted()?.answer(|_| Reply::verdict(16, "Unauthenticated by mixer.", &[]));
    let answer = stack.client().get("/a").await?;
    let text = "UNAUTHENTICATED:Unauthenticated by mixer.";
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (401, text));
    let reports = stack.scripted()?.wait_for_messages(1).await?;
    let message = &decode::report(&reports[0])?[0];
    assert_eq!(message["response.code"], 401);
    assert_eq!(message["check.error_code"], 16);
    assert_eq!(message["check.error_message"], text);
    assert_eq!(message["check.cache_hit"], false);
    Ok(())
}

#[tokio::test]
async fn nothing_is_told_when_reports_are_off() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let plan = Stack::plan(programs)?.scripted().plugin(|plugin| {
        plugin["report"] = json!({"enabled": false});
    });
    let stack = plan.start().await?;
    stack.client().get("/a").await?;
    stack.envoy.wait_for_counter("total_check_calls", 1).await?;
    assert_eq!(stack.envoy.counter("total_report_calls").await?, 0);
    assert!(stack.scripted()?.reports().is_empty());
    Ok(())
}

#[tokio::test]
async fn the_server_logs_and_counts_what_it_is_told() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let plan = Stack::plan(programs)?.plugin(|plugin| plugin["report"]["batch_max"] = json!(3));
    let stack = plan.start().await?;
    for path in ["/productpage", "/admin", "/missing?status=404"] {
        stack.client().get(path).await?;
    }
    let server = stack.server()?;
    for (path, status) in [("/productpage", 200), ("/admin", 403), ("/missing?status=404", 404)] {
        let entry = server.wait_for_log(path, |entry| entry["labels"]["path"] == path).await?;
        assert_eq!(entry["logName"], "access_log");
        assert_eq!(entry["labels"]["status"], status);
        assert_eq!(entry["labels"]["service"], "productpage.default.svc.cluster.local");
        let text = entry["textPayload"].as_str().unwrap_or_default();
        assert!(text.contains(&format!("\"GET {path} http\" {status}")), "{text}");
    }
    server.wait_for_metric("mixer_reports_total", &[], 1).await?;
    server.wait_for_metric("mixer_report_messages_total", &[], 3).await?;
    for status in ["200", "403", "404"] {
        server.wait_for_metric("request_count", &[("status", status), ("method", "GET")], 1).await?;
    }
    server.wait_for_metric("request_duration_count", &[], 3).await?;
    stack.stop().await
}
