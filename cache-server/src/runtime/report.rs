//! Report: what is told about requests that are over.
//!
//! Instances are gathered by handler over all messages of a report, so that a handler is called once for many. What
//! fails takes nothing else with it: it is counted, and the report goes on.

use std::collections::BTreeMap;

use attributes::Bag;
use checkcache::Recorder;
use futures::future::join_all;
use policy::{Aspect, AspectParams, Instance, LogEntry, Measurements, MetricValue};

use super::dispatch::{call, now};
use super::preprocess::{Failure, preprocess};
use super::{Active, Slot};
use crate::adapters::{HandlerError, weight};
use crate::telemetry::Telemetry;
use crate::{limits, text};

/// Tells the handlers of one configuration about requests.
pub struct Reporter<'a> {
    active: &'a Active,
    telemetry: &'a Telemetry,
    /// By the position of the handler.
    gathered: BTreeMap<usize, Gathered>,
    /// Bytes of log entries gathered since the last time that they were handed over.
    gathered_bytes: usize,
    /// Bytes of the attributes taken up so far.
    taken_bytes: usize,
    failures: Failures,
}

#[derive(Default)]
struct Gathered {
    entries: Vec<LogEntry>,
    measurements: Measurements,
}

/// What went wrong with a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures {
    count: usize,
    first: Vec<String>,
}

/// What would be told about a request. Nobody is told.
#[derive(Debug, Default)]
pub struct Told {
    /// Log entries, in plan order.
    pub entries: Vec<LogEntry>,
    /// Measured values, in plan order.
    pub values: Vec<MetricValue>,
    /// What could not be evaluated.
    pub errors: Vec<String>,
}

/// Evaluates what aspects would tell about a request over which `derived` attributes lie.
pub fn told(active: &Active, bag: &Bag, derived: &Bag) -> Told {
    let mut told = Told::default();
    let mut recorder = Recorder::untraced(bag);
    recorder.lay_over(derived);
    let plan = active.snapshot.resolve_report(&mut recorder);
    let selectors =
        plan.errors.iter().map(|error| format!("{}: {}", error.location, text::chain(&error.error)));
    told.errors.extend(selectors);
    let now = now();
    for aspect in plan.aspects {
        let errors = match aspect.evaluate(&mut recorder, now) {
            Ok(Instance::Logs(logs)) => {
                told.entries.extend(logs.entries);
                logs.errors
            }
            Ok(Instance::Metrics(metrics)) => {
                told.values.extend(metrics.values);
                metrics.errors
            }
            Ok(Instance::Denial | Instance::ListEntry(_) | Instance::Quota(_) | Instance::Inputs(_)) => {
                Vec::new()
            }
            Err(error) => vec![error],
        };
        let errors = errors.iter().map(|error| format!("{}: {}", aspect.location, text::chain(error)));
        told.errors.extend(errors);
    }
    told
}

// === impl Reporter ===

impl<'a> Reporter<'a> {
    /// A reporter that has told nothing yet.
    pub fn new(active: &'a Active, telemetry: &'a Telemetry) -> Self {
        Self {
            active,
            telemetry,
            gathered: BTreeMap::new(),
            gathered_bytes: 0,
            taken_bytes: 0,
            failures: Failures::default(),
        }
    }

    /// Takes up what is to be told about one request, whose attributes weigh so much.
    pub async fn add(&mut self, bag: &Bag, weight: usize) {
        self.taken_bytes += weight;
        if self.taken_bytes > limits::REPORT_BYTES {
            self.failures.add("the messages of the report stand for too much");
            return;
        }
        let preprocessed = preprocess(self.active, bag, false, self.telemetry).await;
        for Failure { location, message } in &preprocessed.failures {
            self.failures.add(&format!("{location}: {message}"));
        }
        self.evaluate(bag, &preprocessed.derived);
        let is_full = |gathered: &Gathered| gathered.len() >= limits::REPORT_INSTANCES;
        if self.gathered_bytes >= limits::REPORT_BATCH_BYTES || self.gathered.values().any(is_full) {
            self.hand_over().await;
        }
    }

