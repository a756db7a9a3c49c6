//! Tests of the feed: a change of policy is honoured at once, and only what is read is sent.

use std::collections::BTreeSet;

use attributes::{Bag, Value};
use checkcache::{Code, Validity, Verdict};
use prost::Message as _;
use proto::feed::demand::Attribute;
use proto::feed::{Demand, Update, WatchRequest};
use proto::v1;

use super::host::FakeHost;
use super::{
    SECOND, answer, at, check_request, client, counts, look_at_path, request, the_check, the_reply, verdict,
};
use crate::{Client, Counter, Effect, GrpcFailure, StreamId};

const WITH_FEED: &str = r#"{"mixer": {"cluster": "mixer"}, "attributes": {"target.service": "reviews"}}"#;

fn demand(attributes: &[(&str, &[&str])]) -> Demand {
    let attribute = |(name, keys): &(&str, &[&str])| Attribute {
        name: (*name).into(),
        keys: keys.iter().map(|key| (*key).into()).collect(),
    };
    Demand { attributes: attributes.iter().map(attribute).collect() }
}

fn update(revision: u64, drops: u64) -> Update {
    Update {
        revision,
        drops,
        check: Some(demand(&[("request.path", &[])])),
        report: Some(demand(&[("request.path", &[]), ("response.code", &[])])),
        hash_seed: vec![7; 16],
        global_word_count: super::dictionary().len() as u32,
        dictionary_digest: super::dictionary().digest(super::dictionary().len()).expect("a digest"),
    }
}

/// A client whose feed is open and has said this.
fn watching(update: &Update) -> Client {
    let mut client = client(WITH_FEED);
    let effects = client.on_tick(at(0));
    let [Effect::Watch { message }] = effects.as_slice() else { panic!("a watch: {effects:?}") };
    assert!(WatchRequest::decode(message.as_slice()).expect("a request").global_word_count > 200);
    client.on_feed_message(&update.encode_to_vec(), at(0));
    client
}

fn closed(code: Code) -> GrpcFailure {
    GrpcFailure { code, message: "gone".into() }
}

#[test]
fn a_change_of_policy_is_honoured_at_the_next_request() {
    let mut client = watching(&update(1, 0));
    let host = FakeHost::get("/a");
    let ok = verdict(Code::Ok, "");
    assert!(request(&mut client, 1, &host, &ok).0);
    assert!(!request(&mut client, 2, &host, &ok).0);
    client.on_feed_message(&update(2, 0).encode_to_vec(), at(3));
    assert!(request(&mut client, 3, &host, &ok).0, "another revision: ask again");
    let counts = counts(&mut client);
    assert!(counts.contains(&(Counter::RevisionChanges, 2)) && counts.contains(&(Counter::FeedUpdates, 2)));
}

#[test]
fn a_drop_takes_what_is_cached_and_what_is_on_its_way() {
    let mut client = watching(&update(1, 0));
    let host = FakeHost::get("/a");
    let ok = verdict(Code::Ok, "");
    let effects = client.on_request_headers(StreamId(1), &host, at(1));
    let (_, bag) = check_request(the_check(&effects));
    client.on_feed_message(&update(1, 1).encode_to_vec(), at(2));
    // The answer was reached before the drop: good for its own request and no other.
    let answer = answer(&bag, &ok, 1, look_at_path);
    assert_eq!(
        client.on_answer(StreamId(1), Ok(&answer), &host, at(3)),
        [Effect::Resume { stream: StreamId(1) }]
    );
    assert!(request(&mut client, 2, &host, &ok).0);
    assert!(!request(&mut client, 3, &host, &ok).0);
    // The same again is no drop.
    client.on_feed_message(&update(1, 1).encode_to_vec(), at(4));
    assert!(!request(&mut client, 4, &host, &ok).0);
    assert!(counts(&mut client).contains(&(Counter::CacheDrops, 1)));
}

