//! Calls: of which kinds there are, how long they take, and what they answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use attributes::{Value, ValueType};
use checkcache::Validity;
use futures::FutureExt as _;
use policy::{
    AspectKind, LogEntry, LogPayload, LogSeverity, MetricDescriptor, MetricKind, MetricSamples,
    QuotaInstance, QuotaLimit,
};
use tokio::time::{Duration, Instant};

use super::world::BLOCK;
use super::{Backend, World, for_each};
use crate::adapters::{Handler, HandlerError, QuotaRequest};
use crate::limits;

pub(super) fn entries(number: usize) -> Vec<LogEntry> {
    let entry = LogEntry {
        log_name: "suite".into(),
        labels: vec![("source".into(), Value::from("a"))],
        severity: LogSeverity::Info,
        timestamp: None,
        payload: LogPayload::Text("a line of the conformance suite".to_owned()),
    };
    vec![entry; number]
}

/// As many values, in two groups where there is more than one.
pub(super) fn values(number: usize) -> Vec<MetricSamples> {
    let descriptor = Arc::new(MetricDescriptor {
        name: "requests".into(),
        display_name: String::new(),
        description: String::new(),
        kind: MetricKind::Counter,
        value: ValueType::Int64,
        labels: [("source".into(), ValueType::String)].into(),
        buckets: None,
    });
    let samples = |values: usize| MetricSamples {
        descriptor: Arc::clone(&descriptor),
        labels: vec![("source".into(), Value::from("a"))],
        values: vec![Value::Int64(1); values],
    };
    [number / 2, number - number / 2].into_iter().filter(|values| *values > 0).map(samples).collect()
}

/// All of a small quota.
fn quota() -> QuotaRequest {
    let limit = QuotaLimit { max_amount: 10, window: Some(Duration::from_secs(3600)) };
    let quota = QuotaInstance { name: "requests".into(), labels: Vec::new(), limit };
    QuotaRequest { quota, amount: 10, best_effort: false, deduplication_id: None }
}

/// Asks for what a workload is that the inventory of the suite has.
fn inputs() -> BTreeMap<Arc<str>, Value> {
    [("sourceUID".into(), Value::from("file")), ("targetIP".into(), Value::from_ip([192, 0, 2, 1].into()))]
        .into()
}

/// What a handler answered, but for how long that holds.
pub(super) async fn call(handler: &dyn Handler, kind: AspectKind) -> Result<String, HandlerError> {
    let (said, validity) = match kind {
        AspectKind::Denials => {
            let answer = handler.deny().await?;
            (format!("{:?} {:?}", answer.status, answer.directive), Some(answer.validity))
        }
        AspectKind::Lists => {
            let membership = handler.contains(&Value::from_ip([192, 0, 2, 1].into())).await?;
            (membership.found.to_string(), Some(membership.validity))
        }
        AspectKind::Attributes => {
            let derived = handler.derive(&inputs()).await?;
            (format!("{:?}", derived.outputs), Some(derived.validity))
        }
        AspectKind::Quotas => (handler.allocate(quota()).await?.amount.to_string(), None),
        AspectKind::AccessLogs | AspectKind::ApplicationLogs => {
            handler.log(entries(2)).await?;
            (String::new(), None)
        }
        AspectKind::Metrics => {
            handler.measure(values(2)).await?;
            (String::new(), None)
        }
    };
    match validity {
        // A handler that cannot tell how long its answer holds has no answer: it has an error.
        Some(Validity::Never) => panic!("an answer that does not hold: {said}"),
        Some(Validity::For { ttl, .. }) => assert!(ttl <= limits::VERDICT_TTL, "{said}: {ttl:?}"),
        Some(Validity::Revision) | None => {}
    }
    Ok(said)
}

/// Whether the adapter serves a kind; entries of both kinds of logs come the same way.
fn serves(world: &World, kind: AspectKind) -> bool {
    let kinds = world.subject.adapter.info.kinds;
    let is_log = |kind| matches!(kind, AspectKind::AccessLogs | AspectKind::ApplicationLogs);
    kinds.contains(&kind) || (is_log(kind) && kinds.iter().copied().any(is_log))
}

