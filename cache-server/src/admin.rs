//! admin: health, metrics and the caches over HTTP, for people and for whoever watches over the process.
//!
//! `/healthz` answers as long as the process does; `/readyz` only while there is a configuration and the server takes
//! requests, and says why not otherwise; `/metrics` has the server's own metrics and those of the `prometheus` adapter;
//! `/config` tells what is in force and what was refused; `/cache` tells about the cache, and `POST /cache/drop` empties it and those of all proxies that listen.
//!
//! Whoever reaches these pages may use them: they ask for no credentials. A browser does not get to change anything,
//! so that no foreign web page can through the browser of somebody who reaches them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use policy::Diagnostic;
use serde_json::{Value, json};

use crate::exposition::Format;
use crate::l2::L2;
use crate::runtime::{Dropped, History, Runtime, StoreAddress};
use crate::telemetry::Telemetry;
use crate::text;

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
    /// Where the configuration comes from.
    pub store: Arc<StoreAddress>,
}

/// The pages.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/config", get(config))
        .route("/cache", get(cache))
        .route("/cache/drop", post(drop_caches))
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

async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let format = Format::accepted(&accept.collect::<Vec<_>>().join(","));
    let mut page = String::new();
    admin.telemetry.feed_watchers.set(admin.runtime.watchers() as f64);
    admin.telemetry.write_as(format, admin.l2.statistics(), &mut page);
    admin.runtime.metrics().write(format, &mut page);
    page.push_str(format.end());
    ([(header::CONTENT_TYPE, format.content_type())], page)
}

async fn config(State(admin): State<Admin>) -> Json<Value> {
    let revision = admin.runtime.active().ok().map(|active| active.snapshot.revision().to_string());
    let History { loaded, refused } = admin.runtime.history().clone();
    let findings =
        |diagnostics: &[Diagnostic]| -> Value { diagnostics.iter().map(text::diagnostic).collect() };
    Json(json!({
        "store": admin.store.to_string(),
        "revision": revision,
        "loaded": loaded.map(|loaded| {
            json!({ "at": loaded.at.to_string(), "files": loaded.files, "warnings": findings(&loaded.warnings) })
        }),
        "refused": refused.map(|refused| {
            json!({
                "at": refused.at.to_string(),
                "stands": refused.stands,
                "reason": refused.reason,
                "diagnostics": findings(&refused.diagnostics),
            })
        }),
    }))
}

async fn cache(State(admin): State<Admin>) -> Json<Value> {
    let l2 = admin.l2.statistics().map(|l2| {
        json!({
            "entries": l2.leaves,
            "nodes": l2.nodes,
            "bytes": l2.bytes,
            "hits": l2.hits,
            "misses": { "cold": l2.misses_cold, "revision": l2.misses_revision, "expired": l2.misses_expired, "used_up": l2.misses_used_up },
            "insertions": l2.insertions,
            "refusals": l2.refusals,
            "evictions": l2.evictions,
            "replaced_trees": l2.replaced_trees,
        })
    });
    let revision = admin.runtime.active().ok().map(|active| active.snapshot.revision().to_string());
    Json(json!({
        "revision": revision,
        "drops": admin.runtime.drops(),
        "watchers": admin.runtime.watchers(),
        "l2": l2,
    }))
}

async fn drop_caches(
    State(admin): State<Admin>,
    headers: HeaderMap,
) -> Result<Json<Value>, (StatusCode, &'static str)> {
    if headers.contains_key(header::ORIGIN) {
        return Err((StatusCode::FORBIDDEN, "not from a web page\n"));
    }
    let Dropped { verdicts, watchers, drops } = admin.runtime.drop_caches(&admin.l2);
    Ok(Json(json!({ "verdicts_dropped": verdicts, "filters_told": watchers, "drops": drops })))
}
