//! Tests of the line: when it is opened, what is asked on it, and what becomes of that when it is lost.

use checkcache::{Code, Tick};
use prost::Message as _;
use proto::checks::{Answer, Question};
use proto::v1::CheckRequest;

use super::host::FakeHost;
use super::{MINIMAL, SECOND, answer, at, client, counts, look_at_path, the_check, the_reply, verdict};
use crate::{Call, Client, Counter, Effect, GrpcFailure, Proceed, StreamId, limits};

/// The shell's number for the line.
const LINE: u32 = 900;

fn of_code(code: Code) -> GrpcFailure {
    GrpcFailure { code, message: "gone".into() }
}

/// What is said for a question.
fn said(id: u64, response: Vec<u8>) -> Vec<u8> {
    Answer { id, response, ..Answer::default() }.encode_to_vec()
}

/// Sends a request through and has it wait.
fn ask(client: &mut Client, id: u32, now: u64) -> Vec<Effect> {
    client.on_request_headers(StreamId(id), &FakeHost::get(&format!("/{id}")), at(now))
}

/// The question that an effect is, and the check in it.
fn question(effects: &[Effect]) -> (u64, CheckRequest) {
    let [Effect::Ask { token: LINE, message, .. }] = effects else { panic!("a question: {effects:?}") };
    let Question { id, request, timeout_ms } = Question::decode(message.as_slice()).expect("a question");
    assert_ne!(timeout_ms, 0);
    (id, CheckRequest::decode(request).expect("a check"))
}

/// Enough checks for a line, with streams from 1 on; each waits for its call.
fn busy(client: &mut Client, now: u64) {
    for id in 1..=limits::LINE_CHECKS as u32 {
        the_check(&ask(client, id, now));
    }
}

/// A client with a line on which the server has spoken at `now`.
fn on_line(config: &str, now: u64) -> Client {
    let mut client = client(config);
    busy(&mut client, now);
    assert_eq!(client.on_tick(at(now)), [Effect::OpenLine]);
    client.on_line_opened(LINE);
    assert_eq!(client.on_line_message(&said(0, Vec::new()), at(now)), None);
    for id in 1..=limits::LINE_CHECKS as u32 {
        client.on_closed(StreamId(id));
    }
    counts(&mut client);
    client
}

/// Brings an answer to whom it is for.
fn hear(client: &mut Client, id: u32, message: &[u8], now: u64) -> Vec<Effect> {
    let Some((stream, answer)) = client.on_line_message(message, at(now)) else { return Vec::new() };
    assert_eq!(stream, StreamId(id));
    let answer = answer.as_deref().map_err(Clone::clone);
    client.on_answer(stream, answer, &FakeHost::get(&format!("/{id}")), at(now))
}

fn allowed(id: u32) -> Vec<u8> {
    let path = format!("/{id}");
    let bag = [("request.path", path.as_str())].into_iter().collect();
    answer(&bag, &verdict(Code::Ok, ""), 1, look_at_path)
}

/// The shell does as it is told: the call that each of the streams makes instead.
fn again(client: &mut Client, effects: &[Effect], now: u64) -> Vec<(u32, Call)> {
    let mut calls = Vec::new();
    for effect in effects {
        let Effect::AskAgain { stream } = effect else { continue };
        let host = FakeHost::get(&format!("/{}", stream.0));
        let effects = client.on_answer(*stream, Err(of_code(Code::Unavailable)), &host, at(now));
        calls.push((stream.0, the_check(&effects).clone()));
    }
    calls.sort_by_key(|(stream, _)| *stream);
    calls
}

