//! The words of the vocabulary that a proxy can fill, and how.

use std::sync::Arc;

use attributes::{StringMap, Timestamp, Value, by_length};

use super::property as decode;
use super::{HEADERS, Phase, View};
use crate::host::{Path, path_of};

/// An attribute that is fetched from the proxy.
pub(super) struct Word {
    pub(super) name: &'static str,
    /// From when on it is known.
    pub(super) since: Phase,
    /// Whether a configured value goes before what the proxy says.
    pub(super) configurable: bool,
    pub(super) fetch: fn(&View<'_>) -> Option<Value>,
}

impl Word {
    /// Whether it says something of a request, which a connection has none of.
    pub(super) fn is_of_requests(&self) -> bool {
        ["request.", "response.", "rbac."]
            .iter()
            .any(|prefix| self.name.starts_with(prefix) && !self.name.starts_with("request.auth."))
    }
}

const fn check(name: &'static str, fetch: fn(&View<'_>) -> Option<Value>) -> Word {
    Word { name, since: Phase::Check, configurable: false, fetch }
}

const fn report(name: &'static str, fetch: fn(&View<'_>) -> Option<Value>) -> Word {
    Word { name, since: Phase::Report, configurable: false, fetch }
}

/// Known from `since` on, and the operator's word goes before the proxy's.
const fn configurable(name: &'static str, since: Phase, fetch: fn(&View<'_>) -> Option<Value>) -> Word {
    Word { name, since, configurable: true, fetch }
}

const SOURCE: Path = path_of!("source", "address");
const UPSTREAM: Path = path_of!("upstream", "address");
const LOCAL_CERTIFICATE: Path = path_of!("connection", "uri_san_local_certificate");
const PEER_CERTIFICATE: Path = path_of!("connection", "uri_san_peer_certificate");
const SHADOW_POLICY: Path =
    path_of!("metadata", "filter_metadata", "envoy.filters.http.rbac", "shadow_effective_policy_id");
const SHADOW_RESULT: Path =
    path_of!("metadata", "filter_metadata", "envoy.filters.http.rbac", "shadow_engine_result");

/// Sorted by name.
pub(super) static VOCABULARY: [Word; 49] = [
    check("connection.mtls", |v| {
        v.host.property(path_of!("connection", "mtls")).and_then(|b| decode::bool(&b)).map(Value::Bool)
    }),
    check("connection.requested_server_name", |v| string(v, path_of!("connection", "requested_server_name"))),
    check("context.protocol", |v| Some(protocol(v).into())),
    report("context.proxy_error_code", proxy_error_code),
    configurable("context.reporter.kind", Phase::Check, reporter_kind),
    configurable("destination.ip", Phase::Report, |v| ip(v, destination(v))),
    configurable("destination.port", Phase::Report, |v| port(v, destination(v))),
    check("destination.principal", |v| principal(v, LOCAL_CERTIFICATE)),
    check("destination.user", |v| principal(v, LOCAL_CERTIFICATE)),
    check("origin.ip", |v| ip(v, SOURCE)),
    check("origin.user", peer),
    report("rbac.permissive.effective_policy_id", |v| string(v, SHADOW_POLICY)),
    report("rbac.permissive.response_code", |v| string(v, SHADOW_RESULT)),
    check("request.auth.audiences", |v| authn(v, "request.auth.audiences")),
    check("request.auth.claims", claims),
    check("request.auth.presenter", |v| authn(v, "request.auth.presenter")),
    check("request.auth.principal", |v| authn(v, "request.auth.principal")),
    check("request.auth.raw_claims", |v| authn(v, "request.auth.raw_claims")),
    check(HEADERS, |v| {
        Some(v.request_headers().map()).filter(|h| !h.is_empty()).map(|h| Value::StringMap(Arc::clone(h)))
    }),
    check("request.host", |v| Some(header(v, ":authority").unwrap_or_default().into())),
    check("request.id", |v| header(v, "x-request-id").map(Value::from)),
    check("request.method", |v| header(v, ":method").map(Value::from)),
    check("request.path", |v| Some(header(v, ":path").unwrap_or_default().into())),
    check("request.query_params", query),
    check("request.referer", |v| header(v, "referer").map(Value::from)),
    check("request.scheme", |v| Some(header(v, ":scheme").unwrap_or("http").into())),
    report("request.size", request_size),
    check("request.time", |v| Some(Value::Timestamp(Timestamp::from_unix_nanos(v.stream.time.into())))),
    report("request.total_size", |v| int64(v, path_of!("request", "total_size"))),
    check("request.url_path", |v| header(v, ":path").map(|path| split_query(path).0.into())),
    check("request.user-agent", |v| header(v, "user-agent").map(Value::from)),
    check("request.useragent", |v| header(v, "user-agent").map(Value::from)),
    report("response.code", |v| int64(v, path_of!("response", "code"))),
    report("response.duration", |v| {
        v.host.property(path_of!("request", "duration")).and_then(|b| decode::duration(&b))
    }),
    report("response.grpc_message", |v| v.response_headers().get("grpc-message").map(Value::from)),
    report("response.grpc_status", |v| v.response_headers().get("grpc-status").map(Value::from)),
    report("response.headers", |v| {
        Some(v.response_headers()).filter(|h| !h.is_empty()).map(|h| Value::StringMap(Arc::clone(h)))
    }),
    report("response.latency", |v| {
        v.host.property(path_of!("request", "duration")).and_then(|b| decode::duration(&b))
    }),
    report("response.size", |v| int64(v, path_of!("response", "size"))),
    report("response.time", response_time),
    report("response.total_size", |v| int64(v, path_of!("response", "total_size"))),
    check("source.ip", |v| ip(v, SOURCE)),
    check("source.namespace", |v| peer_name(v).as_deref().and_then(namespace).map(Value::from)),
    check("source.port", |v| port(v, SOURCE)),
    check("source.principal", peer),
    check("source.user", peer),
    configurable("target.ip", Phase::Report, |v| ip(v, destination(v))),
    configurable("target.port", Phase::Report, |v| port(v, destination(v))),
    check("target.user", |v| principal(v, LOCAL_CERTIFICATE)),
];

