//! tests: the whole system as a stack on loopback, for the end-to-end tests and the demo.
//!
//! ```text
//! client ─▶ Envoy (the real binary, filter.wasm in it) ─▶ upstream (in this process)
//!               └─ gRPC ─▶ the `mixer` binary, or a scripted Mixer in this process
//! ```
//!
//! Everything listens on 127.0.0.1 on ports that the system chooses and the programs tell. Nothing sleeps for a fixed
//! time: every wait looks at what it waits for, up to a deadline, and says what it was waiting for when it gives up.
//! What is started here is ended here, by its own process id, also when a test fails.

pub mod bootstrap;
pub mod compose;
pub mod decode;
pub mod envoy;
pub mod http;
pub mod lines;
pub mod load;
pub mod metrics;
pub mod mixer;
pub mod paths;
pub mod process;
pub mod programs;
pub mod redis;
pub mod scripted;
pub mod stack;
pub mod tour;
pub mod upstream;
pub mod wait;

pub use bootstrap::Bootstrap;
pub use envoy::Envoy;
pub use http::{Answer, Client};
pub use load::Load;
pub use mixer::MixerServer;
pub use programs::Programs;
pub use redis::Redis;
pub use scripted::ScriptedMixer;
pub use stack::Stack;
pub use upstream::Upstream;
