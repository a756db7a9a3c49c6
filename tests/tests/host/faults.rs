//! Every host call fails with every status, always or once, while streams live their lives.

use std::collections::BTreeMap;

use crate::wasm_host::{Fault, Outcome, Status, Vm, When};
use anyhow::{Context as _, Result, ensure};
use prost::Message as _;
use proto::feed::Update;
use proto::v1::header_operation::Operation;
use proto::v1::{HeaderOperation, RouteDirective};
use tests::scripted::Reply;

use super::{
    CHECK, CONFIGURATION, DEADLINE, REPORT, TICK, allowed, answer, denied, ensure_it_works, finish, line,
    rich,
};

/// How the server behaves.
#[derive(Clone, Copy, Debug)]
enum Server {
    Allows,
    Denies,
    Directs,
    Fails,
    KnowsFewerWords,
    Sleeps,
}

/// What happens to a machine.
type Life = fn(&mut Vm) -> Result<()>;

impl Server {
    fn lets_pass(self) -> bool {
        matches!(self, Self::Allows | Self::Directs)
    }
}

/// What host calls fail with that the SDK makes itself, and that it answers with a trap. Envoy does not: it answers
/// calls to the server with the two statuses that are taken, and a context to which an answer belongs exists.
fn is_trap_of_the_sdk(fault: Fault) -> bool {
    match fault.import {
        "proxy_grpc_call" | "proxy_grpc_stream" => {
            ![Status::ParseFailure, Status::InternalFailure].contains(&fault.status)
        }
        "proxy_set_effective_context" => true,
        _ => false,
    }
}

/// The configuration is read, two requests are made, one after the other, their reports are sent, time passes.
fn live(vm: &mut Vm, server: Server) -> Result<()> {
    if !vm.configure(CONFIGURATION)? {
        return Ok(());
    }
    for _ in 0..2 {
        let stream = vm.request(rich("/a"))?;
        answer_all(vm, server)?;
        vm.tick(TICK)?;
        speak(vm)?;
        vm.tick(DEADLINE)?;
        let outcome = vm.outcome(stream);
        ensure!(outcome != Outcome::Waiting, "the deadline is over and it still waits");
        ensure!(outcome != Outcome::Passed || server.lets_pass(), "it passed, and nobody allowed it");
        finish(vm, stream)?;
    }
    vm.tick(DEADLINE)?;
    for call in vm.world().calls_of(REPORT).iter().map(|call| call.token).collect::<Vec<_>>() {
        vm.receive(call, [])?;
    }
    vm.tick(DEADLINE)
}

/// So many requests are made that they are asked about on one stream. One of those that are is answered, then it breaks.
fn live_on_a_line(vm: &mut Vm) -> Result<()> {
    if !vm.configure(CONFIGURATION)? {
        return Ok(());
    }
    vm.tick(TICK)?;
    let (mut streams, line) = line::busy(vm)?;
    if let Some(line) = line {
        line::greet(vm, line)?;
    }
    streams.extend([vm.request(rich("/a"))?, vm.request(rich("/b"))?]);
    if let Some(line) = line {
        if let Some(first) = line::questions(vm, line)?.first() {
            vm.receive(line, line::said(first.id, allowed()))?;
        }
        vm.close(line, 14, "gone")?;
    }
    answer_all(vm, Server::Allows)?;
    vm.tick(DEADLINE)?;
    for stream in streams {
        ensure!(vm.outcome(stream) != Outcome::Waiting, "the deadline is over and it still waits");
        finish(vm, stream)?;
    }
    vm.tick(DEADLINE)
}

/// The server says something on each stream that is open, and ends it.
fn speak(vm: &mut Vm) -> Result<()> {
    let open = vm.world().feeds.iter().filter(|feed| !feed.ended).map(|feed| feed.token);
    for token in open.collect::<Vec<_>>() {
        vm.receive(token, Update { revision: 0, ..Update::default() }.encode_to_vec())?;
        vm.close(token, 14, "gone")?;
    }
    Ok(())
}

