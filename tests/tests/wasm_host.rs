//! The shipped filter in a host of its own: proxy-wasm on wasmtime, everything in memory, everything scriptable.
//!
//! For what Envoy cannot easily be brought to do: host calls that fail, callbacks in odd orders, clocks that go back,
//! bytes that no HTTP codec would let through. A test writes into the [`World`] what the filter is to see, calls back
//! through the [`Vm`], and reads from the world what became of each stream.
//!
//! Invariant: the host is as strict as the proxy's contract. A stream that is resumed without being paused, answered
//! twice, or answered after it went on makes the callback that did it fail, as a trap does.

mod fault;
mod imports;
mod module;
mod vm;
mod world;

pub(crate) use fault::{Fault, Status, When};
pub(crate) use vm::Vm;
pub(crate) use world::{Call, Feed, Lines, Outcome, Stream, World, pairs};
