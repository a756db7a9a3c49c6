//! Tests of quotas: who is charged what, where the tokens come from, and what is counted.

mod counters;
mod failures;

use std::collections::BTreeMap;
use std::time::Duration;

use attributes::Bag;
use checkcache::wire::{
    Counted, Counter as Name, Grant, encode_precondition, encode_quota, encode_references,
};
use checkcache::{Code, Recorder, Status, Trace, Validity, Verdict};
use prost::Message as _;
use proto::v1;

use super::host::{FakeHost, pairs};
use super::*;

const CHARGED: &str = r#"{"mixer": {"cluster": "mixer"}, "attributes": {"target.service": "reviews"},
    "feed": {"enabled": false}, "quotas": {"rules": [{"charge": {"RequestCount": 1}}]}}"#;

/// What a server does with quotas.
struct Server {
    /// How much is left of each quota.
    left: BTreeMap<String, i64>,
    /// What it looks at to find the counter.
    counted_by: &'static str,
    /// How long it says that it finds the same counter.
    validity: Validity,
    /// What it calls the counter, beside quota and value: a change of the labels.
    era: u8,
    /// What is counted, by quota and value.
    booked: BTreeMap<(String, String), i64>,
    revision: u64,
    /// The status that it gives with nothing, in place of "nothing left".
    status: Code,
    /// Whether it is one of ours.
    is_ours: bool,
    verdict: Verdict,
    /// Name, amount, best effort, in the order in which they came.
    asked: Vec<(String, i64, bool)>,
    calls: usize,
}

