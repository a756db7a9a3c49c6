//! The filter as a network filter: connections wait, go on, are closed, and nothing of them is left.

use anyhow::{Result, ensure};

use super::{CHECK, DEADLINE, REPORT, TICK, answer, last_token};
use crate::wasm_host::{Outcome, Stream, Vm};
use tests::scripted::Reply;

const CONFIGURATION: &str = r#"{
    "mixer": {"cluster": "mixer", "timeout": "1s"},
    "attributes": {"target.service": "mongodb.default.svc.cluster.local"},
    "tcp": {"report_interval": "1s", "await_certificate": false}
}"#;

fn configured(configuration: &str) -> Result<Option<Vm>> {
    let Some(mut vm) = Vm::or_skip()? else { return Ok(None) };
    ensure!(vm.configure(configuration)?, "refused: {:?}", vm.world().log);
    Ok(Some(vm))
}

/// What an open connection says of itself.
fn peer() -> Stream {
    Stream::default()
        .with("source.address", "10.0.0.7:40000")
        .with("connection_id", 7_i64.to_le_bytes())
        .with("request.size", 3_i64.to_le_bytes())
        .with("response.size", 4_i64.to_le_bytes())
}

fn verdict(code: i32) -> Vec<u8> {
    answer(Reply::verdict(code, "", &["target.service"]))
}

fn end(vm: &mut Vm, connection: u32) -> Result<()> {
    vm.log(connection)?;
    vm.delete(connection)
}

#[test]
fn a_connection_goes_on_when_it_may_and_is_closed_when_not() -> Result<()> {
    for (code, expected) in [(0, Outcome::Passed), (7, Outcome::Closed)] {
        let Some(mut vm) = configured(CONFIGURATION)? else { return Ok(()) };
        for is_hit in [false, true] {
            let connection = vm.connection(peer())?;
            if !is_hit {
                ensure!(vm.outcome(connection) == Outcome::Waiting, "it came to something unasked");
                ensure!(vm.downstream_data(connection, 3)? == Outcome::Waiting, "data go round the verdict");
                let token = last_token(&vm, CHECK)?;
                vm.receive(token, verdict(code))?;
            }
            ensure!(vm.outcome(connection) == expected, "{:?}", vm.outcome(connection));
            end(&mut vm, connection)?;
        }
        ensure!(vm.world().calls_of(CHECK).len() == 1);
        ensure!(vm.world().streams.is_empty());
    }
    Ok(())
}

#[test]
fn an_awaited_certificate_is_looked_for_by_the_tick() -> Result<()> {
    let configuration = CONFIGURATION.replace("false", "true");
    let Some(mut vm) = configured(&configuration)? else { return Ok(()) };
    for is_hit in [false, true] {
        let connection = vm.connection(peer())?;
        vm.tick(TICK)?;
        ensure!(vm.outcome(connection) == Outcome::Waiting && vm.world().calls_of(CHECK).len() <= 1);
        let stream = vm.world_mut().streams.remove(&connection).unwrap_or_default();
        let stream = stream.with("connection.mtls", [1]);
        vm.world_mut().streams.insert(connection, stream);
        vm.tick(TICK)?;
        if !is_hit {
            let token = last_token(&vm, CHECK)?;
            vm.receive(token, verdict(0))?;
        }
        ensure!(vm.outcome(connection) == Outcome::Passed, "{:?}", vm.outcome(connection));
        end(&mut vm, connection)?;
    }
    Ok(())
}

#[test]
fn a_connection_whose_answer_does_not_come_is_closed() -> Result<()> {
    for await_certificate in ["false", "true"] {
        let configuration = CONFIGURATION.replace("false", await_certificate);
        let Some(mut vm) = configured(&configuration)? else { return Ok(()) };
        let connection = vm.connection(peer().with("connection.mtls", [1]))?;
        vm.tick(TICK)?;
        ensure!(vm.world().calls_of(CHECK).len() == 1);
        vm.tick(DEADLINE)?;
        ensure!(vm.outcome(connection) == Outcome::Closed, "{:?}", vm.outcome(connection));
        end(&mut vm, connection)?;
    }
    Ok(())
}

#[test]
fn a_connection_that_goes_while_it_is_asked_about_leaves_nothing() -> Result<()> {
    for await_certificate in ["false", "true"] {
        let configuration = CONFIGURATION.replace("false", await_certificate);
        let Some(mut vm) = configured(&configuration)? else { return Ok(()) };
        let connection = vm.connection(peer().with("connection.mtls", [1]))?;
        vm.tick(TICK)?;
        let token = last_token(&vm, CHECK)?;
        end(&mut vm, connection)?;
        if await_certificate == "true" {
            // This call is the root's: its answer comes, and is about nobody.
            vm.receive(token, verdict(0))?;
        }
        vm.tick(DEADLINE)?;
    }
    Ok(())
}

#[test]
fn connections_are_reported_in_their_course() -> Result<()> {
    let Some(mut vm) = configured(CONFIGURATION)? else { return Ok(()) };
    let connection = vm.connection(peer())?;
    let token = last_token(&vm, CHECK)?;
    vm.receive(token, verdict(0))?;
    for _ in 0..3 {
        vm.tick(DEADLINE)?;
    }
    end(&mut vm, connection)?;
    vm.tick(DEADLINE)?;
    vm.tick(DEADLINE)?;
    let reports = vm.world().count("total_report_calls");
    ensure!(reports == 4, "open, two in its course, close: {reports}");
    ensure!(!vm.world().calls_of(REPORT).is_empty());
    Ok(())
}
