//! The law of the cache, through the whole service: a verdict from L2 is the one that an evaluation would give.

use std::path::Path;
use std::sync::Arc;

use attributes::{Bag, StringMap, Value};
use cache_server::api::MixerService;
use cache_server::l2::L2;
use cache_server::runtime::{Reloader, Runtime, Store};
use cache_server::telemetry::Telemetry;
use proptest::prelude::*;
use proto::google::rpc;
use proto::v1::check_response::PreconditionResult;
use proto::v1::mixer_server::Mixer as _;
use proto::v1::{CompressedAttributes, RouteDirective};

use crate::harness::{check_request, dictionary, tree, write};

const ADAPTERS: &str = r#"
adapters:
  - { name: closed, kind: denials, impl: denyChecker, params: { error: { code: 7, message: closed } } }
  - { name: gone, kind: denials, impl: denyChecker, params: { error: { code: 5, message: gone } } }
  - { name: blocked, kind: lists, impl: ipListChecker, params: { entries: [10.0.0.0/31] } }
  - { name: agents, kind: lists, impl: genericListChecker, params: { listEntries: [x, "1"] } }
"#;

const GLOBAL: &str = r#"
rules:
  - selector: (request.path | "").startsWith("/a") || request.method == "POST"
    aspects: [{ kind: lists, adapter: agents, params: { blacklist: true, checkExpression: 'request.headers["h"] | source.user | "none"' } }]
    rules:
      - selector: (request.size | 0) > 1
        aspects: [{ kind: denials, adapter: gone }]
  - selector: (source.user | "") != "" && (request.headers["h"] | "") == "y"
    aspects: [{ kind: denials, adapter: closed }]
  - selector: (request.size | 0) == 0
    aspects: [{ kind: lists, adapter: blocked, params: { blacklist: true, checkExpression: source.ip } }]
"#;

const SERVICE: &str = r#"
rules:
  - selector: request.method == "GET"
    aspects: [{ kind: denials, adapter: closed }]
"#;

fn service(threads: &tokio::runtime::Runtime, root: &Path, l2_entries: usize) -> (MixerService, Arc<L2>) {
    let telemetry = Arc::new(Telemetry::new());
    let runtime = Arc::new(Runtime::new(root.to_owned(), policy::Options::default(), Arc::clone(&telemetry)));
    let store = Arc::new(Store::open(root.to_owned().into()));
    let l2 = Arc::new(L2::new(l2_entries, [7; 16]));
    threads.block_on(Reloader::new(store, Arc::clone(&runtime), Arc::clone(&l2)).load());
    if let Err(error) = runtime.active() {
        panic!("{error}");
    }
    let service =
        MixerService::new(runtime, Arc::clone(&l2), Arc::new(dictionary()), true, telemetry, [1; 16]);
    (service, l2)
}

fn text(
    name: &'static str,
    texts: &'static [&'static str],
) -> impl Strategy<Value = Option<(&'static str, Value)>> {
    prop::option::weighted(0.9, prop::sample::select(texts).prop_map(move |text| (name, Value::from(text))))
}

fn bags() -> impl Strategy<Value = Bag> {
    let headers =
        prop::option::of(prop::option::of(prop::sample::select(vec!["x", "y", ""])).prop_map(|value| {
            let map: StringMap = value.map(|value| ("h", value)).into_iter().collect();
            ("request.headers", Value::from(map))
        }));
    // What a manifest calls a number may come as text all the same.
    let size = prop::option::of(
        prop_oneof![9 => (0..3i64).prop_map(Value::Int64), 1 => Just(Value::from("1"))]
            .prop_map(|size| ("request.size", size)),
    );
    let address = prop::option::weighted(
        0.9,
        prop_oneof![
            9 => (0..4u8).prop_map(|last| Value::Bytes([10, 0, 0, last].as_slice().into())),
            1 => Just(Value::Bytes([1].as_slice().into())),
        ]
        .prop_map(|address| ("source.ip", address)),
    );
    (
        text("request.path", &["/a", "/ab", "/b", ""]),
        text("request.method", &["GET", "POST"]),
        text("source.user", &["x", "y", ""]),
        text("target.service", &["a.ns.svc.cluster.local", "b.ns.svc.cluster.local", "elsewhere"]),
        headers,
        size,
        address,
    )
        .prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g].into_iter().flatten().collect())
}

/// All of an answer that a proxy acts on.
#[derive(Debug, PartialEq)]
struct Answer {
    status: Option<rpc::Status>,
    refused_by: String,
    directive: Option<RouteDirective>,
    derived: Option<CompressedAttributes>,
}

fn answer(threads: &tokio::runtime::Runtime, service: &MixerService, bag: &Bag) -> Answer {
    let request = tonic::Request::new(check_request(&dictionary(), bag));
    let reply = threads.block_on(service.check(request)).unwrap().into_inner();
    let PreconditionResult { status, refused_by, route_directive: directive, attributes: derived, .. } =
        reply.precondition.unwrap();
    Answer { status, refused_by, directive, derived }
}

