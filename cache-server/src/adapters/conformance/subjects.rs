//! The adapters, and parameters with which they have something to do.

use serde_json::{Value as Json, json};

use super::example;
use crate::adapters::{ALL, Adapter};

/// An adapter, and what the suite has to know of it.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    pub(super) adapter: &'static Adapter,
    /// Parameters of a block that works with the backend, if it has any, at an address.
    pub(super) params: Params,
    /// Other parameters, with the same backend; the same if it has none.
    pub(super) other: Params,
    pub(super) backend: Backend,
}

/// Parameters with the address of a backend.
type Params = fn(&str) -> Json;

/// What an adapter works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    /// Nothing that could be away.
    None,
    Tcp,
    Udp,
}

/// The adapter of the page for authors, which the server does not have.
static EXAMPLE: Adapter = Adapter { info: example::INFO, build: example::build };

/// All adapters; but not the one that would ask a cluster which this environment names before any that it is told.
pub(super) fn subjects() -> Vec<Subject> {
    let names_cluster = std::env::var_os("KUBECONFIG").is_some();
    let (skipped, subjects): (Vec<_>, Vec<_>) = ALL
        .iter()
        .chain([&EXAMPLE])
        .map(subject)
        .partition(|subject| names_cluster && subject.adapter.info.name == "kubernetes");
    for Subject { adapter, .. } in skipped {
        println!("skipped: {} (unset KUBECONFIG)", adapter.info.name);
    }
    subjects
}

/// A new adapter has to be added here. Of the files that parameters name, `list.txt`, `inventory.yml` and `kubeconfig` are
/// there.
fn subject(adapter: &'static Adapter) -> Subject {
    let (backend, params, other): (_, Params, Params) = match adapter.info.name {
        "denyChecker" => (
            Backend::None,
            |_| json!({ "error": { "code": 7, "message": "no" }, "directResponse": { "headers": { "a": "b" } } }),
            |_| json!({ "validDuration": "5s" }),
        ),
        "genericListChecker" => (
            Backend::Tcp,
            |backend| json!({ "providerUrl": format!("http://{backend}/list") }),
            |_| json!({ "listEntries": ["a"] }),
        ),
        "ipListChecker" => (
            Backend::Tcp,
            |backend| json!({ "publisherUrl": format!("http://{backend}/list") }),
            |_| json!({ "file": "list.txt" }),
        ),
        "listChecker" => (
            Backend::Tcp,
            |backend| json!({ "providerUrl": format!("http://{backend}/"), "entryType": "REGEX", "overrides": ["a+"] }),
            |_| json!({ "entries": ["a"] }),
        ),
        "stdioLogger" => {
            (Backend::None, |_| json!({ "format": "TEXT" }), |_| json!({ "logStream": "STDOUT" }))
        }
        "fileLogger" => (
            Backend::None,
            |_| json!({ "file": "logs/a.log" }),
            |_| json!({ "file": "b.log", "format": "TEXT" }),
        ),
        "prometheus" => (Backend::None, |_| json!({}), |_| json!({ "metricsExpiry": "5m" })),
        "statsd" => (
            Backend::Udp,
            |backend| json!({ "address": backend, "metricNameTemplateStrings": { "requests": "{{.apiMethod}}" } }),
            |backend| json!({ "address": backend, "prefix": "other" }),
        ),
        "fluentd" => (
            Backend::Tcp,
            |backend| json!({ "address": backend, "requireAck": true, "instanceBufferSize": 4 }),
            |backend| json!({ "address": backend, "integerDuration": true }),
        ),
        "otlp" => (
            Backend::Tcp,
            |backend| json!({ "endpoint": format!("http://{backend}"), "headers": { "a": "b" } }),
            |backend| json!({ "endpoint": format!("http://{backend}"), "serviceName": "other" }),
        ),
        "memQuota" => (
            Backend::None,
            |_| json!({ "rateLimitAlgorithm": "FIXED_WINDOW" }),
            |_| json!({ "minDeduplicationDuration": "5s" }),
        ),
        "redisQuota" => (
            Backend::Tcp,
            |backend| json!({ "redisServerUrl": backend }),
            |backend| json!({ "redisServerUrl": backend, "whenUnavailable": "open" }),
        ),
        "inventory" => (
            Backend::None,
            |_| {
                json!({ "file": "inventory.yml", "workloads": [
                    { "uid": "inline", "name": "a", "namespace": "b", "ips": ["192.0.2.2"] },
                ] })
            },
            |_| json!({ "validDuration": "3s" }),
        ),
        "kubernetes" => (
            Backend::Tcp,
            |_| json!({ "kubeconfigPath": "kubeconfig" }),
            |_| json!({ "kubeconfigPath": "kubeconfig", "cacheRefreshDuration": "2s" }),
        ),
        "no-op" => (Backend::None, |_| json!({}), |_| json!({})),
        "officeHours" => {
            (Backend::None, |_| json!({ "opens": "8h" }), |_| json!({ "opens": "8h30m", "closes": "24h" }))
        }
        unknown => panic!("the conformance suite does not know `{unknown}`: add it to its subjects"),
    };
    Subject { adapter, params, other, backend }
}
