//! Tests of the state machine: what a shell would see, for what happens to streams.

mod configuration;
mod feed;
mod host;
mod line;
mod quota;
mod reports;
mod tcp;

use attributes::{Bag, Dictionary, Value};
use checkcache::wire::{encode_precondition, encode_references};
use checkcache::{
    Code, HeaderOperation, Operation, Recorder, RouteDirective, Status, Tick, Trace, Validity, Verdict,
};
use prost::Message as _;
use proto::v1;

use self::host::FakeHost;
use crate::{Call, Client, Config, Counter, Effect, GrpcFailure, LocalReply, Now, Proceed, StreamId};

/// Without a feed, so that a tick only does what a test is about.
const MINIMAL: &str = r#"{"mixer": {"cluster": "mixer"}, "attributes": {"target.service": "reviews"},
    "feed": {"enabled": false}}"#;
const SECOND: u64 = 1_000_000_000;

fn at(nanos: u64) -> Now {
    Now { tick: Tick(nanos), unix_nanos: 1_500_000_000 * SECOND + nanos }
}

fn client(config: &str) -> Client {
    Client::new(Config::parse(config.as_bytes()).expect("a configuration"), at(0))
}

fn dictionary() -> Dictionary {
    Dictionary::parse(include_str!("../../../config/dictionary.txt")).expect("the dictionary")
}

/// What a call carries, read as the server would.
fn check_request(call: &Call) -> (v1::CheckRequest, Bag) {
    let request = v1::CheckRequest::decode(call.message.as_slice()).expect("a check");
    let mut message = request.attributes.clone().expect("attributes");
    let words = std::mem::take(&mut message.words);
    let dictionary = dictionary();
    let expander = attributes::wire::Expander::new(&dictionary, request.global_word_count, words);
    let bag = expander.bag(message).expect("whole");
    (request, bag)
}

/// The answer of our server: it looked at what `look` looks at.
fn answer(bag: &Bag, verdict: &Verdict, revision: u64, look: impl Fn(&mut Recorder<'_>)) -> Vec<u8> {
    let mut recorder = Recorder::new(bag);
    look(&mut recorder);
    let (trace, dictionary) = (recorder.into_trace(), dictionary());
    // With all words in the message, which every client understands.
    let precondition = encode_precondition(verdict, verdict.validity, &trace, &dictionary, 0, true);
    let response = v1::CheckResponse {
        precondition: Some(precondition),
        revision,
        hash_seed: vec![7; 16],
        ..v1::CheckResponse::default()
    };
    response.encode_to_vec()
}

fn look_at_path(r: &mut Recorder<'_>) {
    r.value(&"request.path".into());
}

fn verdict(code: Code, message: &str) -> Verdict {
    Verdict::new(Status::new(code, message), Validity::Revision)
}

/// What was counted, but for the gauges.
fn counts(client: &mut Client) -> Vec<(Counter, i64)> {
    client.take_counts().filter(|(counter, _)| !counter.is_gauge()).collect()
}

fn the_check(effects: &[Effect]) -> &Call {
    match effects {
        [Effect::Check { call, .. }] => call,
        other => panic!("expected one call, got {other:?}"),
    }
}

fn the_reply(effects: &[Effect]) -> &LocalReply {
    let replies: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Reply { reply, .. } => Some(reply),
            _ => None,
        })
        .collect();
    match replies.as_slice() {
        [reply] => reply,
        other => panic!("expected one reply, got {other:?}"),
    }
}

/// Sends a request through and answers its call, if it makes one.
fn request(client: &mut Client, id: u32, host: &FakeHost, verdict: &Verdict) -> (bool, Vec<Effect>) {
    let effects = client.on_request_headers(StreamId(id), host, at(u64::from(id)));
    if !effects.iter().any(|effect| matches!(effect, Effect::Check { .. })) {
        return (false, effects);
    }
    let (_, bag) = check_request(the_check(&effects));
    let answer = answer(&bag, verdict, 1, look_at_path);
    (true, client.on_answer(StreamId(id), Ok(&answer), host, at(u64::from(id))))
}