fn answer_all(vm: &mut Vm, server: Server) -> Result<()> {
    let mismatch = "inconsistent global dictionary versions used: mixer knows 5 words, caller knows 222";
    let mut answered = 0;
    while let Some(token) = vm.world().calls_of(CHECK).get(answered).map(|call| call.token) {
        answered += 1;
        match server {
            Server::Allows => vm.receive(token, allowed())?,
            Server::Denies => vm.receive(token, denied())?,
            Server::Directs => vm.receive(token, answer(directed()))?,
            Server::Fails => vm.close(token, 14, "no healthy upstream")?,
            Server::KnowsFewerWords => vm.close(token, 3, mismatch)?,
            Server::Sleeps => {}
        }
    }
    Ok(())
}

fn directed() -> Reply {
    let operation = |operation: Operation, name: &str| HeaderOperation {
        name: name.into(),
        value: "b".into(),
        operation: operation.into(),
    };
    let operations = vec![
        operation(Operation::Replace, "x-a"),
        operation(Operation::Append, "x-a"),
        operation(Operation::Remove, "user-agent"),
    ];
    Reply::verdict(0, "", &["request.path"]).with_directive(RouteDirective {
        request_header_operations: operations.clone(),
        response_header_operations: operations,
        ..Default::default()
    })
}

/// A whole life under a fault, and then, without it, another request: nothing may be broken for good.
fn survives(live: Life, fault: Fault) -> Result<()> {
    let mut vm = Vm::or_skip()?.context("the filter is gone")?;
    vm.world_mut().faults.push(fault);
    live(&mut vm)?;
    vm.world_mut().faults.clear();
    if !vm.configure(CONFIGURATION)? {
        return Err(anyhow::anyhow!("it is refused for ever: {:?}", vm.world().log));
    }
    ensure_it_works(&mut vm, "/b").context("afterwards")?;
    let silent = vm.request(rich("/c"))?;
    vm.tick(DEADLINE)?;
    ensure!(vm.outcome(silent) == Outcome::Answered(504), "afterwards it came to {:?}", vm.outcome(silent));
    Ok(())
}

/// Every import that a life needs × every status × always, or just once at each of its calls.
fn survives_everything(name: &str, live: Life) -> Result<()> {
    let Some(mut vm) = Vm::or_skip()? else { return Ok(()) };
    live(&mut vm)?;
    let calls: BTreeMap<&'static str, usize> = vm.world().host_calls.clone();
    ensure!(calls.len() > 8, "a life without host calls proves nothing: {calls:?}");
    let mut failures = Vec::new();
    let mut lives = 0;
    for (import, count) in calls {
        let moments = (1..=count).map(When::Nth).chain([When::Always]);
        for when in moments {
            for status in Status::ALL {
                let fault = Fault { import, status, when };
                if is_trap_of_the_sdk(fault) {
                    continue;
                }
                lives += 1;
                if let Err(error) = survives(live, fault) {
                    // Of a trap the outermost line says where; the rest is numbers of functions.
                    failures.push(format!("{name}, {fault:?}: {error}"));
                }
            }
        }
    }
    println!("{name}: {lives} lives");
    ensure!(failures.is_empty(), "{} of {lives}:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

#[test]
fn a_request_that_is_allowed_survives_every_fault() -> Result<()> {
    survives_everything("Allows", |vm| live(vm, Server::Allows))
}

#[test]
fn a_request_that_is_denied_survives_every_fault() -> Result<()> {
    survives_everything("Denies", |vm| live(vm, Server::Denies))
}

#[test]
fn a_request_that_is_changed_survives_every_fault() -> Result<()> {
    survives_everything("Directs", |vm| live(vm, Server::Directs))
}

#[test]
fn a_request_whose_check_fails_survives_every_fault() -> Result<()> {
    survives_everything("Fails", |vm| live(vm, Server::Fails))
}

#[test]
fn a_request_that_is_asked_about_twice_survives_every_fault() -> Result<()> {
    survives_everything("KnowsFewerWords", |vm| live(vm, Server::KnowsFewerWords))
}

#[test]
fn a_request_without_an_answer_survives_every_fault() -> Result<()> {
    survives_everything("Sleeps", |vm| live(vm, Server::Sleeps))
}

#[test]
fn requests_that_are_asked_about_on_one_stream_survive_every_fault() -> Result<()> {
    survives_everything("a line", live_on_a_line)
}
