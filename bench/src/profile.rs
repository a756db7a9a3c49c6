//! Where the time goes: profiles of Envoy and of the server, each under the load of one of the rows.
//!
//! `perf` looks a thousand times a second which function runs. By their names functions belong to parts, and each part
//! gets its share of the processor time of a request. A function that was compiled into another counts as that one.
//! Where there is no `perf`, or the kernel does not let it look, there are no profiles, which is said.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use ::tests::process::Process;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::Effort;
use crate::processor::ProcessorTime;
use crate::row::figure;
use crate::{proxy, server};

/// Looks in a second: not a round number, which would keep step with timers.
const FREQUENCY: &str = "997";

/// A part with less than this share of the time is not named.
const SHARE_MIN: f64 = 0.01;

/// What runs in kernel mode.
const KERNEL: &str = "kernel";

/// What is none of the parts.
const REST: &str = "rest";

/// The parts of a server in Rust, by what stands in the names of their functions. The first that fits counts.
const SERVER_PARTS: [(&str, &[&str]); 8] = [
    (
        "allocation",
        &["mi_", "malloc", "__rust_alloc", "__rust_dealloc", "raw_vec", "drop_in_place", "drop_slow"],
    ),
    ("copies and comparisons", &["memmove", "memcpy", "memcmp", "memset", "bcmp"]),
    (
        "transport",
        &["h2::", "hyper", "tonic", "tower", "tokio", "http::", "http_body", "mio::", "bytes::", "futures"],
    ),
    ("reading messages", &["prost", "proto::", "attributes::wire", "from_utf8"]),
    ("cache", &["checkcache::shared", "checkcache::edge", "checkcache::walk", "papaya", "seize", "arc_swap"]),
    ("policy", &["attributes::", "checkcache::", "expr::", "policy::"]),
    (
        "adapters and counters",
        &["cache_server::adapters", "cache_server::telemetry", "cache_server::exposition"],
    ),
    ("service", &["cache_server::"]),
];

/// What has a profile.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Profiled {
    /// Envoy, whose functions have no names.
    Envoy,
    /// A server in Rust.
    Server,
}

/// What a request takes, part by part.
#[derive(Debug)]
pub(crate) struct Profile {
    /// By which it is asked for: `profile/NAME`.
    pub(crate) name: &'static str,
    /// What ran under which load.
    pub(crate) what: &'static str,
    /// Microseconds of processor time for a request.
    micros: f64,
    /// The parts with their shares, largest first.
    parts: Vec<(&'static str, f64)>,
}

/// All that there is to look at.
pub(crate) fn all(effort: Effort) -> Result<Vec<Profile>> {
    if let Err(error) = can_look() {
        eprintln!("  no profiles: {error:#}");
        return Ok(Vec::new());
    }
    let mut profiles = proxy::profiles(effort)?;
    profiles.extend(server::profiles(effort)?);
    Ok(profiles)
}

/// Whether there is a `perf` that may look at processes.
fn can_look() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new("perf");
    command.args(["record", "--output"]).arg(folder.path().join("perf.data")).arg("true");
    let output = command.output().context("`perf` cannot be started (Debian's package linux-perf)")?;
    ensure!(
        output.status.success(),
        "`perf` cannot look: {}",
        String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default()
    );
    Ok(())
}

