//! The harness itself, without the filter and the server: what is not right here is not their fault.

use anyhow::Result;
use proto::v1::mixer_client::MixerClient;
use proto::v1::{CheckRequest, CompressedAttributes, CompressedValue};
use tests::scripted::Reply;
use tests::{Bootstrap, Client, Envoy, ScriptedMixer, Upstream};

#[tokio::test]
async fn the_application_says_what_reached_it() -> Result<()> {
    let upstream = Upstream::start().await?;
    for client in [Client::http1(upstream.address()), Client::http2(upstream.address())] {
        let answer = client.get_with("/a?b=c", "x-bytes", b"\xff\xfe").await?;
        let seen = answer.json()?;
        assert_eq!((answer.status.as_u16(), &seen["path"]), (200, &"/a?b=c".into()));
        assert_eq!(seen["headers"]["x-bytes"][0], "\u{ff}\u{fe}");
        assert_eq!(client.get("/?status=404&header=x-a:b&body=gone").await?.text(), "gone");
    }
    assert_eq!(upstream.seen().len(), 4);
    Ok(())
}

#[tokio::test]
async fn the_application_speaks_grpc() -> Result<()> {
    let upstream = Upstream::start().await?;
    let client = Client::http2(upstream.address());
    let request = client.request(http::Method::POST, "/a.B/C").header("content-type", "application/grpc");
    let answer = client.send(request.body(bytes::Bytes::from_static(b"\0\0\0\0\0").into())?).await?;
    assert_eq!(answer.trailers.and_then(|trailers| trailers.get("grpc-status").cloned()), Some("0".parse()?));
    Ok(())
}

#[tokio::test]
async fn a_scripted_mixer_records_and_answers() -> Result<()> {
    let mixer = ScriptedMixer::start().await?;
    mixer.answer(|attributes| Reply::verdict(7, &attributes["target.service"].to_string(), &[]));
    let mut client = MixerClient::connect(format!("http://{}", mixer.address())).await?;
    let attributes = CompressedAttributes {
        words: vec!["target.service".into(), "a".into()],
        values: vec![(-1, CompressedValue::String(-2))],
        ..Default::default()
    };
    let request = CheckRequest { attributes: Some(attributes), ..Default::default() };
    let answer = client.check(request).await?.into_inner();
    let status = answer.precondition.and_then(|precondition| precondition.status);
    assert_eq!(status.map(|status| (status.code, status.message)), Some((7, "\"a\"".into())));
    assert_eq!(mixer.checks().len(), 1);
    Ok(())
}

#[tokio::test]
async fn envoy_alone_passes_requests_on() -> Result<()> {
    let Some(envoy) = std::env::var_os(tests::programs::ENVOY) else {
        println!("skipped: {} is not set; `cargo xtask test` sets it", tests::programs::ENVOY);
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let upstream = Upstream::start().await?;
    for name in ["demo", "minimal"] {
        let bootstrap = Bootstrap::load(name)?
            .on_loopback()
            .without_filter()
            .with_cluster("upstream", upstream.address())?;
        let bootstrap = bootstrap.with_cluster("mixer", upstream.address())?;
        let mut envoy = Envoy::start(envoy.as_ref(), &bootstrap, 1, folder.path()).await?;
        let client = Client::http1(envoy.address());
        assert_eq!(client.get("/a").await?.json()?["path"], "/a");
        assert!(Envoy::counter(&envoy, "total_check_calls").await? == 0);
        envoy.process().terminate().await?;
    }
    Ok(())
}
