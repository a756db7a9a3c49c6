//! Tests of following pods, against an API of the test's own, as a request sees what comes of it.

use std::time::Duration;

use checkcache::Validity;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::fake::{Fake, pod};
use super::*;
use crate::adapters::fixture;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    fake: Fake,
    handler: Kubernetes,
    telemetry: Arc<Telemetry>,
    _folder: TempDir,
}

impl World {
    /// A handler that is built, and no more.
    async fn built(pods: Vec<Json>) -> Self {
        let fake = Fake::start(pods).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        fake.write_kubeconfig(&path);
        let (handler, telemetry) = handler(json!({ "kubeconfigPath": "kubeconfig" }), Access::File(path));
        Self { fake, handler, telemetry, _folder: folder }
    }

    /// A handler that follows the pods.
    async fn started(pods: Vec<Json>) -> Self {
        let world = Self::built(pods).await;
        world.handler.in_force();
        timeout(PATIENCE, world.fake.watched(1)).await.expect("the pods are watched");
        world
    }

    async fn derive(&self, input: &str, text: &str) -> Result<Derived, HandlerError> {
        self.handler.derive(&[(Arc::from(input), Value::from(text))].into()).await
    }

    /// One output, derived of the source's identity.
    async fn output(&self, uid: &str, output: &str) -> Option<String> {
        self.derive("sourceUID", uid).await.unwrap().outputs.get(output).map(ToString::to_string)
    }