#[test]
fn a_request_is_checked_once_and_then_answered_from_the_cache() {
    let mut client = client(MINIMAL);
    let (a, b) = (FakeHost::get("/a"), FakeHost::get("/b"));
    let ok = verdict(Code::Ok, "");
    assert_eq!(request(&mut client, 1, &a, &ok), (true, vec![Effect::Resume { stream: StreamId(1) }]));
    assert_eq!(request(&mut client, 2, &a, &ok), (false, vec![]));
    assert_eq!(client.proceed(StreamId(2)), Proceed::Continue);
    assert!(
        request(&mut client, 3, &b, &verdict(Code::PermissionDenied, "no")).0,
        "another path is another walk"
    );
    let (called, effects) = request(&mut client, 4, &b, &ok);
    assert!(!called);
    let reply = the_reply(&effects);
    assert_eq!((reply.status, reply.body.as_str()), (403, "PERMISSION_DENIED:no"));
    assert_eq!((reply.grpc_status, reply.details), (Some(7), "mixer_access_denied"));
    assert_eq!(client.proceed(StreamId(4)), Proceed::Pause);
    assert_eq!(
        counts(&mut client),
        [
            (Counter::CheckCalls, 4),
            (Counter::CheckCacheHits, 2),
            (Counter::CheckCacheMisses, 2),
            (Counter::CheckCacheHitAccepts, 1),
            (Counter::CheckCacheHitDenies, 1),
            (Counter::RemoteCheckCalls, 2),
            (Counter::RemoteCheckAccepts, 1),
            (Counter::RemoteCheckDenies, 1),
            (Counter::RemoteCalls, 2),
            (Counter::RemoteCallSuccesses, 2),
            (Counter::MissesCold, 2),
            (Counter::RevisionChanges, 1),
        ]
    );
    assert!(counts(&mut client).is_empty(), "counts are taken once");
}

#[test]
fn the_cache_tells_what_it_holds() {
    let mut client = client(MINIMAL);
    let ok = verdict(Code::Ok, "");
    request(&mut client, 1, &FakeHost::get("/a"), &ok);
    request(&mut client, 2, &FakeHost::get("/b"), &ok);
    let gauges = |client: &mut Client| {
        let gauges = client.take_counts().filter(|(counter, _)| counter.is_gauge());
        gauges.map(|(counter, change)| (counter, change.signum())).collect::<Vec<_>>()
    };
    let all = |change| [Counter::Entries, Counter::Nodes, Counter::Bytes].map(|gauge| (gauge, change));
    assert_eq!(gauges(&mut client), all(1));
    assert_eq!(gauges(&mut client), []);
    client.cache.clear();
    assert_eq!(gauges(&mut client), all(-1));
}

#[test]
fn a_check_says_all_that_the_proxy_knows() {
    let mut client = client(MINIMAL);
    let mut host = FakeHost::get("/a?x=1&y&x=2");
    host.header("cookie", b"a=1").header("cookie", b"b=2").header("x-odd", b"\xff").header("accept", b"a");
    host.header("accept", b"b").header("x-istio-attributes", b"c3Bvb2Y=");
    host.property("source.address", b"10.0.0.7:3000").property("connection.mtls", &[1]);
    host.property("connection.uri_san_peer_certificate", b"spiffe://cluster.local/ns/prod/sa/web");
    let effects = client.on_request_headers(StreamId(1), &host, at(5));
    let (request, bag) = check_request(the_check(&effects));
    assert!(request.accepts_trace && !request.deduplication_id.is_empty());
    let get = |name: &str| bag.value(name).map(ToString::to_string);
    for (name, value) in [
        ("target.service", "reviews"),
        ("destination.service", "reviews"),
        ("destination.service.host", "reviews"),
        ("request.path", "/a?x=1&y&x=2"),
        ("request.url_path", "/a"),
        ("request.query_params", "{x: 1, y: }"),
        ("request.method", "GET"),
        ("request.host", "reviews.local"),
        ("request.scheme", "http"),
        ("context.protocol", "http"),
        ("source.ip", "10.0.0.7"),
        ("origin.ip", "10.0.0.7"),
        ("source.port", "3000"),
        ("source.user", "cluster.local/ns/prod/sa/web"),
        ("source.namespace", "prod"),
        ("connection.mtls", "true"),
        ("request.time", "2017-07-14T02:40:00.000000005Z"),
    ] {
        assert_eq!(get(name).as_deref(), Some(value), "{name}");
    }
    let Some(Value::StringMap(headers)) = bag.value("request.headers") else { panic!("headers") };
    assert_eq!(headers.get("cookie"), Some("a=1; b=2"));
    assert_eq!(headers.get("accept"), Some("a,b"), "no line hides behind another");
    assert_eq!(headers.get("x-odd"), Some("\u{fffd}"));
    assert_eq!(headers.get("x-istio-attributes"), None, "nobody's attributes but the proxy's");
    assert_eq!(get("response.code"), None);
}

