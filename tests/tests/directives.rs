//! Route directives: what a verdict makes the proxy do beside letting a request pass or not.
//!
//! Each case runs twice; the second time it is replayed from L1.

use anyhow::Result;
use proto::v1::header_operation::Operation;
use proto::v1::{HeaderOperation, RouteDirective};
use tests::scripted::Reply;
use tests::{Answer, Programs, Stack};

fn operation(operation: Operation, name: &str, value: &str) -> HeaderOperation {
    HeaderOperation { name: name.into(), value: value.into(), operation: operation.into() }
}

/// The answers to two equal requests, of which only the first was a question to Mixer.
async fn twice(programs: Programs, reply: Reply) -> Result<(Stack, [Answer; 2])> {
    let stack = Stack::plan(programs)?.scripted().start().await?;
    stack.scripted()?.answer(move |_| reply.clone());
    let answers = [stack.client().get("/a").await?, stack.client().get("/a").await?];
    assert_eq!(stack.scripted()?.checks().len(), 1, "the second answer comes from L1");
    Ok((stack, answers))
}

#[tokio::test]
async fn request_headers_are_changed() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let directive = RouteDirective {
        request_header_operations: vec![
            operation(Operation::Replace, "x-tier", "gold"),
            operation(Operation::Append, "x-tier", "silver"),
            operation(Operation::Remove, "user-agent", ""),
            operation(Operation::Replace, ":path", "/elsewhere"),
            operation(Operation::Replace, ":authority", "other.example"),
        ],
        ..Default::default()
    };
    let (_stack, answers) = twice(programs, Reply::allowed().with_directive(directive)).await?;
    for answer in answers {
        let seen = answer.json()?;
        let tiers: Vec<_> =
            seen["headers"]["x-tier"].as_array().into_iter().flatten().filter_map(|v| v.as_str()).collect();
        assert!(tiers == ["gold", "silver"] || tiers == ["gold,silver"], "{tiers:?}");
        assert!(seen["headers"].get("user-agent").is_none(), "{seen}");
        assert_eq!(seen["path"], "/elsewhere");
        assert_eq!(seen["headers"]["host"][0], "other.example");
    }
    Ok(())
}

#[tokio::test]
async fn response_headers_are_changed() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let directive = RouteDirective {
        response_header_operations: vec![
            operation(Operation::Append, "set-cookie", "a=1"),
            operation(Operation::Append, "set-cookie", "b=2"),
            operation(Operation::Replace, "content-type", "text/html"),
            operation(Operation::Remove, "server", ""),
        ],
        ..Default::default()
    };
    let (_stack, answers) = twice(programs, Reply::allowed().with_directive(directive)).await?;
    for answer in answers {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("set-cookie"), ["a=1", "b=2"]);
        assert_eq!(answer.header("content-type"), ["text/html"]);
    }
    Ok(())
}

#[tokio::test]
async fn mixer_answers_itself() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let directive = RouteDirective {
        direct_response_code: 200,
        direct_response_body: "hello!".into(),
        response_header_operations: vec![operation(Operation::Replace, "x-from", "mixer")],
        ..Default::default()
    };
    let (stack, answers) = twice(programs, Reply::allowed().with_directive(directive)).await?;
    for answer in answers {
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "hello!"));
        assert_eq!(answer.header("x-from"), ["mixer"]);
    }
    assert!(stack.upstream.seen().is_empty());
    Ok(())
}

#[tokio::test]
async fn mixer_redirects() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let directive = RouteDirective {
        direct_response_code: 301,
        response_header_operations: vec![operation(Operation::Replace, "location", "https://example.org/")],
        ..Default::default()
    };
    let (_stack, answers) = twice(programs, Reply::allowed().with_directive(directive)).await?;
    for answer in answers {
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (301, vec!["https://example.org/".into()])
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_denial_may_say_how_it_is_answered() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let directive = RouteDirective {
        direct_response_code: 503,
        direct_response_body: "nothing to see here".into(),
        response_header_operations: vec![
            operation(Operation::Append, "set-cookie", "a=1"),
            operation(Operation::Append, "set-cookie", "b=2"),
        ],
        ..Default::default()
    };
    let reply = Reply::verdict(7, "shish", &["target.service"]);
    let (stack, answers) = twice(programs, reply.with_directive(directive)).await?;
    for answer in answers {
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (503, "nothing to see here"));
        assert_eq!(answer.header("set-cookie"), ["a=1", "b=2"]);
    }
    assert!(stack.upstream.seen().is_empty());
    Ok(())
}