/// Places in [`VOCABULARY`], each where [`hash`] of the name there says, or in the next place that was free; after the last
/// place comes the first. More than half of them stay free, so that a search is short.
#[allow(clippy::indexing_slicing, reason = "the compiler evaluates it, and would refuse")]
const PLACES: [u8; 128] = {
    let mut places = [FREE; 128];
    let mut next = 0;
    while next < VOCABULARY.len() {
        let mut at = hash(VOCABULARY[next].name) % places.len();
        while places[at] != FREE {
            at = (at + 1) % places.len();
        }
        places[at] = next as u8;
        next += 1;
    }
    places
};

/// No word.
const FREE: u8 = u8::MAX;

const _: () = assert!(VOCABULARY.len() < PLACES.len() / 2);

/// Names differ in length, in the last letter or in the middle.
const fn hash(name: &str) -> usize {
    let name = name.as_bytes();
    let (front, back) = name.split_at(name.len() / 2);
    match (front, back) {
        ([.., middle], [.., last]) => name.len() + 11 * *middle as usize + 3 * *last as usize,
        _ => name.len(),
    }
}

/// The word at a place.
pub(super) fn word(place: u8) -> Option<&'static Word> {
    VOCABULARY.get(usize::from(place))
}

/// The word of a name, and its place.
pub(super) fn place(name: &str) -> Option<(u8, &'static Word)> {
    let start = hash(name);
    let places = (start..start + PLACES.len()).map_while(|at| PLACES.get(at % PLACES.len()));
    let mut words = places.map_while(|place| Some((*place, word(*place)?)));
    words.find(|(_, word)| by_length(word.name, name).is_eq())
}

fn string(v: &View<'_>, path: Path) -> Option<Value> {
    v.host.property(path).and_then(|bytes| decode::text(&bytes))
}

fn int64(v: &View<'_>, path: Path) -> Option<Value> {
    v.host.property(path).and_then(|bytes| decode::int64(&bytes)).map(Value::Int64)
}

fn ip(v: &View<'_>, path: Path) -> Option<Value> {
    v.host
        .property(path)
        .and_then(|bytes| decode::address(&bytes))
        .map(|address| Value::from_ip(address.ip()))
}

fn port(v: &View<'_>, path: Path) -> Option<Value> {
    let address = v.host.property(path).and_then(|bytes| decode::address(&bytes))?;
    Some(Value::Int64(address.port().into()))
}

/// The upstream's address; of a connection that has none its own.
fn destination(v: &View<'_>) -> Path {
    let is_known =
        !v.stream.is_connection || v.host.property(UPSTREAM).is_some_and(|address| !address.is_empty());
    if is_known { UPSTREAM } else { path_of!("destination", "address") }
}