#[test]
fn forwarded_attributes_are_stripped_on_every_way() {
    let mut host = FakeHost::get("/a");
    host.header("X-Istio-Attributes", b"c3Bvb2Y=");
    let stripped = |stream| Effect::EditRequest {
        stream: StreamId(stream),
        operations: vec![HeaderOperation { name: "x-istio-attributes".into(), operation: Operation::Remove }],
    };
    let mut checked = client(MINIMAL);
    let ok = verdict(Code::Ok, "");
    assert_eq!(request(&mut checked, 1, &host, &ok).1, [stripped(1), Effect::Resume { stream: StreamId(1) }]);
    assert_eq!(request(&mut checked, 2, &host, &ok), (false, vec![stripped(2)]));
    let mut unchecked = client(r#"{"mixer": {"cluster": "mixer"}, "check": {"enabled": false}}"#);
    assert_eq!(request(&mut unchecked, 3, &host, &ok), (false, vec![stripped(3)]));
}

#[test]
fn what_the_proxy_verified_goes_before_what_is_configured() {
    let config = r#"{"mixer": {"cluster": "mixer"}, "attributes":
        {"source.user": "admin", "destination.ip": {"ip": "10.9.9.9"}, "request.path": "/spoofed"}}"#;
    let mut host = FakeHost::get("/a");
    host.property("connection.uri_san_peer_certificate", b"spiffe://td/ns/x/sa/eve");
    host.property("upstream.address", b"10.1.1.1:80");
    let mut client = client(config);
    let effects = client.on_request_headers(StreamId(1), &host, at(5));
    let (_, bag) = check_request(the_check(&effects));
    let get = |name: &str| bag.value(name).map(ToString::to_string);
    assert_eq!(get("source.user").as_deref(), Some("td/ns/x/sa/eve"));
    assert_eq!(get("request.path").as_deref(), Some("/a"));
    assert_eq!(
        get("destination.ip").as_deref(),
        Some("10.9.9.9"),
        "the destination is the operator's to name"
    );
}

#[test]
fn a_call_that_fails_is_decided_by_the_policy_of_its_class() {
    let failures = [
        (Code::Unavailable, "no healthy upstream", "unreachable", 503),
        (Code::Unavailable, "configuration is not yet available", "no_config", 503),
        (Code::Unavailable, "upstream request timeout", "timeout", 504),
        (Code::DeadlineExceeded, "", "timeout", 504),
        (Code::ResourceExhausted, "", "overloaded", 503),
        (Code::Unavailable, "upstream connect error … reset reason: overflow", "overloaded", 503),
        (Code::Internal, "", "server_error", 500),
        (Code::PermissionDenied, "not a verdict: the call failed", "server_error", 500),
    ];
    for (code, message, class, status) in failures {
        let failure = || Err(GrpcFailure { code, message: message.to_owned() });
        let host = FakeHost::get("/a");
        let mut closed = client(MINIMAL);
        closed.on_request_headers(StreamId(1), &host, at(0));
        let effects = closed.on_answer(StreamId(1), failure(), &host, at(1));
        assert_eq!(the_reply(&effects).status, status, "{class}");
        assert!(matches!(&effects[0], Effect::Warn(text) if text.contains(class)), "{effects:?}");

        let mut open = client(&format!(
            r#"{{"mixer": {{"cluster": "mixer"}}, "check": {{"failure": {{"{class}": "open"}}}}}}"#
        ));
        open.on_request_headers(StreamId(1), &host, at(0));
        let effects = open.on_answer(StreamId(1), failure(), &host, at(1));
        assert!(matches!(effects.as_slice(), [Effect::Warn(_), Effect::Resume { .. }]), "{effects:?}");
        assert!(counts(&mut open).contains(&(Counter::FailedOpen, 1)), "nothing opens silently");
    }
}

#[test]
fn headers_that_cannot_be_read_are_not_absent_headers() {
    let mut client = client(MINIMAL);
    request(&mut client, 1, &FakeHost::default(), &verdict(Code::Ok, ""));
    let effects = client.on_request_headers(StreamId(2), &FakeHost::blind(), at(9));
    assert_eq!(the_reply(&effects).body, "INTERNAL:the request cannot be read");
    assert!(counts(&mut client).contains(&(Counter::FailedClosed, 1)));
}

