//! The server as other clients see it: gRPC without Envoy, its life and its end.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use proto::v1::mixer_client::MixerClient;
use proto::v1::referenced_attributes::Condition;
use proto::v1::{CheckRequest, CompressedAttributes, CompressedValue};
use tests::mixer::Options;
use tests::{Client, MixerServer, Programs, paths};

/// A check as a proxy of long ago sends it: words of its own, no extension.
fn plain_check(path: &str) -> CheckRequest {
    let words = [
        "target.service",
        "productpage.default.svc.cluster.local",
        "request.path",
        path,
        "request.method",
        "GET",
        "origin.ip",
    ];
    let attributes = CompressedAttributes {
        words: words.map(Arc::from).into(),
        values: vec![
            (-1, CompressedValue::String(-2)),
            (-3, CompressedValue::String(-4)),
            (-5, CompressedValue::String(-6)),
            (-7, CompressedValue::Bytes(vec![127, 0, 0, 1])),
        ],
        ..Default::default()
    };
    CheckRequest { attributes: Some(attributes), ..Default::default() }
}

#[tokio::test]
async fn an_old_client_gets_plain_referenced_attributes() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let server = MixerServer::start(&programs.server, &Options::new(paths::config("demo"))).await?;
    let mut client = MixerClient::connect(format!("http://{}", server.address())).await?;
    for (path, code) in [("/productpage", 0), ("/admin", 7)] {
        let answer = client.check(plain_check(path)).await?.into_inner();
        let precondition = answer.precondition.context("no precondition")?;
        assert_eq!(precondition.status.map_or(0, |status| status.code), code, "{path}");
        assert!(precondition.trace.is_none(), "an extension for a client that did not ask for it");
        let referenced = precondition.referenced_attributes.context("nothing referenced")?;
        assert!(!referenced.attribute_matches.is_empty());
        for found in &referenced.attribute_matches {
            assert!(matches!(found.condition(), Condition::Exact | Condition::Absence), "{found:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn more_words_than_the_server_knows_are_refused_readably() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let server = MixerServer::start(&programs.server, &Options::new(paths::config("demo"))).await?;
    let mut client = MixerClient::connect(format!("http://{}", server.address())).await?;
    let request = CheckRequest { global_word_count: 9999, ..plain_check("/") };
    let status = client.check(request).await.err().context("it was not refused")?;
    assert_eq!(status.code(), tonic::Code::FailedPrecondition, "{status}");
    assert!(status.message().contains("9999"), "{status}");
    Ok(())
}

#[tokio::test]
async fn it_tells_its_health_and_ends_when_asked() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    for tree in ["demo", "default"] {
        let mut server = MixerServer::start(&programs.server, &Options::new(paths::config(tree))).await?;
        let admin = Client::http1(server.admin());
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(admin.get(path).await?.status, 200, "{path}");
        }
        let status = server.process().terminate().await?;
        assert!(status.success(), "{status}");
    }
    Ok(())
}

#[tokio::test]
async fn it_validates_what_ships() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    for tree in ["demo", "default"] {
        let mut command = tokio::process::Command::new(&programs.server);
        let output = command.arg("validate").arg(paths::config(tree)).output().await?;
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{tree}: {}", String::from_utf8_lossy(&said));
    }
    Ok(())
}
