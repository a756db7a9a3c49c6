//! Callbacks in odd orders, and time that does as it likes.

use std::time::Duration;

use crate::wasm_host::{Fault, Outcome, Status, Stream, Vm, When};
use anyhow::{Result, ensure};
use tests::decode;

use prost::Message as _;

use super::{
    CHECK, CONFIGURATION, DEADLINE, REPORT, TICK, allowed, configured, denied, ensure_it_works, finish,
    last_call, last_token, rich,
};

#[test]
fn a_stream_waits_for_its_answer_and_then_for_nothing() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let stream = vm.request(rich("/a"))?;
    assert_eq!(vm.outcome(stream), Outcome::Waiting);
    let token = last_token(&vm, CHECK)?;
    vm.receive(token, allowed())?;
    assert_eq!(vm.outcome(stream), Outcome::Passed);
    assert_eq!(vm.stream(stream)?.request.get("x-istio-attributes"), None, "forged attributes went on");
    finish(&mut vm, stream)?;
    let again = vm.request(rich("/a"))?;
    assert_eq!(vm.outcome(again), Outcome::Passed, "the cache knows it");
    finish(&mut vm, again)?;
    vm.tick(DEADLINE)?;
    assert_eq!(vm.world().count("total_check_cache_hits"), 1);
    assert_eq!(vm.world().calls_of(CHECK).len(), 1);
    assert_eq!(vm.world().tick_period, Some(50));
    let reports = reported(&vm)?;
    assert_eq!(reports.len(), 2, "both in one batch");
    assert_eq!(reports[1]["check.cache_hit"], true);
    Ok(())
}

/// The messages of the last report.
fn reported(vm: &Vm) -> Result<Vec<decode::Attributes>> {
    let report = last_call(vm, REPORT)?;
    decode::report(&proto::v1::ReportRequest::decode(report.message.as_slice())?)
}

#[test]
fn the_deadline_answers_by_itself() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let early = vm.request(Stream::get("/early"))?;
    vm.tick(Duration::from_millis(500))?;
    let late = vm.request(Stream::get("/late"))?;
    vm.tick(Duration::from_millis(499))?;
    assert_eq!(vm.outcome(early), Outcome::Waiting);
    vm.tick(TICK)?;
    assert_eq!([vm.outcome(early), vm.outcome(late)], [Outcome::Answered(504), Outcome::Waiting]);
    vm.tick(DEADLINE)?;
    assert_eq!(vm.outcome(late), Outcome::Answered(504));
    let reply = vm.stream(late)?.reply.clone();
    let body = reply.map(|reply| reply.body);
    assert_eq!(body.as_deref(), Some("DEADLINE_EXCEEDED:the policy server did not answer in time"));
    assert!(vm.world().calls.iter().all(|call| call.cancelled), "nobody waits for them any more");
    assert_eq!(vm.world().count("total_remote_call_timeouts"), 2);
    finish(&mut vm, early)?;
    finish(&mut vm, late)?;
    ensure_it_works(&mut vm, "/b")
}

#[test]
fn the_deadline_lets_go_where_the_operator_says_so() -> Result<()> {
    let Some(mut vm) = Vm::or_skip()? else { return Ok(()) };
    assert!(vm.configure(r#"{"mixer": {"cluster": "m"}, "check": {"failure": {"timeout": "open"}}}"#)?);
    let stream = vm.request(rich("/a"))?;
    vm.tick(DEADLINE)?;
    assert_eq!(vm.outcome(stream), Outcome::Passed);
    assert_eq!(vm.stream(stream)?.request.get("x-istio-attributes"), None, "forged attributes went on");
    finish(&mut vm, stream)
}

#[test]
fn an_answer_after_the_deadline_is_none() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let stream = vm.request(Stream::get("/a"))?;
    let token = last_token(&vm, CHECK)?;
    vm.tick(DEADLINE)?;
    vm.receive(token, allowed())?;
    assert_eq!(vm.outcome(stream), Outcome::Answered(504));
    finish(&mut vm, stream)?;
    ensure_it_works(&mut vm, "/b")
}

#[test]
fn a_second_answer_is_none() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    for (first, second, outcome) in
        [(allowed(), denied(), Outcome::Passed), (denied(), allowed(), Outcome::Answered(403))]
    {
        let stream = vm.request(Stream::get(&format!("/{outcome:?}")))?;
        let token = last_token(&vm, CHECK)?;
        vm.receive(token, first)?;
        vm.receive(token, second)?;
        vm.close(token, 14, "gone")?;
        assert_eq!(vm.outcome(stream), outcome);
        finish(&mut vm, stream)?;
    }
    ensure_it_works(&mut vm, "/b")
}

