//! `mixer explain`: what a configuration would decide about one request, and why, without a server.
//!
//! The very code that serves requests runs: the tree is loaded, its handlers are built, and the request is resolved,
//! decided about and traced under it. Nothing is told to anybody: aspects of reports are resolved and evaluated, and
//! their adapters are not called.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use attributes::Bag;
use checkcache::Recorder;
use clap::Args;
use policy::{
    Aspect, AspectError, Instance, LogPayload, LogsInstance, MetricsInstance, Phase, Plan, QuotaLimit,
    Snapshot,
};
use serde::Serialize;
use thiserror::Error;

use super::identity::Identity;
use super::page::{validity, write_list};
use super::print;
use super::request::{self, Given};
use crate::runtime::{self, Active, InvalidConfig, Runtime, now, read_tree};
use crate::telemetry::Telemetry;
use crate::text;

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The folder of the configuration.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,

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
    /// The aspects that decide, in order.
    check: Vec<Step>,
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
    /// What the adapter is given.
    given: Option<String>,
    error: Option<String>,
}

/// Runs the command.
pub(super) fn run(arguments: Explain) -> Result<ExitCode, String> {
    let Explain { config, attributes, json, identity } = arguments;
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let threads = threads.map_err(|error| format!("cannot start: {error}"))?;
    let explanation = threads.block_on(explain(&config, identity.into(), &attributes));
    let explanation = explanation.map_err(|error| error.to_string())?;
    let page = if json {
        serde_json::to_string_pretty(&explanation).map_err(|error| error.to_string())? + "\n"
    } else {
        explanation.to_string()
    };
    print(&page)?;
    Ok(ExitCode::SUCCESS)
}

/// Loads a tree and says what it makes of a request.
async fn explain(
    root: &Path,
    options: policy::Options,
    request: &[Given],
) -> Result<Explanation, Unexplained> {
    let telemetry = Arc::new(Telemetry::new());
    let runtime = Runtime::new(root.to_owned(), options, Arc::clone(&telemetry));
    runtime.load(read_tree(root))?;
    let active = runtime.active()?;
    let bag = request::bag(active.snapshot.manifest(), request)?;
    Ok(Explanation::of(&active, &bag, &telemetry).await)
}

// === impl Explanation ===

impl Explanation {
    async fn of(active: &Active, bag: &Bag, telemetry: &Telemetry) -> Self {
        let snapshot = &active.snapshot;
        let decision = runtime::check(active, bag, telemetry).await;
        let derived = runtime::preprocess(active, bag, false, telemetry).await.derived;
        let check = steps(snapshot, bag, &derived, Snapshot::resolve_check);
        let report = steps(snapshot, bag, &derived, Snapshot::resolve_report);
        let taken: BTreeSet<_> = check.iter().chain(&report).map(|step| step.location.as_str()).collect();
        let all = Phase::ALL.into_iter().flat_map(|phase| snapshot.aspects(phase));
        let left_out = all.filter(|aspect| !taken.contains(aspect.location.as_str()));
        let mut left_out: Vec<_> =
            left_out.map(|aspect| format!("{}: {}", aspect.location, describe(snapshot, aspect))).collect();
        left_out.sort();
        let verdict = decision.verdict;
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
            check,
            report,
            left_out,
        }
    }
}

fn steps<'s>(
    snapshot: &'s Snapshot,
    bag: &Bag,
    derived: &Bag,
    resolve: fn(&'s Snapshot, &mut Recorder<'_>) -> Plan<'s>,
) -> Vec<Step> {
    let mut recorder = Recorder::untraced(bag);
    recorder.lay_over(derived);
    let plan = resolve(snapshot, &mut recorder);
    let mut errors = plan.errors.into_iter().peekable();
    let mut steps = Vec::new();
    for position in 0..=plan.aspects.len() {
        while let Some(error) = errors.next_if(|error| error.position <= position) {
            let reason = text::chain(&error.error);
            steps.push(Step {
                location: error.location.to_owned(),
                aspect: None,
                given: None,
                error: Some(format!("the selector `{}` cannot be evaluated: {reason}", error.selector)),
            });
        }
        if let Some(aspect) = plan.aspects.get(position) {
            let instance = aspect.evaluate(&mut recorder, now());
            steps.push(Step {
                location: aspect.location.clone(),
                aspect: Some(describe(snapshot, aspect)),
                given: instance.as_ref().ok().and_then(made),
                error: failure(&instance),
            });
        }
    }
    steps
}