    /// Waits until an output is as it should be.
    async fn until(&self, uid: &str, output: &str, value: Option<&str>) {
        let is_so = async || {
            let derived = self.derive("sourceUID", uid).await;
            derived.is_ok_and(|d| d.outputs.get(output).map(ToString::to_string).as_deref() == value)
        };
        let wait = async {
            while !is_so().await {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{output} of {uid} is never {value:?}"));
    }

    fn metric(&self, name: &str) -> u64 {
        let mut page = String::new();
        self.telemetry.write(None, &mut page);
        let sample = format!("{name}{{handler=\"test\"}} ");
        let found = page.lines().find_map(|line| line.strip_prefix(&sample));
        found.map_or(0, |value| value.parse().unwrap())
    }
}

fn handler(params: Json, access: Access) -> (Kubernetes, Arc<Telemetry>) {
    let surroundings = fixture::surroundings();
    let parsed = KubernetesParams::parse(&params).unwrap();
    let handler = Kubernetes::new(&fixture::block(INFO.name, params), parsed, access, &surroundings);
    (handler, surroundings.telemetry)
}

fn reviews() -> Json {
    pod("reviews-1", "10.0.0.1", &json!({ "app": "reviews", "version": "v1" }))
}

#[tokio::test]
async fn pods_are_listed_and_followed() {
    let world = World::started(vec![reviews()]).await;
    for (output, value) in [
        ("sourcePodName", "reviews-1"),
        ("sourceNamespace", "bookinfo"),
        ("sourceServiceAccountName", "books"),
        ("sourceService", "reviews.bookinfo.svc.cluster.local"),
        ("sourcePodIP", "10.0.0.1"),
        ("sourceHostIP", "192.0.2.1"),
    ] {
        let found = world.output("kubernetes://reviews-1.bookinfo", output).await;
        assert_eq!(found.as_deref(), Some(value), "{output}");
    }
    world.fake.change("ADDED", pod("ratings-1", "10.0.0.2", &json!({ "app": "ratings" })));
    world.until("ratings-1.bookinfo", "sourcePodIP", Some("10.0.0.2")).await;
    world.fake.change("MODIFIED", pod("ratings-1", "10.0.0.3", &json!({ "app": "ratings" })));
    world.until("ratings-1.bookinfo", "sourcePodIP", Some("10.0.0.3")).await;
    let by_old_address = world.derive("sourceIP", "10.0.0.2").await.unwrap();
    assert!(by_old_address.outputs.is_empty());
    assert_eq!(world.metric("mixer_workloads"), 2);
    world.fake.change("DELETED", reviews());
    world.until("reviews-1.bookinfo", "sourcePodName", None).await;
    assert_eq!(world.fake.requests(), ["list", "watch 2"]);
}

#[tokio::test]
async fn what_is_derived_holds_for_a_while_and_what_is_not_known_for_a_moment() {
    let world = World::started(vec![reviews()]).await;
    let known = world.derive("sourceIP", "10.0.0.1").await.unwrap();
    assert_eq!(known.validity, Validity::For { ttl: limits::DERIVED_TTL, uses: None });
    let unknown = world.derive("sourceIP", "10.0.0.9").await.unwrap();
    assert_eq!(unknown.validity, Validity::For { ttl: limits::UNKNOWN_WORKLOAD_TTL, uses: None });
}

#[tokio::test]
async fn a_list_may_have_pages() {
    let pods = (1..=5).map(|n| pod(&format!("pod-{n}"), &format!("10.0.0.{n}"), &json!({}))).collect();
    let world = World::built(pods).await;
    world.fake.set_page(2);
    world.handler.in_force();
    world.until("pod-5.bookinfo", "sourcePodIP", Some("10.0.0.5")).await;
    assert_eq!(world.metric("mixer_workloads"), 5);
}

#[tokio::test]
async fn a_watch_that_ends_goes_on_where_it_left_off() {
    let world = World::started(vec![reviews()]).await;
    for is_clean in [true, false] {
        // The event after the bookmark tells that the bookmark was seen.
        let place = world.fake.bookmark() + 1;
        let version = format!("v{place}");
        world.fake.change("MODIFIED", pod("reviews-1", "10.0.0.1", &json!({ "app": version })));
        let service = format!("{version}.bookinfo.svc.cluster.local");
        world.until("reviews-1.bookinfo", "sourceService", Some(&service)).await;
        let place = world.fake.bookmark();
        world.fake.end_watches(is_clean);
        world.fake.change("MODIFIED", pod("reviews-1", "10.0.0.1", &json!({ "app": "later" })));
        world.until("reviews-1.bookinfo", "sourceService", Some("later.bookinfo.svc.cluster.local")).await;
        if is_clean {
            assert_eq!(world.fake.requests().last().unwrap(), &format!("watch {place}"));
        }
    }
    let lists = world.fake.requests().iter().filter(|request| *request == "list").count();
    assert_eq!(lists, 1, "{:?}", world.fake.requests());
}

#[tokio::test]
async fn what_the_api_forgot_is_listed_anew() {
    let world = World::started(vec![reviews(), pod("gone-1", "10.0.0.9", &json!({}))]).await;
    // Nobody is told of this one: what is not listed any more is gone.
    world.fake.end_watches(false);
    world.fake.change("DELETED", pod("gone-1", "10.0.0.9", &json!({})));
    world.fake.forget();
    world.until("gone-1.bookinfo", "sourcePodName", None).await;
    assert_eq!(world.output("reviews-1.bookinfo", "sourcePodName").await.as_deref(), Some("reviews-1"));

    timeout(PATIENCE, world.fake.watched(1)).await.unwrap();
    world.fake.forget();
    world.fake.change("ADDED", pod("new-1", "10.0.0.8", &json!({})));
    world.until("new-1.bookinfo", "sourcePodName", Some("new-1")).await;
}

#[tokio::test]
async fn what_cannot_be_read_may_have_been_a_change() {
    let world = World::started(vec![reviews()]).await;
    world.fake.mumble();
    let listed_twice = async {
        while world.fake.requests().iter().filter(|request| *request == "list").count() < 2 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, listed_twice).await.expect("everything is listed anew");
}

#[tokio::test]
async fn while_the_api_is_away_the_last_state_answers_and_that_is_counted() {
    let world = World::started(vec![reviews()]).await;
    assert_eq!(world.output("reviews-1.bookinfo", "sourcePodName").await.as_deref(), Some("reviews-1"));
    assert_eq!(world.metric("mixer_workload_stale_answers_total"), 0);
    world.fake.set_away(true);
    let noticed = async {
        while world.metric("mixer_workload_stale_answers_total") == 0 {
            let name = world.output("reviews-1.bookinfo", "sourcePodName").await;
            assert_eq!(name.as_deref(), Some("reviews-1"));
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, noticed).await.expect("that the API is away is noticed");
    assert!(world.metric("mixer_workload_source_failures_total") > 0);
    world.fake.change("ADDED", pod("new-1", "10.0.0.8", &json!({})));
    world.fake.set_away(false);
    world.until("new-1.bookinfo", "sourcePodName", Some("new-1")).await;
    let stale = world.metric("mixer_workload_stale_answers_total");
    world.output("reviews-1.bookinfo", "sourcePodName").await;
    assert_eq!(world.metric("mixer_workload_stale_answers_total"), stale);
}

#[tokio::test]
async fn nothing_begins_before_the_configuration_is_in_force() {
    let world = World::built(vec![reviews()]).await;
    let Err(HandlerError::Failed(reason)) = world.derive("sourceUID", "reviews-1.bookinfo").await else {
        panic!("nothing was listed")
    };
    assert!(reason.contains("not listed yet"), "{reason}");
    assert_eq!(world.fake.requests(), [""; 0]);
    // What asks for no pod needs none.
    let given = world.derive("targetService", "reviews").await.unwrap();
    assert_eq!(given.outputs["targetService"], Value::from("reviews.default.svc.cluster.local"));
    assert_eq!(given.validity, Validity::Revision);
    // The first question may come before the list.
    world.handler.in_force();
    world.until("reviews-1.bookinfo", "sourcePodName", Some("reviews-1")).await;
    world.handler.in_force();
    assert_eq!(world.fake.requests()[0], "list");
    assert!(world.fake.requests().len() <= 2, "told twice that it is in force, it follows once");
}

#[tokio::test]
async fn why_there_are_no_pods_is_said() {
    let (handler, _) = handler(json!({}), Access::File(PathBuf::from("/nowhere/kubeconfig")));
    handler.in_force();
    let inputs = [(Arc::from("sourceUID"), Value::from("a.b"))].into();
    let Err(HandlerError::Failed(reason)) = handler.derive(&inputs).await else { panic!() };
    assert!(reason.contains("/nowhere/kubeconfig"), "{reason}");
}

#[tokio::test]
async fn following_ends_with_the_handler() {
    let World { fake, handler, telemetry: _, _folder } = World::started(vec![reviews()]).await;
    drop(handler);
    timeout(PATIENCE, fake.watched(0)).await.expect("the watch is closed");
}

#[tokio::test]
async fn pods_that_have_no_address_of_their_own_are_found_by_identity_only() {
    let mut on_host = pod("agent-1", "10.0.0.7", &json!({}));
    on_host["spec"]["hostNetwork"] = true.into();
    let mut over = pod("job-1", "10.0.0.8", &json!({}));
    over["status"]["phase"] = "Succeeded".into();
    let mut waiting = pod("new-1", "", &json!({}));
    waiting["status"] = json!({ "phase": "Pending" });
    let world = World::started(vec![on_host, over, waiting]).await;
    for (uid, address) in [("agent-1", "10.0.0.7"), ("job-1", "10.0.0.8"), ("new-1", "")] {
        let found = world.output(&format!("{uid}.bookinfo"), "sourcePodName").await;
        assert_eq!(found.as_deref(), Some(uid));
        assert!(world.derive("sourceIP", address).await.unwrap().outputs.is_empty(), "{address}");
    }
}

#[test]
fn what_shipped_rules_bind_is_there() {
    use attributes::ValueType;

    let outputs = outputs(&json!({ "kubeconfig_path": "adapter/kubernetes/kubeconfig" }));
    for (output, value_type) in [
        ("PodIp", ValueType::IpAddress),
        ("Labels", ValueType::StringMap),
        ("PodName", ValueType::String),
        ("Namespace", ValueType::String),
        ("Service", ValueType::String),
        ("ServiceAccountName", ValueType::String),
    ] {
        for side in ["source", "target"] {
            assert_eq!(outputs.get(&format!("{side}{output}")), Some(&value_type), "{side}{output}");
        }
    }
}

#[test]
fn the_variable_goes_before_the_file() {
    let file = || Some(PathBuf::from("kubeconfig"));
    assert_eq!(Access::choose(Some("/a".into()), file()), Access::Environment);
    assert_eq!(Access::choose(Some("".into()), file()), Access::File("kubeconfig".into()));
    assert_eq!(Access::choose(None, file()), Access::File("kubeconfig".into()));
    assert_eq!(Access::choose(None, None), Access::ServiceAccount);
}

#[test]
fn what_is_wrong_with_parameters_is_said() {
    let problems = |params: Json| {
        let problems = KubernetesParams::parse(&params).err().unwrap_or_default();
        problems.into_iter().map(|problem| problem.path).collect::<Vec<_>>()
    };
    // As the files that Mixer shipped have it.
    assert_eq!(problems(json!({ "kubeconfig_path": "", "cache_refresh_duration": "5m" })), [""; 0]);
    assert_eq!(problems(json!({ "cacheRefreshDuration": "10ms" })), ["cacheRefreshDuration"]);
    assert_eq!(problems(json!({ "podLabelForService": "" })), ["podLabelForService"]);
    assert_eq!(problems(json!({ "cluster_domain_name": "cluster.local" })), ["clusterDomainName"]);
    assert_eq!(
        problems(json!({ "lookupIngressSourceAndOriginValues": "no" })),
        ["lookupIngressSourceAndOriginValues"]
    );
}
