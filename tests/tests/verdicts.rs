//! Verdicts of the real server under `config/demo`, as a client of Envoy sees them.

use anyhow::Result;
use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use tests::{Programs, Stack};

#[tokio::test]
async fn an_allowed_request_reaches_the_application() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.start().await?;
    let answer = stack.client().get("/productpage?id=1").await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()?["path"], "/productpage?id=1");
    assert_eq!(stack.upstream.seen().len(), 1);
    assert_eq!(stack.server()?.metrics().await?.count("mixer_checks_total", &[("result", "ok")]), 1);
    stack.stop().await
}

#[tokio::test]
async fn a_denied_request_is_answered_with_code_and_message() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.start().await?;
    let answer = stack.client().get("/admin/users").await?;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.text(), "PERMISSION_DENIED:the admin pages are closed");
    assert_eq!(answer.header("content-type"), ["text/plain"]);
    assert_eq!(stack.upstream.seen().len(), 0, "the application must not see it");
    stack.envoy.wait_for_counter("total_remote_check_denies", 1).await?;
    assert_eq!(stack.server()?.metrics().await?.count("mixer_checks_total", &[("result", "denied")]), 1);
    stack.stop().await
}

#[tokio::test]
async fn no_spelling_of_a_path_walks_round_a_rule() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.start().await?;
    for path in ["/admin", "//admin", "/./admin", "/x/../admin", "/%61dmin", "/admin?x=y"] {
        let answer = stack.client().get(path).await?;
        assert_eq!(answer.status, 403, "{path}: {}", answer.text());
    }
    assert_eq!(stack.upstream.seen().len(), 0);
    stack.stop().await
}

#[tokio::test]
async fn a_listed_client_address_is_denied() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let listed = [127, 0, 0, 2].into();
    if std::net::TcpListener::bind((listed, 0)).is_err() {
        println!("skipped: this machine has no loopback address {listed}");
        return Ok(());
    }
    let stack = Stack::plan(programs)?.start().await?;
    let denied = stack.client().from_address(listed).get("/productpage").await?;
    assert_eq!(denied.status, 403, "{}", denied.text());
    assert!(denied.text().starts_with("PERMISSION_DENIED:"), "{}", denied.text());
    // The verdict was about that address: the same request from another one is another question.
    assert_eq!(stack.client().get("/productpage").await?.status, 200);
    assert_eq!(stack.client().from_address(listed).get("/productpage").await?.status, 403);
    assert_eq!(stack.upstream.seen().len(), 1);
    stack.stop().await
}

#[tokio::test]
async fn a_listed_header_value_is_denied() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.start().await?;
    let client = stack.client();
    let agent = |name: &'static str| {
        let mut request = client.request(Method::GET, "/productpage").body(Full::<Bytes>::default());
        if let Ok(request) = &mut request {
            request.headers_mut().insert("user-agent", http::HeaderValue::from_static(name));
        }
        async move { anyhow::Ok(client.send(request?).await?.status) }
    };
    assert_eq!(agent("BadBot/1.0").await?, 403);
    assert_eq!(agent("BadBot/1.0x").await?, 200);
    assert_eq!(agent("curl/8.5").await?, 200);
    stack.stop().await
}

#[tokio::test]
async fn an_absent_header_is_not_an_empty_pass() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.start().await?;
    let client = stack.client();
    let delete = || client.request(Method::DELETE, "/productpage/1");
    let bare = client.send(delete().body(Full::default())?).await?;
    assert_eq!(bare.status, 401, "{}", bare.text());
    assert_eq!(bare.text(), "UNAUTHENTICATED:a delete needs the header x-approved-by");
    let approved = client.send(delete().header("x-approved-by", "alice").body(Full::default())?).await?;
    assert_eq!(approved.status, 200, "{}", approved.text());
    assert_eq!(client.send(delete().body(Full::default())?).await?.status, 401);
    stack.stop().await
}
