//! A server that charges quotas, and requests that are sent through to it.

use attributes::Bag;
use checkcache::wire::{Counted, Counter as Name, Grant, encode_precondition, encode_quota};
use checkcache::{Recorder, Trace, Validity, Verdict};

use super::*;

/// What a server does with quotas.
pub(super) struct Server {
    /// How much is left of each quota.
    pub(super) left: BTreeMap<String, i64>,
    /// What it looks at to find the counter.
    pub(super) counted_by: &'static str,
    /// How long it says that it finds the same counter.
    pub(super) validity: Validity,
    /// What it calls the counter, beside quota and value: a change of the labels.
    pub(super) era: u8,
    /// What is counted, by quota and value.
    pub(super) booked: BTreeMap<(String, String), i64>,
    pub(super) revision: u64,
    /// The status that it gives with nothing, in place of "nothing left".
    pub(super) status: Code,
    /// Whether it is one of ours.
    pub(super) is_ours: bool,
    pub(super) verdict: Verdict,
    /// Name, amount, best effort, in the order in which they came.
    pub(super) asked: Vec<(String, i64, bool)>,
    pub(super) calls: usize,
}

impl Server {
    pub(super) fn with(left: &[(&str, i64)]) -> Self {
        Self {
            left: left.iter().map(|(name, left)| ((*name).to_owned(), *left)).collect(),
            counted_by: "target.service",
            validity: Validity::Revision,
            era: 0,
            booked: BTreeMap::new(),
            revision: 1,
            status: Code::ResourceExhausted,
            is_ours: true,
            verdict: verdict(Code::Ok, ""),
            asked: Vec::new(),
            calls: 0,
        }
    }

    pub(super) fn unlimited() -> Self {
        Self::with(&[("RequestCount", i64::MAX)])
    }

    fn trace(&self, bag: &Bag) -> Trace {
        let mut recorder = Recorder::new(bag);
        recorder.value(&self.counted_by.into());
        recorder.into_trace()
    }

    /// The value that a counter is found by, and what the counter is called.
    fn counter(&self, quota: &str, bag: &Bag) -> (String, Name) {
        let value = bag.value(self.counted_by).map(ToString::to_string).unwrap_or_default();
        let text = format!("{}/{quota}/{value}", self.era);
        assert!(text.len() <= 40, "names that differ are to have numbers that do: {text}");
        let number =
            text.bytes().fold(0_u128, |number, byte| number.wrapping_mul(257).wrapping_add(byte.into()));
        (value, Name(number.to_be_bytes()))
    }

    pub(super) fn answer(&mut self, call: &Call) -> Vec<u8> {
        let (request, bag) = check_request(call);
        self.calls += 1;
        let (trace, dictionary) = (self.trace(&bag), dictionary());
        let mut quotas = BTreeMap::new();
        if self.verdict.status.is_ok() {
            for (name, params) in request.quotas {
                self.asked.push((name.clone(), params.amount, params.best_effort));
                let (value, counter) = self.counter(&name, &bag);
                let is_another = !params.counter.is_empty() && params.counter != counter.0;
                let Some(left) = self.left.get_mut(&name) else { continue };
                let is_granted = params.amount <= *left || params.best_effort;
                let amount = if is_granted && !is_another { params.amount.min(*left) } else { 0 };
                *left -= amount;
                *self.booked.entry((name.clone(), value)).or_default() += amount;
                let code = if amount == 0 { self.status } else { Code::Ok };
                let valid_for = Some(Duration::from_secs(10));
                let grant = Grant { amount, valid_for, status: Status::new(code, "") };
                let (trace, validity, counter) = (trace.clone(), self.validity, Some(counter));
                let counted = Counted { trace, validity, counter };
                quotas.insert(name, encode_quota(&grant, &counted, &dictionary, 0, self.is_ours));
            }
        }
        let mut recorder = Recorder::new(&bag);
        look_at_path(&mut recorder);
        let path = recorder.into_trace();
        let validity = self.verdict.validity;
        let precondition = encode_precondition(&self.verdict, validity, &path, &dictionary, 0, self.is_ours);
        let revision = if self.is_ours { self.revision } else { 0 };
        v1::CheckResponse { precondition: Some(precondition), quotas, revision, ..Default::default() }
            .encode_to_vec()
    }
}

/// What a request came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    Passed,
    Refused(u16, String),
}

/// Sends a request through, and answers what it and its tick call for.
pub(super) fn send(client: &mut Client, server: &mut Server, id: u32, host: &FakeHost, now: Now) -> Came {
    let mut effects = client.on_request_headers(StreamId(id), host, now);
    if let Some(Effect::Check { call, .. }) = effects.first() {
        let answer = server.answer(call);
        effects = client.on_answer(StreamId(id), Ok(&answer), host, now);
    }
    let came = match effects.iter().find(|effect| matches!(effect, Effect::Reply { .. })) {
        Some(Effect::Reply { reply, .. }) => Came::Refused(reply.status, reply.body.clone()),
        _ => Came::Passed,
    };
    tick(client, server, now);
    client.on_closed(StreamId(id));
    came
}

/// A tick whose allocations are answered at once; how many there were.
pub(super) fn tick(client: &mut Client, server: &mut Server, now: Now) -> usize {
    let effects = client.on_tick(now);
    serve(client, server, &effects, now)
}

/// Answers the allocations among effects; how many there were.
pub(super) fn serve(client: &mut Client, server: &mut Server, effects: &[Effect], now: Now) -> usize {
    let allocations = effects.iter().filter_map(|effect| match effect {
        Effect::Allocate { allocation, call } => Some((*allocation, server.answer(call))),
        _ => None,
    });
    let allocations: Vec<_> = allocations.collect();
    for (allocation, answer) in &allocations {
        assert_eq!(client.on_allocation_answer(*allocation, Ok(answer), now), []);
    }
    allocations.len()
}

pub(super) fn user(name: &str) -> FakeHost {
    let mut host = FakeHost::get("/");
    host.property("connection.uri_san_peer_certificate", name.as_bytes());
    host
}

/// How much of a quota was counted for somebody.
pub(super) fn booked(server: &Server, name: &str) -> i64 {
    server.booked.get(&("RequestCount".to_owned(), name.to_owned())).copied().unwrap_or_default()
}

/// A request that passed on credit, with its fetch on the way.
pub(super) fn in_flight(client: &mut Client, server: &mut Server) -> (crate::AllocationId, Call) {
    send(client, server, 0, &user("a"), at(0));
    assert_eq!(client.on_request_headers(StreamId(1), &user("a"), at(1)), []);
    let effects = client.on_tick(at(1));
    match effects.as_slice() {
        [Effect::Allocate { allocation, call }] => (*allocation, call.clone()),
        other => panic!("{other:?}"),
    }
}