#[test]
fn a_server_that_was_away_may_have_dropped_anything() {
    let mut client = watching(&update(1, 0));
    let host = FakeHost::get("/a");
    let ok = verdict(Code::Ok, "");
    request(&mut client, 1, &host, &ok);
    client.on_feed_closed(&closed(Code::Unavailable), at(2));
    assert!(!request(&mut client, 3, &host, &ok).0, "what was known stays known while the feed is away");
    let other_server = Update { hash_seed: vec![8; 16], ..update(1, 0) };
    client.on_feed_message(&other_server.encode_to_vec(), at(4));
    assert!(request(&mut client, 5, &host, &ok).0);
}

#[test]
fn what_was_stored_before_the_feed_spoke_may_have_been_dropped() {
    let another_server = Update { hash_seed: vec![8; 16], ..update(1, 0) };
    // A server that dropped something at some time, one that was not there before, and the one that answered.
    for (first_word, is_dropped) in [(update(1, 1), true), (another_server, true), (update(1, 0), false)] {
        let mut client = client(WITH_FEED);
        let host = FakeHost::get("/a");
        let ok = verdict(Code::Ok, "");
        assert!(request(&mut client, 1, &host, &ok).0);
        assert!(!request(&mut client, 2, &host, &ok).0);
        client.on_tick(at(0));
        client.on_feed_message(&first_word.encode_to_vec(), at(0));
        assert_eq!(request(&mut client, 3, &host, &ok).0, is_dropped);
    }
}

#[test]
fn an_answer_that_was_asked_for_before_a_change_does_not_undo_it() {
    // Nobody tells of changes but the answers.
    let mut client = client(super::MINIMAL);
    let ok = verdict(Code::Ok, "");
    let (a, slow, fresh) = (FakeHost::get("/a"), FakeHost::get("/slow"), FakeHost::get("/fresh"));
    request(&mut client, 1, &a, &ok);
    let ask = |client: &mut Client, id: u32, host: &FakeHost| {
        check_request(the_check(&client.on_request_headers(StreamId(id), host, at(5)))).1
    };
    let (late, early) = (ask(&mut client, 2, &slow), ask(&mut client, 3, &fresh));
    let under = |bag: &Bag, revision| answer(bag, &ok, revision, look_at_path);
    client.on_answer(StreamId(3), Ok(&under(&early, 2)), &fresh, at(6));
    client.on_answer(StreamId(2), Ok(&under(&late, 1)), &slow, at(7));
    let effects = client.on_request_headers(StreamId(4), &a, at(8));
    assert!(matches!(effects.as_slice(), [Effect::Check { .. }]), "the old verdict stays gone: {effects:?}");
}

#[test]
fn words_are_used_by_number_once_the_server_proved_to_have_them() {
    let word_count = |client: &mut Client, id: u32| {
        let effects = client.on_request_headers(StreamId(id), &FakeHost::get(&format!("/{id}")), at(1));
        let request = check_request(the_check(&effects)).0;
        let digest = super::dictionary().digest(request.global_word_count as usize);
        assert_eq!(request.dictionary_digest, digest.filter(|_| request.global_word_count > 0).unwrap_or(0));
        request.global_word_count
    };
    let ours = super::dictionary().len() as u32;
    let mut client = client(WITH_FEED);
    assert_eq!(word_count(&mut client, 1), 0, "a server that was not heard of may have any list");
    client.on_feed_message(&Update { dictionary_digest: 1, ..update(1, 0) }.encode_to_vec(), at(1));
    assert_eq!(word_count(&mut client, 2), 0, "another list of the same length");
    client.on_feed_message(&update(1, 0).encode_to_vec(), at(1));
    assert_eq!(word_count(&mut client, 3), ours);
    let shorter = Update {
        global_word_count: 10,
        dictionary_digest: super::dictionary().digest(10).expect("a digest"),
        ..update(1, 0)
    };
    client.on_feed_message(&shorter.encode_to_vec(), at(1));
    assert_eq!(word_count(&mut client, 4), 10);
}

