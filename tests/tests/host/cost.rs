//! What a request that the cache answers costs: host calls, each of which takes Envoy as long as hundreds of
//! instructions, and instructions of the module.

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

/// A request with a dozen headers.
fn dozen() -> Stream {
    let mut stream = super::rich("/productpage?u=normal");
    stream.request = crate::wasm_host::Lines::of(&[
        (":method", "GET"),
        (":path", "/productpage?u=normal"),
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
    let asked = vm.request(dozen())?;
    let token = last_token(&vm, CHECK)?;
    vm.receive(token, answer(Reply::verdict(0, "", &CHECKED)))?;
    finish(&mut vm, asked)?;

    let mut costs = None;
    // The first ones fill tables and caches.
    for _ in 0..3 {
        vm.world_mut().host_calls.clear();
        let before = vm.instructions()?;
        let stream = vm.request(dozen())?;
        ensure!(vm.outcome(stream) == Outcome::Passed, "it came to {:?}", vm.outcome(stream));
        finish(&mut vm, stream)?;
        costs = Some((vm.world().host_calls.clone(), vm.instructions()? - before));
    }
    Ok(costs)
}

/// Instructions that may be executed, what they are now with either compiler and a little: whoever needs more says so here.
const CHECK_INSTRUCTIONS: u64 = 14_900;
const REPORT_INSTRUCTIONS: u64 = 32_700;

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
    // Besides: two sizes, the code, the duration, and the two places where the peer's name may be.
    let expected = [("clock_time_get", 1), ("proxy_get_header_map_pairs", 1), ("proxy_get_property", 8)];
    assert_eq!(calls, expected.into());
    println!("a hit and its report: {instructions} instructions");
    ensure!(instructions <= REPORT_INSTRUCTIONS, "{instructions} instructions");
    Ok(())
}