#[test]
fn an_answer_to_nobody_is_none() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    vm.receive(77, allowed())?;
    vm.close(78, 14, "gone")?;
    let stream = vm.request(Stream::get("/a"))?;
    let token = last_token(&vm, CHECK)?;
    vm.log(stream)?;
    vm.receive(token, allowed())?;
    vm.delete(stream)?;
    let stream = vm.request(Stream::get("/b"))?;
    let token = last_token(&vm, CHECK)?;
    vm.delete(stream)?;
    vm.receive(token, denied())?;
    assert!(vm.world().calls.iter().all(|call| call.cancelled), "nobody waited for them any more");
    vm.tick(DEADLINE)?;
    assert_eq!(vm.world().count("total_remote_call_cancellations"), 2);
    ensure_it_works(&mut vm, "/c")
}

#[test]
fn a_call_that_ends_well_without_an_answer_is_a_failure() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let stream = vm.request(Stream::get("/a"))?;
    vm.world_mut().answer_with(allowed());
    let token = last_token(&vm, CHECK)?;
    vm.close(token, 0, "")?;
    assert_eq!(vm.outcome(stream), Outcome::Answered(500));
    finish(&mut vm, stream)
}

#[test]
fn two_streams_are_answered_in_reverse() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let first = vm.request(Stream::get("/first"))?;
    let first_token = last_token(&vm, CHECK)?;
    let second = vm.request(Stream::get("/second"))?;
    let second_token = last_token(&vm, CHECK)?;
    vm.receive(second_token, denied())?;
    assert_eq!([vm.outcome(first), vm.outcome(second)], [Outcome::Waiting, Outcome::Answered(403)]);
    vm.receive(first_token, allowed())?;
    assert_eq!([vm.outcome(first), vm.outcome(second)], [Outcome::Passed, Outcome::Answered(403)]);
    finish(&mut vm, first)?;
    finish(&mut vm, second)?;
    for (path, outcome) in [("/first", Outcome::Passed), ("/second", Outcome::Answered(403))] {
        let stream = vm.request(Stream::get(path))?;
        assert_eq!(vm.outcome(stream), outcome, "{path}: each was stored under its own");
        finish(&mut vm, stream)?;
    }
    Ok(())
}

#[test]
fn a_response_may_come_before_the_answer() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let stream = vm.request(rich("/a"))?;
    let token = last_token(&vm, CHECK)?;
    vm.response_headers(stream)?;
    vm.receive(token, allowed())?;
    assert_eq!(vm.outcome(stream), Outcome::Passed);
    finish(&mut vm, stream)?;
    // And without any request at all.
    let stream = vm.open(rich("/b"))?;
    finish(&mut vm, stream)?;
    ensure_it_works(&mut vm, "/c")
}

#[test]
fn a_stream_without_request_headers_is_reported() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let stream = vm.open(rich("/a"))?;
    vm.log(stream)?;
    vm.log(stream)?;
    vm.delete(stream)?;
    let never_logged = vm.open(rich("/b"))?;
    vm.delete(never_logged)?;
    vm.tick(DEADLINE)?;
    let reports = reported(&vm)?;
    assert_eq!(reports[0]["request.path"], "/a");
    assert!(reports.iter().all(|report| !report.contains_key("check.cache_hit")), "there was no check");
    Ok(())
}

#[test]
fn request_headers_may_come_twice() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let stream = vm.request(Stream::get("/a"))?;
    vm.request_headers(stream)?;
    for token in vm.world().calls_of(CHECK).iter().map(|call| call.token).collect::<Vec<_>>() {
        vm.receive(token, allowed())?;
        assert_eq!(vm.outcome(stream), Outcome::Passed);
    }
    finish(&mut vm, stream)
}

