//! The demo as its user runs it: it shows what it says, and leaves nothing behind.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tests::process::Process;
use tests::{Client, Programs};
use tokio::process::Command;

/// Starts the demo with a folder of its own for whatever it writes.
fn demo(arguments: &[&str]) -> Result<(Process, TempDir)> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command.args(arguments).env("TMPDIR", folder.path());
    Ok((Process::spawn("demo", command)?, folder))
}

fn is_empty(folder: &TempDir) -> Result<bool> {
    Ok(std::fs::read_dir(folder)?.next().is_none())
}

#[tokio::test]
async fn once_it_shows_everything_and_ends() -> Result<()> {
    let Some(_programs) = Programs::or_skip() else { return Ok(()) };
    let (mut demo, folder) = demo(&["--once"])?;
    let done = demo
        .stdout()
        .wait_for("the end of the tour", |line| line.contains("All of it held").then_some(()))
        .await;
    let status = demo.wait().await?;
    ensure!(
        status.success() && done.is_ok(),
        "{status}\n{}\n{}",
        demo.stdout().tail(80),
        demo.stderr().tail(20)
    );
    ensure!(is_empty(&folder)?, "it left files behind");
    Ok(())
}

#[tokio::test]
async fn it_stays_up_until_it_is_interrupted() -> Result<()> {
    let Some(_programs) = Programs::or_skip() else { return Ok(()) };
    let (mut demo, folder) = demo(&[])?;
    let address = |line: &str| {
        let rest = line.trim().strip_prefix("Envoy")?.trim().strip_prefix("http://")?;
        rest.split_whitespace().next()?.parse::<SocketAddr>().ok()
    };
    let envoy = demo.stdout().wait_for("Envoy's address", address).await?;
    demo.stdout().wait_for("the end of the tour", |line| line.contains("It stays up").then_some(())).await?;
    assert_eq!(Client::http1(envoy).get("/productpage").await?.status, 200);

    let status = demo.interrupt().await?;
    ensure!(status.success(), "{status}\n{}", demo.stderr().tail(20));
    let refused = tokio::net::TcpStream::connect(envoy).await.err().context("Envoy still listens")?;
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    ensure!(is_empty(&folder)?, "it left files behind");
    Ok(())
}

#[tokio::test]
async fn interrupted_in_the_middle_it_leaves_nothing_either() -> Result<()> {
    let Some(_programs) = Programs::or_skip() else { return Ok(()) };
    let (mut demo, folder) = demo(&["--once"])?;
    demo.stdout().wait_for("the first line", |line| line.contains("Starting").then_some(())).await?;
    let status = demo.interrupt().await?;
    ensure!(!status.success(), "a tour that was cut short has not shown everything");
    ensure!(is_empty(&folder)?, "it left files behind");
    Ok(())
}
