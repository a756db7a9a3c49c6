//! Mixer away, late or broken: nothing hangs, and nothing opens silently.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tests::scripted::Reply;
use tests::{Programs, Stack, wait};
use tonic::Status;

/// Well above the filter's deadline of a second, well below anything that one would call hanging.
const PROMPT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn refused_while_the_server_is_down_and_served_when_it_is_up() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let mut stack = Stack::plan(programs)?.without_mixer().start().await?;
    for _ in 0..3 {
        let before = Instant::now();
        let answer = stack.client().get("/productpage").await?;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(before.elapsed() < PROMPT, "it took {:?}", before.elapsed());
    }
    assert!(stack.upstream.seen().is_empty(), "it fails closed");
    assert_eq!(
        stack.envoy.counter("total_check_cache_hits").await?,
        0,
        "a failure is no verdict to remember"
    );

    stack.start_server().await?;
    wait::until("an allowed request", async || {
        let answer = stack.client().get("/productpage").await.ok()?;
        answer.status.is_success().then_some(())
    })
    .await?;
    assert_eq!(stack.client().get("/admin").await?.status, 403);
    stack.stop().await
}

#[tokio::test]
async fn open_only_when_the_operator_says_so() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let plan = Stack::plan(programs)?.without_mixer();
    let stack = plan.plugin(|plugin| plugin["check"]["failure"] = json!({"policy": "open"})).start().await?;
    assert_eq!(stack.client().get("/productpage").await?.status, 200);
    stack.stop().await
}

#[tokio::test]
async fn a_late_answer_is_none() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let plan = Stack::plan(programs)?.scripted().plugin(|plugin| plugin["mixer"]["timeout"] = json!("300ms"));
    let stack = plan.start().await?;
    stack.scripted()?.answer(|_| Reply::allowed().delayed(Duration::from_secs(20)));
    let before = Instant::now();
    let answer = stack.client().get("/a").await?;
    assert!(answer.status.is_server_error(), "{}", answer.status);
    assert!(before.elapsed() < PROMPT, "it took {:?}", before.elapsed());
    assert!(stack.upstream.seen().is_empty());
    stack.envoy.wait_for_counter("total_remote_call_timeouts", 1).await?;
    Ok(())
}

#[tokio::test]
async fn an_error_of_the_server_is_no_pass() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.scripted().start().await?;
    let mixer = stack.scripted()?;
    for status in [Status::internal("oh"), Status::unavailable("oh"), Status::resource_exhausted("oh")] {
        let name = status.to_string();
        mixer.answer(move |_| Reply::failure(status.clone()));
        let answer = stack.client().get("/a").await?;
        assert!(!answer.status.is_success(), "{name} let a request pass");
    }
    // An answer without a precondition says nothing, and nothing is not "allowed".
    mixer.answer(|_| Reply { after: Duration::ZERO, result: Ok(proto::v1::CheckResponse::default()) });
    assert!(!stack.client().get("/a").await?.status.is_success(), "an empty answer let a request pass");
    assert!(stack.upstream.seen().is_empty());
    // And none of it was remembered.
    mixer.answer(|_| Reply::allowed());
    assert_eq!(stack.client().get("/a").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_client_that_leaves_leaves_nothing_behind() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.scripted().start().await?;
    let mixer = stack.scripted()?;
    mixer.answer(|_| Reply::allowed().delayed(Duration::from_millis(400)));
    {
        use tokio::io::AsyncWriteExt as _;
        let mut stream = tokio::net::TcpStream::connect(stack.envoy.address()).await?;
        stream.write_all(b"GET /gone HTTP/1.1\r\nhost: a\r\n\r\n").await?;
        wait::until("the check of the request", async || (!mixer.checks().is_empty()).then_some(())).await?;
    }
    // The VM lives and serves on, while the answer for nobody arrives.
    mixer.answer(|_| Reply::allowed());
    assert_eq!(stack.client().get("/b").await?.status, 200);
    Ok(())
}
