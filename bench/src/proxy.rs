//! Through the real Envoy: one worker on a core of its own; load, application and servers on another.
//!
//! The bootstrap is `envoy/demo.yaml`; only what answers in it differs. The request has a dozen headers, and the policy
//! is a rule about a prefix of the path, a list of networks and a rule about a header.

mod memory;
mod policy;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use pieces::request;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::mixer::Options;
use tests::{Bootstrap, Client, Envoy, MixerServer};

use crate::cores::Cores;
use crate::load::{self, Protocol};
use crate::processor::ProcessorTime;
use crate::profile::{Profile, Profiled};
use crate::row::{Goal, Row};
use crate::sample::{Pair, SLOT_S, alternate};
use crate::stub::{Running, Stub};
use crate::{Effort, block_on, program};

pub(crate) use memory::vm;

const L2_ENTRIES: u64 = 100_000;

/// What answers in Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Our filter, told whether to cache, to report and to charge.
    Ours { caches: bool, reports: bool, charges: bool },
    /// A module that does nothing.
    Nothing,
    /// A module that asks the authoriser, and does nothing else.
    Calling,
    /// A module that asks Envoy for what reports say, and does nothing else.
    Reading,
    /// No filter but the router, and whether Envoy logs over gRPC.
    Plain { logs: bool },
    /// `ext_authz`.
    Authorizer,
    /// `ratelimit`.
    RateLimiter,
}

const L1_HIT: Side = Side::Ours { caches: true, reports: false, charges: false };

/// An Envoy with all that it talks to.
struct Stack {
    envoy: Envoy,
    mixer: Option<MixerServer>,
    stub: Option<Running>,
    _application: Running,
    _folder: TempDir,
}

impl Stack {
    async fn start(side: Side) -> Result<Self> {
        Self::start_with(side, policy::write).await
    }

    /// One that has had load for a while: caches are full, and what is called often is compiled for it.
    async fn warm(side: Side, protocol: Protocol) -> Result<Self> {
        let stack = Self::start(side).await?;
        stack.rate(protocol, SLOT_S).await?;
        Ok(stack)
    }

    /// With the policy that `write` puts into a folder.
    async fn start_with(side: Side, write: fn(&Path) -> Result<()>) -> Result<Self> {
        let cores = Cores::of_this_process()?;
        cores.after(1).enter()?;
        let folder = tempfile::Builder::new().prefix("mixer-bench-").tempdir()?;
        let application = Stub::Application.start().await?;
        let stub = match side {
            Side::Authorizer | Side::Calling => Some(Stub::Authorizer),
            Side::RateLimiter => Some(Stub::RateLimiter),
            Side::Plain { logs: true } => Some(Stub::LogSink),
            Side::Ours { .. } | Side::Nothing | Side::Reading | Side::Plain { logs: false } => None,
        };
        let stub = match stub {
            Some(stub) => Some(stub.start().await?),
            None => None,
        };
        let mixer = if let Side::Ours { .. } = side {
            write(folder.path())?;
            let options = Options { l2_entries: L2_ENTRIES, ..Options::new(folder.path()) };
            Some(MixerServer::start(&program("MIXER_SERVER")?, &options).await?)
        } else {
            None
        };
        let asked = mixer.as_ref().map(MixerServer::address).or(stub.as_ref().map(Running::address));
        let bootstrap = bootstrap(side, asked, application.address())?;
        cores.first(1).enter()?;
        let envoy = Envoy::start(&program("MIXER_ENVOY")?, &bootstrap, 1, folder.path()).await;
        cores.enter()?;
        let stack = Self { envoy: envoy?, mixer, stub, _application: application, _folder: folder };
        stack.allows().await?;
        Ok(stack)
    }

    /// Asks once and looks at the answer.
    async fn allows(&self) -> Result<()> {
        let (_, path) = request::PATH;
        let answer = Client::http1(self.envoy.address()).get(path).await?;
        ensure!(answer.status.is_success(), "Envoy answers {}: {}", answer.status, answer.text());
        Ok(())
    }

    /// Requests in a second.
    async fn rate(&self, protocol: Protocol, seconds: u32) -> Result<f64> {
        let cores = Cores::of_this_process()?;
        cores.after(1).enter()?;
        let rate = load::requests(protocol, self.envoy.address(), seconds).await;
        cores.enter()?;
        rate
    }

