//! Load, by programs that are made for it: `wrk` for HTTP/1.1, `h2load` for HTTP/2 and gRPC.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use pieces::request;
use prost::Message;
use tokio::process::Command;

/// Connections, and calls that are under way on each: enough that the server never waits.
const CONNECTIONS: u32 = 4;
const CALLS_EACH: u32 = 32;

/// Until all connections are at work; that does not count.
const WARM_UP: &str = "250ms";

/// A method and the message that it is called with.
pub(crate) struct Calls {
    path: &'static str,
    file: PathBuf,
}

impl Calls {
    /// Calls of `path` with `message`, which is kept as a file in `folder`.
    pub(crate) fn new(path: &'static str, message: &impl Message, folder: &Path) -> Result<Self> {
        // The frame of gRPC: not compressed, four bytes of length.
        let bytes = message.encode_to_vec();
        let mut frame = vec![0];
        frame.extend(u32::try_from(bytes.len())?.to_be_bytes());
        frame.extend(bytes);
        let file = folder.join(path.replace('/', "-"));
        std::fs::write(&file, frame)?;
        Ok(Self { path, file })
    }

    /// Calls answered in a second.
    pub(crate) async fn rate(&self, address: SocketAddr, seconds: u32) -> Result<f64> {
        let mut command = h2load(seconds);
        command
            .args(["--header", "content-type: application/grpc", "--header", "te: trailers"])
            .arg("--data")
            .arg(&self.file)
            .arg(format!("http://{address}{}", self.path));
        let text = said(command).await?;
        parse(&text).with_context(|| format!("h2load said:\n{text}"))
    }
}

/// How a client speaks to Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1, connections kept alive.
    Http1,
    /// HTTP/2 without negotiation.
    Http2,
}

/// Connections of HTTP/1.1, each with one request under way.
const HTTP1_CONNECTIONS: u32 = 32;

/// Requests answered in a second, each with a dozen headers.
pub(crate) async fn requests(protocol: Protocol, address: SocketAddr, seconds: u32) -> Result<f64> {
    let (_, path) = request::PATH;
    let url = format!("http://{address}{path}");
    let headers = request::HEADERS.iter().filter(|(name, _)| !name.starts_with(':'));
    let headers = headers.flat_map(|(name, value)| ["--header".to_owned(), format!("{name}: {value}")]);
    match protocol {
        Protocol::Http1 => {
            let mut command = Command::new("wrk");
            command.args(["--threads", "1", "--connections", &HTTP1_CONNECTIONS.to_string()]);
            command.args(["--duration", &format!("{seconds}s")]).args(headers).arg(url);
            let text = said(command).await?;
            parse_wrk(&text).with_context(|| format!("wrk said:\n{text}"))
        }
        Protocol::Http2 => {
            let mut command = h2load(seconds);
            command.args(headers).arg(url);
            let text = said(command).await?;
            parse(&text).with_context(|| format!("h2load said:\n{text}"))
        }
    }
}

/// Requests each of the addresses in a file, again from the beginning until there were so many.
pub(crate) async fn each(addresses: &Path, count: usize) -> Result<()> {
    let mut command = Command::new("h2load");
    // Each client of h2load begins with the first address, so there is one.
    command.args(["--clients", "1", "--max-concurrent-streams", &CALLS_EACH.to_string()]);
    command.args(["--requests", &count.to_string()]).arg("--input-file").arg(addresses);
    let text = said(command).await?;
    parse(&text).with_context(|| format!("h2load said:\n{text}")).map(drop)
}

fn h2load(seconds: u32) -> Command {
    let mut command = Command::new("h2load");
    command
        .args(["--clients", &CONNECTIONS.to_string(), "--max-concurrent-streams", &CALLS_EACH.to_string()])
        .args(["--duration", &seconds.to_string(), "--warm-up-time", WARM_UP]);
    command
}

/// What `wrk` counted, if all of it went well.
fn parse_wrk(text: &str) -> Result<f64> {
    for trouble in ["Non-2xx", "Socket errors"] {
        ensure!(!text.contains(trouble), "{trouble}");
    }
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")).context("no rate")?;
    Ok(rate.trim().parse()?)
}

/// What a generator says, if it ends well.
async fn said(mut command: Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.context("the load generator cannot be started; `cargo xtask bench` installs it")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the load generator ended with {}: {complaint}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What `h2load` counted, if all of it went well.
fn parse(text: &str) -> Result<f64> {
    let line = |start: &str| {
        text.lines().find(|line| line.starts_with(start)).with_context(|| format!("no line `{start}`"))
    };
    let requests = line("requests: ")?;
    for kind in ["failed", "errored", "timeout"] {
        ensure!(requests.contains(&format!(" 0 {kind}")), "calls {kind}");
    }
    let codes = line("status codes: ")?;
    for kind in ["3xx", "4xx", "5xx"] {
        ensure!(codes.contains(&format!(" 0 {kind}")), "answers {kind}");
    }
    let finished = line("finished in ")?;
    let Some(rate) = finished.split(", ").find_map(|part| part.strip_suffix(" req/s")) else {
        bail!("no rate");
    };
    Ok(rate.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
finished in 4.00s, 51234.67 req/s, 1.94MB/s
requests: 153704 total, 153832 started, 153704 done, 153704 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 153704 2xx, 0 3xx, 0 4xx, 0 5xx
";

    #[test]
    fn a_rate_counts_only_if_all_went_well() -> Result<()> {
        assert!((parse(SAID)? - 51_234.67).abs() < 1e-9);
        assert!(parse(&SAID.replace(" 0 failed", " 3 failed")).is_err());
        assert!(parse(&SAID.replace(" 0 5xx", " 3 5xx")).is_err());
        Ok(())
    }
}
