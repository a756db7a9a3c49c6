//! A module that asks Envoy, when a request is over, for what only Envoy knows of it, and tells nobody.
//!
//! What any filter of Envoy's Wasm host costs at least that reports requests: these are the properties that ours asks for
//! under the benchmark's policy, and nothing is done with them.

use proxy_wasm::traits::{Context, HttpContext};

/// What is asked for: the code, the size and the duration, and the two places where the peer's name may be.
const PROPERTIES: [&[&str]; 5] = [
    &["response", "code"],
    &["response", "size"],
    &["request", "duration"],
    &["metadata", "filter_metadata", "istio_authn"],
    &["connection", "uri_san_peer_certificate"],
];

/// A stream.
#[derive(Default)]
struct Reading;

impl Context for Reading {}

impl HttpContext for Reading {
    fn on_log(&mut self) {
        for path in PROPERTIES {
            let _ = self.get_property(path.to_vec());
        }
    }
}

// The entry point is an exported function without mangling, which only unsafe code can declare.
#[allow(unsafe_code, missing_docs, reason = "the macro of the SDK declares the module's entry point")]
mod entry {
    proxy_wasm::main! {{
        measured_filters::start::<super::Reading>();
    }}
}
