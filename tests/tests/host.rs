//! The shipped filter in a scripted host: what Envoy cannot easily be brought to do.
//!
//! What is asserted is what becomes of streams, never which host calls were made for it. The host itself fails a
//! callback after which a stream was answered twice, or resumed without waiting; and any trap fails the test.

mod connections;
mod cost;
mod faults;
mod feed;
mod hostile;
mod line;
mod memory;
mod orders;

use std::time::Duration;

use crate::wasm_host::{Call, Lines, Outcome, Stream, Vm, pairs};
use anyhow::{Context as _, Result, ensure};
use prost::Message as _;
use tests::scripted::Reply;

const CONFIGURATION: &str = r#"{
    "mixer": {"cluster": "mixer", "timeout": "1s"},
    "attributes": {"target.service": "reviews.default.svc.cluster.local"},
    "check": {"cache": {"max_entries": 100}},
    "report": {"batch_max": 100, "batch_interval": "1s"}
}"#;

/// The filter's period, and more than its deadline.
const TICK: Duration = Duration::from_millis(50);
const DEADLINE: Duration = Duration::from_millis(1_050);

const CHECK: &str = "Check";
const REPORT: &str = "Report";

/// A machine with a configured filter, if the environment names one.
fn configured() -> Result<Option<Vm>> {
    let Some(mut vm) = Vm::or_skip()? else { return Ok(None) };
    ensure!(vm.configure(CONFIGURATION)?, "refused: {:?}", vm.world().log);
    Ok(Some(vm))
}

fn answer(reply: Reply) -> Vec<u8> {
    reply.result.map(|response| response.encode_to_vec()).unwrap_or_default()
}

/// Allowed, as long as the path is the same.
fn allowed() -> Vec<u8> {
    answer(Reply::verdict(0, "", &["request.path"]))
}

/// Refused with `PERMISSION_DENIED`, as long as the path is the same.
fn denied() -> Vec<u8> {
    answer(Reply::verdict(7, "no", &["request.path"]))
}

/// The last call of a method.
fn last_call<'a>(vm: &'a Vm, method: &str) -> Result<&'a Call> {
    vm.world().calls_of(method).last().copied().with_context(|| format!("no {method} was called"))
}

fn last_token(vm: &Vm, method: &str) -> Result<u32> {
    Ok(last_call(vm, method)?.token)
}

/// The end of a stream: its response, its log, its deletion.
fn finish(vm: &mut Vm, stream: u32) -> Result<()> {
    vm.response_headers(stream)?;
    vm.log(stream)?;
    vm.delete(stream)
}

/// The filter still does its work: another request is asked about, and let go when the server allows it.
fn ensure_it_works(vm: &mut Vm, path: &str) -> Result<()> {
    let stream = vm.request(Stream::get(path))?;
    ensure!(vm.outcome(stream) == Outcome::Waiting, "it came to {:?} unasked", vm.outcome(stream));
    let token = last_token(vm, CHECK)?;
    vm.receive(token, allowed())?;
    ensure!(vm.outcome(stream) == Outcome::Passed, "allowed, and it came to {:?}", vm.outcome(stream));
    finish(vm, stream)
}

/// A stream of which everything can be known that the filter asks for.
fn rich(path: &str) -> Stream {
    let mut stream = Stream::get(path)
        .with("source.address", "10.0.0.7:40000")
        .with("upstream.address", "[::1]:8080")
        .with("connection.mtls", [1])
        .with("connection.requested_server_name", "reviews.example")
        .with("connection.uri_san_local_certificate", "spiffe://cluster.local/ns/default/sa/reviews")
        .with("connection.uri_san_peer_certificate", "spiffe://cluster.local/ns/other/sa/front")
        .with("listener_direction", 1_i64.to_le_bytes())
        .with("request.size", 3_i64.to_le_bytes())
        .with("request.total_size", 300_i64.to_le_bytes())
        .with("request.duration", 1_000_000_i64.to_le_bytes())
        .with("response.code", 200_i64.to_le_bytes())
        .with("response.flags", 6_i64.to_le_bytes())
        .with("response.size", 5_i64.to_le_bytes())
        .with("response.total_size", 500_i64.to_le_bytes())
        .with("metadata.filter_metadata.istio_authn", pairs(&[("source.principal", "other/sa/front")]))
        .with("metadata.filter_metadata.istio_authn.request.auth.claims", pairs(&[("iss", "me")]))
        .with("metadata.filter_metadata.envoy.filters.http.rbac.shadow_engine_result", "allowed")
        .with("metadata.filter_metadata.envoy.filters.http.rbac.shadow_effective_policy_id", "p")
        .with(
            "xds.route_metadata.filter_metadata.mixer",
            pairs(&[
                ("attributes", pairs(&[("route", "a")])),
                ("check", pairs(&[("enabled", [1])])),
                ("report", pairs(&[("enabled", [1])])),
            ]),
        );
    stream.request.push("user-agent", "test");
    stream.request.push("x-istio-attributes", "forged");
    stream.response = Lines::of(&[(":status", "200"), ("content-type", "text/plain")]);
    stream.trailers = Lines::of(&[("grpc-status", "0")]);
    stream
}
