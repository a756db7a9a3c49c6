//! Tests of connections: when they are checked, when they go on, and what is reported of them.

use std::collections::BTreeMap;

use super::host::FakeHost;
use super::*;

const TCP: &str = r#"{"mixer": {"cluster": "mixer"}, "attributes": {"target.service": "mongodb"},
    "feed": {"enabled": false}, "tcp": {"report_interval": "2s"}}"#;

fn peer() -> FakeHost {
    let mut host = FakeHost::default();
    host.property("source.address", b"10.0.0.7:3000").property("connection_id", &5_i64.to_le_bytes());
    host
}

fn with_bytes(received: i64, sent: i64) -> FakeHost {
    let mut host = peer();
    host.property("request.size", &received.to_le_bytes()).property("response.size", &sent.to_le_bytes());
    host
}

fn look_at_service(r: &mut Recorder<'_>) {
    r.value(&"target.service".into());
}

fn allow(client: &mut Client, id: u32, effects: &[Effect], host: &FakeHost, now: Now) -> Vec<Effect> {
    let (_, bag) = check_request(the_check(effects));
    let answer = answer(&bag, &verdict(Code::Ok, ""), 1, look_at_service);
    client.on_answer(StreamId(id), Ok(&answer), host, now)
}

/// Looks at the connections that it is time to look at.
fn looks(client: &mut Client, host: &FakeHost, now: Now) -> Vec<Effect> {
    let due = client.on_tick(now);
    let due = due.into_iter().filter_map(|effect| match effect {
        Effect::Look { stream } => Some(stream),
        _ => None,
    });
    due.collect::<Vec<_>>().into_iter().flat_map(|stream| client.on_look(stream, host, now)).collect()
}

fn said(client: &Client, names: &[&str]) -> BTreeMap<String, String> {
    let bag = client.reports.last().expect("a report");
    let value = |name: &&str| Some(((*name).to_owned(), bag.value(name)?.to_string()));
    names.iter().filter_map(value).collect()
}

#[test]
fn a_connection_waits_for_its_verdict() {
    let mut client = client(TCP);
    assert!(client.is_tcp());
    let effects = client.on_new_connection(StreamId(1), &peer(), at(1));
    assert_eq!(client.proceed(StreamId(1)), Proceed::Pause);
    let (_, bag) = check_request(the_check(&effects));
    assert_eq!(bag.value("context.protocol"), Some(&"tcp".into()));
    assert!(bag.iter().all(|(name, _)| !name.as_str().starts_with("request.")), "{bag:?}");
    assert!(client.on_downstream_data(StreamId(1), &peer(), at(2)).is_empty(), "it is asked about once");
    assert_eq!(client.proceed(StreamId(1)), Proceed::Pause);
    let effects = allow(&mut client, 1, &effects, &peer(), at(3));
    assert_eq!(effects, [Effect::Resume { stream: StreamId(1) }]);
    assert_eq!(client.proceed(StreamId(1)), Proceed::Continue);
    // The next one has its verdict from the cache.
    assert_eq!(client.on_new_connection(StreamId(2), &peer(), at(4)), []);
    assert_eq!(client.proceed(StreamId(2)), Proceed::Continue);
}