#[test]
fn a_line_is_opened_when_it_pays_and_used_when_the_server_has_spoken() {
    let mut client = client(MINIMAL);
    for id in 1..limits::LINE_CHECKS as u32 {
        the_check(&ask(&mut client, id, 0));
    }
    assert_eq!(client.on_tick(at(1)), [], "one more would do");
    busy(&mut client, 2);
    assert_eq!(client.on_tick(at(3)), [Effect::OpenLine]);
    assert_eq!(client.on_tick(at(4)), [], "not twice");
    client.on_line_opened(LINE);
    the_check(&ask(&mut client, 50, 5));
    assert_eq!(client.on_line_message(&said(0, Vec::new()), at(6)), None);
    let (id, check) = question(&ask(&mut client, 51, 7));
    assert_eq!(id >> 32, 51);
    assert!(check.accepts_trace && !check.deduplication_id.is_empty());
    let other = question(&ask(&mut client, 52, 7)).0;
    assert_eq!(client.proceed(StreamId(51)), Proceed::Pause);

    // In whatever order answers come.
    assert_eq!(
        hear(&mut client, 52, &said(other, allowed(52)), 8),
        [Effect::Resume { stream: StreamId(52) }]
    );
    assert_eq!(hear(&mut client, 51, &said(id, allowed(51)), 8), [Effect::Resume { stream: StreamId(51) }]);
    assert_eq!(hear(&mut client, 51, &said(id, allowed(51)), 9), [], "an answer is heard once");
    assert_eq!(ask(&mut client, 51, 10), [], "and it is cached");
    let counts = counts(&mut client);
    for expected in [(Counter::LineOpens, 1), (Counter::LineQuestions, 2), (Counter::RemoteCallSuccesses, 2)]
    {
        assert!(counts.contains(&expected), "{counts:?}");
    }
}

#[test]
fn an_answer_finds_its_own_stream_or_none() {
    let mut client = on_line(MINIMAL, 0);
    let (first, _) = question(&ask(&mut client, 77, 1));
    client.on_closed(StreamId(77));
    // The proxy's number comes again; the answer to what the first one asked is not for the second.
    let (second, _) = question(&ask(&mut client, 77, 2));
    assert_ne!(first, second);
    assert_eq!(client.on_line_message(&said(first, allowed(77)), at(3)), None);
    assert_eq!(client.on_line_message(&said(u64::MAX, allowed(77)), at(3)), None);
    assert_eq!(client.proceed(StreamId(77)), Proceed::Pause);
    assert_eq!(
        hear(&mut client, 77, &said(second, allowed(77)), 4),
        [Effect::Resume { stream: StreamId(77) }]
    );
}

#[test]
fn what_the_server_says_of_a_question_is_as_good_as_of_a_call() {
    let mut client = on_line(MINIMAL, 0);
    let (id, _) = question(&ask(&mut client, 60, 1));
    let refusal = answer(
        &[("request.path", "/60")].into_iter().collect(),
        &verdict(Code::PermissionDenied, "no"),
        1,
        look_at_path,
    );
    assert_eq!(the_reply(&hear(&mut client, 60, &said(id, refusal), 2)).status, 403);
    // It failed: that is its word, and nobody is asked again.
    let (id, _) = question(&ask(&mut client, 61, 3));
    let failed = Answer { id, code: 8, message: "too much to do".into(), ..Answer::default() };
    let effects = hear(&mut client, 61, &failed.encode_to_vec(), 4);
    assert_eq!(the_reply(&effects).status, 503);
    // It does not know the words: asked again, on the line.
    client.word_count = 100;
    let (id, check) = question(&ask(&mut client, 62, 5));
    assert_eq!(check.global_word_count, 100);
    let message = "inconsistent global dictionary versions used: mixer knows 50 words, caller knows 100";
    let mismatch = Answer { id, code: 3, message: message.into(), ..Answer::default() };
    let (again, check) = question(&hear(&mut client, 62, &mismatch.encode_to_vec(), 6));
    assert_eq!((check.global_word_count, again == id), (0, false));
}

