//! Tests of quotas: who is charged what, where the tokens come from, and what is counted.

mod counters;
mod failures;
mod returns;
mod rules;
mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use checkcache::wire::encode_references;
use checkcache::{Code, Status, Validity};
use prost::Message as _;
use proto::v1;

use self::server::{Came, Server, booked, in_flight, send, serve, tick, user};
use super::host::{FakeHost, pairs};
use super::*;

const CHARGED: &str = r#"{"mixer": {"cluster": "mixer"}, "attributes": {"target.service": "reviews"},
    "feed": {"enabled": false}, "quotas": {"rules": [{"charge": {"RequestCount": 1}}]}}"#;

fn counted(client: &mut Client) -> BTreeMap<&'static str, i64> {
    let counts = counts(client).into_iter();
    counts.map(|(counter, count)| (counter.name().trim_start_matches("mixer_filter.total_"), count)).collect()
}

fn has(counts: &BTreeMap<&'static str, i64>, expected: &[(&str, i64)]) {
    for (name, count) in expected {
        assert_eq!(counts.get(name).copied().unwrap_or_default(), *count, "{name} of {counts:?}");
    }
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