fn header<'v>(v: &'v View<'_>, name: &str) -> Option<&'v str> {
    v.request_headers().get(name)
}

fn split_query(path: &str) -> (&str, &str) {
    path.split_once('?').unwrap_or((path, ""))
}

/// What the proxy says, which is the length that the request declares, else how many bytes have come; it is only asked if
/// that is not known here already.
fn request_size(v: &View<'_>) -> Option<Value> {
    if v.host.is_bodiless() {
        return Some(Value::Int64(0));
    }
    let declared = v.stream.request_headers.get().and_then(|headers| headers.get("content-length"));
    let digits = declared.filter(|length| length.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(length) => Some(Value::Int64(length)),
        None => int64(v, path_of!("request", "size")),
    }
}

/// Parameters as they stand in the path, nothing decoded; the first of a name counts.
fn query(v: &View<'_>) -> Option<Value> {
    let (_, query) = split_query(header(v, ":path")?);
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    let pairs = parameters.map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")));
    // Of equal keys the last one would stay.
    let map: StringMap = pairs.rev().collect();
    (!map.is_empty()).then(|| map.into())
}

fn protocol(v: &View<'_>) -> &'static str {
    if v.stream.is_connection {
        return "tcp";
    }
    match header(v, "content-type") {
        Some("application/grpc" | "application/grpc+proto" | "application/grpc+json") => "grpc",
        _ => "http",
    }
}

fn reporter_kind(v: &View<'_>) -> Option<Value> {
    match v.host.property(path_of!("listener_direction")).and_then(|bytes| decode::int64(&bytes)) {
        Some(1) => Some("inbound".into()),
        Some(2) => Some("outbound".into()),
        _ => None,
    }
}

fn principal(v: &View<'_>, certificate: Path) -> Option<Value> {
    san(v, certificate).map(|name| Value::from(name.as_str()))
}

/// The first URI of a certificate, without its scheme.
fn san(v: &View<'_>, certificate: Path) -> Option<String> {
    let uri = v.host.property(certificate)?;
    let uri = String::from_utf8(uri).ok().filter(|uri| !uri.is_empty())?;
    Some(uri.strip_prefix("spiffe://").map(str::to_owned).unwrap_or(uri))
}

/// What an authentication filter says of the peer, else what the peer's certificate says.
fn peer_name(v: &View<'_>) -> Option<String> {
    match v.authn() {
        Some(authn) => authn.get("source.principal").filter(|name| !name.is_empty()).map(str::to_owned),
        None => san(v, PEER_CERTIFICATE),
    }
}

fn peer(v: &View<'_>) -> Option<Value> {
    peer_name(v).map(|name| Value::from(name.as_str()))
}

/// The namespace in a name of the form `…/ns/NAMESPACE/…`.
fn namespace(principal: &str) -> Option<&str> {
    let (_, rest) = principal.split_once("/ns/")?;
    rest.split_once('/').map(|(namespace, _)| namespace)
}

fn authn(v: &View<'_>, key: &str) -> Option<Value> {
    v.authn()?.get(key).filter(|value| !value.is_empty()).map(Value::from)
}

fn claims(v: &View<'_>) -> Option<Value> {
    let path = path_of!("metadata", "filter_metadata", "istio_authn", "request.auth.claims");
    // Asked for only where there is authentication at all.
    v.authn()?;
    let map = decode::string_map(&v.host.property(path)?)?;
    (!map.is_empty()).then(|| map.into())
}

/// When the request came plus how long it took: what the proxy's own access log would say.
fn response_time(v: &View<'_>) -> Option<Value> {
    let nanos = v.host.property(path_of!("request", "duration")).and_then(|bytes| decode::int64(&bytes))?;
    let end = i128::from(v.stream.time) + i128::from(nanos);
    Some(Value::Timestamp(Timestamp::from_unix_nanos(end)))
}

/// The short names of Envoy's response flags, by bit.
const RESPONSE_FLAGS: [&str; 29] = [
    "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC", "URX",
    "SI", "IH", "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DO", "DR",
];

fn proxy_error_code(v: &View<'_>) -> Option<Value> {
    let flags = v.host.property(path_of!("response", "flags")).and_then(|bytes| decode::int64(&bytes))?;
    let set =
        RESPONSE_FLAGS.iter().enumerate().filter(|(bit, _)| flags >> bit & 1 == 1).map(|(_, name)| *name);
    let names = set.collect::<Vec<_>>().join(",");
    Some(if names.is_empty() { "-".into() } else { names.as_str().into() })
}
