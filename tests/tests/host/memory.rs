//! The machine's memory stays bounded, whatever comes.

use std::time::Duration;

use crate::wasm_host::{Outcome, Stream, Vm};
use anyhow::{Result, ensure};

use super::{CHECK, REPORT, TICK, allowed, configured, denied, finish, last_token};

/// How much more memory may be in use after many more requests: allocators are not exact.
const SLACK: usize = 4 << 16;

/// Bytes that may be kept of a call that is cancelled: the SDK remembers whose it is until it ends, and is not told. They
/// are two numbers in a hash table, whose old half is not always used again when it grows.
const CANCELLED_CALL: usize = 40;

/// A request from its beginning to its report, asked about and answered.
fn request(vm: &mut Vm, path: &str, answer: Vec<u8>) -> Result<()> {
    let stream = vm.request(Stream::get(path))?;
    ensure!(vm.outcome(stream) == Outcome::Waiting, "{path} was known");
    let token = last_token(vm, CHECK)?;
    vm.receive(token, answer)?;
    finish(vm, stream)
}

/// Sends what waits and forgets what the host has kept, which is not the filter's memory.
fn report(vm: &mut Vm) -> Result<()> {
    vm.tick(TICK)?;
    for token in vm.world().calls_of(REPORT).iter().map(|call| call.token).collect::<Vec<_>>() {
        vm.receive(token, [])?;
    }
    Ok(())
}

/// Makes 1,000 requests, then 9,000 more, and compares. Of each so many bytes may be kept.
fn stays_bounded(kept: usize, mut one: impl FnMut(&mut Vm, usize) -> Result<()>) -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let mut warm = 0;
    for number in 0..10_000 {
        one(&mut vm, number)?;
        if number % 100 == 99 {
            report(&mut vm)?;
        }
        if number == 999 {
            warm = vm.memory_bytes();
        }
    }
    let now = vm.memory_bytes();
    let most = warm + SLACK + 9_000 * kept;
    ensure!(now <= most, "{warm} bytes after 1,000 requests, {now} after 10,000, expected at most {most}");
    ensure!(now < 8 << 20, "{now} bytes for 100 entries");
    Ok(())
}

#[test]
fn the_cache_keeps_to_its_size() -> Result<()> {
    stays_bounded(0, |vm, number| {
        let answer = if number % 2 == 0 { allowed() } else { denied() };
        request(vm, &format!("/{number}"), answer)
    })
}

#[test]
fn streams_that_end_early_leave_nothing_of_ours() -> Result<()> {
    stays_bounded(CANCELLED_CALL, |vm, number| {
        let stream = vm.request(Stream::get(&format!("/{number}")))?;
        if number % 2 == 0 {
            vm.log(stream)?;
        }
        vm.delete(stream)
    })
}

#[test]
fn a_server_that_takes_no_reports_fills_the_queue_and_no_more() -> Result<()> {
    let Some(mut vm) = configured()? else { return Ok(()) };
    let mut full = 0;
    for number in 0..14_000 {
        let stream = vm.open(Stream::get("/a"))?;
        vm.log(stream)?;
        vm.delete(stream)?;
        if number % 100 == 99 {
            // No time passes, so that nothing is given up.
            vm.tick(Duration::ZERO)?;
        }
        if number == 11_999 {
            full = vm.memory_bytes();
        }
    }
    let now = vm.memory_bytes();
    ensure!(now <= full + SLACK, "{full} bytes when the queue was full, {now} later");
    assert!(vm.world().count("total_reports_dropped") > 3_000);
    Ok(())
}
