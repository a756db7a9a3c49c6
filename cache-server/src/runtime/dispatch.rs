//! Check: derived attributes → plan → instances → adapters → verdict.
//!
//! Aspects are evaluated in plan order on the request's recorder; then their handlers are asked, all at once, each
//! under a deadline; then the answers are folded, in plan order again, never in the order in which they came. What
//! cannot be evaluated or does not answer is a refusal in its place.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::SystemTime;

use attributes::{Bag, Timestamp};
use checkcache::{Code, Recorder, RouteDirective, Status, Trace, Validity, Verdict};
use futures::FutureExt as _;
use futures::future::join_all;
use policy::{Aspect, AspectParams, Instance, Plan, SelectedHeaders};

use super::preprocess::{Failure, Preprocessed, preprocess};
use super::{Active, Slot};
use crate::adapters::{Answer, HandlerError};
use crate::telemetry::{self, CallResult, Telemetry};
use crate::{limits, text};

/// A verdict and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// What was looked at to reach it.
    pub trace: Trace,
    /// Whether it is a refusal because something failed.
    pub is_failure: bool,
}

/// A place of the plan.
struct Place<'s> {
    step: Step<'s>,
    /// How many looks it took to get there.
    looks: usize,
}

/// All that a request comes to before anybody is asked.
struct Evaluated<'s> {
    /// The steps of the plan, in its order, selectors that failed at the places of what they guard.
    places: Vec<Place<'s>>,
    /// What the proxy does if nothing refuses.
    directive: Option<RouteDirective>,
    /// What was looked at.
    trace: Trace,
}

/// What stands at one place of the plan.
enum Step<'s> {
    /// A handler is to be asked.
    Ask(&'s Aspect, Instance),
    /// Nothing can be asked.
    Fail(&'s str, String),
}

/// What one place of the plan came to.
struct Outcome<'s> {
    location: &'s str,
    looks: usize,
    answer: Result<Answer, Status>,
}

/// Decides about a request under a configuration.
pub async fn check(active: &Active, bag: &Bag, telemetry: &Telemetry) -> Decision {
    let Preprocessed { derived, trace, validity, failures } = preprocess(active, bag, true, telemetry).await;
    if let Some(Failure { location, message }) = failures.first() {
        let status = Status::new(Code::Internal, text::message(&format!("{location}: {message}")));
        let refused_by = Some(Arc::from(location.as_str()));
        let verdict = Verdict { refused_by, ..Verdict::new(status, Validity::Never) };
        return Decision { verdict, trace, is_failure: true };
    }
    let Evaluated { places, directive, mut trace } = evaluate(active, bag, &derived, trace, telemetry);
    let outcomes = join_all(places.into_iter().map(|place| take(active, place, telemetry))).await;
    let Folded { mut verdict, is_failure, looks } = fold(outcomes, validity);
    if verdict.status.is_ok() {
        verdict.directive = directive;
    }
    verdict.attributes = derived;
    trace.truncate(looks.unwrap_or(usize::MAX));
    Decision { verdict, trace, is_failure }
}

/// Resolves a request and evaluates what it is to be decided by.
fn evaluate<'s>(
    active: &'s Active,
    bag: &Bag,
    derived: &Bag,
    trace: Trace,
    telemetry: &Telemetry,
) -> Evaluated<'s> {
    let mut recorder = Recorder::resume(bag, trace);
    recorder.lay_over(derived);
    let Plan { aspects, errors, headers } = active.snapshot.resolve_check(&mut recorder);
    let mut errors = errors.into_iter().peekable();
    let mut places = Vec::with_capacity(aspects.len());
    let now = now();
    for position in 0..=aspects.len() {
        while let Some(error) = errors.next_if(|error| error.position <= position) {
            let message = text::chain(&error.error);
            telemetry.evaluation_error("check", error.location, &message);
            let step = Step::Fail(error.location, format!("cannot evaluate the selector: {message}"));
            places.push(Place { step, looks: recorder.looks() });
        }
        let Some(aspect) = aspects.get(position) else { break };
        let step = match aspect.evaluate(&mut recorder, now) {
            Ok(instance) => Step::Ask(aspect, instance),
            Err(error) => {
                let message = text::chain(&error);
                telemetry.evaluation_error("check", &aspect.location, &message);
                Step::Fail(&aspect.location, message)
            }
        };
        places.push(Place { step, looks: recorder.looks() });
    }
    let directive = match edit_headers(&headers, &mut recorder, telemetry) {
        Ok(directive) => directive,
        Err((location, message)) => {
            places.push(Place { step: Step::Fail(location, message), looks: recorder.looks() });
            None
        }
    };
    Evaluated { places, directive, trace: recorder.into_trace() }
}

/// What is done to headers if nothing refuses. Looked at last, so that it has no part in a refusal.
fn edit_headers<'s>(
    headers: &[SelectedHeaders<'s>],
    recorder: &mut Recorder<'_>,
    telemetry: &Telemetry,
) -> Result<Option<RouteDirective>, (&'s str, String)> {
    let mut directive = RouteDirective::default();
    for SelectedHeaders { location, rules } in headers {
        let (request, response) = rules.evaluate(recorder).map_err(|error| {
            let message = text::chain(&error);
            telemetry.evaluation_error("check", location, &message);
            (*location, message)
        })?;
        directive.request_headers.extend(request);
        directive.response_headers.extend(response);
    }
    Ok((!headers.is_empty()).then_some(directive))
}

