//! The host is as strict as it says.

use super::{LocalReply, Outcome, Stream, World};
use crate::wasm_host::{Fault, Status, When};

fn world(stream: Stream) -> World {
    World { streams: [(2, stream)].into(), effective: 2, ..World::default() }
}

fn reply(status: u32) -> LocalReply {
    LocalReply { status, grpc_status: -1, body: String::new(), headers: Vec::new(), details: String::new() }
}

fn paused() -> Stream {
    Stream { paused: true, ..Stream::get("/") }
}

#[test]
fn a_paused_stream_is_ended_once() {
    type End = fn(&mut World) -> Result<(), Status>;
    let ends: [End; 2] = [World::resume, |world| world.reply(reply(403))];
    for first in ends {
        for second in ends {
            let mut world = world(paused());
            assert_eq!(world.outcome(2), Outcome::Waiting);
            assert_eq!(first(&mut world), Ok(()));
            assert_ne!(world.outcome(2), Outcome::Waiting);
            assert!(world.violations.is_empty(), "{:?}", world.violations);
            assert_eq!(second(&mut world), Ok(()));
            assert_eq!(world.violations.len(), 1, "ended twice");
        }
    }
}

#[test]
fn a_stream_that_goes_on_is_neither_resumed_nor_answered() {
    for end in [World::resume, |world: &mut World| world.reply(reply(403))] {
        let mut world = world(Stream::get("/"));
        assert_eq!(end(&mut world), Ok(()));
        assert_eq!(world.violations.len(), 1);
    }
    let mut early = World { in_request_headers: Some(2), ..world(Stream::get("/")) };
    assert_eq!(early.reply(reply(403)), Ok(()));
    assert!(early.violations.is_empty(), "in the callback for its headers it may be answered");
}

#[test]
fn an_answer_has_a_status_that_http_knows() {
    for status in [0, 100, 600, 65_536] {
        let mut world = world(paused());
        assert_eq!(world.reply(reply(status)), Ok(()));
        assert_eq!(world.violations.len(), 1, "{status}");
    }
}

#[test]
fn a_fault_hits_the_calls_that_it_names() {
    let hits = |when| {
        let mut world = World::default();
        world.faults.push(Fault { import: "a", status: Status::Empty, when });
        [world.enter("a"), world.enter("b"), world.enter("a"), world.enter("a")].map(|call| call.is_err())
    };
    assert_eq!(hits(When::Always), [true, false, true, true]);
    assert_eq!(hits(When::Nth(2)), [false, false, true, false]);
}