#[test]
fn a_number_that_comes_again_is_another_stream() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let stream = vm.request(Stream::get("/a"))?;
    vm.tick(Duration::from_millis(500))?;
    vm.delete(stream)?;
    vm.open_as(stream, Stream::get("/b"))?;
    vm.request_headers(stream)?;
    vm.tick(Duration::from_millis(600))?;
    assert_eq!(vm.outcome(stream), Outcome::Waiting, "the deadline was the other's");
    vm.tick(Duration::from_millis(450))?;
    assert_eq!(vm.outcome(stream), Outcome::Answered(504));
    finish(&mut vm, stream)
}

#[test]
fn ticks_before_and_after_everything() -> Result<()> {
    let Some(mut vm) = Vm::or_skip()? else { return Ok(()) };
    vm.tick(TICK)?;
    assert!(vm.configure(CONFIGURATION)?);
    vm.tick(Duration::ZERO)?;
    let stream = vm.request(rich("/a"))?;
    vm.log(stream)?;
    vm.delete(stream)?;
    vm.tick(DEADLINE)?;
    let token = last_token(&vm, REPORT)?;
    vm.shut_down()?;
    vm.receive(token, [])
}

#[test]
fn streams_finish_under_the_configuration_that_they_began_with() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let [answered, silent, gone] =
        [vm.request(rich("/answered"))?, vm.request(rich("/silent"))?, vm.request(rich("/gone"))?];
    let token = vm.world().calls[0].token;
    assert!(vm.configure(CONFIGURATION.replace(r#""cluster": "mixer""#, r#""cluster": "other""#))?);
    vm.receive(token, allowed())?;
    assert_eq!(vm.outcome(answered), Outcome::Passed);
    vm.delete(gone)?;
    let new = vm.request(rich("/answered"))?;
    assert_eq!(vm.outcome(new), Outcome::Waiting, "another server may see it differently");
    assert!(contains(&last_call(&vm, CHECK)?.upstream, b"other"));
    vm.tick(DEADLINE)?;
    assert_eq!([vm.outcome(silent), vm.outcome(new)], [Outcome::Answered(504); 2]);
    finish(&mut vm, answered)?;
    finish(&mut vm, silent)?;
    vm.tick(DEADLINE)?;
    assert!(contains(&last_call(&vm, REPORT)?.upstream, b"mixer"), "what the old one served, it reports");
    assert_eq!(reported(&vm)?.len(), 2);
    let token = last_token(&vm, REPORT)?;
    vm.receive(token, [])?;
    vm.tick(DEADLINE)?;
    ensure_it_works(&mut vm, "/b")
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_wrong_configuration_is_refused_and_changes_nothing() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    for (configuration, message) in [
        (b"".as_slice(), "configuration is missing"),
        (b"{", "mixer filter configuration, "),
        (b"\xff", "not UTF-8"),
        (br#"{"mixer": {}}"#, "missing field `cluster`"),
        (br#"{"mixer": {"cluster": ""}}"#, "mixer.cluster"),
        (br#"{"mixer": {"cluster": "m"}, "chek": {}}"#, "unknown field `chek`"),
        (br#"{"mixer": {"cluster": "m", "timeout": "1h"}}"#, "mixer.timeout"),
    ] {
        vm.world_mut().log.clear();
        assert!(!vm.configure(configuration)?, "{message}");
        assert!(vm.world().logged(message), "{message}: {:?}", vm.world().log);
    }
    assert!(contains(
        &{
            ensure_it_works(&mut vm, "/a")?;
            last_call(&vm, CHECK)?.upstream.clone()
        },
        b"mixer"
    ));
    Ok(())
}

#[test]
fn a_call_that_fails_at_once_is_a_failed_call() -> Result<()> {
    for then in [Err(Status::InternalFailure), Err(Status::ParseFailure), Ok(())] {
        let Some(mut vm) = configured()? else { return Ok(()) };
        vm.fail_inline("proxy_grpc_call", 14, then);
        let stream = vm.request(Stream::get("/a"))?;
        match then {
            Err(_) => assert_eq!(vm.outcome(stream), Outcome::Answered(503)),
            // The filter was told of the end of a call that it had not heard of; the deadline mends it.
            Ok(()) => assert_eq!(vm.outcome(stream), Outcome::Waiting),
        }
        vm.tick(DEADLINE)?;
        ensure!(matches!(vm.outcome(stream), Outcome::Answered(503 | 504)), "{:?}", vm.outcome(stream));
        finish(&mut vm, stream)?;
        // Reports fail in the same way.
        vm.tick(DEADLINE)?;
        vm.tick(DEADLINE)?;
    }
    Ok(())
}

#[test]
fn clocks_may_go_back() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let before = vm.request(Stream::get("/before"))?;
    let gone = vm.request(Stream::get("/gone"))?;
    vm.delete(gone)?;
    vm.world_mut().monotonic -= 600_000_000_000;
    vm.world_mut().wall -= 600_000_000_000;
    vm.tick(Duration::ZERO)?;
    let after = vm.request(Stream::get("/after"))?;
    vm.tick(DEADLINE)?;
    vm.tick(DEADLINE)?;
    assert_eq!([vm.outcome(before), vm.outcome(after)], [Outcome::Answered(504); 2]);
    finish(&mut vm, before)?;
    finish(&mut vm, after)?;
    vm.tick(DEADLINE)?;
    assert_eq!(reported(&vm)?.len(), 2);
    ensure_it_works(&mut vm, "/b")
}

#[test]
fn clocks_may_leap() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let stream = vm.request(Stream::get("/a"))?;
    vm.world_mut().wall = u64::MAX;
    vm.world_mut().monotonic = u64::MAX - 10;
    vm.tick(Duration::ZERO)?;
    assert_eq!(vm.outcome(stream), Outcome::Answered(504));
    vm.world_mut().wall = 0;
    finish(&mut vm, stream)?;
    let stream = vm.request(rich("/b"))?;
    let token = last_token(&vm, CHECK)?;
    vm.receive(token, allowed())?;
    assert_eq!(vm.outcome(stream), Outcome::Passed);
    finish(&mut vm, stream)?;
    vm.tick(Duration::ZERO)
}

/// What the SDK answers with a trap, and the fault tests therefore leave out. Envoy does none of it; if a later SDK
/// takes it, this test says so.
#[test]
fn what_the_sdk_does_not_take() -> Result<()> {
    let faulty = |import, status| -> Result<Option<Vm>> {
        let Some(mut vm) = configured()? else { return Ok(None) };
        vm.world_mut().faults.push(Fault { import, status, when: When::Always });
        Ok(Some(vm))
    };
    let Some(mut vm) = faulty("proxy_grpc_call", Status::BadArgument)? else { return Ok(()) };
    assert!(
        vm.request(Stream::get("/a")).is_err(),
        "a call refused in another way than the two that Envoy has"
    );
    assert!(vm.world().logged("panicked at ") && vm.world().logged(".rs:"), "the log says where");

    let Some(mut vm) = faulty("proxy_set_effective_context", Status::BadArgument)? else { return Ok(()) };
    vm.request(Stream::get("/a"))?;
    let token = last_token(&vm, CHECK)?;
    assert!(vm.receive(token, allowed()).is_err(), "an answer to a stream that the host does not know");

    let Some(mut vm) = faulty("proxy_grpc_stream", Status::BadArgument)? else { return Ok(()) };
    assert!(vm.tick(TICK).is_err(), "a stream of the server's refused in another way");

    let Some(mut vm) = configured()? else { return Ok(()) };
    vm.fail_inline("proxy_grpc_send", 14, Ok(()));
    assert!(vm.tick(TICK).is_err(), "a stream of the server's that ends while the filter speaks on it");
    Ok(())
}

#[test]
fn a_stream_before_there_is_a_configuration_is_refused() -> Result<()> {
    let Some(mut vm) = Vm::or_skip()? else { return Ok(()) };
    let stream = vm.request(Stream::get("/a"))?;
    assert_eq!(vm.outcome(stream), Outcome::Answered(503));
    Ok(())
}
