//! Checks of many requests on one stream, through Envoy.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use tests::stack::Plan;
use tests::{Bootstrap, Client, Programs, Stack};

/// Requests at once.
const CROWD: usize = 32;

/// How long a test asks on until something has happened.
const PATIENCE: Duration = Duration::from_secs(30);

/// A stack whose filter asks about every request.
fn asking(programs: Programs) -> Result<Plan> {
    Ok(Stack::plan(programs)?.plugin(|plugin| plugin["check"]["cache"]["enabled"] = json!(false)))
}

/// Sends a crowd of requests, every other one for what is closed, and counts answers by what was asked for and what came.
async fn crowd(client: Client) -> Result<BTreeMap<(bool, u16), usize>> {
    let request = |number: usize| async move {
        let is_admin = number.is_multiple_of(2);
        let path = if is_admin { "/admin" } else { "/productpage" };
        let answer = tokio::time::timeout(PATIENCE, client.get(&format!("{path}/{number}"))).await??;
        anyhow::Ok((is_admin, answer.status.as_u16()))
    };
    let requests: Vec<_> = (0..CROWD).map(|number| tokio::spawn(request(number))).collect();
    let mut answers = BTreeMap::new();
    for request in requests {
        *answers.entry(request.await??).or_default() += 1;
    }
    Ok(answers)
}

/// Whether all of a crowd were answered as the policy has it.
fn is_right(answers: &BTreeMap<(bool, u16), usize>) -> bool {
    *answers == BTreeMap::from([((true, 403), CROWD / 2), ((false, 200), CROWD / 2)])
}

/// Sends crowds, each of which has to be answered as the policy has it, until so many questions were asked on streams.
async fn until_asked(stack: &Stack, questions: u64) -> Result<()> {
    let begin = Instant::now();
    while stack.envoy.counter("total_check_stream_questions").await? < questions {
        ensure!(begin.elapsed() < PATIENCE, "no stream is used");
        let answers = crowd(stack.client()).await?;
        ensure!(is_right(&answers), "{answers:?}");
    }
    Ok(())
}

#[tokio::test]
async fn every_question_has_its_own_answer() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = asking(programs)?.concurrency(2).start().await?;
    until_asked(&stack, 500).await?;
    ensure!(stack.envoy.counter("total_check_stream_losses").await? == 0, "a stream was lost");
    // Each was asked once.
    let served = stack.server()?.metrics().await?.count("mixer_checks_total", &[]);
    stack.envoy.wait_for_counter("total_remote_calls", served).await?;
    stack.stop().await
}

#[tokio::test]
async fn a_server_that_ends_and_comes_again_leaves_nobody_waiting() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let mut stack = asking(programs)?.start().await?;
    until_asked(&stack, 100).await?;
    let opens = stack.envoy.counter("total_check_stream_opens").await?;
    let client = stack.client();
    let crowds = tokio::spawn(async move {
        let mut all: BTreeMap<(bool, u16), usize> = BTreeMap::new();
        for _ in 0..20 {
            for (answer, count) in crowd(client).await? {
                *all.entry(answer).or_default() += count;
            }
        }
        anyhow::Ok(all)
    });
    stack.stop_server().await?;
    // Refused while there is no server; let through by nobody.
    for ((is_admin, status), count) in crowds.await?? {
        let expected = if is_admin { [403, 503] } else { [200, 503] };
        ensure!(expected.contains(&status), "{count} requests, admin: {is_admin}, were answered {status}");
    }
    stack.start_server().await?;
    let begin = Instant::now();
    while !is_right(&crowd(stack.client()).await?) {
        ensure!(begin.elapsed() < PATIENCE, "the server is there and is not asked");
    }
    let asked = stack.envoy.counter("total_check_stream_questions").await?;
    until_asked(&stack, asked + 100).await?;
    ensure!(stack.envoy.counter("total_check_stream_opens").await? > opens, "another stream was opened");
    stack.stop().await
}

#[tokio::test]
async fn a_server_that_knows_no_such_streams_is_called() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = asking(programs)?.scripted().start().await?;
    stack.scripted()?.answer(|bag| {
        let is_admin = bag["request.path"].as_str().is_some_and(|path| path.starts_with("/admin"));
        tests::scripted::Reply::verdict(if is_admin { 7 } else { 0 }, "", &["request.path"])
    });
    let begin = Instant::now();
    while stack.envoy.counter("total_check_stream_opens").await? == 0 {
        ensure!(begin.elapsed() < PATIENCE, "no stream was tried");
        ensure!(is_right(&crowd(stack.client()).await?), "a request was decided otherwise");
    }
    ensure!(is_right(&crowd(stack.client()).await?), "a request was decided otherwise");
    ensure!(stack.envoy.counter("total_check_stream_questions").await? == 0, "somebody was asked on it");
    stack.stop().await
}

#[tokio::test]
async fn a_configuration_that_changes_takes_no_answer_away() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = asking(programs)?.changing_listeners().start().await?;
    until_asked(&stack, 100).await?;
    for number in 0..3 {
        let client = stack.client();
        let crowds = tokio::spawn(async move {
            for _ in 0..5 {
                let answers = crowd(client).await?;
                ensure!(is_right(&answers), "{answers:?}");
            }
            Ok(())
        });
        stack.change_listeners(|bootstrap: Bootstrap| {
            bootstrap.edit_plugin(|plugin| plugin["report"]["batch_max"] = json!(900 + number))
        })?;
        crowds.await??;
    }
    let asked = stack.envoy.counter("total_check_stream_questions").await?;
    until_asked(&stack, asked + 100).await?;
    stack.stop().await
}
