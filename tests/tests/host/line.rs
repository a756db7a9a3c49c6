//! The stream on which the server is asked about many requests: it comes, answers, breaks, and comes again.

use crate::wasm_host::{Fault, Feed, Outcome, Status, Stream, Vm, When};
use anyhow::{Context as _, Result, ensure};
use prost::Message as _;
use proto::checks::{Answer, Question};
use proto::v1::CheckRequest;

use super::{CHECK, CONFIGURATION, DEADLINE, TICK, allowed, configured, denied, ensure_it_works, finish};

/// Checks between two ticks that are enough for it.
const BUSY: usize = 8;

/// The streams of this kind that are open.
fn lines(vm: &Vm) -> Vec<&Feed> {
    vm.world().feeds.iter().filter(|feed| feed.method == proto::path::ASK && !feed.ended).collect()
}

/// So many requests that the filter opens one; each waits. Its token, if it did.
pub(super) fn busy(vm: &mut Vm) -> Result<(Vec<u32>, Option<u32>)> {
    let mut streams = Vec::new();
    for number in 0..BUSY {
        streams.push(vm.request(Stream::get(&format!("/busy/{number}")))?);
    }
    vm.tick(TICK)?;
    Ok((streams, lines(vm).last().map(|line| line.token)))
}

/// The server speaks on it for the first time.
pub(super) fn greet(vm: &mut Vm, line: u32) -> Result<()> {
    vm.receive(line, Answer::default().encode_to_vec())
}

/// What is asked on one.
pub(super) fn questions(vm: &Vm, line: u32) -> Result<Vec<Question>> {
    let feed = vm.world().feeds.iter().find(|feed| feed.token == line).context("there is no such stream")?;
    Ok(feed.sent.iter().map(|sent| Question::decode(sent.as_slice())).collect::<Result<_, _>>()?)
}

pub(super) fn said(id: u64, response: Vec<u8>) -> Vec<u8> {
    Answer { id, response, ..Answer::default() }.encode_to_vec()
}

/// A machine whose filter asks on a line; its token.
fn on_line() -> Result<Option<(Vm, u32)>> {
    let Some(mut vm) = configured()? else { return Ok(None) };
    vm.tick(TICK)?;
    let (streams, line) = busy(&mut vm)?;
    let line = line.context("no stream was opened")?;
    greet(&mut vm, line)?;
    for token in vm.world().calls_of(CHECK).iter().map(|call| call.token).collect::<Vec<_>>() {
        vm.receive(token, denied())?;
    }
    for stream in streams {
        assert_eq!(vm.outcome(stream), Outcome::Answered(403));
        finish(&mut vm, stream)?;
    }
    Ok(Some((vm, line)))
}

#[test]
fn requests_are_asked_about_on_it_and_go_on_when_they_are_answered() -> Result<()> {
    let Some((mut vm, line)) = on_line()? else { return Ok(()) };
    let calls = vm.world().calls_of(CHECK).len();
    let [a, b] = [vm.request(Stream::get("/a"))?, vm.request(Stream::get("/b"))?];
    assert_eq!(vm.world().calls_of(CHECK).len(), calls, "nothing is called");
    let asked = questions(&vm, line)?;
    assert_eq!(asked.len(), 2);
    for question in &asked {
        ensure!(CheckRequest::decode(question.request.clone())?.accepts_trace, "a whole check");
    }
    vm.receive(line, said(asked[1].id, denied()))?;
    assert_eq!((vm.outcome(a), vm.outcome(b)), (Outcome::Waiting, Outcome::Answered(403)));
    vm.receive(line, said(asked[0].id, allowed()))?;
    assert_eq!(vm.outcome(a), Outcome::Passed);
    // Once more: nobody waits for it.
    vm.receive(line, said(asked[0].id, denied()))?;
    finish(&mut vm, a)?;
    finish(&mut vm, b)?;
    vm.receive(line, said(asked[1].id, allowed()))?;
    let again = vm.request(Stream::get("/a"))?;
    assert_eq!(vm.outcome(again), Outcome::Passed, "it is cached");
    finish(&mut vm, again)
}