/// Asks three servers the same: one with room for everything, one with room for almost nothing, one without L2.
fn check_law(root: &Path, bags: impl Strategy<Value = Bag>) {
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (cached, l2) = service(&threads, root, 10_000);
    let (small, small_l2) = service(&threads, root, 3);
    let (fresh, _) = service(&threads, root, 0);
    proptest!(ProptestConfig::with_cases(2000), |(bag in bags)| {
        let expected = answer(&threads, &fresh, &bag);
        prop_assert_eq!(&answer(&threads, &cached, &bag), &expected);
        // Once more, now that it is stored.
        prop_assert_eq!(&answer(&threads, &cached, &bag), &expected);
        prop_assert_eq!(&answer(&threads, &small, &bag), &expected);
    });
    let statistics = l2.statistics().unwrap();
    // Each bag was asked about twice, so this is how often the answer was there before.
    let answered_at_once = (statistics.hits - statistics.insertions) / 2;
    assert!(answered_at_once > 300 && statistics.insertions > 30, "{statistics:?}");
    assert!(small_l2.statistics().unwrap().evictions > 30);
}

#[test]
fn cached_verdicts_are_those_of_an_evaluation() {
    let folder = tree(ADAPTERS, GLOBAL);
    write(folder.path(), "scopes/global/subjects/a.ns.svc.cluster.local/rules.yml", SERVICE);
    check_law(folder.path(), bags());
}

#[test]
fn cached_verdicts_are_those_of_an_evaluation_under_the_demo_configuration() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/demo");
    let header = |name: &'static str, values: &'static [&'static str]| {
        prop::option::of(prop::sample::select(values).prop_map(move |value| (name, value)))
    };
    let headers = (header("user-agent", &["curl", "BadBot/1.0"]), header("x-approved-by", &["ops", ""]));
    let headers = headers.prop_map(|(agent, by)| {
        let map: StringMap = agent.into_iter().chain(by).collect();
        ("request.headers", Value::from(map))
    });
    let address = prop::sample::select(vec![
        "127.0.0.1",
        "127.0.0.2",
        "203.0.113.9",
        "2001:db8::1",
        "::ffff:127.0.0.2",
    ])
    .prop_map(|address| ("origin.ip", Value::from_ip(address.parse().unwrap())));
    let services = &["productpage.default.svc.cluster.local", "reviews.default.svc.cluster.local", "other"];
    let bags = (
        text("target.service", services),
        text("request.path", &["/", "/admin", "/admin/users", "/adm"]),
        text("request.method", &["GET", "HEAD", "POST", "DELETE"]),
        prop::option::weighted(0.9, headers),
        prop::option::weighted(0.9, address),
    );
    check_law(&root, bags.prop_map(|(a, b, c, d, e)| [a, b, c, d, e].into_iter().flatten().collect()));
}

const DERIVING: &str = r#"
adapters:
  - name: machines
    kind: attributes
    impl: inventory
    params:
      workloads:
        - { uid: u0, ip: 10.0.0.0, name: m0, namespace: ns, labels: { app: x, h: "y" }, service: a.ns.svc.cluster.local }
        - { uid: u1, ip: 10.0.0.1, name: m1, namespace: ns, labels: { app: "y" } }
        - { uid: u2, ip: 10.0.0.2, name: m2, namespace: other }
  - { name: closed, kind: denials, impl: denyChecker, params: { error: { code: 7, message: closed } } }
  - { name: gone, kind: denials, impl: denyChecker, params: { error: { code: 5, message: gone } } }
  - { name: agents, kind: lists, impl: genericListChecker, params: { listEntries: [x, m1] } }
"#;

/// The subject, a text, and a map come from whoever has the address, and lie over what the request says.
const DERIVED: &str = r#"
rules:
  - selector: (request.method | "") != "POST"
    aspects:
      - kind: attributes
        adapter: machines
        params:
          inputExpressions: { sourceIP: source.ip }
          attributeBindings: { source.user: sourcePodName, request.headers: sourceLabels, target.service: sourceService }
  - requestHeaderOperations: [{ name: x-user, values: [source.user | "nobody"] }]
  - selector: (request.headers["h"] | "") == "y"
    aspects: [{ kind: denials, adapter: closed }]
  - selector: (request.path | "").startsWith("/a")
    aspects: [{ kind: lists, adapter: agents, params: { blacklist: true, checkExpression: 'request.headers["app"] | source.user | "none"' } }]
    responseHeaderOperations: [{ name: x-app, values: ['request.headers["app"] | "-"'], operation: APPEND }]
"#;

#[test]
fn cached_verdicts_are_those_of_an_evaluation_with_derived_attributes() {
    let folder = tree(DERIVING, DERIVED);
    let of_service = r"
rules:
  - selector: (request.size | 0) == 1
    aspects: [{ kind: denials, adapter: gone }]
";
    write(folder.path(), "scopes/global/subjects/a.ns.svc.cluster.local/rules.yml", of_service);
    check_law(folder.path(), bags());
}
