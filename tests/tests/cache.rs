//! Both check caches: what is answered by whom, as counted on both sides.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tests::scripted::Reply;
use tests::{Programs, Stack, wait};

#[tokio::test]
async fn the_second_request_makes_no_rpc() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.start().await?;
    for path in ["/productpage", "/productpage", "/admin", "/admin"] {
        stack.client().get(path).await?;
    }
    let envoy = &stack.envoy;
    envoy.wait_for_counter("total_check_calls", 4).await?;
    envoy.wait_for_counter("total_check_cache_hits", 2).await?;
    envoy.wait_for_counter("total_check_cache_hit_accepts", 1).await?;
    envoy.wait_for_counter("total_check_cache_hit_denies", 1).await?;
    envoy.wait_for_counter("total_check_cache_misses", 2).await?;
    envoy.wait_for_counter("total_remote_check_calls", 2).await?;
    envoy.wait_for_counter("total_remote_check_accepts", 1).await?;
    envoy.wait_for_counter("total_remote_check_denies", 1).await?;
    envoy.wait_for_counter("total_check_cache_misses_cold", 2).await?;
    envoy.wait_for_counter("check_cache_entries", 2).await?;
    assert_eq!(stack.server()?.metrics().await?.count("mixer_checks_total", &[]), 2);
    assert_eq!(stack.upstream.seen().len(), 2);
    stack.stop().await
}

#[tokio::test]
async fn without_l1_the_server_answers_from_l2() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let plan = Stack::plan(programs)?.plugin(|plugin| plugin["check"]["cache"]["enabled"] = json!(false));
    let stack = plan.start().await?;
    for _ in 0..3 {
        assert_eq!(stack.client().get("/admin").await?.status, 403);
    }
    stack.envoy.wait_for_counter("total_remote_check_calls", 3).await?;
    assert_eq!(stack.envoy.counter("total_check_cache_hits").await?, 0);
    let metrics = stack.server()?.metrics().await?;
    assert_eq!(metrics.count("mixer_checks_total", &[("cache", "miss")]), 1);
    assert_eq!(metrics.count("mixer_checks_total", &[("cache", "hit")]), 2);
    assert_eq!(metrics.count("mixer_l2_hits_total", &[]), 2);
    stack.stop().await
}

#[tokio::test]
async fn without_both_caches_every_request_is_evaluated() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let plan = Stack::plan(programs)?.plugin(|plugin| plugin["check"]["cache"]["enabled"] = json!(false));
    let stack = plan.l2_entries(0).start().await?;
    for _ in 0..3 {
        assert_eq!(stack.client().get("/admin").await?.status, 403);
    }
    let metrics = stack.server()?.metrics().await?;
    assert_eq!(metrics.count("mixer_checks_total", &[("cache", "off")]), 3);
    assert_eq!(metrics.count("mixer_checks_total", &[]), 3);
    assert_eq!(metrics.count("mixer_l2_hits_total", &[]), 0);
    assert_eq!(metrics.count("mixer_adapter_calls_total", &[("handler", "adminClosed")]), 3);
    stack.stop().await
}

#[tokio::test]
async fn a_verdict_ends_with_its_time() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.scripted().start().await?;
    let mixer = stack.scripted()?;
    let time_to_live = Duration::from_millis(700);
    mixer.answer(move |_| Reply::verdict(0, "", &["target.service"]).valid_for(time_to_live));

    let before = Instant::now();
    stack.client().get("/").await?;
    stack.client().get("/").await?;
    // In the last tenth of its life it is asked for anew.
    let least = time_to_live * 9 / 10;
    if before.elapsed() < least {
        assert_eq!(mixer.checks().len(), 1, "the second request within the time is answered from L1");
    }
    wait::until("a second check", async || {
        stack.client().get("/").await.ok()?;
        (mixer.checks().len() >= 2).then_some(())
    })
    .await?;
    assert!(before.elapsed() >= least, "the verdict was forgotten too early: {:?}", before.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_verdict_ends_with_its_uses() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.scripted().start().await?;
    let mixer = stack.scripted()?;
    mixer.answer(|_| {
        let mut reply = Reply::allowed();
        if let Ok(precondition) =
            reply.result.as_mut().map(|response| response.precondition.get_or_insert_default())
        {
            precondition.valid_use_count = 2;
        }
        reply
    });
    for (requests, checks) in [(1, 1), (2, 1), (3, 1), (4, 2)] {
        stack.client().get("/").await?;
        assert_eq!(mixer.checks().len(), checks, "after {requests} requests");
    }
    Ok(())
}

#[tokio::test]
async fn a_verdict_holds_for_what_it_was_reached_by() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.scripted().start().await?;
    let mixer = stack.scripted()?;
    mixer.answer(|attributes| {
        let is_alice = attributes["request.headers"]["x-user"] == "alice";
        Reply::verdict(if is_alice { 0 } else { 7 }, "not you", &["request.headers[x-user]"])
    });
    let client = stack.client();
    for (path, user, status) in [
        ("/a", "alice", 200),
        ("/b", "bob", 403),
        ("/c", "alice", 200),
        ("/d", "bob", 403),
        ("/e", "eve", 403),
    ] {
        let answer = client.get_with(path, "x-user", user.as_bytes()).await?;
        assert_eq!(answer.status, status, "{user}: {}", answer.text());
    }
    assert_eq!(mixer.checks().len(), 3, "one for each user, whatever the path");
    stack.envoy.wait_for_counter("total_check_cache_hits", 2).await?;
    Ok(())
}
