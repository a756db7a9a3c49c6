//! The end of handlers.

use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use tokio::time::{Instant, timeout};

use super::*;
use crate::runtime::fixture::active;
use crate::runtime::{Active, Runtime};
use crate::telemetry::Telemetry;

/// Counts how often it is flushed, and may never come to an end with it.
#[derive(Default)]
struct Counting {
    flushes: AtomicUsize,
    hangs: bool,
}

#[async_trait]
impl Handler for Counting {
    async fn flush(&self) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        if self.hangs {
            std::future::pending::<()>().await;
        }
    }
}

impl Counting {
    fn flushes(&self) -> usize {
        self.flushes.load(Ordering::Relaxed)
    }
}

fn runtime() -> Runtime {
    Runtime::new(PathBuf::new(), policy::Options::default(), Arc::new(Telemetry::new()))
}

/// A configuration of one block, or of a changed one.
fn configuration(code: u32, handler: &Arc<Counting>, runtime: &Runtime) -> Active {
    let blocks = format!(
        "adapters: [{{ name: default, kind: denials, impl: denyChecker, params: {{ error: {{ code: {code} }} }} }}]"
    );
    let documents = [
        ("scopes/global/adapters.yml", blocks),
        ("scopes/global/subjects/global/rules.yml", "rules: [{ aspects: [{ kind: denials }] }]".to_owned()),
    ];
    let mut active = active(&documents, |_| Arc::clone(handler) as Arc<dyn Handler>);
    let anew = |slot: &Slot| Slot::new(slot.config.clone(), Arc::clone(handler) as _, &runtime.endings);
    active.handlers = active.handlers.iter().map(anew).collect();
    active
}

#[tokio::test]
async fn a_handler_is_flushed_when_its_last_request_is_over() {
    let runtime = runtime();
    let (old, new) = (Arc::<Counting>::default(), Arc::<Counting>::default());
    runtime.force(configuration(7, &old, &runtime));
    let request = runtime.active().unwrap();
    let other = runtime.active().unwrap();
    runtime.force(configuration(5, &new, &runtime));
    drop(other);
    runtime.endings.wait().await;
    assert_eq!(old.flushes(), 0, "a request is at work");
    drop(request);
    runtime.endings.wait().await;
    assert_eq!((old.flushes(), new.flushes()), (1, 0));
    runtime.flush().await;
    drop(runtime);
    tokio::task::yield_now().await;
    assert_eq!((old.flushes(), new.flushes()), (1, 1), "once, before the end");
}

#[tokio::test]
async fn a_handler_that_lives_on_is_not_flushed() {
    let runtime = runtime();
    let handler = Arc::<Counting>::default();
    runtime.force(configuration(7, &handler, &runtime));
    let kept = runtime.active().unwrap().handlers.clone();
    let mut next = configuration(7, &handler, &runtime);
    next.handlers = kept;
    // The ones that were made in vain were never in force.
    runtime.force(next);
    runtime.endings.wait().await;
    assert_eq!(handler.flushes(), 0);
    runtime.force(configuration(5, &Arc::default(), &runtime));
    runtime.endings.wait().await;
    assert_eq!(handler.flushes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_is_left_behind() {
    let runtime = runtime();
    let hanging = Arc::new(Counting { hangs: true, ..Counting::default() });
    runtime.force(configuration(7, &hanging, &runtime));
    runtime.force(configuration(5, &Arc::default(), &runtime));
    let begun = Instant::now();
    timeout(limits::FLUSH * 2, runtime.flush()).await.expect("it is waited for within a bound");
    assert_eq!((hanging.flushes(), begun.elapsed()), (1, limits::FLUSH));
}
