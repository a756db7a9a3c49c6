//! What a request costs that the cache answers, and one that it does not: host calls, each of which takes Envoy as long as
//! hundreds of instructions, and instructions of the module.

use std::collections::BTreeMap;

use crate::wasm_host::{Outcome, Stream, Vm};
use anyhow::{Result, ensure};
use prost::Message as _;
use proto::feed::demand::Attribute;
use proto::feed::{Demand, Update};
use tests::scripted::Reply;

use super::{CHECK, CONFIGURATION, TICK, answer, finish, last_token};

/// What a policy reads of a request when it is checked.
const CHECKED: [&str; 2] = ["origin.ip", "request.path"];

/// What a metric and an access log read when it is over.
const REPORTED: [&str; 11] = [
    "context.protocol",
    "origin.ip",
    "request.method",
    "request.path",
    "request.size",
    "request.time",
    "response.code",
    "response.duration",
    "response.size",
    "source.principal",
    "target.service",
];

fn demand(names: &[&str]) -> Demand {
    let attribute = |name: &&str| Attribute { name: (*name).to_owned(), keys: Vec::new() };
    Demand { attributes: names.iter().map(attribute).collect() }
}

/// What is asked for where it is always the same.
const PATH: &str = "/productpage?u=normal";

/// A request with a dozen headers.
fn dozen(path: &str) -> Stream {
    let mut stream = super::rich(path);
    stream.request = crate::wasm_host::Lines::of(&[
        (":method", "GET"),
        (":path", path),
        (":authority", "bookinfo.example"),
        (":scheme", "http"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br"),
        ("referer", "http://bookinfo.example/"),
        ("cookie", "session=0123456789abcdef0123456789abcdef; user=jason"),
        ("x-request-id", "0f8a7a4e-3c1b-4c43-8b7e-6d0d3f9d6c11"),
        ("x-forwarded-for", "10.0.0.7"),
    ]);
    stream.properties.remove("xds.route_metadata.filter_metadata.mixer");
    stream.properties.remove("metadata.filter_metadata.istio_authn");
    stream
}

/// Host calls by import, and instructions, of a request that the cache answers.
fn hit(reports: bool) -> Result<Option<(BTreeMap<&'static str, usize>, u64)>> {
    let Some(mut vm) = Vm::or_skip()? else { return Ok(None) };
    let configuration = CONFIGURATION.replace(r#""batch_max": 100"#, &format!(r#""enabled": {reports}"#));
    ensure!(vm.configure(configuration)?, "refused: {:?}", vm.world().log);
    vm.tick(TICK)?;
    let feed = vm.world().feeds.last().map(|feed| feed.token);
    let update =
        Update { check: Some(demand(&CHECKED)), report: Some(demand(&REPORTED)), ..Update::default() };
    vm.receive(feed.unwrap_or_default(), update.encode_to_vec())?;
    let asked = vm.request(dozen(PATH))?;
    let token = last_token(&vm, CHECK)?;
    vm.receive(token, answer(Reply::verdict(0, "", &CHECKED)))?;
    finish(&mut vm, asked)?;

    let mut costs = None;
    // The first ones fill tables and caches.
    for _ in 0..3 {
        vm.world_mut().host_calls.clear();
        let before = vm.instructions()?;
        let stream = vm.request(dozen(PATH))?;
        ensure!(vm.outcome(stream) == Outcome::Passed, "it came to {:?}", vm.outcome(stream));
        finish(&mut vm, stream)?;
        costs = Some((vm.world().host_calls.clone(), vm.instructions()? - before));
    }
    Ok(costs)
}

/// Host calls by import, and instructions, of a request that the cache does not know.
fn miss() -> Result<Option<(BTreeMap<&'static str, usize>, u64)>> {
    let Some(mut vm) = Vm::or_skip()? else { return Ok(None) };
    let configuration = CONFIGURATION.replace(r#""batch_max": 100"#, r#""enabled": false"#);
    ensure!(vm.configure(configuration)?, "refused: {:?}", vm.world().log);
    vm.tick(TICK)?;
    let feed = vm.world().feeds.last().map(|feed| feed.token);
    let update = Update { check: Some(demand(&CHECKED)), report: Some(demand(&[])), ..Update::default() };
    vm.receive(feed.unwrap_or_default(), update.encode_to_vec())?;
    let mut costs = None;
    for page in 0..4 {
        vm.world_mut().host_calls.clear();
        let before = vm.instructions()?;
        let stream = vm.request(dozen(&format!("/productpage/{page}")))?;
        let token = last_token(&vm, CHECK)?;
        vm.receive(token, answer(Reply::verdict(0, "", &CHECKED)))?;
        ensure!(vm.outcome(stream) == Outcome::Passed, "it came to {:?}", vm.outcome(stream));
        finish(&mut vm, stream)?;
        costs = Some((vm.world().host_calls.clone(), vm.instructions()? - before));
    }
    Ok(costs)
}

/// Instructions that may be executed, what they are now with either compiler and a little: whoever needs more says so here.
const CHECK_INSTRUCTIONS: u64 = 14_900;
const REPORT_INSTRUCTIONS: u64 = 32_700;
const MISS_INSTRUCTIONS: u64 = 64_000;

#[test]
fn a_hit_costs_four_host_calls() -> Result<()> {
    let Some((calls, instructions)) = hit(false)? else { return Ok(()) };
    // The time, the route's metadata, the peer's address, and all headers at once.
    let expected = [("clock_time_get", 1), ("proxy_get_header_map_pairs", 1), ("proxy_get_property", 2)];
    assert_eq!(calls, expected.into());
    println!("a hit: {instructions} instructions");
    ensure!(instructions <= CHECK_INSTRUCTIONS, "{instructions} instructions");
    Ok(())
}

#[test]
fn a_report_asks_only_for_what_is_read() -> Result<()> {
    let Some((calls, instructions)) = hit(true)? else { return Ok(()) };
    // Besides: the response's size, its code and the duration, and the two places where the peer's name may be. Of the
    // request it is known already how much has come.
    let expected = [("clock_time_get", 1), ("proxy_get_header_map_pairs", 1), ("proxy_get_property", 7)];
    assert_eq!(calls, expected.into());
    println!("a hit and its report: {instructions} instructions");
    ensure!(instructions <= REPORT_INSTRUCTIONS, "{instructions} instructions");
    Ok(())
}

#[test]
fn a_miss_asks_once_and_reads_one_clock() -> Result<()> {
    let Some((calls, instructions)) = miss()? else { return Ok(()) };
    let expected = [
        ("clock_time_get", 2),
        ("proxy_continue_stream", 1),
        ("proxy_get_buffer_bytes", 1),
        ("proxy_get_header_map_pairs", 1),
        ("proxy_get_property", 2),
        ("proxy_grpc_call", 1),
        ("proxy_set_effective_context", 1),
    ];
    assert_eq!(calls, expected.into());
    println!("a miss: {instructions} instructions");
    ensure!(instructions <= MISS_INSTRUCTIONS, "{instructions} instructions");
    Ok(())
}