    /// Microseconds of processor time for a request, of Envoy and of what it tells.
    async fn cost(&mut self, seconds: u32) -> Result<f64> {
        let told = self
            .mixer
            .as_mut()
            .map_or_else(|| self.stub.as_ref().and_then(Running::id), |mixer| mixer.process().id());
        let before = self.answered().await?;
        let mut times = vec![ProcessorTime::of(self.envoy.process().id())?];
        times.extend(told.map(|id| ProcessorTime::of(Some(id))).transpose()?);
        self.rate(Protocol::Http1, seconds).await?;
        let spent: f64 = times.iter().map(ProcessorTime::spent).sum::<Result<f64>>()?;
        let requests = self.answered().await? - before;
        Ok(spent * 1e6 / requests)
    }

    /// Requests that Envoy has answered.
    async fn answered(&self) -> Result<f64> {
        let path = "/stats?format=json&filter=downstream_rq_completed";
        let stats = Client::http1(self.envoy.admin()).get(path).await?.json()?;
        let stats = stats["stats"].as_array().into_iter().flatten();
        let is_ingress = |stat: &&Value| stat["name"] == "http.ingress.downstream_rq_completed";
        stats.filter(is_ingress).find_map(|stat| stat["value"].as_f64()).context("Envoy counts no requests")
    }
}

/// What a request over HTTP/1.1 takes in Envoy, in each way to answer it.
pub(crate) fn profiles(effort: Effort) -> Result<Vec<Profile>> {
    let ours = |caches, reports| Side::Ours { caches, reports, charges: false };
    let ways = [
        (["profile/none", "Envoy, no filter at all"], Side::Plain { logs: false }),
        (["profile/nothing", "Envoy, a filter that does nothing"], Side::Nothing),
        (["profile/l1-hit", "Envoy, L1 hit, reports off"], L1_HIT),
        (["profile/reporting", "Envoy, L1 hit, metrics and access log"], ours(true, true)),
        (["profile/l2-hit", "Envoy, L1 miss, L2 hit"], ours(false, false)),
        (["profile/calling", "Envoy, a filter that makes an empty call"], Side::Calling),
        (["profile/authz", "Envoy, ext_authz that always allows"], Side::Authorizer),
        (["profile/log", "Envoy, gRPC access log"], Side::Plain { logs: true }),
    ];
    block_on(async {
        let mut profiles = Vec::new();
        for (names, side) in ways {
            let mut stack = Stack::start(side).await?;
            let id = stack.envoy.process().id();
            let load = stack.rate(Protocol::Http1, effort.seconds);
            profiles.push(Profile::of(names, Profiled::Envoy, id, load).await?);
        }
        Ok(profiles)
    })
}

fn bootstrap(side: Side, asked: Option<SocketAddr>, application: SocketAddr) -> Result<Bootstrap> {
    let demo = Bootstrap::load("demo")?.on_loopback().with_cluster("upstream", application)?;
    let demo = demo.with_http1_cluster("upstream");
    let demo = match asked {
        Some(address) => demo.with_cluster("mixer", address)?,
        // Nobody listens there, and nobody is asked.
        None => demo.with_cluster("mixer", application)?,
    };
    let grpc = json!({ "envoy_grpc": { "cluster_name": "mixer" }, "timeout": "5s" });
    Ok(match side {
        Side::Ours { caches, reports, charges } => {
            demo.with_module(&program("MIXER_FILTER_WASM")?).edit_plugin(|plugin| {
                plugin["check"]["cache"]["enabled"] = json!(caches);
                plugin["report"]["enabled"] = json!(reports);
                if charges {
                    plugin["quotas"] = json!({ "rules": [{ "charge": { policy::QUOTA: 1 } }] });
                }
            })
        }
        Side::Nothing => demo.with_module(&program("MIXER_NOTHING_WASM")?),
        Side::Calling => demo.with_module(&program("MIXER_CALLING_WASM")?),
        Side::Reading => demo.with_module(&program("MIXER_READING_WASM")?),
        Side::Plain { logs: false } => demo.without_filter(),
        Side::Plain { logs: true } => demo.without_filter().with_access_log(&json!({
            "name": "grpc",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
                "common_config": {
                    "log_name": "bench", "grpc_service": grpc, "transport_api_version": "V3",
                },
            },
        })),
        Side::Authorizer => demo.without_filter().with_http_filter(&json!({
            "name": "ext_authz",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
                "grpc_service": grpc, "transport_api_version": "V3",
            },
        })),
        Side::RateLimiter => demo
            .without_filter()
            .with_http_filter(&json!({
                "name": "ratelimit",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit",
                    "domain": "bench", "timeout": "5s",
                    "rate_limit_service": { "grpc_service": grpc, "transport_api_version": "V3" },
                },
            }))
            .with_route(&json!({
                "match": { "prefix": "/" },
                "route": {
                    "cluster": "upstream",
                    "rate_limits": [{ "actions": [{ "generic_key": { "descriptor_value": "all" } }] }],
                },
            })),
    })
}