#[test]
fn whoever_waits_when_it_ends_is_asked_about_by_a_call() -> Result<()> {
    for status in [0, 12, 14] {
        let Some((mut vm, line)) = on_line()? else { return Ok(()) };
        let stream = vm.request(Stream::get("/a"))?;
        vm.close(line, status, "gone")?;
        assert_eq!(vm.outcome(stream), Outcome::Waiting);
        let token = super::last_token(&vm, CHECK)?;
        vm.receive(token, allowed())?;
        assert_eq!(vm.outcome(stream), Outcome::Passed);
        finish(&mut vm, stream)?;
        ensure_it_works(&mut vm, "/b")?;
    }
    Ok(())
}

#[test]
fn whoever_waits_when_nothing_comes_is_asked_about_by_a_call_in_time() -> Result<()> {
    let Some((mut vm, line)) = on_line()? else { return Ok(()) };
    let stream = vm.request(Stream::get("/a"))?;
    vm.tick(DEADLINE / 2)?;
    ensure!(lines(&vm).is_empty(), "it is given up");
    let token = super::last_token(&vm, CHECK)?;
    // What comes on it all the same is nobody's.
    let id = questions(&vm, line)?[0].id;
    vm.receive(line, said(id, denied()))?;
    assert_eq!(vm.outcome(stream), Outcome::Waiting);
    vm.receive(token, allowed())?;
    assert_eq!(vm.outcome(stream), Outcome::Passed);
    finish(&mut vm, stream)
}

#[test]
fn one_that_cannot_be_opened_or_takes_nothing_is_done_without() -> Result<()> {
    for then in [Err(Status::InternalFailure), Err(Status::ParseFailure)] {
        let Some(mut vm) = configured()? else { return Ok(()) };
        vm.tick(TICK)?;
        vm.fail_inline("proxy_grpc_stream", 14, then);
        busy(&mut vm)?;
        vm.fail_inline("", 0, Ok(()));
        ensure_it_works(&mut vm, "/a")?;
    }
    let Some((mut vm, line)) = on_line()? else { return Ok(()) };
    vm.world_mut().faults.push(Fault {
        import: "proxy_grpc_send",
        status: Status::NotFound,
        when: When::Always,
    });
    let stream = vm.request(Stream::get("/a"))?;
    vm.world_mut().faults.clear();
    let token = super::last_token(&vm, CHECK)?;
    vm.receive(token, allowed())?;
    assert_eq!(vm.outcome(stream), Outcome::Passed);
    finish(&mut vm, stream)?;
    vm.tick(TICK)?;
    ensure!(lines(&vm).iter().all(|other| other.token != line), "it is given up");
    Ok(())
}

#[test]
fn what_cannot_be_read_ends_it_and_harms_nobody() -> Result<()> {
    for garbage in [b"\xff".to_vec(), vec![0xff; 100], vec![0x08; 2 << 20]] {
        let Some((mut vm, line)) = on_line()? else { return Ok(()) };
        let stream = vm.request(Stream::get("/a"))?;
        vm.receive(line, garbage)?;
        vm.tick(TICK)?;
        ensure!(lines(&vm).is_empty(), "it is given up");
        let token = super::last_token(&vm, CHECK)?;
        vm.receive(token, allowed())?;
        assert_eq!(vm.outcome(stream), Outcome::Passed);
        finish(&mut vm, stream)?;
    }
    Ok(())
}

#[test]
fn another_configuration_lets_the_old_one_answer_and_end() -> Result<()> {
    let Some((mut vm, line)) = on_line()? else { return Ok(()) };
    let stream = vm.request(Stream::get("/a"))?;
    assert!(vm.configure(CONFIGURATION)?);
    vm.tick(TICK)?;
    ensure!(lines(&vm).len() == 1, "somebody waits");
    let id = questions(&vm, line)?[0].id;
    vm.receive(line, said(id, allowed()))?;
    assert_eq!(vm.outcome(stream), Outcome::Passed);
    finish(&mut vm, stream)?;
    vm.tick(TICK)?;
    ensure!(lines(&vm).is_empty(), "nobody needs it any more");
    ensure_it_works(&mut vm, "/b")
}