#[test]
fn the_stream_is_opened_again_less_and_less_often() {
    let mut client = client(WITH_FEED);
    let mut opened = Vec::new();
    // Ticks of 50 ms for five minutes, with a server that is never there.
    for tick in 0..6000u64 {
        let now = at(tick * SECOND / 20);
        if client.on_tick(now).iter().any(|effect| matches!(effect, Effect::Watch { .. })) {
            opened.push(tick);
            client.on_feed_closed(&closed(Code::Unavailable), now);
        }
    }
    assert!(opened.len() > 30 && opened.len() < 80, "{opened:?}");
    let (first, last) = (opened[1] - opened[0], opened[opened.len() - 1] - opened[opened.len() - 2]);
    assert!(first <= 2 && (100..=200).contains(&last), "{opened:?}");

    // A server that has no feed is asked once a minute or less.
    let mut client = self::client(WITH_FEED);
    client.on_tick(at(0));
    client.on_feed_closed(&closed(Code::Unimplemented), at(0));
    assert_eq!(client.on_tick(at(29 * SECOND)), []);
    assert_eq!(client.on_tick(at(61 * SECOND)).len(), 1);
}

#[test]
fn only_what_is_read_is_sent() {
    let mut host = FakeHost::get("/a");
    host.header("x-user", b"eve").header("x-noise", b"1").property("source.address", b"10.0.0.1:1");
    host.property("response.code", &200i64.to_le_bytes()).property("request.size", &5i64.to_le_bytes());
    let asked =
        demand(&[("request.path", &[]), ("request.headers", &["x-user", "x-absent"]), ("api.version", &[])]);
    let mut client = watching(&Update { check: Some(asked), ..update(1, 0) });
    let effects = client.on_request_headers(StreamId(1), &host, at(1));
    let (message, bag) = check_request(the_check(&effects));
    assert_eq!(message.demand_revision, 1);
    let headers: attributes::StringMap = [("x-user", "eve")].into_iter().collect();
    let expected: Bag =
        [("request.path", Value::from("/a")), ("request.headers", headers.into())].into_iter().collect();
    assert_eq!(bag, expected);

    client.on_log(StreamId(1), &host, at(2));
    let effects = client.on_tick(at(2 * SECOND));
    let [Effect::Report { call, .. }] = effects.as_slice() else { panic!("a report: {effects:?}") };
    let report = v1::ReportRequest::decode(call.message.as_slice()).expect("a report");
    assert_eq!(report.demand_revision, 1);
    let dictionary = super::dictionary();
    let bag = attributes::wire::ReportDecoder::new(report, &dictionary).expect("read").next().expect("one");
    let bag = bag.expect("whole");
    let names: BTreeSet<_> = bag.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["check.cache_hit", "request.path", "response.code"]));
}

#[test]
fn a_map_without_the_keys_that_are_read_is_still_a_map() {
    let mut client =
        watching(&Update { check: Some(demand(&[("request.headers", &["x-absent"])])), ..update(1, 0) });
    let effects = client.on_request_headers(StreamId(1), &FakeHost::get("/a"), at(1));
    let (_, bag) = check_request(the_check(&effects));
    assert_eq!(bag.value("request.headers"), Some(&Value::from(attributes::StringMap::default())));
}

#[test]
fn a_server_that_reads_more_is_asked_again_with_more() {
    let mut client = watching(&update(1, 0));
    let mut host = FakeHost::get("/a");
    host.header("x-user", b"eve");
    let effects = client.on_request_headers(StreamId(1), &host, at(1));
    assert_eq!(check_request(the_check(&effects)).1.len(), 1);
    let stale = |revision, asked| {
        v1::CheckResponse { revision, demand: Some(asked), ..v1::CheckResponse::default() }.encode_to_vec()
    };
    let more = stale(2, demand(&[("request.path", &[]), ("request.method", &[])]));
    let effects = client.on_answer(StreamId(1), Ok(&more), &host, at(2));
    let (message, bag) = check_request(the_check(&effects));
    assert_eq!((message.demand_revision, bag.len()), (2, 2));

    // It changed again in the meantime: now everything, which no server can call too little.
    let still_more = stale(3, demand(&[("request.host", &[])]));
    let effects = client.on_answer(StreamId(1), Ok(&still_more), &host, at(3));
    let (message, bag) = check_request(the_check(&effects));
    assert_eq!(message.demand_revision, 0);
    assert!(bag.value("request.headers").is_some() && bag.len() > 8);

    // And if it does, that is no verdict.
    let effects = client.on_answer(StreamId(1), Ok(&still_more), &host, at(4));
    assert_eq!(the_reply(&effects).status, 500);

    // Another request knows what was learnt.
    let effects = client.on_request_headers(StreamId(2), &host, at(5));
    assert_eq!(check_request(the_check(&effects)).0.demand_revision, 2);
}

