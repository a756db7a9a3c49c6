//! The stream on which the server says what changed: it comes, breaks, lies, and comes again.

use std::time::Duration;

use crate::wasm_host::{Feed, Outcome, Status, Stream, Vm};
use anyhow::{Context as _, Result, ensure};
use prost::Message as _;
use proto::feed::Update;

use super::{CHECK, CONFIGURATION, DEADLINE, TICK, allowed, configured, ensure_it_works, finish, last_token};

/// More than the longest wait between two tries.
const PATIENCE: Duration = Duration::from_secs(20);

fn open_feeds(vm: &Vm) -> Vec<&Feed> {
    vm.world().feeds.iter().filter(|feed| !feed.ended).collect()
}

/// A machine whose filter has opened its stream; its token.
fn fed() -> Result<Option<(Vm, u32)>> {
    let Some(mut vm) = configured()? else { return Ok(None) };
    vm.tick(TICK)?;
    let [feed] = open_feeds(&vm)[..] else { anyhow::bail!("{:?}", vm.world().feeds) };
    ensure!(feed.sent.len() == 1, "a request is said once: {:?}", feed.sent);
    let token = feed.token;
    Ok(Some((vm, token)))
}

fn update(revision: u64, drops: u64) -> Vec<u8> {
    Update { revision, drops, ..Update::default() }.encode_to_vec()
}

/// Whether a request for this path is asked about; if it is, it is allowed.
fn is_asked(vm: &mut Vm, path: &str) -> Result<bool> {
    let stream = vm.request(Stream::get(path))?;
    let is_asked = vm.outcome(stream) == Outcome::Waiting;
    if is_asked {
        let token = last_token(vm, CHECK)?;
        vm.receive(token, allowed())?;
    }
    assert_eq!(vm.outcome(stream), Outcome::Passed);
    finish(vm, stream)?;
    Ok(is_asked)
}

#[test]
fn one_stream_is_open_at_a_time() -> Result<()> {
    let Some((mut vm, token)) = fed()? else { return Ok(()) };
    for _ in 0..10 {
        vm.tick(PATIENCE)?;
    }
    assert_eq!(vm.world().feeds.len(), 1, "it is open, whether or not the server speaks");
    vm.close(token, 14, b"\xff".to_vec())?;
    for _ in 0..10 {
        vm.tick(PATIENCE)?;
    }
    assert_eq!(vm.world().feeds.len(), 2);
    // What the one before says late is nobody's.
    vm.receive(token, update(9, 9))?;
    vm.close(token, 14, "")?;
    ensure_it_works(&mut vm, "/a")
}

#[test]
fn a_stream_that_cannot_be_opened_is_tried_again() -> Result<()> {
    for (import, then) in [
        ("proxy_grpc_stream", Err(Status::InternalFailure)),
        ("proxy_grpc_stream", Err(Status::ParseFailure)),
    ] {
        let Some(mut vm) = configured()? else { return Ok(()) };
        vm.fail_inline(import, 14, then);
        for _ in 0..100 {
            vm.tick(TICK)?;
        }
        let tries = vm.world().feeds.len();
        ensure!((2..20).contains(&tries), "{tries} tries in five seconds");
        vm.fail_inline("", 0, Ok(()));
        vm.tick(PATIENCE)?;
        assert_eq!(vm.world().feeds.len(), tries + 1);
        ensure_it_works(&mut vm, "/a")?;
    }
    Ok(())
}

#[test]
fn a_change_is_honoured_at_once() -> Result<()> {
    let Some((mut vm, token)) = fed()? else { return Ok(()) };
    vm.receive(token, update(0, 0))?;
    ensure!(is_asked(&mut vm, "/a")? && !is_asked(&mut vm, "/a")?, "the first of two is asked about");
    vm.receive(token, update(0, 1))?;
    ensure!(is_asked(&mut vm, "/a")?, "the operator dropped the caches");
    vm.receive(token, update(0, 1))?;
    ensure!(!is_asked(&mut vm, "/a")?, "nothing happened");
    vm.receive(token, update(5, 1))?;
    ensure!(is_asked(&mut vm, "/a")?, "another revision is in force");
    Ok(())
}

#[test]
fn a_change_while_a_request_waits() -> Result<()> {
    let Some((mut vm, token)) = fed()? else { return Ok(()) };
    vm.receive(token, update(0, 0))?;
    let stream = vm.request(Stream::get("/a"))?;
    let call = last_token(&vm, CHECK)?;
    vm.receive(token, update(0, 1))?;
    vm.receive(call, allowed())?;
    vm.tick(DEADLINE)?;
    ensure!(vm.outcome(stream) != Outcome::Waiting, "it still waits");
    finish(&mut vm, stream)?;
    ensure!(is_asked(&mut vm, "/a")?, "what was on its way when the caches were dropped is not kept");
    Ok(())
}

#[test]
fn a_message_that_cannot_be_read_drops_what_is_known() -> Result<()> {
    let Some((mut vm, token)) = fed()? else { return Ok(()) };
    vm.receive(token, update(0, 0))?;
    for garbage in [b"\xff".to_vec(), vec![0xff; 100], vec![0x08; 2 << 20]] {
        is_asked(&mut vm, "/a")?;
        vm.receive(token, garbage)?;
        ensure!(is_asked(&mut vm, "/a")?, "what changed is unknown, so everything may have");
    }
    Ok(())
}

#[test]
fn another_configuration_has_a_stream_of_its_own() -> Result<()> {
    let Some((mut vm, token)) = fed()? else { return Ok(()) };
    assert!(vm.configure(CONFIGURATION)?);
    vm.tick(TICK)?;
    let [feed] = open_feeds(&vm)[..] else { anyhow::bail!("{:?}", vm.world().feeds) };
    let own = feed.token;
    ensure!(own != token, "the old one was given up");
    ensure!(is_asked(&mut vm, "/a")? && !is_asked(&mut vm, "/a")?, "the first of two is asked about");
    vm.receive(own, update(0, 0))?;
    vm.receive(token, update(7, 7)).context("the old one")?;
    ensure!(!is_asked(&mut vm, "/a")?, "what the old one says is nobody's");
    Ok(())
}
