//! `mixer explain`: what a configuration would decide about one request, and why, without a server.
//!
//! The very code that serves requests runs: the tree is loaded, its handlers are built, and the request is resolved,
//! decided about and traced under it. Nothing is told to anybody: aspects of reports are resolved and evaluated, and
//! their adapters are not called.

mod walk;

use std::collections::BTreeSet;
use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use attributes::{Bag, Value};
use checkcache::Recorder;
use clap::Args;
use policy::{
    Aspect, AspectError, Instance, LogPayload, LogsInstance, MetricValue, MetricsInstance, Phase, Plan,
    QuotaLimit, SelectorError, Snapshot,
};
use quota::Algorithm;
use serde::Serialize;
use thiserror::Error;

use self::walk::{Follower, Way};
use super::identity::Identity;
use super::page::{validity, write_list};
use super::print;
use super::request::{self, Given};
use super::store::{Configuration, threads};
use crate::adapters;
use crate::runtime::{self, Active, InvalidConfig, Runtime, Store, StoreAddress, now};
use crate::telemetry::Telemetry;
use crate::text;

#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    config: Configuration,

    /// An attribute of the request; an entry of a map is NAME[KEY]=VALUE. What is not given is absent.
    #[arg(short, long = "attribute", value_name = "NAME=VALUE")]
    attributes: Vec<Given>,

    /// Prints the explanation as JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    identity: Identity,
}