impl Profile {
    /// Looks at a process while there is load, which says how many requests it had in a second.
    pub(crate) async fn of(
        [name, what]: [&'static str; 2],
        kind: Profiled,
        id: Option<u32>,
        load: impl Future<Output = Result<f64>>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("perf.data");
        let id_text = id.context("the process has ended")?.to_string();
        let mut command = tokio::process::Command::new("perf");
        command.args(["record", "--freq", FREQUENCY, "--pid", &id_text, "--output"]).arg(&file);
        let mut perf = Process::spawn("perf", command)?;
        let (begin, time) = (Instant::now(), ProcessorTime::of(id)?);
        let rate = load.await?;
        let micros = time.spent()? / begin.elapsed().as_secs_f64() / rate * 1e6;
        perf.terminate().await?;
        Ok(Self { name, what, micros, parts: parts(kind, &said(&file)?)? })
    }

    /// One row for each part, for machines.
    pub(crate) fn json(&self) -> impl Iterator<Item = Value> {
        self.parts.iter().map(|(part, share)| {
            json!({
                "name": format!("{}/{part}", self.name),
                "value": self.micros * share,
                "unit": "µs",
                "beside": self.micros,
                "ratio": share,
                "goal": null,
                "met": null,
            })
        })
    }
}

/// Profiles as a table of Markdown.
pub(crate) fn to_table(profiles: &[Profile]) -> String {
    let mut table = "| name | what | µs | of which |\n|---|---|---|---|\n".to_owned();
    for Profile { name, what, micros, parts } in profiles {
        let named: Vec<String> =
            parts.iter().map(|(part, share)| format!("{part} {}", figure(micros * share))).collect();
        let _ = writeln!(table, "| {name} | {what} | {} | {} |", figure(*micros), named.join(", "));
    }
    table
}

/// What `perf` says about a file: share, program or library, and function, one line each.
fn said(file: &Path) -> Result<String> {
    let mut command = Command::new("perf");
    command.args(["report", "--stdio", "--no-children", "--call-graph", "none", "--sort", "dso,symbol"]);
    let output = command.args(["--field-separator", "\t", "--input"]).arg(file).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The shares of the parts, largest first, the small ones as rest.
fn parts(kind: Profiled, said: &str) -> Result<Vec<(&'static str, f64)>> {
    let mut parts: Vec<(&'static str, f64)> = Vec::new();
    let mut add = |part, share| match parts.iter_mut().find(|(known, _)| *known == part) {
        Some((_, sum)) => *sum += share,
        None => parts.push((part, share)),
    };
    let lines = said.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let mut all = 0.0;
    for line in lines {
        let mut fields = line.split('\t').map(str::trim);
        let (Some(share), Some(object), Some(symbol)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let share: f64 = share.trim_end_matches('%').parse().with_context(|| format!("perf says {line}"))?;
        all += share;
        add(part(kind, object, symbol), share);
    }
    ensure!(all > 0.0, "perf saw nothing");
    for (_, share) in &mut parts {
        *share /= all;
    }
    let (mut named, small): (Vec<_>, Vec<_>) =
        parts.into_iter().partition(|(part, share)| *part != REST && *share >= SHARE_MIN);
    named.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let rest: f64 = small.iter().map(|(_, share)| share).sum();
    if rest >= SHARE_MIN {
        named.push((REST, rest));
    }
    Ok(named)
}

/// What a function belongs to.
fn part(kind: Profiled, object: &str, symbol: &str) -> &'static str {
    if symbol.starts_with("[k]") {
        return KERNEL;
    }
    match kind {
        // Envoy's engine compiles the module to where no file is.
        Profiled::Envoy if object.starts_with("[JIT]") || object.contains("anon") => "the module",
        Profiled::Envoy => "Envoy",
        Profiled::Server => SERVER_PARTS
            .iter()
            .find(|(_, signs)| signs.iter().any(|sign| symbol.contains(sign)))
            .map_or(REST, |(part, _)| part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "# To display the perf.data header info
#
50.00%\tenvoy            \t[.] 0x0000000002146f16\n\
25.00%\t[kernel.kallsyms]\t[k] tcp_ack\n\
24.60%\t[JIT] tid 6492   \t[.] 0x00007f\n\
 0.40%\t[vdso]           \t[.] clock_gettime
";

    #[test]
    fn functions_are_put_into_parts() -> Result<()> {
        let shares = parts(Profiled::Envoy, SAID)?;
        assert_eq!(shares.iter().map(|(part, _)| *part).collect::<Vec<_>>(), ["Envoy", KERNEL, "the module"]);
        assert!((shares.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(part(Profiled::Server, "mixer", "[.] <h2::proto::streams::Recv>::poll"), "transport");
        assert_eq!(
            part(Profiled::Server, "mixer", "[.] attributes::wire::expand::Expander::bag"),
            "reading messages"
        );
        assert_eq!(part(Profiled::Server, "mixer", "[.] main"), REST);
        assert!(parts(Profiled::Server, "# nothing\n").is_err());
        Ok(())
    }
}
