//! measured-filters: what the modules in `examples/` share, each of which does one thing or nothing.
//!
//! They tell what any filter of Envoy's Wasm host costs at least. Envoy calls them back as often as ours.

use std::marker::PhantomData;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

/// The root context, which makes a context `C` for each stream.
struct Root<C>(PhantomData<C>);

/// Lets a context of its own, as it is by default, look after each stream. For a module's entry point.
pub fn start<C: HttpContext + Default + 'static>() {
    proxy_wasm::set_root_context(|_| Box::new(Root::<C>(PhantomData)));
}

impl<C> Context for Root<C> {}

impl<C: HttpContext + Default + 'static> RootContext for Root<C> {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(C::default()))
    }
}