/// There is nothing to explain.
#[derive(Debug, Error)]
enum Unexplained {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// There is no configuration, which loading does not let happen.
    #[error(transparent)]
    Unconfigured(#[from] runtime::Unconfigured),
    /// What was given is no request under it.
    #[error(transparent)]
    Request(#[from] request::InvalidRequest),
}

/// What a configuration makes of a request.
#[derive(Debug, Serialize)]
struct Explanation {
    revision: String,
    verdict: Verdict,
    /// What was looked at to reach the verdict, in order: what it is cached under.
    trace: Vec<String>,
    /// Attributes that are there because a proxy gives them along with others that mean the same.
    twins: Vec<String>,
    /// Where rules were looked for, and which of them apply.
    resolution: Way,
    /// The aspects that derive attributes before anything is decided, in order.
    derive: Vec<Step>,
    /// The aspects that decide, in order.
    check: Vec<Step>,
    /// What limits quotas for the request, by their names.
    limits: Vec<Step>,
    /// The aspects that would tell, in order.
    report: Vec<Step>,
    /// Aspects of the tree that are not for this request, and where they stand.
    left_out: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Verdict {
    code: &'static str,
    message: String,
    refused_by: Option<String>,
    /// How long it may be used again.
    validity: String,
    /// Whether it is a refusal because something failed.
    is_failure: bool,
}

/// An aspect, or what is guarded by a selector that cannot be evaluated.
#[derive(Debug, Serialize)]
struct Step {
    location: String,
    /// The kind and the block of the adapter.
    aspect: Option<String>,
    /// What the adapter is given, one thing each.
    given: Vec<String>,
    /// Whether the refusal is its.
    refused: bool,
    /// Why it is given less than it should be.
    errors: Vec<String>,
}

/// Runs the command.
pub(super) fn run(arguments: Explain) -> Result<ExitCode, String> {
    let Explain { config, attributes, json, identity } = arguments;
    let store = config.address()?;
    let explanation = threads()?.block_on(explain(store, identity.into(), &attributes));
    let explanation = explanation.map_err(|error| error.to_string())?;
    let page = if json {
        serde_json::to_string_pretty(&explanation).map_err(|error| error.to_string())? + "\n"
    } else {
        explanation.to_string()
    };
    print(&page)?;
    Ok(ExitCode::SUCCESS)
}

/// Loads what a store holds and says what it makes of a request.
async fn explain(
    store: StoreAddress,
    options: policy::Options,
    request: &[Given],
) -> Result<Explanation, Unexplained> {
    let telemetry = Arc::new(Telemetry::new());
    let options = policy::Options { layout: store.layout(), ..options };
    let runtime = Runtime::new(store.root(), options, Arc::clone(&telemetry));
    runtime.load(Store::open(store).read().await)?;
    let active = runtime.active()?;
    let given = request::bag(active.snapshot.manifest(), request)?;
    let bag = client::with_aliases(given.clone());
    let twins = bag.iter().filter(|(name, _)| given.value(name.as_str()).is_none());
    let twins = twins.map(|(name, value)| format!("{name} is {value}")).collect();
    Ok(Explanation { twins, ..Explanation::of(&active, &bag, &telemetry).await })
}

// === impl Explanation ===

impl Explanation {
    async fn of(active: &Active, bag: &Bag, telemetry: &Telemetry) -> Self {
        let snapshot = &active.snapshot;
        let decision = runtime::check(active, bag, telemetry).await;
        let derived = runtime::preprocess(active, bag, false, telemetry).await.derived;
        let nothing = Bag::new();
        let (derive, mut way) = steps(snapshot, bag, &nothing, Snapshot::follow_preprocess);
        let (mut check, other) = steps(snapshot, bag, &derived, Snapshot::follow_check);
        way.join(other);
        let (report, other) = steps(snapshot, bag, &derived, Snapshot::follow_report);
        way.join(other);
        let limits = limits(snapshot, bag, &derived);
        let taken = [&derive, &check, &limits, &report].into_iter().flatten();
        let taken: BTreeSet<_> = taken.map(|step| step.location.as_str()).collect();
        let all = Phase::ALL.into_iter().flat_map(|phase| snapshot.aspects(phase));
        let left_out = all.filter(|aspect| !taken.contains(aspect.location.as_str()));
        let mut left_out: Vec<_> =
            left_out.map(|aspect| format!("{}: {}", aspect.location, describe(snapshot, aspect))).collect();
        left_out.sort();
        let verdict = decision.verdict;
        for step in &mut check {
            step.refused = verdict.refused_by.as_deref() == Some(step.location.as_str());
        }
        Self {
            revision: snapshot.revision().to_string(),
            trace: decision.trace.observations().iter().map(ToString::to_string).collect(),
            verdict: Verdict {
                code: verdict.status.code.name(),
                message: verdict.status.message,
                refused_by: verdict.refused_by.map(|by| by.to_string()),
                validity: validity(verdict.validity),
                is_failure: decision.is_failure,
            },
            twins: Vec::new(),
            resolution: way,
            derive,
            check,
            limits,
            report,
            left_out,
        }
    }
}

/// A resolution that a follower is told of.
type Resolve<'s, 'b> = fn(&'s Snapshot, &mut Recorder<'_>, &mut Follower<'b>) -> Plan<'s>;

fn steps<'s, 'b>(
    snapshot: &'s Snapshot,
    bag: &'b Bag,
    derived: &'b Bag,
    resolve: Resolve<'s, 'b>,
) -> (Vec<Step>, Way) {
    let mut recorder = Recorder::untraced(bag);
    recorder.lay_over(derived);
    let mut follower = Follower::new(bag, derived);
    let plan = resolve(snapshot, &mut recorder, &mut follower);
    let mut errors = plan.errors.into_iter().peekable();
    let mut steps = Vec::new();
    for position in 0..=plan.aspects.len() {
        while let Some(error) = errors.next_if(|error| error.position <= position) {
            steps.push(unselected(&error));
        }
        if let Some(aspect) = plan.aspects.get(position) {
            steps.push(step(snapshot, aspect, &mut recorder));
        }
    }
    (steps, follower.into_way())
}

/// What limits each quota that is limited. Nothing is taken of it.
fn limits(snapshot: &Snapshot, bag: &Bag, derived: &Bag) -> Vec<Step> {
    let names: BTreeSet<_> = snapshot.quotas().iter().map(|quota| &quota.name).collect();
    let limit = |name: &Arc<str>| {
        let mut recorder = Recorder::untraced(bag);
        recorder.lay_over(derived);
        match snapshot.resolve_quota(name, &mut recorder) {
            Ok(aspect) => aspect.map(|aspect| step(snapshot, aspect, &mut recorder)),
            Err(error) => Some(unselected(&error)),
        }
    };
    names.into_iter().filter_map(limit).collect()
}

fn step(snapshot: &Snapshot, aspect: &Aspect, recorder: &mut Recorder<'_>) -> Step {
    let instance = aspect.evaluate(recorder, now());
    Step {
        location: aspect.location.clone(),
        aspect: Some(describe(snapshot, aspect)),
        given: instance.as_ref().map(made).unwrap_or_default(),
        refused: false,
        errors: failures(&instance),
    }
}

fn unselected(error: &SelectorError<'_>) -> Step {
    let SelectorError { location, selector, error, .. } = error;
    let reason = text::chain(error);
    Step {
        location: (*location).to_owned(),
        aspect: None,
        given: Vec::new(),
        refused: false,
        errors: vec![format!("the selector `{selector}` cannot be evaluated: {reason}")],
    }
}

fn describe(snapshot: &Snapshot, aspect: &Aspect) -> String {
    let Aspect { kind, handler, .. } = aspect;
    match snapshot.handlers().get(*handler) {
        Some(block) => {
            let algorithm = match adapters::rate_algorithm(block) {
                None => "",
                Some(Algorithm::RollingWindow) => ", ROLLING_WINDOW",
                Some(Algorithm::FixedWindow) => ", FIXED_WINDOW",
                Some(Algorithm::TokenBucket) => ", TOKEN_BUCKET",
            };
            format!("{kind} by {} ({}{algorithm})", block.name, block.impl_name)
        }
        None => kind.to_string(),
    }
}

/// What an adapter is given, in words, one thing each.
fn made(instance: &Instance) -> Vec<String> {
    match instance {
        Instance::Denial => Vec::new(),
        Instance::ListEntry(value) => vec![value.to_string()],
        Instance::Quota(quota) => {
            let QuotaLimit { max_amount, window } = quota.limit;
            let window = window.map_or("until released".to_owned(), |window| format!("in {window:?}"));
            vec![format!("{}{} at most {max_amount} {window}", quota.name, labels(&quota.labels))]
        }
        Instance::Inputs(inputs) => inputs.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        Instance::Logs(logs) => {
            let lines = logs.entries.iter().map(|entry| match &entry.payload {
                LogPayload::Text(text) => text.clone(),
                LogPayload::Json(object) => serde_json::Value::from(object.clone()).to_string(),
            });
            lines.collect()
        }
        Instance::Metrics(metrics) => {
            let line = |metric: &MetricValue| {
                format!("{}{} {}", metric.descriptor.name, labels(&metric.labels), metric.value)
            };
            metrics.values.iter().map(line).collect()
        }
    }
}

fn labels(labels: &[(Arc<str>, Value)]) -> String {
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", labels.join(", "))
}

/// Why an adapter is given less than it should be.
fn failures(instance: &Result<Instance, AspectError>) -> Vec<String> {
    match instance {
        Err(error) => vec![text::chain(error)],
        Ok(
            Instance::Metrics(MetricsInstance { errors, .. }) | Instance::Logs(LogsInstance { errors, .. }),
        ) => errors.iter().map(|error| text::chain(error)).collect(),
        Ok(Instance::Denial | Instance::ListEntry(_) | Instance::Quota(_) | Instance::Inputs(_)) => {
            Vec::new()
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, verdict, trace, twins, resolution, derive, check, limits, report, left_out } =
            self;
        let Verdict { code, message, refused_by, validity, is_failure } = verdict;
        let colon = if message.is_empty() { "" } else { ": " };
        writeln!(f, "verdict   {code}{colon}{message}")?;
        if let Some(by) = refused_by {
            let why = if *is_failure { ", because it failed" } else { "" };
            writeln!(f, "refused   by {by}{why}")?;
        }
        writeln!(f, "cached    {validity}\nrevision  {revision}")?;
        if !twins.is_empty() {
            write_list(f, "given along by the proxy", twins)?;
        }
        write_list(f, "rules were looked for, in order", resolution.lookups())?;
        write_list(f, "selectors, in order", &resolution.selectors)?;
        write_list(f, "looked at for the verdict, in order", trace)?;
        if !derive.is_empty() {
            write_list(f, "derives attributes, in order", derive)?;
        }
        write_list(f, "decides, in order", check)?;
        if !limits.is_empty() {
            write_list(f, "limits quotas", limits)?;
        }
        write_list(f, "tells, in order", report)?;
        write_list(f, "left out", left_out)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { location, aspect, given, refused, errors } = self;
        f.write_str(location)?;
        if let Some(aspect) = aspect {
            write!(f, ": {aspect}")?;
        }
        if *refused {
            f.write_str("  <- refused")?;
        }
        given.iter().chain(errors).try_for_each(|line| write!(f, "\n      {line}"))
    }
}