#[test]
fn what_was_asked_on_a_line_that_is_lost_is_asked_again_by_a_call() {
    for code in [Code::Unavailable, Code::Ok, Code::Internal] {
        let mut client = on_line(MINIMAL, 0);
        let ids: Vec<_> = (60..63).map(|id| question(&ask(&mut client, id, 1)).1.deduplication_id).collect();
        let effects = client.on_line_closed(&of_code(code), at(SECOND / 4));
        let calls = again(&mut client, &effects, SECOND / 4);
        assert_eq!(calls.iter().map(|(stream, _)| *stream).collect::<Vec<_>>(), [60, 61, 62]);
        for ((_, call), id) in calls.iter().zip(&ids) {
            let check = CheckRequest::decode(call.message.as_slice()).expect("a check");
            assert_eq!(check.deduplication_id, *id, "so that what it charges is charged once");
            assert_eq!(
                Tick(0).after(call.timeout),
                Tick(SECOND - SECOND / 4 + 1),
                "the deadline is the same"
            );
        }
        // A server that ends in good order is no loss.
        let counts = counts(&mut client);
        assert_eq!(counts.contains(&(Counter::LineLosses, 1)), code != Code::Ok);
        for call in
            [(Counter::RemoteCalls, 6), (Counter::RemoteCallSendErrors, 3), (Counter::RemoteCallRetries, 3)]
        {
            assert!(counts.contains(&call), "{counts:?}");
        }
        // The call fails too, and that is the end of it.
        let host = FakeHost::get("/60");
        let effects = client.on_answer(StreamId(60), Err(of_code(Code::Unavailable)), &host, at(SECOND / 2));
        assert_eq!(the_reply(&effects).status, 503);
        the_check(&ask(&mut client, 70, SECOND / 2));
    }
}

#[test]
fn a_line_on_which_nothing_comes_back_is_lost_while_there_is_time() {
    let mut client = on_line(MINIMAL, 0);
    question(&ask(&mut client, 60, SECOND));
    let (other, _) = question(&ask(&mut client, 61, SECOND + SECOND / 4));
    assert_eq!(client.on_tick(at(SECOND + SECOND / 2 - 1)), []);
    // Something comes: whoever waits longer waits for an adapter.
    hear(&mut client, 61, &said(other, allowed(61)), SECOND + SECOND / 2);
    assert_eq!(client.on_tick(at(SECOND + SECOND / 2)), []);
    let effects = client.on_tick(at(2 * SECOND));
    assert_eq!(the_reply(&effects).status, 504, "that one was slow, and the line is not to blame");
    assert!(!effects.contains(&Effect::Cancel { token: LINE }));

    question(&ask(&mut client, 62, 3 * SECOND));
    let effects = client.on_tick(at(3 * SECOND + SECOND / 2));
    assert!(effects.contains(&Effect::Cancel { token: LINE }), "{effects:?}");
    let calls = again(&mut client, &effects, 3 * SECOND + SECOND / 2);
    let [(62, call)] = calls.as_slice() else { panic!("one call: {calls:?}") };
    assert_eq!(Tick(0).after(call.timeout), Tick(SECOND / 2));
    // What comes all the same on what the shell has cancelled.
    assert_eq!(client.on_line_message(&said(1, allowed(62)), at(4 * SECOND)), None);
    assert!(counts(&mut client).contains(&(Counter::LineLosses, 1)));
}

#[test]
fn a_line_that_takes_no_question_or_speaks_nonsense_is_given_up() {
    for nonsense in [false, true] {
        let mut client = on_line(MINIMAL, 0);
        question(&ask(&mut client, 60, 1));
        question(&ask(&mut client, 61, 1));
        if nonsense {
            assert_eq!(client.on_line_message(b"\xff\xff\xff", at(2)), None);
        } else {
            // The shell could not ask: it says so, and the check is a call.
            let failure = Err(of_code(Code::Unavailable));
            the_check(&client.on_answer(StreamId(61), failure, &FakeHost::get("/61"), at(2)));
        }
        the_check(&ask(&mut client, 62, 3));
        let effects = client.on_tick(at(4));
        assert!(effects.contains(&Effect::Cancel { token: LINE }), "{effects:?}");
        let calls = again(&mut client, &effects, 4);
        let streams: Vec<_> = calls.iter().map(|(stream, _)| *stream).collect();
        assert_eq!(streams, if nonsense { vec![60, 61] } else { vec![60] });
        for id in 60..63 {
            assert_eq!(client.proceed(StreamId(id)), Proceed::Pause, "each waits for its call");
        }
    }
}

