//! Tests of L2 through the service, with an adapter that counts its calls and answers when it is told to.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use attributes::wire::Compressor;
use attributes::{Dictionary, Value};
use checkcache::{Code, Status};
use proto::v1::check_request::QuotaParams;
use proto::v1::mixer_server::Mixer as _;
use proto::v1::{CheckRequest, CheckResponse};
use tokio::task::JoinHandle;

use super::*;
use crate::adapters::{self, Handler, HandlerError};
use crate::api::MixerService;
use crate::runtime::{Runtime, fixture};

const DESCRIPTORS: &str = "
manifests:
  - name: test
    attributes:
      request.path: { value_type: STRING }
      request.method: { value_type: STRING }
      request.size: { value_type: INT64 }
";

const ADAPTERS: &str = "adapters: [{ name: gate, kind: denials, impl: denyChecker }]";

const RULES: &str = "
rules:
  - selector: request.path.startsWith(\"/a\") && (request.size | 0) < 10
    aspects: [{ kind: denials, adapter: gate }]
";

const OTHER_RULES: &str = "rules: [{ aspects: [{ kind: denials, adapter: gate }] }]";

/// Answers when the gate is open, as it is told to.
struct Gate {
    calls: AtomicUsize,
    passes: Semaphore,
    validity: Mutex<Validity>,
}

#[async_trait]
impl Handler for Arc<Gate> {
    async fn deny(&self) -> Result<adapters::Answer, HandlerError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let _pass = self.passes.acquire().await;
        let validity = *self.validity.lock().unwrap();
        Ok(adapters::Answer {
            status: Status::new(Code::PermissionDenied, call.to_string()),
            directive: None,
            validity,
        })
    }
}

struct World {
    service: Arc<MixerService>,
    l2: Arc<L2>,
    runtime: Arc<Runtime>,
    telemetry: Arc<Telemetry>,
    gate: Arc<Gate>,
}

fn of_seconds(seconds: u64) -> Validity {
    Validity::For { ttl: Duration::from_secs(seconds), uses: None }
}

fn path(path: &str) -> Bag {
    [("request.path", path)].into_iter().collect()
}

impl World {
    fn new(entries: usize) -> Self {
        let telemetry = Arc::new(Telemetry::new());
        let options = policy::Options::default();
        let runtime = Arc::new(Runtime::new(std::path::PathBuf::new(), options, Arc::clone(&telemetry)));
        let l2 = Arc::new(L2::new(entries, [7; 16]));
        let (for_service, for_l2) = (Arc::clone(&telemetry), Arc::clone(&l2));
        let service = MixerService::new(
            Arc::clone(&runtime),
            for_l2,
            Arc::new(Dictionary::default()),
            true,
            for_service,
            [0; 16],
        );
        let gate = Gate {
            calls: AtomicUsize::new(0),
            passes: Semaphore::new(0),
            validity: Mutex::new(of_seconds(100)),
        };
        let world = Self { service: Arc::new(service), l2, runtime, telemetry, gate: Arc::new(gate) };
        world.put_in_force(RULES);
        world
    }

    fn open(entries: usize) -> Self {
        let world = Self::new(entries);
        world.open_gate();
        world
    }

    fn put_in_force(&self, rules: &str) {
        let documents = [
            ("scopes/global/descriptors.yml", DESCRIPTORS.to_owned()),
            ("scopes/global/adapters.yml", ADAPTERS.to_owned()),
            ("scopes/global/subjects/global/rules.yml", rules.to_owned()),
        ];
        let active = fixture::active(&documents, |_| Arc::new(Arc::clone(&self.gate)));
        let revision = active.snapshot.revision();
        self.runtime.force(active);
        self.l2.retain(revision);
    }

    fn open_gate(&self) {
        self.gate.passes.add_permits(1000);
    }

    fn answer_with(&self, validity: Validity) {
        *self.gate.validity.lock().unwrap() = validity;
    }

    fn calls(&self) -> usize {
        self.gate.calls.load(Ordering::Relaxed)
    }

    /// Asks, and goes on without waiting for the answer.
    fn ask(&self, bag: &Bag) -> JoinHandle<CheckResponse> {
        let none = Dictionary::default();
        let mut words = Compressor::new(&none, 0);
        let mut attributes = words.add(bag);
        attributes.words = words.into_words();
        let quota = QuotaParams { amount: 3, best_effort: false, ..QuotaParams::default() };
        let request = CheckRequest {
            attributes: Some(attributes),
            quotas: HashMap::from([("q".to_owned(), quota)]).into_iter().collect(),
            accepts_trace: true,
            ..CheckRequest::default()
        };
        let service = Arc::clone(&self.service);
        tokio::spawn(async move { service.check(tonic::Request::new(request)).await.unwrap().into_inner() })
    }

    /// The message of the answer, which is the number of the call that gave it, and for how many seconds it is valid.
    async fn check(&self, bag: &Bag) -> (String, i64) {
        answer(self.ask(bag)).await
    }

    fn metric(&self, name: &str) -> u64 {
        let mut page = String::new();
        self.telemetry.write(self.l2.statistics(), &mut page);
        let sample = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        sample.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
    }

