//! End to end: requests through the real Envoy with the shipped filter, to the real server or to a scripted Mixer.
//!
//! One binary, so that everything is linked once; `tidy` sees to it that no module is forgotten. A test whose
//! programs are not named in the environment prints that it was skipped, and passes.

mod bookinfo;
mod cache;
mod compose;
mod configuration;
mod demo;
mod directives;
mod drain;
mod failure;
mod harness;
mod host;
mod line;
mod policy;
mod quotas;
mod report;
mod server;
mod tcp;
mod telemetry;
mod tidy;
mod traffic;
mod verdicts;
mod wasm_host;
