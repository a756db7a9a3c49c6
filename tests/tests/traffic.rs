//! Traffic of every shape passes the filter unharmed.

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderValue, Method};
use tests::{Client, Programs, Stack, decode};

/// Bytes that are no UTF-8, and may stand in a header all the same.
const ODD_BYTES: &[u8] = b"caf\xe9 \xff\xfe\x80";

#[tokio::test]
async fn header_bytes_that_are_not_utf8_pass() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.start().await?;
    let expected: String = ODD_BYTES.iter().copied().map(char::from).collect();
    for client in [stack.client(), Client::http2(stack.envoy.address())] {
        let answer = client.get_with("/productpage", "x-odd", ODD_BYTES).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()?["headers"]["x-odd"][0], expected.as_str());
    }
    // Not only beside what policy looks at, but in it, and in the path.
    let odd_agent = [
        b"GET /productpage HTTP/1.1\r\nhost: a\r\nconnection: close\r\nuser-agent: ",
        ODD_BYTES,
        b"\r\n\r\n",
    ];
    let answer = stack.client().raw(&odd_agent.concat()).await?;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    // The same VM goes on serving.
    assert_eq!(stack.client().get("/admin").await?.status, 403);
    stack.stop().await
}

#[tokio::test]
async fn ten_mebibytes_pass_unharmed() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.scripted().start().await?;
    let body: Bytes =
        (0..10_u32 << 20).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let answer = stack.client().post("/echo", body.clone()).await?;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.len(), body.len());
    assert!(answer.body == body, "the body came back changed");

    let reports = stack.scripted()?.wait_for_messages(1).await?;
    let message = &decode::report(&reports[0])?[0];
    assert_eq!(message["request.size"], body.len());
    assert_eq!(message["response.size"], body.len());
    Ok(())
}

#[tokio::test]
async fn http2_is_checked_and_reported_alike() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.start().await?;
    let client = Client::http2(stack.envoy.address());
    let allowed = client.get("/productpage").await?;
    assert_eq!((allowed.status.as_u16(), &allowed.json()?["protocol"]), (200, &"HTTP/2.0".into()));
    let denied = client.get("/admin").await?;
    assert_eq!(
        (denied.status.as_u16(), denied.text().as_str()),
        (403, "PERMISSION_DENIED:the admin pages are closed")
    );
    stack.stop().await
}

#[tokio::test]
async fn grpc_passes_with_its_trailers() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.scripted().start().await?;
    let client = Client::http2(stack.envoy.address());
    let message = Bytes::from_static(b"\0\0\0\0\x05hello");
    let request = client
        .request(Method::POST, "/shop.Cart/Add")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(message.clone().into())?;
    let answer = client.send(request).await?;
    assert_eq!((answer.status.as_u16(), &answer.body), (200, &message));
    let status = answer.trailers.as_ref().and_then(|trailers| trailers.get("grpc-status"));
    assert_eq!(status, Some(&HeaderValue::from_static("0")));

    let mixer = stack.scripted()?;
    assert_eq!(decode::check(&mixer.checks()[0])?["context.protocol"], "grpc");
    let reports = mixer.wait_for_messages(1).await?;
    let message = &decode::report(&reports[0])?[0];
    assert_eq!(message["context.protocol"], "grpc");
    assert_eq!(message["response.grpc_status"], "0");
    Ok(())
}

#[tokio::test]
async fn many_requests_at_once_on_two_workers() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::plan(programs)?.concurrency(2).start().await?;
    let client = stack.client();
    let requests: Vec<_> = (0..100)
        .map(|index| {
            let is_admin = index % 2 == 0;
            tokio::spawn(async move {
                let path = if is_admin { format!("/admin/{index}") } else { format!("/productpage/{index}") };
                anyhow::Ok((is_admin, client.get(&path).await?.status.as_u16()))
            })
        })
        .collect();
    for request in requests {
        let (is_admin, status) = request.await??;
        assert_eq!(status, if is_admin { 403 } else { 200 });
    }
    assert_eq!(stack.upstream.seen().len(), 50);
    stack.envoy.wait_for_counter("total_check_calls", 100).await?;
    let served = stack.server()?.metrics().await?.count("mixer_checks_total", &[]);
    stack.envoy.wait_for_counter("total_remote_check_calls", served).await?;
    stack.stop().await
}
