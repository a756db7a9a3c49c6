//! The real server, on a core of its own, beside a tonic server whose calls are empty.
//!
//! Both take the same bytes over loopback from the same load generator, which has another core. A call's cost is what
//! the transport takes and what Mixer adds.

mod cost;
mod scaling;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Result, ensure};
use pieces::{request, tree};
use proto::v1::mixer_client::MixerClient;
use tempfile::TempDir;
use tests::MixerServer;
use tests::mixer::Options;

use crate::cores::Cores;
use crate::load::Calls;
use crate::micro::resolution::SUBJECTS;
use crate::profile::{Profile, Profiled};
use crate::row::{Goal, Row};
use crate::sample::{Pair, SLOT_S, alternate};
use crate::stub::{Running, Stub};
use crate::{Effort, block_on};

pub(crate) use cost::CheckCost;
pub(crate) use scaling::{cores, empty_cores};

const CHECK: &str = "/istio.mixer.v1.Mixer/Check";
const REPORT: &str = "/istio.mixer.v1.Mixer/Report";

/// Messages of one report.
const MESSAGES: u64 = 100;

const L2_ENTRIES: u64 = 100_000;

/// The counter of checks that were answered.
const CHECKS: &str = "mixer_checks_total";

/// Where programs run, and the files that they read.
struct Place {
    cores: Cores,
    folder: TempDir,
    binary: std::path::PathBuf,
}

impl Place {
    /// With ten rules for each subject.
    fn new(subjects: usize) -> Result<Self> {
        let place = Self {
            cores: Cores::of_this_process()?,
            folder: tempfile::Builder::new().prefix("mixer-bench-").tempdir()?,
            binary: crate::program("MIXER_SERVER")?,
        };
        tree::write(&tree::files(subjects)?, place.folder.path())?;
        Ok(place)
    }

    /// Starts the server on the first `cores`.
    async fn mixer(&self, l2_entries: u64, cores: u32) -> Result<MixerServer> {
        self.cores.first(cores as usize).enter()?;
        let options = Options { l2_entries, ..Options::new(self.folder.path()) };
        let server = MixerServer::start(&self.binary, &options).await;
        self.cores.after(1).enter()?;
        server
    }

    async fn empty(&self, cores: u32) -> Result<Running> {
        self.cores.first(cores as usize).enter()?;
        let stub = Stub::Empty.start().await;
        self.cores.after(1).enter()?;
        stub
    }
}

/// Asks once and looks at the answer: load generators see no more than that there is one.
async fn allows(address: SocketAddr) -> Result<()> {
    let mut client = MixerClient::connect(format!("http://{address}")).await?;
    let answer = client.check(request::check(&request::dictionary()?, &request::bag())?).await?.into_inner();
    let status = answer.precondition.and_then(|precondition| precondition.status).unwrap_or_default();
    ensure!(status.code == 0, "the request is refused: {}", status.message);
    Ok(())
}

fn check(folder: &Path) -> Result<Calls> {
    Calls::new(CHECK, &request::check(&request::dictionary()?, &request::bag())?, folder)
}

pub(crate) fn l2_hit(effort: Effort) -> Result<Vec<Row>> {
    let pair = block_on(async {
        let place = Place::new(SUBJECTS)?;
        let calls = check(place.folder.path())?;
        let mut rounds = Vec::new();
        // Processes of its own for each round: how fast one is depends on where its memory happens to lie.
        for round in 0..effort.processes() {
            let (server, empty) = (place.mixer(L2_ENTRIES, 1).await?, place.empty(1).await?);
            allows(server.address()).await?;
            rounds.push(compare(round, effort, &calls, server.address(), empty.address()).await?);
        }
        Ok(Pair::new(rounds))
    })?;
    let what = ["Check, L2 hit", "an empty tonic call"];
    Ok(vec![Row::pair("server/l2-hit", what, "calls/s", &pair, Goal::AtLeast(0.7))])
}