#[test]
fn a_certificate_is_awaited() {
    let config = TCP.replace(r#""2s""#, r#""2s", "await_certificate": true"#);
    let mut client = client(&config);
    assert_eq!(client.on_new_connection(StreamId(1), &peer(), at(1)), []);
    assert_eq!(client.proceed(StreamId(1)), Proceed::Pause);
    assert_eq!(looks(&mut client, &peer(), at(50_000_000)), []);
    let mut known = peer();
    known.property("connection.mtls", &[1]);
    known.property("connection.uri_san_peer_certificate", b"spiffe://cluster.local/ns/web/sa/a");
    let effects = looks(&mut client, &known, at(100_000_000));
    let (_, bag) = check_request(the_check(&effects));
    assert_eq!(bag.value("source.namespace"), Some(&"web".into()));
    allow(&mut client, 1, &effects, &known, at(101_000_000));

    // A verdict from the cache lets go what was paused.
    client.on_new_connection(StreamId(2), &peer(), at(200_000_000));
    let effects = looks(&mut client, &known, at(200_000_000));
    assert_eq!(effects, [Effect::Resume { stream: StreamId(2) }]);
    // Data say as well that the handshake is over.
    client.on_new_connection(StreamId(3), &peer(), at(300_000_000));
    assert_eq!(client.on_downstream_data(StreamId(3), &known, at(300_000_001)), []);
    assert_eq!(client.proceed(StreamId(3)), Proceed::Continue);
    // Nobody is awaited for ever.
    client.on_new_connection(StreamId(4), &peer(), at(400_000_000));
    looks(&mut client, &peer(), at(5 * SECOND));
    assert_eq!(client.proceed(StreamId(4)), Proceed::Pause);
    looks(&mut client, &peer(), at(6 * SECOND));
    assert_eq!(client.proceed(StreamId(4)), Proceed::Continue);
}

#[test]
fn a_connection_is_reported_in_its_course() {
    let mut client = client(TCP);
    let effects = client.on_new_connection(StreamId(1), &peer(), at(0));
    allow(&mut client, 1, &effects, &peer(), at(1));
    let names = [
        "connection.event",
        "connection.received.bytes",
        "connection.received.bytes_total",
        "connection.sent.bytes",
        "connection.sent.bytes_total",
        "connection.duration",
    ];
    for (now, received, sent, expected) in [
        (1, 191, 7, vec!["open", "191", "191", "7", "7"]),
        (3, 191, 7, vec!["continue", "191", "191", "7", "7"]),
        (5, 200, 8, vec!["continue", "9", "200", "1", "8"]),
    ] {
        looks(&mut client, &with_bytes(received, sent), at(now * SECOND));
        let said = said(&client, &names);
        let said: Vec<_> = names.iter().filter_map(|name| said.get(*name).map(String::as_str)).collect();
        assert_eq!(said, expected);
    }
    client.on_log(StreamId(1), &with_bytes(200, 9), at(6 * SECOND));
    let close = said(&client, &names);
    assert_eq!(close["connection.event"], "close");
    assert_eq!((&*close["connection.received.bytes"], &*close["connection.sent.bytes"]), ("0", "1"));
    assert_eq!(close["connection.duration"], "6s");
    assert_eq!(looks(&mut client, &peer(), at(60 * SECOND)), [], "nobody looks at it any more");
    assert_eq!(
        counts(&mut client).iter().find(|(c, _)| *c == Counter::ReportCalls),
        Some(&(Counter::ReportCalls, 4))
    );
}

#[test]
fn a_refused_connection_is_reported_once() {
    let mut client = client(TCP);
    let effects = client.on_new_connection(StreamId(1), &peer(), at(0));
    let (_, bag) = check_request(the_check(&effects));
    let answer = answer(&bag, &verdict(Code::Unauthenticated, ""), 1, look_at_service);
    let effects = client.on_answer(StreamId(1), Ok(&answer), &peer(), at(1));
    assert_eq!(the_reply(&effects).body, "UNAUTHENTICATED");
    assert_eq!(client.proceed(StreamId(1)), Proceed::Pause);
    looks(&mut client, &peer(), at(SECOND / 2));
    client.on_log(StreamId(1), &peer(), at(SECOND / 2));
    let names = ["connection.event", "check.error_code", "check.error_message", "response.code"];
    let said = said(&client, &names);
    assert_eq!(said["connection.event"], "close");
    assert_eq!((&*said["check.error_code"], &*said["check.error_message"]), ("16", "UNAUTHENTICATED"));
    assert_eq!(said.get("response.code"), None);
    assert_eq!(
        counts(&mut client).iter().find(|(c, _)| *c == Counter::ReportCalls),
        Some(&(Counter::ReportCalls, 1))
    );
}

#[test]
fn a_connection_that_nobody_checks_is_reported_all_the_same() {
    let config = TCP.replace(r#""tcp""#, r#""check": {"enabled": false}, "tcp""#);
    let mut client = client(&config);
    assert_eq!(client.on_new_connection(StreamId(1), &peer(), at(0)), []);
    assert_eq!(client.proceed(StreamId(1)), Proceed::Continue);
    // It ends before anybody has looked at it.
    client.on_log(StreamId(1), &peer(), at(1));
    let said = said(&client, &["connection.event", "check.cache_hit", "quota.cache_hit"]);
    assert_eq!(said.len(), 1);
    assert_eq!(counts(&mut client), [(Counter::ReportCalls, 2)], "open and close");
}