#[test]
fn an_answer_that_is_none_is_a_failure() {
    let host = FakeHost::get("/a");
    for bytes in [&[0xff; 9][..], &v1::CheckResponse::default().encode_to_vec()] {
        let mut client = client(MINIMAL);
        client.on_request_headers(StreamId(1), &host, at(0));
        let effects = client.on_answer(StreamId(1), Ok(bytes), &host, at(1));
        assert_eq!(the_reply(&effects).status, 500);
    }
}

#[test]
fn a_verdict_that_something_failed_is_a_refusal_whatever_the_policy_for_failed_calls() {
    let open = r#"{"mixer": {"cluster": "mixer"}, "check": {"failure": {"policy": "open"}}}"#;
    let mut client = client(open);
    let host = FakeHost::get("/a");
    let mut failed = verdict(Code::Internal, "an adapter failed");
    failed.validity = Validity::Never;
    assert_eq!(the_reply(&request(&mut client, 1, &host, &failed).1).status, 500);
    assert!(request(&mut client, 2, &host, &failed).0, "and it is not remembered");
    assert!(counts(&mut client).contains(&(Counter::Uncacheable, 2)));
}

#[test]
fn the_clients_own_deadline_answers_exactly_once() {
    let host = FakeHost::get("/a");
    let mut client = client(MINIMAL);
    client.on_request_headers(StreamId(1), &host, at(0));
    client.on_call_sent(StreamId(1), 77);
    assert_eq!(client.on_tick(at(SECOND - 1)), []);
    assert_eq!(client.proceed(StreamId(1)), Proceed::Pause);
    let effects = client.on_tick(at(SECOND));
    assert_eq!(effects[0], Effect::Cancel { token: 77 });
    assert_eq!(the_reply(&effects).status, 504);
    // The answer comes after all: nobody waits for it any more.
    let late = answer(&Bag::new(), &verdict(Code::Ok, ""), 1, |_| {});
    assert_eq!(client.on_answer(StreamId(1), Ok(&late), &host, at(2 * SECOND)), []);
    assert_eq!(client.on_tick(at(3 * SECOND)), []);
}

#[test]
fn a_stream_that_ends_while_its_call_is_on_the_way_cancels_it() {
    let host = FakeHost::get("/a");
    let mut client = client(MINIMAL);
    client.on_request_headers(StreamId(1), &host, at(0));
    client.on_call_sent(StreamId(1), 5);
    assert_eq!(client.on_log(StreamId(1), &host, at(1)), [Effect::Cancel { token: 5 }]);
    assert_eq!(client.on_closed(StreamId(1)), []);
    assert!(counts(&mut client).contains(&(Counter::RemoteCallCancellations, 1)));
    // The number comes again for another stream; the first one's deadline is not its.
    client.on_request_headers(StreamId(1), &host, at(SECOND / 2));
    assert_eq!(client.on_tick(at(SECOND)), []);
    assert!(!client.on_tick(at(2 * SECOND)).is_empty());
}

#[test]
fn a_server_that_does_not_know_the_words_is_asked_again_without_numbers() {
    let host = FakeHost::get("/a");
    let mut client = client(MINIMAL);
    client.word_count = 100;
    client.on_request_headers(StreamId(1), &host, at(0));
    let mismatch = || {
        let message = "inconsistent global dictionary versions used: mixer knows 50 words, caller knows 100";
        Err(GrpcFailure { code: Code::FailedPrecondition, message: message.to_owned() })
    };
    let effects = client.on_answer(StreamId(1), mismatch(), &host, at(1));
    let (request, bag) = check_request(the_check(&effects));
    assert_eq!((request.global_word_count, bag.value("request.path")), (0, Some(&Value::from("/a"))));
    // There is nothing left to shrink, and the next request knows better from the start.
    let effects = client.on_answer(StreamId(1), mismatch(), &host, at(2));
    assert_eq!(the_reply(&effects).status, 500);
    let effects = client.on_request_headers(StreamId(2), &host, at(3));
    assert_eq!(check_request(the_check(&effects)).0.global_word_count, 0);
}

