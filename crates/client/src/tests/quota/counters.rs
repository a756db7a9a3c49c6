//! Tests of who is counted with whom: no request passes on tokens of another counter, whatever changes in the meantime.

use checkcache::Revision;

use super::*;

/// Requests of one user that passed.
fn passed(came: &[(&'static str, Came)], name: &str) -> i64 {
    came.iter().filter(|(user, came)| *user == name && *came == Came::Passed).count() as i64
}

#[test]
fn a_burst_of_new_users_is_booked_on_each_of_them() {
    for is_ours in [true, false] {
        let (mut client, mut server) = (client(CHARGED), Server::unlimited());
        (server.counted_by, server.is_ours) = ("source.user", is_ours);
        send(&mut client, &mut server, 0, &user("first"), at(0));
        // All are there before anything is answered.
        let users = ["a", "b", "c", "d", "e"];
        let mut came = Vec::new();
        let mut calls = Vec::new();
        for id in 1..=20_u32 {
            let name = users[id as usize % users.len()];
            let effects = client.on_request_headers(StreamId(id), &user(name), at(1));
            match effects.as_slice() {
                [Effect::Check { call, .. }] => calls.push((id, name, server.answer(call))),
                [] => came.push((name, Came::Passed)),
                other => panic!("{other:?}"),
            }
        }
        for (id, name, answer) in calls {
            let effects = client.on_answer(StreamId(id), Ok(&answer), &user(name), at(2));
            assert!(effects.contains(&Effect::Resume { stream: StreamId(id) }), "{effects:?}");
            came.push((name, Came::Passed));
        }
        tick(&mut client, &mut server, at(3));
        for name in users {
            assert_eq!(passed(&came, name), 4);
            assert_eq!(booked(&server, name), 4, "{name}, of {:?}", server.booked);
        }
    }
}

#[test]
fn a_trace_leads_to_a_counter_for_as_long_as_was_said() {
    let (mut client, mut server) = (client(CHARGED), Server::unlimited());
    server.validity = Validity::For { ttl: Duration::from_secs(4), uses: None };
    for id in 0..5 {
        send(&mut client, &mut server, id, &user("a"), at(u64::from(id)));
    }
    let (calls, before) = (server.calls, server.booked.clone());
    // What is derived from the request is something else by now.
    (server.counted_by, server.era) = ("source.user", 1);
    send(&mut client, &mut server, 6, &user("a"), at(3 * SECOND));
    assert_eq!((server.calls, &server.booked), (calls, &before), "tokens are at hand, and so it was said");
    send(&mut client, &mut server, 7, &user("a"), at(4 * SECOND));
    assert_eq!((server.calls, booked(&server, "a")), (calls + 1, 1), "its own request asks");
    send(&mut client, &mut server, 8, &user("b"), at(4 * SECOND));
    assert_eq!(booked(&server, "b"), 1, "and so does another that was counted with it");
}

#[test]
fn what_holds_for_no_time_is_asked_for_each_time() {
    let (mut client, mut server) = (client(CHARGED), Server::unlimited());
    server.validity = Validity::Never;
    for id in 0..5 {
        assert_eq!(send(&mut client, &mut server, id, &user("a"), at(u64::from(id))), Came::Passed);
    }
    assert_eq!((server.calls, client.quotas.pools()), (5, 0));
}

#[test]
fn an_answer_with_another_trace_replaces_what_was_known() {
    for is_ours in [true, false] {
        let (mut client, mut server) = (client(CHARGED), Server::unlimited());
        server.is_ours = is_ours;
        send(&mut client, &mut server, 0, &user("a"), at(0));
        server.counted_by = "source.user";
        // The tokens for this one are fetched, and with them comes how it is counted by now.
        send(&mut client, &mut server, 1, &user("a"), at(1));
        assert_eq!(booked(&server, "a"), 10);
        send(&mut client, &mut server, 2, &user("b"), at(2));
        assert_eq!(booked(&server, "b"), 1, "it is not known to be counted with the others any more");
        send(&mut client, &mut server, 3, &user("a"), at(3));
        assert_eq!(booked(&server, "a"), 10, "and these are its own");
    }
}

#[test]
fn the_same_trace_may_come_to_lead_to_another_counter() {
    let (mut client, mut server) = (client(CHARGED), Server::unlimited());
    server.counted_by = "source.user";
    send(&mut client, &mut server, 0, &user("a"), at(0));
    send(&mut client, &mut server, 1, &user("a"), at(1));
    server.era = 1;
    let calls = server.calls;
    for id in 2..8 {
        send(&mut client, &mut server, id, &user("a"), at(u64::from(id)));
    }
    // The fetch is answered with the new name: its tokens are in another pool, and the old one's are left.
    assert_eq!(server.calls, calls + 1);
    assert_eq!(client.quotas.pools(), 2);
    tick(&mut client, &mut server, at(6 * SECOND));
    let returned = server.asked.iter().filter(|(_, amount, _)| *amount < 0).count();
    assert_eq!(returned, 2, "each is given back to its own: {:?}", server.asked);
}

#[test]
fn a_fetch_outlives_a_change_of_the_revision() {
    for server_is_behind in [false, true] {
        let (mut client, mut server) = (client(CHARGED), Server::with(&[("RequestCount", 100)]));
        let (allocation, call) = in_flight(&mut client, &mut server);
        client.adopt(Revision(2));
        server.revision = if server_is_behind { 1 } else { 2 };
        let answer = server.answer(&call);
        server.revision = 2;
        assert_eq!(client.on_allocation_answer(allocation, Ok(&answer), at(2)), []);
        for id in 2..5 {
            assert_eq!(send(&mut client, &mut server, id, &user("a"), at(u64::from(id))), Came::Passed);
        }
        assert_eq!(
            server.left["RequestCount"],
            100 - 1 - 10 - 1,
            "the third asks itself, the others have tokens"
        );
        tick(&mut client, &mut server, at(10 * SECOND));
        assert_eq!(server.left["RequestCount"], 100 - 5, "what passed and no more");
    }
}

#[test]
fn a_closed_pool_stays_closed_over_a_change_of_the_revision() {
    let (mut client, mut server) = (client(CHARGED), Server::with(&[("RequestCount", 5)]));
    let mut passed = 0;
    for id in 0..200_u32 {
        let now = at(u64::from(id) * 10_000_000);
        if id % 20 == 10 {
            server.revision += 1;
            server.left.insert("RequestCount".to_owned(), 1);
            client.adopt(Revision(server.revision));
        }
        passed += i64::from(send(&mut client, &mut server, id, &FakeHost::get("/"), now) == Came::Passed);
    }
    let granted: i64 = server.booked.values().sum();
    assert!(granted >= 10, "{granted}");
    assert!(passed <= granted + 3, "{passed} passed of {granted}: no credit at each change");
}
