//! Quota: how much of what a request asks for is left.
//!
//! Of the definitions of a quota one applies to a request, that of the most specific subject; its handler counts. What
//! was looked at to find the counter goes back to the client with the counter's name and how long both go together; it
//! may then ask for many requests at once. A quota that nothing limits is granted.

use std::sync::Arc;
use std::time::Duration;

use attributes::{Bag, Value};
use checkcache::wire::{Counted, Counter, Grant};
use checkcache::{Code, Recorder, Status, Trace, Validity};
use policy::{Aspect, Instance, QuotaInstance};
use quota::Key;
use sha2::{Digest as _, Sha256};

use super::Active;
use super::dispatch::{call, now};
use super::preprocess::Preprocessed;
use crate::adapters::{self, HandlerError, QuotaRequest};
use crate::telemetry::Telemetry;
use crate::{limits, text};

/// A quota that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its name.
    pub name: String,
    /// How much; what is negative is given back.
    pub amount: i64,
    /// Whether less will do.
    pub best_effort: bool,
    /// The name of the counter that is given back to; of no meaning if it is none.
    pub counter: Vec<u8>,
    /// What the call is known by if it is made again; `None` if it is not known.
    pub deduplication_id: Option<Arc<str>>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// How much was granted, and for how long.
    pub grant: Grant,
    /// Which requests are counted together with this one.
    pub counted: Counted,
}

/// Allocates a quota to a request.
pub async fn allocate(
    active: &Active,
    bag: &Bag,
    preprocessed: &Preprocessed,
    asked: Asked,
    telemetry: &Telemetry,
) -> Allocation {
    if !active.snapshot.limits_quota(&asked.name) {
        let (trace, validity) = (Trace::default(), Validity::Revision);
        let counter = Some(counter(None, &asked.name, &[]));
        return Allocation { grant: unlimited(asked.amount), counted: Counted { trace, validity, counter } };
    }
    let validity = preprocessed.validity;
    if let Some(failure) = preprocessed.failures.first() {
        let (status, trace) = (internal(&failure.location, &failure.message), preprocessed.trace.clone());
        return Allocation { grant: refused(status), counted: Counted { trace, validity, counter: None } };
    }
    let (found, trace) = find(active, bag, preprocessed, &asked.name, telemetry);
    let (grant, counter) = match found {
        Ok(Some((aspect, quota))) => {
            let block = active.handlers.get(aspect.handler).map(|slot| slot.config.name.as_str());
            let counter = counter(block, &quota.name, &quota.labels);
            let is_another = asked.amount < 0 && !asked.counter.is_empty() && asked.counter != counter.0;
            let grant = if is_another {
                // It was not taken from here.
                Grant { amount: 0, valid_for: None, status: Status::default() }
            } else {
                take(active, aspect, quota, asked, telemetry).await
            };
            (grant, Some(counter))
        }
        Ok(None) => (unlimited(asked.amount), Some(counter(None, &asked.name, &[]))),
        Err(status) => (refused(status), None),
    };
    Allocation { grant, counted: Counted { trace, validity, counter } }
}

/// What a counter is called: by the adapter block that counts, the quota and its labels. Without a block nobody counts.
fn counter(block: Option<&str>, quota: &str, labels: &[(Arc<str>, Value)]) -> Counter {
    let mut digest = Sha256::new();
    // The block says how long it is, so that it does not run into the key.
    digest.update(block.map_or(u64::MAX, |block| block.len() as u64).to_be_bytes());
    digest.update(block.unwrap_or_default());
    digest.update(Key::new(quota, labels).as_bytes());
    let mut name = [0; 16];
    name.iter_mut().zip(digest.finalize()).for_each(|(byte, digested)| *byte = digested);
    Counter(name)
}

