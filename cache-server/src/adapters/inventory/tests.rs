//! Tests of inventories, inline and from a file, as a request sees them.

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::adapters::fixture;

struct World {
    folder: TempDir,
    inventory: Inventory,
}

impl World {
    fn new(params: Json, file: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some(text) = file {
            std::fs::write(folder.path().join("machines.yml"), text).unwrap();
        }
        let surroundings = Surroundings { root: folder.path().to_owned(), ..fixture::surroundings() };
        let config = fixture::block(INFO.name, params);
        let params = InventoryParams::parse(&config.params).unwrap();
        let source = Source::new(&config, params, &surroundings).unwrap();
        Self { folder, inventory: Inventory(Arc::new(source)) }
    }

    fn with_file(text: &str) -> Self {
        Self::new(json!({ "file": "machines.yml" }), Some(text))
    }

    fn rewrite(&self, text: &str) {
        std::fs::write(self.folder.path().join("machines.yml"), text).unwrap();
        self.inventory.0.refresh();
    }

    async fn derive(&self, input: &str, text: &str) -> Result<Derived, HandlerError> {
        self.inventory.derive(&[(Arc::from(input), Value::from(text))].into()).await
    }

    async fn output(&self, input: &str, text: &str, output: &str) -> Option<String> {
        let derived = self.derive(input, text).await.unwrap();
        derived.outputs.get(output).map(ToString::to_string)
    }

    fn metrics(&self) -> String {
        let mut page = String::new();
        self.inventory.0.telemetry.write(None, &mut page);
        page
    }
}

#[tokio::test]
async fn a_list_in_the_block_stands_as_long_as_the_configuration() {
    let world = World::new(
        json!({ "workloads": [
            { "uid": "vm-1", "ips": ["10.0.0.1", "2001:db8::1"], "labels": { "tier": "db", "rack": "7" }, "service": "users" },
            { "name": "b", "namespace": "shop", "ip": "10.0.0.2", "service_account": "sa", "hostIp": "192.0.2.1" },
        ] }),
        None,
    );
    assert_eq!(world.derive("sourceUID", "vm-1").await.unwrap().validity, Validity::Revision);
    assert_eq!(world.derive("sourceUID", "vm-9").await.unwrap().validity, Validity::Revision);
    for (input, text, output, value) in [
        ("sourceUID", "vm-1", "sourceService", "users.default.svc.cluster.local"),
        ("sourceIP", "2001:db8::1", "sourcePodIP", "10.0.0.1"),
        ("targetIP", "10.0.0.2", "targetPodName", "b"),
        ("targetUID", "kubernetes://b.shop", "targetServiceAccountName", "sa"),
        ("targetUID", "b.shop", "targetHostIP", "192.0.2.1"),
    ] {
        assert_eq!(world.output(input, text, output).await.as_deref(), Some(value), "{input} {text}");
    }
    let labels = world.derive("sourceUID", "vm-1").await.unwrap().outputs.remove("sourceLabels");
    let Some(Value::StringMap(labels)) = labels else { panic!("{labels:?}") };
    assert_eq!((labels.get("tier"), labels.get("rack")), (Some("db"), Some("7")));
}

#[tokio::test]
async fn a_file_is_followed() {
    let world = World::with_file("- { uid: vm-1, name: one }\n");
    assert_eq!(world.output("sourceUID", "vm-1", "sourcePodName").await.as_deref(), Some("one"));
    let Validity::For { ttl, uses: None } = world.derive("sourceUID", "vm-1").await.unwrap().validity else {
        panic!("a file may change")
    };
    assert!(ttl <= limits::INVENTORY_REFRESH, "not beyond the next look: {ttl:?}");
    world.rewrite(r#"[{ "uid": "vm-1", "name": "uno" }, { "uid": "vm-2" }]"#);
    assert_eq!(world.output("sourceUID", "vm-1", "sourcePodName").await.as_deref(), Some("uno"));
    assert!(world.metrics().contains("mixer_workloads{handler=\"test\"} 2"));
    world.rewrite("");
    assert_eq!(world.output("sourceUID", "vm-1", "sourcePodName").await, None);
}

#[tokio::test]
async fn a_file_that_is_wrong_changes_nothing_and_is_counted() {
    let world = World::with_file("- { uid: vm-1, name: one }\n");
    let wrong = [
        "- { uid: vm-1, name: two }\n- [",
        "- { uid: vm-1, name: two, color: red }",
        "- { name: two }",
        "- { uid: vm-1, ip: somewhere }",
        "- { uid: vm-1 }\n- { uid: vm-1 }",
        "workloads: []",
        "- { uid: vm-1, service: 10.0.0.1 }",
    ];
    for (count, text) in (1..).zip(wrong) {
        world.rewrite(text);
        let name = world.output("sourceUID", "vm-1", "sourcePodName").await;
        assert_eq!(name.as_deref(), Some("one"), "{text}");
        for metric in ["mixer_workload_source_failures_total", "mixer_workload_stale_answers_total"] {
            let sample = format!("{metric}{{handler=\"test\"}} {count}\n");
            assert!(world.metrics().contains(&sample), "{text}: {}", world.metrics());
        }
    }
    world.rewrite("- { uid: vm-1, name: two }\n");
    assert_eq!(world.output("sourceUID", "vm-1", "sourcePodName").await.as_deref(), Some("two"));
}

#[tokio::test]
async fn without_a_file_there_is_no_answer_until_it_comes() {
    let world = World::new(json!({ "file": "machines.yml" }), None);
    let Err(HandlerError::Failed(reason)) = world.derive("sourceUID", "vm-1").await else { panic!() };
    assert!(reason.contains("machines.yml"), "{reason}");
    world.rewrite("- { uid: vm-1, name: one }\n");
    assert_eq!(world.output("sourceUID", "vm-1", "sourcePodName").await.as_deref(), Some("one"));
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let problems = |params: Json| {
        let problems = InventoryParams::parse(&params).err().unwrap_or_default();
        problems.into_iter().map(|problem| problem.path).collect::<Vec<_>>()
    };
    assert_eq!(
        problems(json!({ "workloads": [{ "uid": "a" }, { "uid": "b", "ips": ["x"] }] })),
        ["workloads[1].ips[0]"]
    );
    assert_eq!(
        problems(json!({ "workloads": [{ "uid": "a", "labels": { "x": 7 } }] })),
        ["workloads[0].labels.x"]
    );
    assert_eq!(problems(json!({ "workloads": [{ "uid": "a.b" }, { "uid": "b/a" }] })), ["workloads"]);
    assert_eq!(problems(json!({ "workloads": ["a"] })), ["workloads[0]", "workloads[0].uid"]);
    assert_eq!(problems(json!({ "workloads": {} })), ["workloads"]);
    assert_eq!(
        problems(json!({ "file": "/etc/hosts", "refreshInterval": "10ms" })),
        ["file", "refreshInterval"]
    );
    assert_eq!(
        problems(json!({ "sourcePrefix": "", "clusterDomainName": "local" })),
        ["sourcePrefix", "clusterDomainName"]
    );
    assert_eq!(problems(json!({ "podIpValueName": "PodIp", "targetPrefix": "t" })).len(), 4);
}