    /// Lets other tasks run until something is so.
    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        while !is_so(self) {
            tokio::task::yield_now().await;
        }
    }
}

async fn answer(asked: JoinHandle<CheckResponse>) -> (String, i64) {
    let verdict = asked.await.unwrap().precondition.unwrap();
    (verdict.status.unwrap().message, verdict.valid_duration.unwrap().seconds)
}

#[tokio::test(start_paused = true)]
async fn equal_misses_are_decided_about_once() {
    let world = World::new(100);
    // They differ in what nobody looks at.
    let bag = |number: usize| -> Bag {
        [("request.path", Value::from("/a")), ("request.method", number.to_string().as_str().into())]
            .into_iter()
            .collect()
    };
    let asked: Vec<_> = (0..50).map(|number| world.ask(&bag(number))).collect();
    world.until(|world| world.metric("mixer_l2_joined_flights_total") == 49).await;
    world.open_gate();
    for asked in asked {
        assert_eq!(answer(asked).await, ("1".to_owned(), 100));
    }
    assert_eq!(world.calls(), 1);
    assert_eq!(world.l2.flights.under_way(), 0);
    assert_eq!(world.check(&bag(99)).await.0, "1");
    assert_eq!(world.metric("mixer_l2_misses_cold_total"), 50);
    assert_eq!((world.metric("mixer_l2_hits_total"), world.metric("mixer_l2_insertions_total")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn unequal_misses_fly_apart() {
    let world = World::new(100);
    let bag = |size: i64| -> Bag {
        [("request.path", Value::from("/a")), ("request.size", size.into())].into_iter().collect()
    };
    // Another value, the same as text, and none at all.
    let mut as_text = bag(1);
    as_text.insert("request.size", "1");
    let asked = [bag(1), bag(2), path("/a"), path("/ab")].map(|bag| world.ask(&bag));
    world.until(|world| world.calls() == 4).await;
    // Of another type than declared, it cannot be evaluated.
    assert_eq!(world.ask(&as_text).await.unwrap().precondition.unwrap().status.unwrap().code, 13);
    world.open_gate();
    for asked in asked {
        answer(asked).await;
    }
    assert_eq!(world.metric("mixer_l2_joined_flights_total"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_kept_is_shared_by_those_who_wait_and_nobody_else() {
    let world = World::new(100);
    world.answer_with(Validity::Never);
    let asked = [world.ask(&path("/a")), world.ask(&path("/a"))];
    world.until(|world| world.metric("mixer_l2_joined_flights_total") == 1).await;
    world.open_gate();
    for asked in asked {
        assert_eq!(answer(asked).await, ("1".to_owned(), 0));
    }
    assert_eq!(world.check(&path("/a")).await.0, "2");
    assert_eq!(world.metric("mixer_l2_not_cacheable_total"), 2);
    assert_eq!(world.metric("mixer_l2_entries"), 0);
}

#[tokio::test(start_paused = true)]
async fn who_began_a_flight_may_go() {
    let world = World::new(100);
    let first = world.ask(&path("/a"));
    world.until(|world| world.calls() == 1).await;
    let second = world.ask(&path("/a"));
    world.until(|world| world.metric("mixer_l2_joined_flights_total") == 1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    world.open_gate();
    assert_eq!(answer(second).await.0, "1");
    assert_eq!((world.calls(), world.metric("mixer_l2_entries")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn who_waits_may_go() {
    let world = World::new(100);
    let first = world.ask(&path("/a"));
    world.until(|world| world.calls() == 1).await;
    let second = world.ask(&path("/a"));
    // As a deadline does it.
    assert!(tokio::time::timeout(Duration::from_millis(1), second).await.is_err());
    world.open_gate();
    assert_eq!(answer(first).await.0, "1");
}

#[tokio::test(start_paused = true)]
async fn a_flight_that_comes_to_nothing_harms_nobody() {
    let world = World::open(100);
    let active = world.runtime.active().unwrap();
    let bag = Arc::new(path("/a"));
    let generation = {
        let Lookup::Miss(vacancy) = world.l2.cache.as_ref().unwrap().lookup(
            &Root { revision: active.snapshot.revision(), quota: None },
            &*bag,
            Tick(0),
            |_| (),
        ) else {
            panic!("nothing is stored")
        };
        vacancy.generation()
    };
    let key = world.l2.flights.key(generation, &active, &bag);
    let Boarding::Lead(landing, arrival) = world.l2.flights.board(key) else { panic!("nobody else flies") };
    let joins = world.ask(&path("/a"));
    world.until(|world| world.metric("mixer_l2_joined_flights_total") == 1).await;
    pilot(landing, &world.telemetry, async { panic!("on purpose") }).await;
    assert_eq!(arrival.answer().await, None);
    // Who had joined decides alone.
    assert_eq!(answer(joins).await.0, "1");
    assert_eq!((world.l2.flights.under_way(), world.metric("mixer_panics_total")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_flight_from_before_a_drop_is_not_joined_after_it() {
    let world = World::new(100);
    let before = world.ask(&path("/a"));
    world.until(|world| world.calls() == 1).await;
    world.l2.clear();
    let after = world.ask(&path("/a"));
    world.until(|world| world.calls() == 2).await;
    world.open_gate();
    assert_eq!((answer(before).await.0, answer(after).await.0), ("1".to_owned(), "2".to_owned()));
    assert_eq!(world.check(&path("/a")).await.0, "2");
    assert_eq!((world.metric("mixer_l2_refusals_total"), world.metric("mixer_l2_insertions_total")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_an_old_configuration_is_not_stored() {
    let world = World::new(100);
    let before = world.ask(&path("/a"));
    world.until(|world| world.calls() == 1).await;
    world.put_in_force(OTHER_RULES);
    world.open_gate();
    assert_eq!(answer(before).await.0, "1");
    assert_eq!((world.metric("mixer_l2_refusals_total"), world.metric("mixer_l2_entries")), (1, 0));
    assert_eq!(world.check(&path("/a")).await.0, "2");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_configuration_is_why_it_missed() {
    let world = World::open(100);
    world.check(&path("/a")).await;
    world.put_in_force(OTHER_RULES);
    assert_eq!(world.metric("mixer_l2_entries"), 0);
    world.check(&path("/a")).await;
    assert_eq!(world.metric("mixer_l2_misses_revision_total"), 1);
    world.put_in_force(RULES);
    assert_eq!(world.check(&path("/a")).await.0, "3");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_to_be_sent_is_what_would_be_written() {
    for validity in [of_seconds(100), Validity::Revision] {
        let world = World::open(100);
        world.answer_with(validity);
        let decided = world.ask(&path("/a")).await.unwrap();
        for _ in 0..2 {
            assert_eq!(world.ask(&path("/a")).await.unwrap(), decided);
        }
        assert_eq!(world.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_verdict_is_renewed_before_it_expires() {
    let world = World::open(100);
    assert_eq!(world.check(&path("/a")).await, ("1".to_owned(), 100));
    world.gate.passes.forget_permits(1000);
    tokio::time::advance(Duration::from_secs(89)).await;
    assert_eq!(world.check(&path("/a")).await, ("1".to_owned(), 11));
    assert_eq!(world.calls(), 1);
    tokio::time::advance(Duration::from_secs(2)).await;
    // Nobody waits for what is going on in the background, and nobody begins it again.
    for _ in 0..3 {
        assert_eq!(world.check(&path("/a")).await, ("1".to_owned(), 9));
    }
    world.until(|world| world.calls() == 2).await;
    world.open_gate();
    world.until(|world| world.metric("mixer_l2_insertions_total") == 2).await;
    assert_eq!(world.check(&path("/a")).await, ("2".to_owned(), 100));
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(world.check(&path("/a")).await, ("2".to_owned(), 90));
    assert_eq!((world.calls(), world.metric("mixer_l2_renewals_total")), (2, 1));
    tokio::time::advance(Duration::from_secs(90)).await;
    assert_eq!(world.check(&path("/a")).await, ("3".to_owned(), 100));
    assert_eq!(world.metric("mixer_l2_misses_expired_total"), 1);
    assert_eq!(world.l2.renewals.available_permits(), limits::RENEWALS);
}

#[tokio::test(start_paused = true)]
async fn a_hit_with_quotas_runs_only_the_quotas() {
    let world = World::open(100);
    for _ in 0..2 {
        // Allowed, so that there is something to grant.
        let reply = world.ask(&path("/b")).await.unwrap();
        assert_eq!(reply.quotas["q"].granted_amount, 3);
        // Refused, so that there is not.
        assert!(world.ask(&path("/a")).await.unwrap().quotas.is_empty());
    }
    assert_eq!(world.calls(), 1);
    assert_eq!(world.metric("mixer_l2_hits_total"), 2);
}

#[tokio::test(start_paused = true)]
async fn uses_do_not_compose() {
    let world = World::open(100);
    world.answer_with(Validity::For { ttl: Duration::from_secs(60), uses: Some(5) });
    for call in ["1", "2"] {
        assert_eq!(world.check(&path("/a")).await.0, call);
    }
    assert_eq!(world.metric("mixer_l2_entries"), 0);
}

#[tokio::test(start_paused = true)]
async fn uses_are_not_shared_by_those_who_wait() {
    let world = World::new(100);
    world.answer_with(Validity::For { ttl: Duration::from_secs(60), uses: Some(5) });
    let asked = [(); 3].map(|()| world.ask(&path("/a")));
    world.until(|world| world.metric("mixer_l2_joined_flights_total") == 2).await;
    world.open_gate();
    let mut decisions = Vec::new();
    for asked in asked {
        decisions.push(answer(asked).await.0);
    }
    decisions.sort();
    assert_eq!(decisions, ["1", "2", "3"], "each may use its own so many times");
    assert_eq!(world.metric("mixer_l2_entries"), 0);
}

#[tokio::test(start_paused = true)]
async fn no_entries_is_off() {
    let world = World::open(0);
    for call in ["1", "2"] {
        assert_eq!(world.check(&path("/a")).await.0, call);
    }
    assert_eq!(world.l2.statistics(), None);
}