#[test]
fn a_server_that_knows_no_lines_is_called() {
    let mut client = client(MINIMAL);
    busy(&mut client, 0);
    assert_eq!(client.on_tick(at(1)), [Effect::OpenLine]);
    client.on_line_opened(LINE);
    assert_eq!(client.on_line_closed(&of_code(Code::Unimplemented), at(2)), [], "nothing to worry about");
    let opens = |client: &mut Client, now: u64| {
        busy(client, now);
        client.on_tick(at(now)).contains(&Effect::OpenLine)
    };
    assert!(!opens(&mut client, 29 * SECOND));
    assert!(opens(&mut client, 61 * SECOND));
    // One that is there and keeps silent is not waited for.
    client.on_line_opened(LINE);
    assert!(client.on_tick(at(66 * SECOND)).contains(&Effect::Cancel { token: LINE }));
    // One that cannot be reached is tried again, less and less often.
    let mut times = Vec::new();
    for step in 0..1200 {
        let now = 70 * SECOND + step * SECOND / 20;
        if opens(&mut client, now) {
            times.push(step);
            client.on_line_closed(&of_code(Code::Unavailable), at(now));
        }
    }
    assert!((5..20).contains(&times.len()), "{times:?}");
}

#[test]
fn a_line_is_opened_anew_after_a_while_and_loses_nothing() {
    let mut client = on_line(MINIMAL, 0);
    let age = limits::LINE_AGE.as_nanos() as u64;
    let (id, _) = question(&ask(&mut client, 60, age - 1));
    assert_eq!(client.on_tick(at(age)), []);
    // Who waits has his answer on the old one; others call.
    the_check(&ask(&mut client, 61, age + 1));
    assert_eq!(client.on_tick(at(age + 2)), []);
    assert_eq!(
        hear(&mut client, 60, &said(id, allowed(60)), age + 3),
        [Effect::Resume { stream: StreamId(60) }]
    );
    assert_eq!(client.on_tick(at(age + 4)), [Effect::Cancel { token: LINE }]);
    busy(&mut client, age + 5);
    assert_eq!(client.on_tick(at(age + 5)), [Effect::OpenLine], "at once");
    assert!(!counts(&mut client).iter().any(|(counter, _)| *counter == Counter::LineLosses));
}

#[test]
fn no_more_wait_on_a_line_than_it_takes() {
    let mut client = on_line(MINIMAL, 0);
    let questions = limits::LINE_QUESTIONS as u32;
    let ids: Vec<_> = (0..questions).map(|id| question(&ask(&mut client, 100 + id, 1)).0).collect();
    the_check(&ask(&mut client, 50, 2));
    hear(&mut client, 100, &said(ids[0], allowed(100)), 3);
    question(&ask(&mut client, 51, 4));
    // A stream that ends waits no more.
    client.on_log(StreamId(101), &FakeHost::get("/101"), at(5));
    question(&ask(&mut client, 52, 6));
    the_check(&ask(&mut client, 53, 6));
}

#[test]
fn whoever_wants_none_has_none_and_an_end_ends_it() {
    let config = r#"{"mixer": {"cluster": "mixer"}, "check": {"stream": {"enabled": false}},
        "feed": {"enabled": false}}"#;
    let mut without = client(config);
    busy(&mut without, 0);
    assert_eq!(without.on_tick(at(1)), []);

    let mut retired = on_line(MINIMAL, 0);
    let (id, _) = question(&ask(&mut retired, 60, 1));
    retired.retire(at(2));
    assert_eq!(retired.on_tick(at(3)), []);
    hear(&mut retired, 60, &said(id, allowed(60)), 4);
    retired.on_closed(StreamId(60));
    assert!(!retired.is_idle(), "there is a line to be ended");
    assert_eq!(retired.on_tick(at(5)), [Effect::Cancel { token: LINE }]);
    assert!(retired.is_idle());
    busy(&mut retired, 6);
    assert_eq!(retired.on_tick(at(6)), [], "and no other");

    let mut ended = on_line(MINIMAL, 0);
    assert_eq!(ended.on_end(at(1)), [Effect::Cancel { token: LINE }]);
    assert!(ended.is_idle());
}