#[test]
fn an_answer_of_a_server_that_is_behind_does_not_bring_the_old_policy_back() {
    let mut client = watching(&update(2, 0));
    let host = FakeHost::get("/a");
    let ok = verdict(Code::Ok, "");
    // `request` answers with revision 1.
    assert!(request(&mut client, 1, &host, &ok).0);
    assert!(request(&mut client, 2, &host, &ok).0, "stored under the old revision, found under none");
    // Should the policy go back, what was said of it is true again: equal snapshots have equal revisions.
    client.on_feed_message(&update(1, 0).encode_to_vec(), at(3));
    assert!(!request(&mut client, 4, &host, &ok).0);
}

#[test]
fn a_feed_that_is_contradicted_for_long_is_not_believed_any_more() {
    let mut client = watching(&update(2, 0));
    let ok = verdict(Code::Ok, "");
    let host = FakeHost::get("/a");
    let ask = |client: &mut Client, id: u32, nanos: u64| {
        let effects = client.on_request_headers(StreamId(id), &host, at(nanos));
        if effects.is_empty() {
            return false;
        }
        let (_, bag) = check_request(the_check(&effects));
        let answer = answer(&bag, &ok, 9, look_at_path);
        client.on_answer(StreamId(id), Ok(&answer), &host, at(nanos));
        true
    };
    assert!(ask(&mut client, 1, 0));
    assert!(ask(&mut client, 2, SECOND));
    assert!(ask(&mut client, 3, 3 * SECOND), "from here on the answers say what is in force");
    assert!(!ask(&mut client, 4, 4 * SECOND));
}

#[test]
fn a_feed_that_is_not_believed_is_opened_anew_and_then_counts_again() {
    let mut client = watching(&update(2, 0));
    let ok = verdict(Code::Ok, "");
    let mut id = 0;
    let mut asks = |client: &mut Client, path: &str, revision: u64, nanos: u64| {
        id += 1;
        let host = FakeHost::get(path);
        let effects = client.on_request_headers(StreamId(id), &host, at(nanos));
        if effects.is_empty() {
            return false;
        }
        let (_, bag) = check_request(the_check(&effects));
        client.on_answer(StreamId(id), Ok(&answer(&bag, &ok, revision, look_at_path)), &host, at(nanos));
        true
    };
    let opens = |client: &mut Client, nanos: u64| {
        let effects = client.on_tick(at(nanos));
        effects.iter().any(|effect| matches!(effect, Effect::Watch { .. }))
    };
    // The only server that is asked is behind.
    for second in 0..3 {
        assert!(!opens(&mut client, second * SECOND));
        assert!(asks(&mut client, "/a", 1, second * SECOND));
    }
    assert!(!asks(&mut client, "/a", 1, 3 * SECOND), "from here on the answers say what is in force");
    // Every request hits, so that no answer would ever say more. What the feed says first does.
    counts(&mut client);
    assert!(opens(&mut client, 3 * SECOND));
    assert!(!opens(&mut client, 3 * SECOND), "it is open");
    let (opened, lost) = ((Counter::FeedOpens, 1), (Counter::FeedLosses, 1));
    let counted = counts(&mut client);
    assert!(counted.contains(&opened) && counted.contains(&lost), "one was given up: {counted:?}");
    client.on_feed_message(&update(2, 0).encode_to_vec(), at(3 * SECOND));
    assert!(asks(&mut client, "/a", 2, 4 * SECOND), "what the server said that was behind is gone");
    assert!(!asks(&mut client, "/a", 2, 4 * SECOND));

    // Where servers never agree, the stream is opened less and less often.
    let mut opened = Vec::new();
    for half in 10..200 {
        let now = half * SECOND / 2;
        asks(&mut client, &format!("/{half}"), 1, now);
        if opens(&mut client, now) {
            opened.push(half);
            client.on_feed_message(&update(2, 0).encode_to_vec(), at(now));
        }
    }
    let waits: Vec<_> = opened.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        waits.first() < waits.last() && waits.last().is_some_and(|last| *last <= 2 * (2 + 10) + 1),
        "{waits:?}"
    );
}