pub(crate) fn l2_off(effort: Effort) -> Result<Vec<Row>> {
    let pair = block_on(async {
        let place = Place::new(SUBJECTS)?;
        let calls = check(place.folder.path())?;
        let mut rounds = Vec::new();
        for round in 0..effort.processes() {
            let (off, on) = (place.mixer(0, 1).await?, place.mixer(L2_ENTRIES, 1).await?);
            for server in [&off, &on] {
                allows(server.address()).await?;
            }
            rounds.push(compare(round, effort, &calls, off.address(), on.address()).await?);
        }
        Ok(Pair::new(rounds))
    })?;
    let what = ["Check, L2 off, 10,000 rules, 5 apply", "Check, L2 hit"];
    Ok(vec![Row::pair("server/l2-off", what, "calls/s", &pair, Goal::AtLeast(0.35))])
}

pub(crate) fn report(effort: Effort) -> Result<Vec<Row>> {
    let pair = block_on(async {
        let place = Place::new(SUBJECTS)?;
        let message = request::report(&request::dictionary()?, MESSAGES)?;
        let reports = Calls::new(REPORT, &message, place.folder.path())?;
        let checks = check(place.folder.path())?;
        let mut rounds = Vec::new();
        for round in 0..effort.processes() {
            let (server, empty) = (place.mixer(L2_ENTRIES, 1).await?, place.empty(1).await?);
            let mut client = MixerClient::connect(format!("http://{}", server.address())).await?;
            client.report(message.clone()).await?;
            let ours = async || Ok(reports.rate(server.address(), SLOT_S).await? * MESSAGES as f64);
            let beside = async || checks.rate(empty.address(), SLOT_S).await;
            rounds.push(alternate(round, effort.seconds, &ours, &beside).await?);
            let metrics = server.metrics().await?;
            for counter in ["mixer_report_messages_undecodable_total", "mixer_evaluation_errors_total"] {
                ensure!(metrics.count(counter, &[]) == 0, "{counter} counted");
            }
        }
        Ok(Pair::new(rounds))
    })?;
    let what = ["Report, messages of 3 metrics", "an empty tonic call, calls"];
    Ok(vec![Row::pair("server/report", what, "messages/s", &pair, Goal::AtLeast(8.0))])
}

/// What a call takes, an empty one and ours, and what a message of a report takes.
pub(crate) fn profiles(effort: Effort) -> Result<Vec<Profile>> {
    block_on(async {
        let place = Place::new(SUBJECTS)?;
        let (mut server, empty) = (place.mixer(L2_ENTRIES, 1).await?, place.empty(1).await?);
        let checks = check(place.folder.path())?;
        let message = request::report(&request::dictionary()?, MESSAGES)?;
        let reports = Calls::new(REPORT, &message, place.folder.path())?;
        let (empty, server) = ((empty.id(), empty.address()), (server.process().id(), server.address()));
        let calls = [
            (["profile/empty", "an empty tonic call"], empty, &checks, 1),
            (["profile/check", "Check, L2 hit"], server, &checks, 1),
            (["profile/report", "a message of a report, 3 metrics"], server, &reports, MESSAGES),
        ];
        let mut profiles = Vec::new();
        for (names, (id, address), calls, messages) in calls {
            let rate = async { Ok(calls.rate(address, effort.seconds).await? * messages as f64) };
            profiles.push(Profile::of(names, Profiled::Server, id, rate).await?);
        }
        Ok(profiles)
    })
}

async fn checks_answered(server: &MixerServer) -> Result<f64> {
    Ok(server.metrics().await?.sum(CHECKS, &[]))
}

/// The rates of two, in turn.
async fn compare(
    round: usize,
    effort: Effort,
    calls: &Calls,
    ours: SocketAddr,
    beside: SocketAddr,
) -> Result<(f64, f64)> {
    let (own, other) = (async || calls.rate(ours, SLOT_S).await, async || calls.rate(beside, SLOT_S).await);
    alternate(round, effort.seconds, &own, &other).await
}
