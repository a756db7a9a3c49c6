//! reading-filter: a module that asks Envoy, when a request is over, for what only Envoy knows of it, and tells nobody.
//!
//! What any filter of Envoy's Wasm host costs at least that reports requests: these are the properties that ours asks for
//! under the benchmark's policy, and nothing is done with them.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

/// What is asked for: the code, the size and the duration, and the two places where the peer's name may be.
const PROPERTIES: [&[&str]; 5] = [
    &["response", "code"],
    &["response", "size"],
    &["request", "duration"],
    &["metadata", "filter_metadata", "istio_authn"],
    &["connection", "uri_san_peer_certificate"],
];

/// The root context, which makes one [`Reading`] for each stream.
struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Reading))
    }
}

/// A stream.
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
    use proxy_wasm::traits::RootContext;

    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(super::Root) });
    }}
}