#[test]
fn no_verdict_outlives_five_minutes_without_the_server() {
    let mut client = watching(&update(1, 0));
    let host = FakeHost::get("/a");
    let for_ever = verdict(Code::Ok, "");
    assert_eq!(for_ever.validity, Validity::Revision);
    request(&mut client, 1, &host, &for_ever);
    assert_eq!(client.on_request_headers(StreamId(2), &host, at(299 * SECOND)).len(), 0);
    assert_eq!(client.on_request_headers(StreamId(3), &host, at(301 * SECOND)).len(), 1);
}

#[test]
fn a_verdict_that_is_in_use_is_renewed_before_it_expires() {
    let mut client = watching(&update(1, 0));
    let host = FakeHost::get("/a");
    let mut minute = verdict(Code::Ok, "");
    minute.validity = Validity::For { ttl: std::time::Duration::from_secs(60), uses: None };
    request(&mut client, 1, &host, &minute);
    let hit = |client: &mut Client, id: u32, nanos: u64| {
        client.on_request_headers(StreamId(id), &host, at(nanos)).is_empty()
    };
    let renewals = |client: &mut Client, nanos: u64| {
        let effects = client.on_tick(at(nanos));
        effects.into_iter().filter(|effect| matches!(effect, Effect::Renew { .. })).collect::<Vec<_>>()
    };
    assert!(hit(&mut client, 2, 53 * SECOND));
    assert_eq!(renewals(&mut client, 53 * SECOND), []);
    assert!(hit(&mut client, 3, 55 * SECOND) && hit(&mut client, 4, 55 * SECOND));
    let effects = renewals(&mut client, 55 * SECOND);
    let [Effect::Renew { renewal, call }] = effects.as_slice() else { panic!("one renewal: {effects:?}") };
    let (message, bag) = check_request(call);
    assert_eq!((message.demand_revision, message.deduplication_id.as_str()), (1, ""));
    client.on_renewal_sent(*renewal, 9);
    let refused = answer(
        &bag,
        &Verdict { validity: minute.validity, ..verdict(Code::PermissionDenied, "") },
        1,
        look_at_path,
    );
    client.on_renewal_answer(*renewal, Ok(&refused), at(56 * SECOND));
    let effects = client.on_request_headers(StreamId(5), &host, at(61 * SECOND));
    assert_eq!(the_reply(&effects).status, 403, "what was found anew counts from now on");

    // One that is lost is cancelled, and the verdict expires.
    assert!(!hit(&mut client, 6, 113 * SECOND));
    let effects = renewals(&mut client, 113 * SECOND);
    let [Effect::Renew { renewal, .. }] = effects.as_slice() else { panic!("one renewal: {effects:?}") };
    client.on_renewal_sent(*renewal, 10);
    assert_eq!(client.on_tick(at(114 * SECOND)), [Effect::Cancel { token: 10 }]);
    client.on_renewal_answer(*renewal, Ok(&refused), at(115 * SECOND));
    let effects = client.on_request_headers(StreamId(7), &host, at(117 * SECOND));
    assert!(matches!(effects.as_slice(), [Effect::Check { .. }]), "{effects:?}");
}

#[test]
fn an_update_that_cannot_be_read_leaves_nothing_to_trust() {
    let mut client = watching(&update(1, 0));
    let host = FakeHost::get("/a");
    let ok = verdict(Code::Ok, "");
    request(&mut client, 1, &host, &ok);
    let effects = client.on_feed_message(&[0xff; 7], at(5 * SECOND));
    assert!(matches!(effects.as_slice(), [Effect::Warn(_)]), "{effects:?}");
    let effects = client.on_request_headers(StreamId(2), &host, at(6 * SECOND));
    assert_eq!(check_request(the_check(&effects)).0.demand_revision, 0, "everything, to be safe");
}
