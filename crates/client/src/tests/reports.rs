//! Tests of reports: batches, limits, and what is told of each request.

use attributes::Bag;
use checkcache::Code;
use prost::Message as _;
use proto::v1;
use proto::v1::report_request::RepeatedAttributesSemantics;

use super::host::FakeHost;
use super::{MINIMAL, SECOND, at, client, counts, dictionary, request, verdict};
use crate::{BatchId, Client, Counter, Effect, GrpcFailure, StreamId};

#[test]
fn requests_are_reported_in_batches() {
    let config = r#"{"mixer": {"cluster": "mixer"}, "report": {"batch_max": 3, "batch_interval": "2s"},
        "feed": {"enabled": false}}"#;
    let mut client = client(config);
    for id in 1..=4 {
        let mut host = FakeHost::get(&format!("/{id}"));
        let denied = verdict(if id == 2 { Code::PermissionDenied } else { Code::Ok }, "no");
        request(&mut client, id, &host, &denied);
        host.property("response.code", &200i64.to_le_bytes()).property("response.flags", &5i64.to_le_bytes());
        host.property("upstream.address", b"[::1]:8080").response_header("grpc-status", b"0");
        assert_eq!(client.on_log(StreamId(id), &host, at(10)), [], "a report is in nobody's way");
    }
    let effects = client.on_tick(at(20));
    let [Effect::Report { call, batch: first }] = effects.as_slice() else {
        panic!("one batch: {effects:?}")
    };
    let report = v1::ReportRequest::decode(call.message.as_slice()).expect("a report");
    let dictionary = dictionary();
    let decoder = attributes::wire::ReportDecoder::new(report, &dictionary).expect("read");
    let bags: Vec<Bag> = decoder.collect::<Result<_, _>>().expect("whole");
    let get = |index: usize, name: &str| bags[index].value(name).map(ToString::to_string).unwrap_or_default();
    for (index, path) in ["/1", "/2", "/3"].iter().enumerate() {
        assert_eq!(get(index, "request.path"), *path);
        assert_eq!(get(index, "destination.ip"), "::1");
        assert_eq!(get(index, "context.proxy_error_code"), "LH,UT");
        assert_eq!(get(index, "response.grpc_status"), "0");
        assert_eq!(get(index, "check.cache_hit"), "false");
    }
    assert_eq!((get(0, "response.code"), get(0, "check.error_code")), ("200".into(), String::new()));
    assert_eq!((get(1, "response.code"), get(1, "check.error_code")), ("403".into(), "7".into()));
    assert_eq!(get(1, "check.error_message"), "PERMISSION_DENIED:no");

    assert_eq!(client.on_tick(at(30)), [], "the fourth waits for company");
    let later = client.on_tick(at(3 * SECOND));
    let [Effect::Report { batch: second, .. }] = later.as_slice() else { panic!("one batch: {later:?}") };
    assert!(!client.is_idle());
    let lost = Err(GrpcFailure { code: Code::Unavailable, message: "no healthy upstream".into() });
    assert!(matches!(client.on_report_answer(*first, lost, at(0)).as_slice(), [Effect::Warn(_)]));
    client.on_report_answer(*second, Ok(&[]), at(0));
    assert!(client.is_idle());
    assert_eq!(client.on_report_answer(*second, Ok(&[]), at(0)), [], "it is known already");
    let counts = counts(&mut client);
    for expected in [
        (Counter::ReportCalls, 4),
        (Counter::RemoteReportCalls, 2),
        (Counter::RemoteReportSuccesses, 1),
        (Counter::RemoteReportSendErrors, 1),
        (Counter::ReportsDropped, 3),
    ] {
        assert!(counts.contains(&expected), "{expected:?} is not in {counts:?}");
    }
}

#[test]
fn what_the_server_derived_is_reported() {
    let config = r#"{"mixer": {"cluster": "mixer"}, "report": {"batch_max": 2}, "feed": {"enabled": false}}"#;
    let mut client = client(config);
    let derived = [("source.workload.name", "shop"), ("source.namespace", "default")].into_iter().collect();
    let verdict = checkcache::Verdict { attributes: derived, ..verdict(Code::Ok, "") };
    // The second is answered from the cache, where the verdict has what was derived along.
    for id in 1..=2 {
        let host = FakeHost::get("/same");
        assert_eq!(request(&mut client, id, &host, &verdict).0, id == 1);
        client.on_log(StreamId(id), &host, at(10));
    }
    let effects = client.on_tick(at(20));
    let [Effect::Report { call, .. }] = effects.as_slice() else { panic!("one batch: {effects:?}") };
    let report = v1::ReportRequest::decode(call.message.as_slice()).expect("a report");
    let dictionary = dictionary();
    let decoder = attributes::wire::ReportDecoder::new(report, &dictionary).expect("read");
    let bags: Vec<Bag> = decoder.collect::<Result<_, _>>().expect("whole");
    assert_eq!(bags.len(), 2);
    for bag in &bags {
        assert_eq!(bag.value("source.workload.name"), Some(&"shop".into()));
        assert_eq!(bag.value("source.namespace"), Some(&"default".into()));
    }
}

