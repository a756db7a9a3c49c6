//! A module that lets every request and every response pass, and does nothing else.
//!
//! What any filter of Envoy's Wasm host costs at least: its callbacks are called, as ours are, and make no host call.

use proxy_wasm::traits::{Context, HttpContext};

/// A stream.
#[derive(Default)]
struct Nothing;

impl Context for Nothing {}
impl HttpContext for Nothing {}

// The entry point is an exported function without mangling, which only unsafe code can declare.
#[allow(unsafe_code, missing_docs, reason = "the macro of the SDK declares the module's entry point")]
mod entry {
    proxy_wasm::main! {{
        measured_filters::start::<super::Nothing>();
    }}
}
