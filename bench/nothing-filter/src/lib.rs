//! nothing-filter: a module that lets every request and every response pass, and does nothing else.
//!
//! What any filter of Envoy's Wasm host costs at least: its callbacks are called, as ours are, and make no host call.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

/// The root context, which makes one [`Nothing`] for each stream.
struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Nothing))
    }
}

/// A stream.
struct Nothing;

impl Context for Nothing {}
impl HttpContext for Nothing {}

// The entry point is an exported function without mangling, which only unsafe code can declare.
#[allow(unsafe_code, missing_docs, reason = "the macro of the SDK declares the module's entry point")]
mod entry {
    use proxy_wasm::traits::RootContext;

    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(super::Root) });
    }}
}