#[test]
fn a_stream_that_was_never_seen_is_reported_all_the_same() {
    let mut client = client(MINIMAL);
    client.on_log(StreamId(9), &FakeHost::get("/early"), at(1));
    let effects = client.on_tick(at(2 * SECOND));
    assert!(matches!(effects.as_slice(), [Effect::Report { .. }]));
}

#[test]
fn reports_that_cannot_be_sent_do_not_pile_up() {
    let mut client =
        client(r#"{"mixer": {"cluster": "mixer"}, "check": {"enabled": false}, "feed": {"enabled": false}}"#);
    let host = FakeHost::get("/a");
    let over = 7;
    for id in 0..(crate::limits::REPORTS_WAITING + over) as u32 {
        client.on_log(StreamId(id), &host, at(0));
    }
    let effects = client.on_tick(at(0));
    assert_eq!(effects.len(), crate::limits::REPORTS_IN_FLIGHT, "the rest waits");
    assert!(counts(&mut client).contains(&(Counter::ReportsDropped, over as i64)));

    // Batches that nobody answers do not hold up the others for ever.
    for effect in &effects {
        let Effect::Report { batch, .. } = effect else { panic!("a report: {effect:?}") };
        client.on_report_sent(*batch, 7);
    }
    assert_eq!(client.on_tick(at(SECOND)), []);
    let effects = client.on_tick(at(6 * SECOND));
    let of_kind = |kind: fn(&Effect) -> bool| effects.iter().filter(|effect| kind(effect)).count();
    assert_eq!(of_kind(|effect| *effect == Effect::Cancel { token: 7 }), crate::limits::REPORTS_IN_FLIGHT);
    assert_eq!(of_kind(|effect| matches!(effect, Effect::Report { .. })), crate::limits::REPORTS_IN_FLIGHT);
    let counts = counts(&mut client);
    assert!(
        counts.contains(&(Counter::ReportsDropped, 400))
            && counts.contains(&(Counter::RemoteReportTimeouts, 4))
    );
}

#[test]
fn large_reports_go_in_messages_that_the_server_takes() {
    let mut client = client(
        r#"{"mixer": {"cluster": "mixer"}, "check": {"enabled": false}, "feed": {"enabled": false},
            "report": {"batch_max": 1000, "batch_interval": "1s"}}"#,
    );
    let mut large = FakeHost::get("/a");
    large.header("x-large", "x".repeat(60_000).as_bytes());
    let mut huge = FakeHost::get("/b");
    huge.header("x-huge", "x".repeat(600_000).as_bytes());
    for id in 0..40 {
        client.on_log(StreamId(id), &large, at(0));
    }
    client.on_log(StreamId(99), &huge, at(0));
    let mut sent = 0;
    for second in 1..20 {
        for effect in client.on_tick(at(second * SECOND)) {
            let Effect::Report { batch, call } = effect else { panic!("a report") };
            assert!(call.message.len() < 1 << 20, "{} bytes", call.message.len());
            sent += v1::ReportRequest::decode(call.message.as_slice()).expect("a report").attributes.len();
            client.on_report_answer(batch, Ok(&[]), at(second * SECOND));
        }
    }
    assert_eq!(sent, 40);
    assert!(counts(&mut client).contains(&(Counter::ReportsDropped, 1)), "the one that no message can hold");
}

/// Reports three requests and takes the batch that is due then.
fn batch(client: &mut Client, first: u32, now: u64) -> (BatchId, v1::ReportRequest) {
    for id in first..first + 3 {
        let mut host = FakeHost::get(&format!("/{id}"));
        if id % 2 == 0 {
            host.header("user-agent", b"curl/8");
        }
        client.on_log(StreamId(id), &host, at(now));
    }
    let mut effects = client.on_tick(at(now));
    let Some(Effect::Report { call, batch }) = effects.pop() else { panic!("one batch: {effects:?}") };
    (batch, v1::ReportRequest::decode(call.message.as_slice()).expect("a report"))
}

fn bags(report: v1::ReportRequest) -> Vec<Bag> {
    let dictionary = dictionary();
    let decoder = attributes::wire::ReportDecoder::new(report, &dictionary).expect("read");
    decoder.collect::<Result<_, _>>().expect("whole")
}

