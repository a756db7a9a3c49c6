//! A module that makes one empty gRPC call for each request, and lets the request go on when it is
//! answered, whatever the answer is.
//!
//! What any filter of Envoy's Wasm host costs at least that asks a server about each request: it reads nothing, writes
//! nothing and keeps nothing. The server is the authoriser that `ext_authz` asks.

use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

/// `envoy.config.core.v3.GrpcService` with `envoy_grpc.cluster_name`. A bare name is a message too, as it happens, one of
/// fields that nobody knows, and Envoy does not survive it.
const CLUSTER: &str = "\n\x07\n\x05mixer";
const SERVICE: &str = "envoy.service.auth.v3.Authorization";
const METHOD: &str = "Check";
const TIMEOUT: Duration = Duration::from_secs(5);

/// A stream.
#[derive(Default)]
struct Calling;

impl Context for Calling {
    fn on_grpc_call_response(&mut self, _: u32, _: u32, _: usize) {
        self.resume_http_request();
    }
}

impl HttpContext for Calling {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        match self.dispatch_grpc_call(CLUSTER, SERVICE, METHOD, Vec::new(), Some(&[]), TIMEOUT) {
            Ok(_) => Action::Pause,
            // Nobody would resume it. Requests that ask nobody would be measured as fast ones.
            Err(_) => {
                self.send_http_response(503, Vec::new(), None);
                Action::Pause
            }
        }
    }
}

// The entry point is an exported function without mangling, which only unsafe code can declare.
#[allow(unsafe_code, missing_docs, reason = "the macro of the SDK declares the module's entry point")]
mod entry {
    proxy_wasm::main! {{
        measured_filters::start::<super::Calling>();
    }}
}
