//! client: the filter's brain, as a state machine of events in and effects out.
//!
//! Between Envoy and the wire. A shell – the proxy-wasm filter, or a test – tells a [`Client`] what happens to a
//! stream and does what it answers: let it go, pause it, answer it, call the server. The client never calls out,
//! but for one thing: attributes are fetched through [`Host`] when, and only when, something looks at them.
//!
//! Invariant: every stream that is paused is resumed or answered exactly once, by the server's answer or by the
//! client's own deadline, whichever comes first. No clock, no entropy, no panic.

// A panic would end the machine in which the filter runs, and all streams with it.
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod answer;
mod attribute;
mod check;
mod config;
mod counters;
mod demand;
mod effect;
mod explain;
mod failure;
mod feed;
mod host;
pub mod limits;
mod line;
mod quota;
mod renewal;
mod report;
mod retry;
mod route;
mod stream;
mod tcp;
mod wire;

pub use attribute::property::encode_pairs;
pub use attribute::{Produced, vocabulary, with_aliases};
pub use check::Client;
pub use config::{Config, InvalidConfig};
pub use counters::Counter;
pub use effect::{
    AllocationId, Answer, BatchId, Call, Effect, LocalReply, Now, Proceed, RenewalId, StreamId,
};
pub use failure::{FailureClass, GrpcFailure};
pub use host::{Headers, Host, Path, Unobtainable};
pub use wire::envoy_grpc_service;

#[cfg(test)]
mod tests;
