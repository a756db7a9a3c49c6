//! admin: health and metrics over HTTP, for people and for whoever watches over the process.
//!
//! `/healthz` answers as long as the process does; `/readyz` only while there is a configuration and the server takes
//! requests, and says why not otherwise; `/metrics` has the server's own metrics and those of the `prometheus` adapter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::exposition;
use crate::l2::L2;
use crate::runtime::Runtime;
use crate::telemetry::Telemetry;

/// What the pages tell about.
#[derive(Clone)]
pub struct Admin {
    /// The configuration.
    pub runtime: Arc<Runtime>,
    /// The cache.
    pub l2: Arc<L2>,
    /// The server's own metrics.
    pub telemetry: Arc<Telemetry>,
    /// Whether the server was told to end.
    pub is_stopping: Arc<AtomicBool>,
}

/// The pages.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(admin)
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(admin): State<Admin>) -> (StatusCode, String) {
    if admin.is_stopping.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "the server is stopping\n".to_owned());
    }
    match admin.runtime.active() {
        Ok(active) => (StatusCode::OK, format!("ready, configuration {}\n", active.snapshot.revision())),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    let mut page = String::new();
    admin.telemetry.write(admin.l2.statistics(), &mut page);
    admin.runtime.metrics().write(&mut page);
    ([(header::CONTENT_TYPE, exposition::CONTENT_TYPE)], page)
}
