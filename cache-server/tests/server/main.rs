//! The server in one process with its client, and the binary as a process: what comes in over gRPC, what comes out.

mod backends;
mod calls;
mod check;
mod commands;
mod config;
mod config_api;
mod demand;
mod derived;
mod directives;
mod docs;
mod eval;
mod feed;
mod harness;
mod hostile;
mod law;
mod lists;
mod process;
mod prometheus;
mod quotas;
mod redis;
mod reload;
mod report;
mod stores;
mod storm;
mod suite;
mod vectors;