/// The throughputs of two, in turn.
async fn compare(ours: Side, beside: Side, protocol: Protocol, effort: Effort) -> Result<Pair> {
    let mut rounds = Vec::new();
    // Processes of their own for each round: how fast one is depends on where its memory happens to lie.
    for round in 0..effort.processes() {
        let [ours, beside] = [Stack::warm(ours, protocol).await?, Stack::warm(beside, protocol).await?];
        let own = async || ours.rate(protocol, SLOT_S).await;
        let other = async || beside.rate(protocol, SLOT_S).await;
        rounds.push(alternate(round, effort.seconds, &own, &other).await?);
    }
    Ok(Pair::new(rounds))
}

/// A row for each protocol.
fn rows(
    names: [&'static str; 2],
    what: [[&'static str; 2]; 2],
    sides: [Side; 2],
    goal: Option<Goal>,
    effort: Effort,
) -> Result<Vec<Row>> {
    let [ours, beside] = sides;
    let mut rows = Vec::new();
    for ((name, what), protocol) in names.into_iter().zip(what).zip([Protocol::Http1, Protocol::Http2]) {
        let pair = block_on(compare(ours, beside, protocol, effort))?;
        let row = Row::beside(name.to_owned(), what.map(str::to_owned), "requests/s", &pair);
        rows.push(match goal {
            Some(goal) => row.with_goal(goal),
            None => row,
        });
    }
    Ok(rows)
}

pub(crate) fn hit_beside_nothing(effort: Effort) -> Result<Vec<Row>> {
    let what = [
        ["HTTP/1.1, L1 hit, reports off", "a filter that does nothing"],
        ["HTTP/2, L1 hit, reports off", "a filter that does nothing"],
    ];
    let names = ["proxy/l1-nothing", "proxy/l1-nothing-h2"];
    rows(names, what, [L1_HIT, Side::Nothing], Some(Goal::AtLeast(0.85)), effort)
}

pub(crate) fn hit_beside_authorizer(effort: Effort) -> Result<Vec<Row>> {
    let what = [
        ["HTTP/1.1, L1 hit, reports off", "ext_authz that always allows"],
        ["HTTP/2, L1 hit, reports off", "ext_authz that always allows"],
    ];
    let names = ["proxy/l1-authz", "proxy/l1-authz-h2"];
    rows(names, what, [L1_HIT, Side::Authorizer], Some(Goal::AtLeast(2.5)), effort)
}

pub(crate) fn reporting_beside_nothing(effort: Effort) -> Result<Vec<Row>> {
    let what = [
        ["HTTP/1.1, L1 hit, metrics and access log", "a filter that does nothing"],
        ["HTTP/2, L1 hit, metrics and access log", "a filter that does nothing"],
    ];
    let ours = Side::Ours { caches: true, reports: true, charges: false };
    let names = ["proxy/report-nothing", "proxy/report-nothing-h2"];
    rows(names, what, [ours, Side::Nothing], Some(Goal::AtLeast(0.6)), effort)
}

pub(crate) fn miss_beside_authorizer(effort: Effort) -> Result<Vec<Row>> {
    let what = [
        ["HTTP/1.1, L1 miss, L2 hit", "ext_authz that always allows"],
        ["HTTP/2, L1 miss, L2 hit", "ext_authz that always allows"],
    ];
    let ours = Side::Ours { caches: false, reports: false, charges: false };
    let names = ["proxy/l2-authz", "proxy/l2-authz-h2"];
    rows(names, what, [ours, Side::Authorizer], Some(Goal::AtLeast(1.0)), effort)
}

pub(crate) fn quota_beside_limiter(effort: Effort) -> Result<Vec<Row>> {
    let what = [
        ["HTTP/1.1, quota from the pool", "ratelimit that always allows"],
        ["HTTP/2, quota from the pool", "ratelimit that always allows"],
    ];
    let ours = Side::Ours { caches: true, reports: false, charges: true };
    let names = ["proxy/quota-ratelimit", "proxy/quota-ratelimit-h2"];
    rows(names, what, [ours, Side::RateLimiter], Some(Goal::AtLeast(2.5)), effort)
}

/// What no filter can be faster than, beside `ext_authz`.
pub(crate) fn none_beside_authorizer(effort: Effort) -> Result<Vec<Row>> {
    let what = [
        ["HTTP/1.1, no filter at all", "ext_authz that always allows"],
        ["HTTP/2, no filter at all", "ext_authz that always allows"],
    ];
    let names = ["limit/none-authz", "limit/none-authz-h2"];
    rows(names, what, [Side::Plain { logs: false }, Side::Authorizer], None, effort)
}

/// What no filter can be faster than, beside `ratelimit`.
pub(crate) fn none_beside_limiter(effort: Effort) -> Result<Vec<Row>> {
    let what = [
        ["HTTP/1.1, no filter at all", "ratelimit that always allows"],
        ["HTTP/2, no filter at all", "ratelimit that always allows"],
    ];
    let names = ["limit/none-ratelimit", "limit/none-ratelimit-h2"];
    rows(names, what, [Side::Plain { logs: false }, Side::RateLimiter], None, effort)
}

/// What no filter in WebAssembly that asks about each request can be faster than, beside `ext_authz`.
pub(crate) fn calling_beside_authorizer(effort: Effort) -> Result<Vec<Row>> {
    let what = [
        ["HTTP/1.1, a filter that makes an empty call", "ext_authz that always allows"],
        ["HTTP/2, a filter that makes an empty call", "ext_authz that always allows"],
    ];
    let names = ["limit/call-authz", "limit/call-authz-h2"];
    rows(names, what, [Side::Calling, Side::Authorizer], None, effort)
}

/// What reporting adds to a request, of Envoy and the server together, beside what logging over gRPC adds, of Envoy and
/// the sink together.
pub(crate) fn report_beside_log(effort: Effort) -> Result<Vec<Row>> {
    let reporting = Side::Ours { caches: true, reports: true, charges: false };
    let pair = block_on(beside_log(reporting, L1_HIT, effort))?;
    let what = ["processor time of a report, filter and server", LOG];
    Ok(vec![Row::pair("proxy/report-log", what, "µs/request", &pair, Goal::AtMost(1.5))])
}

/// What no filter in WebAssembly that reports what ours does can be cheaper than.
pub(crate) fn reading_beside_log(effort: Effort) -> Result<Vec<Row>> {
    let pair = block_on(beside_log(Side::Reading, Side::Nothing, effort))?;
    let what = ["processor time of asking Envoy for what a report says", LOG].map(str::to_owned);
    Ok(vec![Row::beside("limit/read-log".to_owned(), what, "µs/request", &pair)])
}

const LOG: &str = "gRPC access log, Envoy and a tonic sink";

/// What one side takes more than another, beside what logging takes more than not logging.
async fn beside_log(more: Side, less: Side, effort: Effort) -> Result<Pair> {
    let mut rounds = Vec::new();
    for _ in 0..effort.processes() {
        let warm = async |side| Stack::warm(side, Protocol::Http1).await;
        let (mut more, mut less) = (warm(more).await?, warm(less).await?);
        let mut logging = warm(Side::Plain { logs: true }).await?;
        let mut plain = warm(Side::Plain { logs: false }).await?;
        let (mut own, mut other) = (0.0, 0.0);
        // All four in each slot: what is compared is a small difference of large figures.
        for _ in 0..effort.seconds {
            own += more.cost(SLOT_S).await? - less.cost(SLOT_S).await?;
            other += logging.cost(SLOT_S).await? - plain.cost(SLOT_S).await?;
        }
        let slots = f64::from(effort.seconds);
        rounds.push((own / slots, other / slots));
    }
    Ok(Pair::new(rounds))
}