#[test]
fn a_server_that_works_and_says_so_keeps_the_line() {
    let config = r#"{"mixer": {"cluster": "mixer", "timeout": "10s"}, "feed": {"enabled": false}}"#;
    let mut client = on_line(config, 0);
    let (id, _) = question(&ask(&mut client, 60, 1));
    for step in 1..100 {
        assert_eq!(client.on_line_message(&said(0, Vec::new()), at(step * SECOND / 20)), None);
        assert_eq!(client.on_tick(at(step * SECOND / 20)), []);
    }
    assert_eq!(
        hear(&mut client, 60, &said(id, allowed(60)), 5 * SECOND),
        [Effect::Resume { stream: StreamId(60) }]
    );
    // However long a check may take, silence is not waited for longer than this.
    question(&ask(&mut client, 61, 6 * SECOND));
    let effects = client.on_tick(at(6 * SECOND + limits::LINE_SILENCE.as_nanos() as u64));
    assert!(effects.contains(&Effect::Cancel { token: LINE }), "{effects:?}");
    let short = r#"{"mixer": {"cluster": "mixer", "timeout": "300ms"}, "feed": {"enabled": false}}"#;
    let mut without = super::client(short);
    busy(&mut without, 0);
    assert_eq!(without.on_tick(at(1)), [], "that is too short to tell silence from work");
}

#[test]
fn a_server_that_only_greets_is_tried_less_and_less_often() {
    let mut client = client(MINIMAL);
    let mut opens = 0;
    for step in 1..=1200 {
        let now = step * SECOND / 20;
        for id in 1..=limits::LINE_CHECKS as u32 {
            ask(&mut client, id, now);
        }
        for effect in client.on_tick(at(now)) {
            match effect {
                Effect::OpenLine => {
                    opens += 1;
                    client.on_line_opened(LINE);
                    client.on_line_message(&said(0, Vec::new()), at(now));
                }
                Effect::AskAgain { stream } => client.on_closed(stream).clear(),
                _ => {}
            }
        }
    }
    assert!((3..20).contains(&opens), "{opens} times in a minute");
}

#[test]
fn what_is_retired_while_it_is_opened_is_not_used() {
    for greets in [false, true] {
        let mut client = client(MINIMAL);
        busy(&mut client, 0);
        assert_eq!(client.on_tick(at(1)), [Effect::OpenLine]);
        client.on_line_opened(LINE);
        client.retire(at(2));
        if greets {
            assert_eq!(client.on_line_message(&said(0, Vec::new()), at(3)), None);
        }
        the_check(&ask(&mut client, 60, 4));
        assert_eq!(client.on_tick(at(5)), [Effect::Cancel { token: LINE }]);
        assert!(!counts(&mut client).iter().any(|(counter, _)| *counter == Counter::LineLosses));
    }
}

#[test]
fn what_is_large_is_asked_by_a_call() {
    let mut client = on_line(MINIMAL, 0);
    let mut host = FakeHost::get("/60");
    host.header("x-large", &vec![b'a'; limits::LINE_QUESTION_BYTES]);
    the_check(&client.on_request_headers(StreamId(60), &host, at(1)));
    question(&ask(&mut client, 61, 1));
}

#[test]
fn what_charges_is_not_asked_again_when_nobody_may_remember_it() {
    let config = r#"{"mixer": {"cluster": "mixer", "timeout": "10s"}, "feed": {"enabled": false},
        "quotas": {"rules": [{"charge": {"RequestCount": 1}}]}}"#;
    let end = limits::CHARGED_ONCE.as_nanos() as u64;
    for (age, is_asked_again) in [(end - 1, true), (end, false)] {
        let mut client = on_line(config, 0);
        let (_, check) = question(&ask(&mut client, 60, 0));
        assert_eq!(check.quotas.len(), 1);
        let failure = Err(of_code(Code::Unavailable));
        let effects = client.on_answer(StreamId(60), failure, &FakeHost::get("/60"), at(age));
        if is_asked_again {
            the_check(&effects);
        } else {
            assert_eq!(the_reply(&effects).status, 503);
        }
    }
}
