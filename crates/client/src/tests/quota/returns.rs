//! Tests of what is given back: tokens that nobody used, and no others.

use checkcache::Revision;

use super::*;

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
    client.adopt(Revision(2));
    tick(&mut client, &mut server, at(6 * SECOND));
    assert_eq!(server.left["RequestCount"], 98);
}

#[test]
fn a_grant_whose_pool_is_gone_is_given_back() {
    let config = CHARGED.replace(r#""rules""#, r#""max_pools": 16, "rules""#);
    let (mut client, mut server) = (client(&config), Server::with(&[("RequestCount", 100)]));
    server.counted_by = "source.user";
    let (allocation, call) = in_flight(&mut client, &mut server);
    let answer = server.answer(&call);
    for id in 2..20 {
        send(&mut client, &mut server, id, &user(&id.to_string()), at(u64::from(id)));
    }
    client.adopt(Revision(2));
    assert_eq!(client.on_allocation_answer(allocation, Ok(&answer), at(20)), []);
    tick(&mut client, &mut server, at(21));
    assert_eq!(booked(&server, "a"), 2, "one that asked itself, and one that passed on credit");
}

#[test]
fn a_grant_that_comes_after_the_end_is_given_back() {
    let (mut client, mut server) = (client(CHARGED), Server::with(&[("RequestCount", 100)]));
    let (allocation, call) = in_flight(&mut client, &mut server);
    let answer = server.answer(&call);
    client.retire(at(2));
    assert_eq!(client.on_allocation_answer(allocation, Ok(&answer), at(3)), []);
    tick(&mut client, &mut server, at(4));
    assert_eq!(server.left["RequestCount"], 98, "what passed on credit stays counted");
}

#[test]
fn what_is_given_back_goes_nowhere_else() {
    let (mut client, mut server) = (client(CHARGED), Server::unlimited());
    server.counted_by = "source.user";
    send(&mut client, &mut server, 0, &user("a"), at(0));
    send(&mut client, &mut server, 1, &user("a"), at(1));
    assert_eq!(booked(&server, "a"), 11);
    // The same attributes lead to another counter, under another revision.
    (server.era, server.revision) = (1, 2);
    client.adopt(Revision(2));
    tick(&mut client, &mut server, at(10 * SECOND));
    assert_eq!(server.asked.last(), Some(&("RequestCount".to_owned(), -9, true)));
    assert_eq!(booked(&server, "a"), 11);
}

/// Requests up to the first that finds the pool low: its fetch waits for the tick, and three tokens are left.
fn until_low(client: &mut Client, server: &mut Server) {
    for id in 0..7 {
        send(client, server, id, &user("a"), at(u64::from(id)));
    }
    assert_eq!(server.left["RequestCount"], 89, "one for the first, ten for those after it");
    assert_eq!(client.on_request_headers(StreamId(7), &user("a"), at(7)), []);
}

#[test]
fn what_lies_in_a_pool_goes_back_too_when_its_fetch_has_ended() {
    let (mut client, mut server) = (client(CHARGED), Server::with(&[("RequestCount", 100)]));
    until_low(&mut client, &mut server);
    let [Effect::Allocate { allocation, call }] = &client.on_tick(at(8))[..] else { panic!("a fetch") };
    let answer = server.answer(call);
    let effects = client.on_end(at(9));
    assert_eq!(serve(&mut client, &mut server, &effects, at(9)), 0, "a fetch is on its way to the pool");
    assert_eq!(client.on_allocation_answer(*allocation, Ok(&answer), at(10)), []);
    tick(&mut client, &mut server, at(11));
    assert_eq!(server.left["RequestCount"], 92, "eight passed");
}

#[test]
fn a_fetch_that_fails_leaves_what_lies_in_its_pool_to_be_given_back() {
    let (mut client, mut server) = (client(CHARGED), Server::with(&[("RequestCount", 100)]));
    until_low(&mut client, &mut server);
    let [Effect::Allocate { allocation, .. }] = &client.on_tick(at(8))[..] else { panic!("a fetch") };
    client.on_end(at(9));
    let gone = GrpcFailure { code: Code::Unavailable, message: "gone".to_owned() };
    client.on_allocation_answer(*allocation, Err(gone), at(10));
    tick(&mut client, &mut server, at(11));
    assert_eq!(server.left["RequestCount"], 92);
}

#[test]
fn nothing_is_fetched_at_the_end() {
    let (mut client, mut server) = (client(CHARGED), Server::with(&[("RequestCount", 100)]));
    until_low(&mut client, &mut server);
    server.asked.clear();
    let effects = client.on_end(at(8));
    serve(&mut client, &mut server, &effects, at(8));
    assert_eq!(server.asked, [("RequestCount".to_owned(), -3, true)]);
    assert_eq!(server.left["RequestCount"], 92);
}