#[test]
fn exactly_the_kinds_that_it_has_are_served() {
    for_each(async |world| {
        assert!(!world.subject.adapter.info.kinds.is_empty());
        let handler = world.start(BLOCK, world.params());
        for kind in AspectKind::ALL {
            let is_wrong = matches!(call(&*handler, kind).await, Err(HandlerError::WrongKind(_)));
            assert_eq!(is_wrong, !serves(world, kind), "{kind}");
        }
    });
}

/// Without the deadline that calls are under: whoever needs it has no answer of its own, and says nothing about why.
#[test]
fn a_call_ends_in_time_whatever_the_backend_does() {
    for_each(async |world| {
        for params in [world.params(), world.params_without_backend()] {
            let handler = world.start(BLOCK, params);
            for kind in AspectKind::ALL {
                for _ in 0..3 {
                    let begun = Instant::now();
                    // Whatever it answers.
                    let _ = call(&*handler, kind).await;
                    let took = begun.elapsed();
                    assert!(took < limits::ADAPTER_CALL, "{kind}: {took:?}");
                }
            }
        }
    });
}

/// Entries and values are taken, or dropped and counted, at once: with nobody who sends them, with a queue that is full
/// and with a backend that hangs.
#[test]
fn telling_waits_for_nobody() {
    for_each(async |world| {
        let handler = world.build(world.params());
        let mut told = tell(world, &*handler, limits::REPORT_INSTANCES);
        // More than any queue takes.
        while 0 < told && told <= 2 * limits::OUTBOX_RECORDS && world.dropped() == 0 {
            told += tell(world, &*handler, limits::REPORT_INSTANCES);
        }
        let has_queue = told > 0 && world.subject.backend != Backend::None;
        assert!(!has_queue || world.dropped() > 0, "its queue has no bound that it keeps");
        let handler = world.start(BLOCK, world.params());
        tell(world, &*handler, 2);
        tokio::task::yield_now().await;
        tell(world, &*handler, 2);
    });
}

/// Tells a handler as much of each kind that it is told, and says how much.
fn tell(world: &World, handler: &dyn Handler, number: usize) -> usize {
    let mut told = 0;
    if serves(world, AspectKind::AccessLogs) {
        assert_eq!(handler.log(entries(number)).now_or_never(), Some(Ok(())), "at once");
        told += number;
    }
    if serves(world, AspectKind::Metrics) {
        assert_eq!(handler.measure(values(number)).now_or_never(), Some(Ok(())), "at once");
        told += number;
    }
    told
}

/// Outputs are declared by the parameters alone, and no other comes, nor one of another type.
#[test]
fn what_is_derived_is_declared() {
    for_each(async |world| {
        let info = &world.subject.adapter.info;
        let mut seen = 0;
        for params in [world.params(), world.other_params()] {
            let declared = (info.outputs)(&params);
            assert!(declared.is_empty() || info.kinds.contains(&AspectKind::Attributes), "{declared:?}");
            let handler = world.start(BLOCK, params);
            let Ok(derived) = handler.derive(&inputs()).await else { continue };
            seen += derived.outputs.len();
            for (name, value) in derived.outputs {
                let expected = declared.get(&name).map(|declared| declared.carrier());
                assert_eq!(Some(value.kind()), expected, "{name}");
            }
        }
        let can_derive = info.kinds == [AspectKind::Attributes] && world.subject.backend == Backend::None;
        assert!(!can_derive || seen > 0, "nothing was derived");
    });
}

/// Two blocks of one adapter know nothing of each other: what one did, and that it is gone, changes nothing for another.
#[test]
fn blocks_are_independent() {
    for_each(async |world| {
        for kind in world.subject.adapter.info.kinds {
            let first = world.start("first", world.params());
            let second = world.start("second", world.params());
            let answer = call(&*first, *kind).await;
            // A quota is used up by now.
            let _ = call(&*first, *kind).await;
            drop(first);
            let other = call(&*second, *kind).await;
            assert_eq!(other.is_ok(), answer.is_ok(), "{kind}");
            if let (Ok(other), Ok(answer)) = (other, answer) {
                assert_eq!(other, answer, "{kind}");
            }
        }
    });
}
