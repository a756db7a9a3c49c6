//! cache-server: the Mixer server – second-level check cache, resolution, adapters – behind gRPC.
//!
//! The far side of a check that the filter could not answer itself, and where reports end:
//!
//! ```text
//! CHECK   api: expand ─ l2 ─ hit ▶ reply
//!         miss ─ runtime: resolve, evaluate ─ adapters, concurrently ─ fold ─ l2 ─ reply
//! REPORT  api: expand each ─ runtime: resolve, evaluate ─ adapters, one call for many
//! CONFIG  runtime: store ─ load, build, swap
//! ```
//!
//! The binary `mixer` is [`cli`] and nothing else; as a library the server runs inside a test.

pub mod adapters;
pub mod admin;
pub mod api;
pub mod cli;
pub mod config_api;
mod connection;
pub mod exposition;
pub mod l2;
pub mod limits;
mod local;
pub mod runtime;
pub mod serve;
pub mod telemetry;
mod text;

/// The version that the server calls itself.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The deployment-wide dictionary that is used unless another is given.
pub const DEFAULT_DICTIONARY: &str = include_str!("../../config/dictionary.txt");

/// Declares the vocabulary that proxies and the default configuration have in common.
pub const DEFAULT_DESCRIPTORS: &str = include_str!("../../config/default/scopes/global/descriptors.yml");
