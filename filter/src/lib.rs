//! filter: the proxy-wasm shell around the client.
//!
//! Envoy on one side, [`client::Client`] on the other; nothing is decided here. The shell tells the client what
//! happens and does what it answers, after it has let go of it: a host call may lead back into the module.
//!
//! Invariant: nothing panics. A trap would end the virtual machine that all streams of a worker share.

// A panic would end the machine in which the filter runs, and all streams with it.
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod abi;
mod clock;
mod context;
mod root;

/// Says where a panic was and why: all that anybody would see of it otherwise is a trap.
fn tell(panic: &std::panic::PanicHookInfo<'_>) {
    abi::log(abi::Level::Critical, &panic.to_string());
}

// The entry point is an exported function without mangling, which only unsafe code can declare.
#[allow(unsafe_code, missing_docs, reason = "the macro of the SDK declares the module's entry point")]
mod entry {
    use proxy_wasm::traits::RootContext;

    proxy_wasm::main! {{
        std::panic::set_hook(Box::new(super::tell));
        proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> { Box::new(super::root::Root::new(id)) });
    }}
}