#[test]
fn a_verdict_about_another_request_is_none() {
    let mut client = client(MINIMAL);
    let host = FakeHost::get("/admin");
    client.on_request_headers(StreamId(1), &host, at(0));
    let other: Bag = [("request.path", "/public")].into_iter().collect();
    let misread = answer(&other, &verdict(Code::Ok, ""), 1, look_at_path);
    let effects = client.on_answer(StreamId(1), Ok(&misread), &host, at(1));
    assert_eq!(the_reply(&effects).body, "INTERNAL:the policy server's answer cannot be read");
    assert!(counts(&mut client).contains(&(Counter::FailedClosed, 1)));
}

#[test]
fn a_new_revision_hides_what_was_cached_under_the_old_one() {
    let mut client = client(MINIMAL);
    let (a, b) = (FakeHost::get("/a"), FakeHost::get("/b"));
    request(&mut client, 1, &a, &verdict(Code::Ok, ""));
    let effects = client.on_request_headers(StreamId(2), &b, at(2));
    let (_, bag) = check_request(the_check(&effects));
    let denied = answer(&bag, &verdict(Code::PermissionDenied, ""), 2, look_at_path);
    client.on_answer(StreamId(2), Ok(&denied), &b, at(3));
    assert!(request(&mut client, 4, &a, &verdict(Code::Ok, "")).0, "the policy changed: ask again");
}

#[test]
fn the_answers_of_a_server_without_traces_are_cached_too() {
    let host = FakeHost::get("/a");
    let mut client = client(MINIMAL);
    let effects = client.on_request_headers(StreamId(1), &host, at(0));
    let (request, bag) = check_request(the_check(&effects));
    let mut recorder = Recorder::new(&bag);
    look_at_path(&mut recorder);
    recorder.entry(&"request.headers".into(), &"x-user".into());
    let trace: Trace = recorder.into_trace();
    let response = v1::CheckResponse {
        precondition: Some(v1::check_response::PreconditionResult {
            valid_duration: Some(proto::Duration { seconds: 1, nanos: 0 }),
            valid_use_count: 2,
            referenced_attributes: Some(encode_references(&trace, &dictionary(), request.global_word_count)),
            ..v1::check_response::PreconditionResult::default()
        }),
        ..v1::CheckResponse::default()
    };
    client.on_answer(StreamId(1), Ok(&response.encode_to_vec()), &host, at(1));
    let mut other = FakeHost::get("/a");
    other.header("x-user", b"eve");
    assert!(
        !client.on_request_headers(StreamId(2), &other, at(2)).is_empty(),
        "another user is another walk"
    );
    for (id, calls) in [(3, 0), (4, 0), (5, 1)] {
        assert_eq!(client.on_request_headers(StreamId(id), &host, at(3)).len(), calls, "two uses, then none");
    }
}

#[test]
fn directives_change_headers_and_answer_directly() {
    let set = |name: &str, value: &str| HeaderOperation {
        name: name.into(),
        operation: Operation::Replace(value.into()),
    };
    let add = |name: &str, value: &str| HeaderOperation {
        name: name.into(),
        operation: Operation::Append(value.into()),
    };
    let mut allowed = verdict(Code::Ok, "");
    allowed.directive = Some(RouteDirective {
        request_headers: vec![set(":path", "/new")],
        response_headers: vec![add("x-a", "1")],
        ..RouteDirective::default()
    });
    let host = FakeHost::get("/a");
    let mut client = client(MINIMAL);
    let edit = |id| Effect::EditRequest { stream: StreamId(id), operations: vec![set(":path", "/new")] };
    let (_, effects) = request(&mut client, 1, &host, &allowed);
    assert_eq!(effects, [edit(1), Effect::Resume { stream: StreamId(1) }]);
    assert_eq!(client.on_response_headers(StreamId(1)), [add("x-a", "1")]);
    assert_eq!(client.on_response_headers(StreamId(1)), [], "once");
    assert_eq!(request(&mut client, 2, &host, &allowed), (false, vec![edit(2)]), "from the cache as well");

    let mut direct = verdict(Code::Unauthenticated, "who?");
    direct.directive = Some(RouteDirective {
        response_headers: vec![add("set-cookie", "a"), add("set-cookie", "b"), set("location", "/login")],
        direct_response_code: Some(302),
        direct_response_body: "go there".into(),
        ..RouteDirective::default()
    });
    let (_, effects) = request(&mut client, 3, &FakeHost::get("/b"), &direct);
    let reply = the_reply(&effects);
    let headers: Vec<_> = reply.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!((reply.status, reply.body.as_str()), (302, "go there"));
    assert_eq!(headers, ["set-cookie=a", "set-cookie=b", "location=/login"]);
    assert_eq!(client.on_response_headers(StreamId(3)), [], "they are in the reply already");
}

