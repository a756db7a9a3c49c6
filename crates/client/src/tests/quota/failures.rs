//! Tests of what becomes of requests when their tokens cannot be had: nothing opens that is closed, and nothing hangs.

use proto::feed::Update;

use super::*;

const DOWN: GrpcFailure = GrpcFailure { code: Code::Unavailable, message: String::new() };

fn closed() -> String {
    CHARGED.replace(r#""rules""#, r#""failure": {"policy": "closed"}, "rules""#)
}

/// A client that knows its verdict and its pool, which is empty.
fn warm(config: &str, server: &mut Server) -> Client {
    let mut client = client(config);
    assert_eq!(send(&mut client, server, 0, &user("a"), at(0)), Came::Passed);
    client
}

#[test]
fn a_check_that_is_denied_while_tokens_are_fetched_denies_from_then_on() {
    for config in [CHARGED, &closed()] {
        let mut server = Server::unlimited();
        let mut client = warm(config, &mut server);
        server.verdict = verdict(Code::PermissionDenied, "no");
        assert_eq!(
            send(&mut client, &mut server, 1, &user("a"), at(1)),
            Came::Passed,
            "its verdict still holds"
        );
        for id in 2..50 {
            let came = send(&mut client, &mut server, id, &user("a"), at(u64::from(id)));
            assert_eq!(came, Came::Refused(403, "PERMISSION_DENIED:no".to_owned()), "it asks for itself");
        }
        assert!(server.asked.iter().all(|(_, amount, _)| *amount == 1), "nothing is fetched for nobody");
        server.verdict = verdict(Code::Ok, "");
        for id in 50..60 {
            assert_eq!(send(&mut client, &mut server, id, &user("a"), at(u64::from(id))), Came::Passed);
        }
        assert!(server.calls < 55, "there is a pool again: {}", server.calls);
    }
}

#[test]
fn a_check_that_is_denied_lets_pass_no_more_than_was_on_its_way() {
    let mut server = Server::unlimited();
    let mut client = warm(&closed(), &mut server);
    server.verdict = verdict(Code::Internal, "an adapter failed");
    let mut passed = 0;
    for id in 1..100 {
        passed += u32::from(client.on_request_headers(StreamId(id), &user("a"), at(1)).is_empty());
    }
    let effects = client.on_tick(at(1));
    let fetches: Vec<_> = effects
        .into_iter()
        .map(|effect| match effect {
            Effect::Allocate { allocation, call } => (allocation, call),
            other => panic!("{other:?}"),
        })
        .collect();
    for (allocation, call) in &fetches {
        let answer = server.answer(call);
        assert_eq!(client.on_allocation_answer(*allocation, Ok(&answer), at(2)), []);
    }
    for id in 100..200 {
        let came = send(&mut client, &mut server, id, &user("a"), at(u64::from(id)));
        assert!(matches!(came, Came::Refused(500, _)), "{came:?}");
    }
    assert!(passed < 100, "even what is on credit has an end: {passed}");
}

#[test]
fn a_server_that_is_down_closes_pools_until_it_answers() {
    let mut server = Server::unlimited();
    let mut client = warm(&closed(), &mut server);
    assert_eq!(client.on_request_headers(StreamId(1), &user("a"), at(1)), [], "on credit");
    for (second, id) in (1..20_u64).zip(2..) {
        let effects = client.on_tick(at(second * SECOND));
        let [Effect::Allocate { allocation, .. }] = effects.as_slice() else { panic!("{effects:?}") };
        client.on_allocation_answer(*allocation, Err(DOWN), at(second * SECOND));
        // It is refused, and asks again.
        let effects = client.on_request_headers(StreamId(id), &user("a"), at(second * SECOND + SECOND / 2));
        assert_eq!((effects.len(), the_reply(&effects).status), (1, 503));
    }
    let now = at(20 * SECOND);
    assert_eq!(tick(&mut client, &mut server, now), 1);
    assert_eq!(client.on_request_headers(StreamId(50), &user("a"), now), []);
}

#[test]
fn a_counter_that_is_new_while_the_server_is_down_is_a_matter_of_policy() {
    for (config, is_closed) in [(CHARGED.to_owned(), false), (closed(), true)] {
        let mut server = Server::unlimited();
        server.counted_by = "source.user";
        let mut client = warm(&config, &mut server);
        // One call fails at once, one is never answered.
        let effects = client.on_request_headers(StreamId(1), &user("b"), at(1));
        the_check(&effects);
        let failed = client.on_answer(StreamId(1), Err(DOWN), &user("b"), at(1));
        let effects = client.on_request_headers(StreamId(2), &user("c"), at(2));
        the_check(&effects);
        assert_eq!(client.proceed(StreamId(2)), Proceed::Pause);
        let late = client.on_tick(at(2 * SECOND));
        for (effects, id, status) in [(failed, 1, 503), (late, 2, 504)] {
            if is_closed {
                assert_eq!(the_reply(&effects).status, status);
            } else {
                assert!(effects.contains(&Effect::Resume { stream: StreamId(id) }), "{effects:?}");
            }
        }
    }
}

#[test]
fn a_verdict_that_was_dropped_while_tokens_were_fetched_lets_nothing_through() {
    let same = Update { hash_seed: vec![7; 16], ..Update::default() };
    let changes = [same.clone(), Update { revision: 9, ..same.clone() }, Update { drops: 1, ..same.clone() }];
    for (number, change) in changes.into_iter().enumerate() {
        // Quotas open when they fail, and checks do not.
        let mut server = Server::unlimited();
        server.counted_by = "source.user";
        let mut client = warm(CHARGED, &mut server);
        let revision = client.revision.0;
        let hears = |client: &mut Client, update: Update| {
            let revision = if update.revision == 0 { revision } else { update.revision };
            client.on_feed_message(&Update { revision, ..update }.encode_to_vec(), at(1))
        };
        hears(&mut client, same.clone());
        let effects = client.on_request_headers(StreamId(1), &user("b"), at(1));
        the_check(&effects);
        hears(&mut client, change);
        let failed = client.on_answer(StreamId(1), Err(DOWN), &user("b"), at(2));
        if number == 0 {
            assert!(failed.contains(&Effect::Resume { stream: StreamId(1) }), "nothing changed: {failed:?}");
        } else {
            assert_eq!(the_reply(&failed).status, 503, "change {number}");
        }
    }
}