fn describe(snapshot: &Snapshot, aspect: &Aspect) -> String {
    let Aspect { kind, handler, .. } = aspect;
    match snapshot.handlers().get(*handler) {
        Some(block) => format!("{kind} by {} ({})", block.name, block.impl_name),
        None => kind.to_string(),
    }
}

/// What an adapter is given, in words.
fn made(instance: &Instance) -> Option<String> {
    match instance {
        Instance::Denial => None,
        Instance::ListEntry(value) => Some(value.to_string()),
        Instance::Quota(quota) => {
            let labels: Vec<_> = quota.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let QuotaLimit { max_amount, window } = quota.limit;
            let window = window.map_or("until released".to_owned(), |window| format!("in {window:?}"));
            Some(format!("{}{{{}}} at most {max_amount} {window}", quota.name, labels.join(",")))
        }
        Instance::Inputs(inputs) => {
            let inputs: Vec<_> = inputs.iter().map(|(name, value)| format!("{name}={value}")).collect();
            (!inputs.is_empty()).then(|| inputs.join(", "))
        }
        Instance::Logs(logs) => {
            let lines = logs.entries.iter().map(|entry| match &entry.payload {
                LogPayload::Text(text) => text.clone(),
                LogPayload::Json(object) => serde_json::Value::from(object.clone()).to_string(),
            });
            let lines: Vec<_> = lines.collect();
            (!lines.is_empty()).then(|| lines.join("; "))
        }
        Instance::Metrics(metrics) => {
            let values = metrics.values.iter().map(|metric| {
                let labels: Vec<_> =
                    metric.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{}{{{}}} {}", metric.descriptor.name, labels.join(","), metric.value)
            });
            let values: Vec<_> = values.collect();
            (!values.is_empty()).then(|| values.join("; "))
        }
    }
}

/// Why an adapter is given less than it should be, or nothing.
fn failure(instance: &Result<Instance, AspectError>) -> Option<String> {
    match instance {
        Err(error) => Some(text::chain(error)),
        Ok(
            Instance::Metrics(MetricsInstance { errors, .. }) | Instance::Logs(LogsInstance { errors, .. }),
        ) => {
            let errors: Vec<_> = errors.iter().map(|error| text::chain(error)).collect();
            (!errors.is_empty()).then(|| errors.join("; "))
        }
        Ok(Instance::Denial | Instance::ListEntry(_) | Instance::Quota(_) | Instance::Inputs(_)) => None,
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, verdict, trace, check, report, left_out } = self;
        let Verdict { code, message, refused_by, validity, is_failure } = verdict;
        let colon = if message.is_empty() { "" } else { ": " };
        writeln!(f, "verdict   {code}{colon}{message}")?;
        if let Some(by) = refused_by {
            let why = if *is_failure { ", because it failed" } else { "" };
            writeln!(f, "refused   by {by}{why}")?;
        }
        writeln!(f, "cached    {validity}\nrevision  {revision}")?;
        write_list(f, "looked at, in order", trace)?;
        write_list(f, "decides, in order", check)?;
        write_list(f, "tells, in order", report)?;
        write_list(f, "left out", left_out)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.location)?;
        for (before, part) in [(": ", &self.aspect), (" of ", &self.given), (": ", &self.error)] {
            if let Some(part) = part {
                write!(f, "{before}{part}")?;
            }
        }
        Ok(())
    }
}