/// What limits a quota for a request, without taking any of it; `None` if nothing does.
pub fn limit(
    active: &Active,
    bag: &Bag,
    preprocessed: &Preprocessed,
    name: &str,
    telemetry: &Telemetry,
) -> Result<Option<QuotaInstance>, Status> {
    if let Some(failure) = preprocessed.failures.first() {
        return Err(internal(&failure.location, &failure.message));
    }
    let (found, _) = find(active, bag, preprocessed, name, telemetry);
    Ok(found?.map(|(_, quota)| quota))
}

/// The aspect that limits a quota and its counter, if there is one.
type Found<'s> = Result<Option<(&'s Aspect, QuotaInstance)>, Status>;

/// The counter and what limits it, and what was looked at to find them.
fn find<'s>(
    active: &'s Active,
    bag: &Bag,
    preprocessed: &Preprocessed,
    name: &str,
    telemetry: &Telemetry,
) -> (Found<'s>, Trace) {
    let mut recorder = Recorder::resume(bag, preprocessed.trace.clone());
    recorder.lay_over(&preprocessed.derived);
    let found = resolve(active, name, &mut recorder, telemetry);
    (found, recorder.into_trace())
}

fn resolve<'s>(
    active: &'s Active,
    name: &str,
    recorder: &mut Recorder<'_>,
    telemetry: &Telemetry,
) -> Found<'s> {
    let failed = |location: &str, code, message: &str| {
        telemetry.evaluation_error("quota", location, message);
        Status::new(code, text::message(&format!("{location}: {message}")))
    };
    let aspect = active.snapshot.resolve_quota(name, recorder).map_err(|error| {
        let message = format!("cannot evaluate the selector: {}", text::chain(&error.error));
        failed(error.location, Code::Internal, &message)
    })?;
    let Some(aspect) = aspect else { return Ok(None) };
    match aspect.evaluate(recorder, now()) {
        Ok(Instance::Quota(quota)) => Ok(Some((aspect, quota))),
        Ok(_) => Err(internal(&aspect.location, "it limits nothing")),
        Err(error) => Err(failed(&aspect.location, Code::InvalidArgument, &text::chain(&error))),
    }
}

async fn take(
    active: &Active,
    aspect: &Aspect,
    quota: QuotaInstance,
    asked: Asked,
    telemetry: &Telemetry,
) -> Grant {
    let Asked { name, amount, best_effort, counter: _, deduplication_id } = asked;
    let request = QuotaRequest { quota, amount, best_effort, deduplication_id };
    let answer = match active.handlers.get(aspect.handler) {
        Some(slot) => call(slot, telemetry, slot.handler.allocate(request)).await,
        None => Err(HandlerError::Failed("its adapter block is missing".to_owned())),
    };
    match answer {
        Ok(adapters::Grant { amount: granted, valid_for }) => {
            let status = if amount > 0 && granted <= 0 {
                let message = format!("unable to allocate {amount} of quota `{}`", text::quoted(&name));
                Status::new(Code::ResourceExhausted, message)
            } else {
                Status::default()
            };
            Grant { amount: granted, valid_for: (!valid_for.is_zero()).then_some(valid_for), status }
        }
        Err(error) => {
            let code = match error {
                HandlerError::InvalidArgument(_) => Code::InvalidArgument,
                HandlerError::Unavailable(_) => Code::Unavailable,
                HandlerError::Failed(_) | HandlerError::WrongKind(_) => Code::Internal,
            };
            refused(Status::new(code, text::message(&format!("{}: {error}", aspect.location))))
        }
    }
}

/// What nothing limits is granted, and soon asked for again, so that a limit that comes to be is noticed.
fn unlimited(amount: i64) -> Grant {
    let valid_for = Some(limits::UNCONFIGURED_QUOTA_TTL);
    Grant { amount: amount.max(0), valid_for, status: Status::default() }
}

fn refused(status: Status) -> Grant {
    Grant { amount: 0, valid_for: Some(Duration::ZERO), status }
}

fn internal(location: &str, message: &str) -> Status {
    Status::new(Code::Internal, text::message(&format!("{location}: {message}")))
}