    /// Hands over what is left and says what went wrong.
    pub async fn finish(mut self) -> Failures {
        self.hand_over().await;
        self.failures
    }

    fn evaluate(&mut self, bag: &Bag, derived: &Bag) {
        let mut recorder = Recorder::untraced(bag);
        recorder.lay_over(derived);
        let plan = self.active.snapshot.resolve_report(&mut recorder);
        for error in &plan.errors {
            self.fail_evaluation(error.location, &text::chain(&error.error));
        }
        for aspect in plan.aspects {
            match &aspect.params {
                AspectParams::Metrics(metrics) => {
                    let gathered = self.gathered.entry(aspect.handler).or_default();
                    for error in gathered.measurements.add(metrics, &mut recorder) {
                        self.fail_evaluation(&aspect.location, &text::chain(&error));
                    }
                }
                AspectParams::AccessLogs(_) | AspectParams::ApplicationLogs(_) => {
                    match aspect.evaluate(&mut recorder, now()) {
                        Ok(instance) => self.gather(aspect, instance),
                        Err(error) => self.fail_evaluation(&aspect.location, &text::chain(&error)),
                    }
                }
                AspectParams::Denials
                | AspectParams::Lists(_)
                | AspectParams::Quota(_)
                | AspectParams::Attributes(_) => self.tells_nothing(aspect),
            }
        }
    }

    fn gather(&mut self, aspect: &Aspect, instance: Instance) {
        let gathered = self.gathered.entry(aspect.handler).or_default();
        match instance {
            Instance::Logs(logs) => {
                self.gathered_bytes += logs.entries.iter().map(weight).sum::<usize>();
                gathered.entries.extend(logs.entries);
                for error in &logs.errors {
                    self.fail_evaluation(&aspect.location, &text::chain(error));
                }
            }
            Instance::Denial
            | Instance::ListEntry(_)
            | Instance::Quota(_)
            | Instance::Inputs(_)
            | Instance::Metrics(_) => self.tells_nothing(aspect),
        }
    }

    fn tells_nothing(&mut self, aspect: &Aspect) {
        self.failures.add(&format!("{}: `{}` aspects tell nothing", aspect.location, aspect.kind));
    }

    async fn hand_over(&mut self) {
        let (active, telemetry) = (self.active, self.telemetry);
        self.gathered_bytes = 0;
        let calls = std::mem::take(&mut self.gathered).into_iter().map(async |(handler, gathered)| {
            let Some(slot) = active.handlers.get(handler) else { return Vec::new() };
            let results = gathered.tell(slot, telemetry).await;
            results
                .into_iter()
                .filter_map(Result::err)
                .map(|error| format!("{}: {error}", slot.config.name))
                .collect()
        });
        for failure in join_all(calls).await.into_iter().flatten() {
            self.failures.add(&failure);
        }
    }

    fn fail_evaluation(&mut self, location: &str, message: &str) {
        self.telemetry.evaluation_error("report", location, message);
        self.failures.add(&format!("{location}: {message}"));
    }
}

impl Gathered {
    fn len(&self) -> usize {
        self.entries.len().max(self.measurements.len())
    }

    async fn tell(self, slot: &Slot, telemetry: &Telemetry) -> Vec<Result<(), HandlerError>> {
        let mut results = Vec::new();
        if !self.entries.is_empty() {
            results.push(call(slot, telemetry, slot.handler.log(self.entries)).await);
        }
        if !self.measurements.is_empty() {
            let samples = self.measurements.into_samples();
            results.push(call(slot, telemetry, slot.handler.measure(samples)).await);
        }
        results
    }
}

// === impl Failures ===

impl Failures {
    /// One more.
    pub fn add(&mut self, failure: &str) {
        self.count += 1;
        if self.first.len() < limits::REPORT_ERRORS {
            self.first.push(text::quoted(failure).into_owned());
        }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The first few, and how many more there are.
    pub fn summary(&self) -> String {
        let more = self.count - self.first.len();
        let tail = if more > 0 { format!("; and {more} more") } else { String::new() };
        format!("{}{tail}", self.first.join("; "))
    }
}