async fn take<'s>(active: &'s Active, place: Place<'s>, telemetry: &Telemetry) -> Outcome<'s> {
    let Place { step, looks } = place;
    match step {
        Step::Fail(location, message) => {
            let status = Status::new(Code::Internal, text::message(&format!("{location}: {message}")));
            Outcome { location, looks, answer: Err(status) }
        }
        Step::Ask(aspect, instance) => {
            let answer = match active.handlers.get(aspect.handler) {
                Some(slot) => ask(slot, aspect, instance, telemetry).await,
                None => Err(HandlerError::Failed("its adapter block is missing".to_owned())),
            };
            let bounded =
                |answer: Answer| Answer { validity: answer.validity.fold(aspect.validity), ..answer };
            let answer = answer.map(bounded).map_err(|error| {
                let code = match error {
                    HandlerError::InvalidArgument(_) => Code::InvalidArgument,
                    HandlerError::Unavailable(_) => Code::Unavailable,
                    HandlerError::Failed(_) | HandlerError::WrongKind(_) => Code::Internal,
                };
                Status::new(code, text::message(&format!("{}: {error}", aspect.location)))
            });
            Outcome { location: &aspect.location, looks, answer }
        }
    }
}

async fn ask(
    slot: &Slot,
    aspect: &Aspect,
    instance: Instance,
    telemetry: &Telemetry,
) -> Result<Answer, HandlerError> {
    match (instance, &aspect.params) {
        (Instance::Denial, _) => call(slot, telemetry, slot.handler.deny()).await,
        (Instance::ListEntry(value), AspectParams::Lists(lists)) => {
            let membership = call(slot, telemetry, slot.handler.contains(&value)).await?;
            let status = if membership.found == lists.blacklist {
                let which = if lists.blacklist { "is blacklisted" } else { "is not whitelisted" };
                Status::new(Code::PermissionDenied, format!("{} {which}", text::quoted(&value.to_string())))
            } else {
                Status::default()
            };
            Ok(Answer { status, directive: None, validity: membership.validity })
        }
        (
            Instance::ListEntry(_)
            | Instance::Quota(_)
            | Instance::Logs(_)
            | Instance::Metrics(_)
            | Instance::Inputs(_),
            _,
        ) => Err(HandlerError::Failed(format!("`{}` aspects do not decide", aspect.kind))),
    }
}

/// Calls a handler: unless too many do, under a deadline, and so that its panic is its own.
pub(super) async fn call<T>(
    slot: &Slot,
    telemetry: &Telemetry,
    future: impl Future<Output = Result<T, HandlerError>>,
) -> Result<T, HandlerError> {
    let (result, answer) = match slot.begin_call() {
        Some(_right) => finish(slot, telemetry, future).await,
        None => {
            let message = format!("its adapter has {} calls to answer", limits::HANDLER_CALLS);
            (CallResult::Overloaded, Err(HandlerError::Unavailable(message)))
        }
    };
    telemetry.adapter_call(&slot.config.name, slot.config.impl_name, result);
    if let Err(HandlerError::Failed(reason) | HandlerError::Unavailable(reason)) = &answer {
        telemetry.adapter_failed(&slot.config.name, reason);
    }
    answer
}

/// What becomes of a call that was begun.
async fn finish<T>(
    slot: &Slot,
    telemetry: &Telemetry,
    future: impl Future<Output = Result<T, HandlerError>>,
) -> (CallResult, Result<T, HandlerError>) {
    let caught = AssertUnwindSafe(future).catch_unwind();
    match tokio::time::timeout(limits::ADAPTER_CALL, caught).await {
        Ok(Ok(Ok(answer))) => (CallResult::Ok, Ok(answer)),
        Ok(Ok(Err(error))) => (CallResult::Error, Err(error)),
        Ok(Err(panic)) => {
            telemetry.panics.increment();
            telemetry::panicked(&slot.config.name, panic_message(&*panic));
            (CallResult::Panic, Err(HandlerError::Failed("its adapter failed".to_owned())))
        }
        Err(_) => {
            let message = format!("its adapter did not answer within {:?}", limits::ADAPTER_CALL);
            (CallResult::Timeout, Err(HandlerError::Failed(message)))
        }
    }
}

/// A verdict, and how much of what was looked at it rests on.
struct Folded {
    verdict: Verdict,
    is_failure: bool,
    /// `None`: all of it.
    looks: Option<usize>,
}

/// The verdict: the first refusal in plan order, else OK. What stands behind the first refusal has no part in it, so
/// neither has its validity, nor what was looked at for it: a request that differs only there is refused as well. All of it
/// rests on what was `derived`.
fn fold(outcomes: Vec<Outcome<'_>>, derived: Validity) -> Folded {
    if outcomes.is_empty() {
        let validity = derived.fold(Validity::For { ttl: limits::VERDICT_TTL, uses: None });
        let verdict = Verdict::new(Status::default(), validity);
        return Folded { verdict, is_failure: false, looks: None };
    }
    let mut validity = derived;
    for Outcome { location, looks, answer } in outcomes {
        let (status, directive, is_failure) = match answer {
            Ok(answer) => {
                validity = validity.fold(answer.validity);
                (answer.status, answer.directive, false)
            }
            Err(status) => {
                validity = Validity::Never;
                (status, None, true)
            }
        };
        if !status.is_ok() {
            let refused_by = Some(Arc::from(location));
            let verdict = Verdict { refused_by, directive, ..Verdict::new(status, validity) };
            return Folded { verdict, is_failure, looks: Some(looks) };
        }
    }
    Folded { verdict: Verdict::new(Status::default(), validity), is_failure: false, looks: None }
}

/// The time of day, for what is told about a request; no verdict depends on it.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_nanos(i128::try_from(since_epoch.as_nanos()).unwrap_or(i128::MAX))
}

/// What a panic said, if it said anything.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests;