impl Server {
    fn with(left: &[(&str, i64)]) -> Self {
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

    fn unlimited() -> Self {
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

    fn answer(&mut self, call: &Call) -> Vec<u8> {
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
enum Came {
    Passed,
    Refused(u16, String),
}

/// Sends a request through, and answers what it and its tick call for.
fn send(client: &mut Client, server: &mut Server, id: u32, host: &FakeHost, now: Now) -> Came {
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
fn tick(client: &mut Client, server: &mut Server, now: Now) -> usize {
    let effects = client.on_tick(now);
    serve(client, server, &effects, now)
}

/// Answers the allocations among effects; how many there were.
fn serve(client: &mut Client, server: &mut Server, effects: &[Effect], now: Now) -> usize {
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

fn counted(client: &mut Client) -> BTreeMap<&'static str, i64> {
    let counts = counts(client).into_iter();
    counts.map(|(counter, count)| (counter.name().trim_start_matches("mixer_filter.total_"), count)).collect()
}

fn has(counts: &BTreeMap<&'static str, i64>, expected: &[(&str, i64)]) {
    for (name, count) in expected {
        assert_eq!(counts.get(name).copied().unwrap_or_default(), *count, "{name} of {counts:?}");
    }
}

fn user(name: &str) -> FakeHost {
    let mut host = FakeHost::get("/");
    host.property("connection.uri_san_peer_certificate", name.as_bytes());
    host
}

#[test]
fn a_hundred_requests_cost_seven_calls() {
    let (mut client, mut server) = (client(CHARGED), Server::unlimited());
    for id in 0..101 {
        assert_eq!(send(&mut client, &mut server, id, &FakeHost::get("/"), at(1)), Came::Passed);
    }
    assert_eq!(server.calls, 1 + 6);
    has(
        &counted(&mut client),
        &[
            ("check_calls", 101),
            ("check_cache_misses", 1),
            ("quota_calls", 101),
            ("quota_cache_hits", 100),
            ("quota_cache_misses", 1),
            ("quota_cache_hit_accepts", 100),
            ("remote_quota_calls", 7),
            ("remote_quota_accepts", 1),
            ("remote_quota_prefetch_calls", 6),
            ("remote_calls", 7),
            ("remote_call_successes", 7),
        ],
    );
}

#[test]
fn without_fetching_ahead_the_limit_is_exact() {
    let config = CHARGED.replace(r#""rules""#, r#""prefetch": false, "rules""#);
    let (mut client, mut server) = (client(&config), Server::with(&[("RequestCount", 4)]));
    let passed = (0..11).filter(|id| {
        send(&mut client, &mut server, *id, &FakeHost::get("/"), at(u64::from(*id))) == Came::Passed
    });
    assert_eq!(passed.count(), 4);
    assert_eq!(server.calls, 11, "each request asks");
    assert!(server.asked.iter().all(|asked| *asked == ("RequestCount".to_owned(), 1, false)));
    has(
        &counted(&mut client),
        &[
            ("check_cache_hits", 10),
            ("check_cache_misses", 1),
            ("quota_cache_hits", 0),
            ("quota_cache_misses", 11),
            ("remote_quota_accepts", 4),
            ("remote_quota_denies", 7),
            ("remote_quota_prefetch_calls", 0),
        ],
    );
}

#[test]
fn without_a_cache_of_verdicts_tokens_are_asked_for_with_the_check() {
    let config = CHARGED.replace(r#""feed""#, r#""check": {"cache": {"enabled": false}}, "feed""#);
    let (mut client, mut server) = (client(&config), Server::unlimited());
    for id in 0..11 {
        assert_eq!(send(&mut client, &mut server, id, &FakeHost::get("/"), at(1)), Came::Passed);
    }
    let counts = counted(&mut client);
    has(&counts, &[("remote_calls", 11), ("quota_cache_misses", 11), ("remote_quota_prefetch_calls", 0)]);
}

#[test]
fn what_is_refused_is_not_charged() {
    let (mut client, mut server) = (client(CHARGED), Server::unlimited());
    server.verdict = verdict(Code::FailedPrecondition, "no");
    for id in 0..11 {
        let came = send(&mut client, &mut server, id, &FakeHost::get("/"), at(1));
        assert_eq!(came, Came::Refused(400, "FAILED_PRECONDITION:no".to_owned()));
    }
    has(&counted(&mut client), &[("remote_calls", 1), ("check_cache_hit_denies", 10), ("quota_calls", 1)]);
    assert!(server.asked.is_empty());
}

#[test]
fn nineteen_requests_after_one_get_what_is_left_of_ten() {
    let (mut client, mut server) = (client(CHARGED), Server::with(&[("RequestCount", 10)]));
    let came: Vec<_> = (0..20)
        .map(|id| send(&mut client, &mut server, id, &FakeHost::get("/"), at(u64::from(id))))
        .collect();
    let passed = came.iter().filter(|came| **came == Came::Passed).count();
    assert!((7..=13).contains(&passed), "{passed}");
    assert_eq!(
        came.last(),
        Some(&Came::Refused(429, "RESOURCE_EXHAUSTED:Quota is exhausted for: RequestCount".to_owned()))
    );
    assert!(server.calls < 5, "{}", server.calls);
    let counts = counted(&mut client);
    has(&counts, &[("check_cache_hits", 19), ("check_cache_misses", 1), ("quota_cache_hits", 19)]);
    assert_eq!(counts["quota_cache_hit_accepts"], 9);
    assert_eq!(counts["quota_cache_hit_denies"], 10);
}

#[test]
fn a_fetch_is_best_effort_and_for_more_than_one() {
    let (mut client, mut server) = (client(CHARGED), Server::unlimited());
    send(&mut client, &mut server, 1, &FakeHost::get("/"), at(1));
    send(&mut client, &mut server, 2, &FakeHost::get("/"), at(2));
    let asked: Vec<_> = server.asked.iter().map(|(_, amount, best_effort)| (*amount, *best_effort)).collect();
    assert_eq!(asked, [(1, false), (10, true)]);
}

#[test]
fn where_nothing_is_granted_one_cached_request_passes() {
    let (mut client, mut server) = (client(CHARGED), Server::unlimited());
    // The first is asked about; what it was granted says nothing of what there will be.
    send(&mut client, &mut server, 0, &FakeHost::get("/"), at(0));
    server.left.insert("RequestCount".to_owned(), 0);
    let refused = (1..=10).filter(|id| {
        send(&mut client, &mut server, *id, &FakeHost::get("/"), at(u64::from(*id))) != Came::Passed
    });
    assert_eq!(refused.count(), 9);
}

#[test]
fn a_refusal_by_the_server_leaves_no_credit() {
    let (mut client, mut server) = (client(CHARGED), Server::with(&[("RequestCount", 0)]));
    for id in 0..5 {
        let came = send(&mut client, &mut server, id, &FakeHost::get("/"), at(u64::from(id)));
        assert!(matches!(came, Came::Refused(429, _)), "{came:?}");
    }
    assert_eq!(server.calls, 1);
}

#[test]
fn each_counter_of_the_server_has_its_pool() {
    for is_ours in [true, false] {
        let (mut client, mut server) = (client(CHARGED), Server::unlimited());
        (server.counted_by, server.is_ours) = ("source.user", is_ours);
        send(&mut client, &mut server, 0, &user("first"), at(0));
        server.left.insert("RequestCount".to_owned(), 0);
        let passes = |client: &mut Client, server: &mut Server, id, name| {
            send(client, server, id, &user(name), at(u64::from(id))) == Came::Passed
        };
        assert!(!passes(&mut client, &mut server, 1, "a"), "who is new asks, and there is nothing");
        assert!(!passes(&mut client, &mut server, 2, "a"));
        server.left.insert("RequestCount".to_owned(), 10);
        assert!(passes(&mut client, &mut server, 3, "b"), "and this is nothing to others");
        assert!(passes(&mut client, &mut server, 4, "b"));
        assert!(!passes(&mut client, &mut server, 5, "a"));
    }
}

#[test]
fn references_that_are_of_no_use_leave_no_pool() {
    let (mut client, mut server) = (client(CHARGED), Server::unlimited());
    server.verdict = verdict(Code::Ok, "");
    let answer = |server: &mut Server, call: &Call| {
        let mut answer = v1::CheckResponse::decode(server.answer(call).as_slice()).expect("an answer");
        for result in answer.quotas.values_mut() {
            (result.trace, result.counter) = (None, Vec::new());
            let references = encode_references(&Trace::default(), &dictionary(), 0);
            result.referenced_attributes =
                Some(v1::ReferencedAttributes { attribute_matches: vec![absent()], ..references });
        }
        answer.encode_to_vec()
    };
    for id in 0..5 {
        let host = user(&id.to_string());
        let effects = client.on_request_headers(StreamId(id), &host, at(u64::from(id)));
        let answer = answer(&mut server, the_check(&effects));
        let effects = client.on_answer(StreamId(id), Ok(&answer), &host, at(u64::from(id)));
        assert!(effects.contains(&Effect::Resume { stream: StreamId(id) }), "{effects:?}");
    }
    assert_eq!((server.calls, client.quotas.pools()), (5, 0));
}

/// What contradicts every request here.
fn absent() -> v1::referenced_attributes::AttributeMatch {
    v1::referenced_attributes::AttributeMatch {
        name: 0,
        condition: v1::referenced_attributes::Condition::Regex.into(),
        ..Default::default()
    }
}

#[test]
fn of_several_quotas_all_are_charged_or_none() {
    let config = CHARGED.replace(r#"{"RequestCount": 1}"#, r#"{"a": 1, "b": 2}"#);
    let (mut client, mut server) = (client(&config), Server::with(&[("a", 100), ("b", 100)]));
    assert_eq!(send(&mut client, &mut server, 0, &FakeHost::get("/"), at(0)), Came::Passed);
    assert_eq!(send(&mut client, &mut server, 1, &FakeHost::get("/"), at(1)), Came::Passed);
    server.left.insert("b".to_owned(), 0);
    let mut came = Vec::new();
    for id in 2..30 {
        came.push(send(&mut client, &mut server, id, &FakeHost::get("/"), at(u64::from(id))));
    }
    assert_eq!(
        came.last(),
        Some(&Came::Refused(429, "RESOURCE_EXHAUSTED:Quota is exhausted for: b".to_owned()))
    );
    // Ten of b were fetched, and two of them taken at a time; a is taken with them and never alone. What b let pass
    // beyond that, before it was known that there is no more, is its credit.
    let passed = came.iter().filter(|came| **came == Came::Passed).count() as i64;
    let fetched = 100 - server.left["a"];
    assert!(fetched <= 1 + 1 + passed + 28, "a pays only for what passes: {fetched}, {passed}");
}

#[test]
fn a_check_that_cannot_be_charged_whole_keeps_what_it_was_granted() {
    let config = CHARGED.replace(r#"{"RequestCount": 1}"#, r#"{"a": 1, "b": 1}"#);
    let (mut client, mut server) = (client(&config), Server::with(&[("a", 1), ("b", 0)]));
    let came = send(&mut client, &mut server, 0, &FakeHost::get("/"), at(0));
    assert_eq!(came, Came::Refused(429, "RESOURCE_EXHAUSTED:Quota is exhausted for: b".to_owned()));
    // The token of a is in its pool: the next request needs none of the server.
    server.left.insert("b".to_owned(), 1);
    let came = send(&mut client, &mut server, 1, &FakeHost::get("/"), at(600_000_000));
    assert!(matches!(came, Came::Refused(..)), "b is asked for in the background");
    let came = send(&mut client, &mut server, 2, &FakeHost::get("/"), at(600_000_001));
    assert_eq!(came, Came::Passed);
}

#[test]
fn without_pools_what_was_granted_in_vain_is_given_back() {
    let config = CHARGED
        .replace(r#"{"RequestCount": 1}"#, r#"{"a": 3, "b": 1}"#)
        .replace(r#""rules""#, r#""prefetch": false, "rules""#);
    let (mut client, mut server) = (client(&config), Server::with(&[("a", 3), ("b", 0)]));
    send(&mut client, &mut server, 0, &FakeHost::get("/"), at(0));
    assert_eq!(server.asked.last(), Some(&("a".to_owned(), -3, true)));
    assert_eq!(server.left["a"], 3);
    has(&counted(&mut client), &[("quota_returned", 3)]);
}

#[test]
fn unused_tokens_go_back_to_a_server_that_takes_them() {
    for is_ours in [true, false] {
        let (mut client, mut server) = (client(CHARGED), Server::with(&[("RequestCount", 100)]));
        server.is_ours = is_ours;
        send(&mut client, &mut server, 0, &FakeHost::get("/"), at(0));
        send(&mut client, &mut server, 1, &FakeHost::get("/"), at(1));
        assert_eq!(server.left["RequestCount"], 89);
        tick(&mut client, &mut server, at(4 * SECOND));
        assert_eq!(server.left["RequestCount"], 89);
        tick(&mut client, &mut server, at(6 * SECOND));
        assert_eq!(server.left["RequestCount"], if is_ours { 98 } else { 89 });
    }
}

#[test]
fn the_end_gives_tokens_back() {
    let (mut client, mut server) = (client(CHARGED), Server::with(&[("RequestCount", 100)]));
    send(&mut client, &mut server, 0, &FakeHost::get("/"), at(0));
    send(&mut client, &mut server, 1, &FakeHost::get("/"), at(1));
    let effects = client.on_end(at(2));
    serve(&mut client, &mut server, &effects, at(2));
    assert_eq!(server.left["RequestCount"], 98);
}

#[test]
fn a_change_of_the_revision_gives_tokens_back_that_it_leaves_unused() {
    let (mut client, mut server) = (client(CHARGED), Server::with(&[("RequestCount", 100)]));
    send(&mut client, &mut server, 0, &FakeHost::get("/"), at(0));
    send(&mut client, &mut server, 1, &FakeHost::get("/"), at(1));
    client.adopt(checkcache::Revision(2));
    tick(&mut client, &mut server, at(6 * SECOND));
    assert_eq!(server.left["RequestCount"], 98);
}

#[test]
fn a_server_that_fails_lets_pass_or_not() {
    let closed = CHARGED.replace(r#""rules""#, r#""failure": {"policy": "closed"}, "rules""#);
    for (config, status) in [(CHARGED, None), (closed.as_str(), Some(500))] {
        let (mut client, mut server) = (client(config), Server::unlimited());
        server.status = Code::Unavailable;
        server.left.insert("RequestCount".to_owned(), 0);
        let came = send(&mut client, &mut server, 0, &FakeHost::get("/"), at(0));
        match status {
            None => assert_eq!(came, Came::Passed),
            Some(status) => assert!(matches!(came, Came::Refused(code, _) if code == status), "{came:?}"),
        }
        // Nothing is known of a counter, so that each asks for itself.
        let came: Vec<_> = (1..50)
            .map(|id| send(&mut client, &mut server, id, &FakeHost::get("/"), at(u64::from(id))))
            .collect();
        let refused = came.iter().filter(|came| **came != Came::Passed).count();
        assert_eq!(refused, if status.is_some() { 49 } else { 0 });
        // From a pool, once it has heard of it: open at any rate, closed after the first.
        server.left.insert("RequestCount".to_owned(), 1);
        assert_eq!(send(&mut client, &mut server, 50, &FakeHost::get("/"), at(50)), Came::Passed);
        let came: Vec<_> = (51..100)
            .map(|id| send(&mut client, &mut server, id, &FakeHost::get("/"), at(u64::from(id))))
            .collect();
        let refused = came.iter().filter(|came| **came != Came::Passed).count();
        assert_eq!(refused, if status.is_some() { 48 } else { 0 });
    }
}

#[test]
fn a_fetch_that_is_lost_fails_by_its_class() {
    let config = CHARGED.replace(r#""rules""#, r#""failure": {"timeout": "closed"}, "rules""#);
    let (mut client, mut server) = (client(&config), Server::unlimited());
    send(&mut client, &mut server, 0, &FakeHost::get("/"), at(0));
    assert_eq!(client.on_request_headers(StreamId(1), &FakeHost::get("/"), at(1)), []);
    let effects = client.on_tick(at(1));
    let [Effect::Allocate { allocation, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    client.on_allocation_sent(*allocation, 77);
    assert_eq!(client.on_tick(at(2 * SECOND)), [Effect::Cancel { token: 77 }]);
    let effects = client.on_request_headers(StreamId(2), &FakeHost::get("/"), at(2 * SECOND));
    let reply = the_reply(&effects);
    assert_eq!((reply.status, reply.grpc_status), (504, Some(4)));
    assert_eq!(client.on_allocation_answer(*allocation, Ok(&[]), at(3 * SECOND)), [], "too late");
}

#[test]
fn a_lost_check_of_a_request_that_only_needed_tokens_is_a_matter_of_quotas() {
    let config = CHARGED.replace(r#""rules""#, r#""prefetch": false, "rules""#);
    let (mut client, mut server) = (client(&config), Server::unlimited());
    send(&mut client, &mut server, 0, &FakeHost::get("/"), at(0));
    let effects = client.on_request_headers(StreamId(1), &FakeHost::get("/"), at(1));
    the_check(&effects);
    let failure = GrpcFailure { code: Code::Unavailable, message: "gone".to_owned() };
    let effects = client.on_answer(StreamId(1), Err(failure), &FakeHost::get("/"), at(1));
    assert!(effects.contains(&Effect::Resume { stream: StreamId(1) }), "{effects:?}");
}

#[test]
fn rules_choose_by_attributes() {
    let config = CHARGED.replace(
        r#"[{"charge": {"RequestCount": 1}}]"#,
        r#"[{"match": [{"request.method": {"exact": "GET"}, "request.path": {"prefix": "/books"}},
                       {"request.headers[x-operation]": {"suffix": "_books"}}],
             "charge": {"quota1": 1, "quota2": 2}},
            {"match": [{"request.path": {"exact": "/books/1"}}], "charge": {"quota1": 4}}]"#,
    );
    let client = client(&config);
    let mut operation = FakeHost::get("/");
    operation.header("x-operation", b"get_books");
    for (host, expected) in [
        (FakeHost::get("/books"), vec![("quota1", 1), ("quota2", 2)]),
        (FakeHost::get("/books/1"), vec![("quota1", 5), ("quota2", 2)]),
        (operation, vec![("quota1", 1), ("quota2", 2)]),
        (FakeHost::get("/shelves"), vec![]),
    ] {
        let mut client = Client::new(client.config.clone(), at(0));
        let effects = client.on_request_headers(StreamId(1), &host, at(0));
        let (request, _) = check_request(the_check(&effects));
        let asked: Vec<_> =
            request.quotas.iter().map(|(name, params)| (name.as_str(), params.amount)).collect();
        assert_eq!(asked, expected);
    }
}

#[test]
fn a_route_says_what_its_requests_are_charged() {
    let charged = |charge: &[(&str, &[u8])]| {
        let mut client = client(CHARGED);
        let mut host = FakeHost::get("/");
        host.property("xds.route_metadata.filter_metadata.mixer", &pairs(&[("charge", &pairs(charge))]));
        let effects = client.on_request_headers(StreamId(1), &host, at(0));
        match effects.as_slice() {
            [Effect::Check { call, .. }] => {
                let quotas = check_request(call).0.quotas;
                quotas.into_iter().map(|(name, params)| (name, params.amount)).collect()
            }
            _ => vec![("refused".to_owned(), 0)],
        }
    };
    assert_eq!(charged(&[("route0-quota", &10_f64.to_le_bytes())]), [("route0-quota".to_owned(), 10)]);
    assert_eq!(charged(&[("route0-quota", b"7")]), [("route0-quota".to_owned(), 7)]);
    assert_eq!(charged(&[]), []);
    for wrong in [&0.5_f64.to_le_bytes()[..], b"0", b"x", b"-1", &(-1_f64).to_le_bytes()] {
        assert_eq!(charged(&[("q", wrong)]), [("refused".to_owned(), 0)], "{wrong:?}");
    }
}

#[test]
fn the_report_says_whether_a_pool_answered() {
    let (mut client, mut server) = (client(CHARGED), Server::unlimited());
    send(&mut client, &mut server, 1, &FakeHost::get("/"), at(1));
    let host = FakeHost::get("/");
    for (id, hit) in [(2, true), (3, true)] {
        client.on_request_headers(StreamId(id), &host, at(2));
        let stream = client.on_log(StreamId(id), &host, at(2));
        assert_eq!(stream, []);
        let bag = client.reports.last().expect("a report");
        assert_eq!(bag.value("quota.cache_hit"), Some(&Value::Bool(hit)));
    }
}

#[test]
fn allocations_are_bounded() {
    let closed = CHARGED.replace(r#""rules""#, r#""failure": {"policy": "closed"}, "rules""#);
    for (config, is_closed) in [(CHARGED, false), (closed.as_str(), true)] {
        let (mut client, mut server) = (client(config), Server::unlimited());
        server.counted_by = "source.user";
        for id in 0..1_000 {
            send(&mut client, &mut server, id, &user(&id.to_string()), at(u64::from(id)));
        }
        let mut refused = 0;
        for id in 0..1_000 {
            let effects = client.on_request_headers(StreamId(id), &user(&id.to_string()), at(SECOND));
            if !effects.is_empty() {
                assert_eq!(the_reply(&effects).status, 503);
                refused += 1;
            }
            client.on_closed(StreamId(id));
        }
        let waiting = client.on_tick(at(SECOND)).len();
        assert_eq!(waiting, crate::limits::ALLOCATIONS);
        assert_eq!(refused, if is_closed { 1_000 - waiting } else { 0 });
    }
}

#[test]
fn pools_are_bounded() {
    let config = CHARGED.replace(r#""rules""#, r#""max_pools": 16, "rules""#);
    let (mut client, mut server) = (client(&config), Server::unlimited());
    server.counted_by = "source.user";
    for id in 0..100_u32 {
        send(&mut client, &mut server, id, &user(&(id / 2).to_string()), at(u64::from(id)));
    }
    assert!(client.quotas.pools() <= 16, "{}", client.quotas.pools());
}

#[test]
fn wrong_rules_are_refused() {
    for (rules, message) in [
        (r#"[{"charge": {}}]"#, "charges nothing, expected at least one quota"),
        (r#"[{"charge": {"a": 0}}]"#, "quota `a` is charged 0, expected from 1 to 1000000"),
        (r#"[{"charge": {"a": 1, "a": 2}}]"#, "quota `a` occurs twice"),
        (
            r#"[{"match": [{"request.path": {"regex": ".*"}}], "charge": {"a": 1}}]"#,
            "regex `.*`: the filter has no regular",
        ),
        (r#"[{"match": [{"request.path": {"exakt": ""}}], "charge": {"a": 1}}]"#, "unknown variant `exakt`"),
        (r#"[{"match": [{}]}]"#, "missing field `charge`"),
    ] {
        let config = CHARGED.replace(r#"[{"charge": {"RequestCount": 1}}]"#, rules);
        let error = Config::parse(config.as_bytes()).expect_err(rules).to_string();
        assert!(error.contains(message), "{error}");
        assert!(error.contains("quotas.rules"), "{error}");
    }
    let config = CHARGED.replace(r#""rules""#, r#""max_pools": 1, "rules""#);
    let error = Config::parse(config.as_bytes()).expect_err("too few").to_string();
    assert!(error.contains("`quotas.max_pools`: is 1, expected from 16 to 10000"), "{error}");
}