#[test]
fn decisions_are_explained_to_trusted_peers_only() {
    let config = r#"{"mixer": {"cluster": "mixer"}, "explain": {"trusted": ["10.0.0.0/8"]}}"#;
    let mut client = client(config);
    let mut host = FakeHost::get("/a\u{e9}");
    host.header("x-mixer-explain", b"1").property("source.address", b"10.1.2.3:4");
    let mut no = verdict(Code::PermissionDenied, "no");
    no.refused_by = Some("global/global rules[0].aspects[0]".into());
    let explained = |effects: &[Effect]| the_reply(effects).headers.clone();
    let (_, effects) = request(&mut client, 1, &host, &no);
    let told = "revision 0000000000000001; PERMISSION_DENIED by global/global rules[0].aspects[0]; request.path is \"/a\\u{e9}\"";
    let header = |origin: &str| vec![("x-mixer-explain".to_owned(), format!("{origin}; {told}"))];
    assert_eq!(explained(&effects), header("cache miss (cold)"));
    let (_, effects) = request(&mut client, 2, &host, &no);
    assert_eq!(explained(&effects), header("cache hit"));

    host.property("source.address", b"11.1.2.3:4");
    let (_, effects) = request(&mut client, 3, &host, &no);
    assert_eq!(explained(&effects), [], "nobody else learns anything");

    // An allowed request is explained in its response, and the application does not see the question.
    let mut host = FakeHost::get("/b");
    host.header("x-mixer-explain", b"1").property("source.address", b"10.1.2.3:4");
    let (_, effects) = request(&mut client, 4, &host, &verdict(Code::Ok, ""));
    let removed = HeaderOperation { name: "x-mixer-explain".into(), operation: Operation::Remove };
    let operations = vec![removed];
    let stripped = Effect::EditRequest { stream: StreamId(4), operations };
    assert_eq!(effects, [stripped, Effect::Resume { stream: StreamId(4) }]);
    let operations = client.on_response_headers(StreamId(4));
    assert!(
        matches!(operations.as_slice(), [HeaderOperation { name, operation: Operation::Replace(how) }]
            if name == "x-mixer-explain" && how.starts_with("cache miss (cold); ") && how.contains("; OK; ")),
        "{operations:?}"
    );
}

type Field<'a> = (&'a str, &'a [(&'a str, &'a [u8])]);

#[test]
fn a_route_overrides_attributes_and_switches() {
    let mut client = client(MINIMAL);
    let mut host = FakeHost::get("/a");
    let metadata = |fields: &[Field<'_>]| {
        let fields: Vec<_> = fields.iter().map(|(name, entries)| (*name, host::pairs(entries))).collect();
        let fields: Vec<_> = fields.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        host::pairs(&fields)
    };
    let route = "xds.route_metadata.filter_metadata.mixer";
    host.property(
        route,
        &metadata(&[("attributes", &[("target.service", b"ratings"), ("api.version", b"v2")])]),
    );
    let effects = client.on_request_headers(StreamId(1), &host, at(0));
    let (_, bag) = check_request(the_check(&effects));
    for name in ["target.service", "destination.service"] {
        assert_eq!(bag.value(name), Some(&Value::from("ratings")), "{name}");
    }
    assert_eq!(bag.value("api.version"), Some(&Value::from("v2")));

    host.property(route, &metadata(&[("check", &[("enabled", &[0])]), ("report", &[("enabled", &[0])])]));
    assert_eq!(client.on_request_headers(StreamId(2), &host, at(0)), []);
    client.on_log(StreamId(2), &host, at(0));
    assert_eq!(client.on_tick(at(0)), []);

    // What cannot be read switches nothing off, and no other service's rules apply instead.
    for broken in [metadata(&[("check", &[("enabled", b"no")])]), metadata(&[("chek", &[])]), vec![1]] {
        host.property(route, &broken);
        let effects = client.on_request_headers(StreamId(3), &host, at(0));
        assert_eq!(the_reply(&effects).body, "INTERNAL:the route's policy metadata cannot be read");
    }
    host.unobtainable(route);
    let effects = client.on_request_headers(StreamId(4), &host, at(0));
    assert_eq!(the_reply(&effects).body, "INTERNAL:the route's policy metadata cannot be read");
    assert!(counts(&mut client).contains(&(Counter::InvalidRouteOverrides, 4)));
}