#[test]
fn requests_build_on_each_other_only_for_a_server_that_said_that_it_understands() {
    let config = r#"{"mixer": {"cluster": "mixer"}, "check": {"enabled": false}, "feed": {"enabled": false},
        "report": {"batch_max": 3}}"#;
    let mut client = client(config);
    let understands = v1::ReportResponse { accepts_changes: true }.encode_to_vec();
    let whole = |report: &v1::ReportRequest| {
        report.repeated_attributes_semantics == RepeatedAttributesSemantics::IndependentEncoding as i32
            && (report.attributes.len(), report.changes.len()) == (3, 0)
    };

    // Nothing is known of the server, nor is there from the answer of one that does not speak the extension.
    for round in 0..2 {
        let (id, report) = batch(&mut client, 3 * round, 1);
        assert!(whole(&report), "{report:?}");
        client.on_report_answer(id, Ok(&[]), at(1));
    }
    // Neither is a lost report a sign, nor what is no answer.
    let (id, report) = batch(&mut client, 6, 1);
    assert!(whole(&report));
    client.on_report_answer(id, Ok(b"\xff\xff"), at(1));
    let (id, report) = batch(&mut client, 9, 1);
    assert!(whole(&report));
    client.on_report_answer(id, Ok(&understands), at(1));

    let (id, report) = batch(&mut client, 12, 1);
    assert_eq!((report.attributes.len(), report.changes.len()), (0, 3));
    assert!(!report.changes[1].removed.is_empty(), "{:?}", report.changes[1]);
    let paths: Vec<String> =
        bags(report).iter().map(|bag| bag.value("request.path").expect("a path").to_string()).collect();
    assert_eq!(paths, ["/12", "/13", "/14"]);
    client.on_report_answer(id, Ok(&understands), at(1));
    assert!(!counts(&mut client).iter().any(|(counter, _)| *counter == Counter::ReportsDropped));

    // Another server got it, which found no messages: that is a loss, and never happens again.
    let (id, report) = batch(&mut client, 15, 1);
    assert_eq!(report.changes.len(), 3);
    assert!(matches!(client.on_report_answer(id, Ok(&[]), at(1)).as_slice(), [Effect::Warn(_)]));
    assert!(counts(&mut client).contains(&(Counter::ReportsDropped, 3)));
    for round in 0..2 {
        let (id, report) = batch(&mut client, 18 + 3 * round, 1);
        assert!(whole(&report));
        client.on_report_answer(id, Ok(&understands), at(1));
    }
}

#[test]
fn what_waits_is_sent_at_the_end() {
    let config = r#"{"mixer": {"cluster": "mixer"}, "report": {"batch_max": 2, "batch_interval": "60s"},
        "feed": {"enabled": false}}"#;
    let mut client = client(config);
    for id in 1..=15 {
        let host = FakeHost::get("/");
        request(&mut client, id, &host, &verdict(Code::Ok, ""));
        client.on_log(StreamId(id), &host, at(10));
    }
    let batches = |effects: Vec<Effect>| -> Vec<_> {
        let report = |effect| match effect {
            Effect::Report { batch, .. } => batch,
            other => panic!("not a report: {other:?}"),
        };
        effects.into_iter().map(report).collect()
    };
    assert_eq!(batches(client.on_tick(at(20))).len(), 4, "full ones, as many as may be on their way");
    let last = batches(client.on_end(at(30)));
    assert_eq!(last.len(), 4, "the others, however many: nobody comes after them");
    assert!(!client.is_idle());
    assert_eq!(client.on_end(at(31)), [], "nothing twice");
    for batch in last {
        assert_eq!(client.on_report_answer(batch, Ok(&[]), at(40)), []);
    }
    // The first four are overdue, and lost: it does not wait for ever.
    client.on_tick(at(6 * SECOND));
    assert!(client.is_idle());
    assert!(counts(&mut client).contains(&(Counter::ReportsDropped, 8)));
}

#[test]
fn a_request_is_as_large_as_the_proxy_would_say() {
    // How it comes, and what is reported where the proxy would say 5.
    let cases: [(&str, &[&str], bool, i64); 7] = [
        ("no body", &[], true, 0),
        ("nothing declared", &[], false, 5),
        ("a declared length", &["12"], false, 12),
        ("more than there can be", &["18446744073709551615"], false, 5),
        ("no number", &["+12"], false, 5),
        ("nothing in its place", &[""], false, 5),
        ("two lengths", &["12", "12"], false, 5),
    ];
    for (what, lengths, is_bodiless, expected) in cases {
        let mut client = client(MINIMAL);
        let mut host = FakeHost::get("/");
        for length in lengths {
            host.header("content-length", length.as_bytes());
        }
        host.property("request.size", &5i64.to_le_bytes());
        if is_bodiless {
            host.bodiless();
        }
        request(&mut client, 1, &host, &verdict(Code::Ok, ""));
        client.on_log(StreamId(1), &host, at(10));
        let size = client.reports.last().and_then(|report| report.value("request.size"));
        assert_eq!(size, Some(&expected.into()), "{what}");
    }
}
