//! Tests of finding workloads, and of what is derived of them.

use std::collections::BTreeMap;
use std::time::Duration;

use attributes::Value;
use serde_json::json;

use super::*;
use crate::adapters::params::Params;

fn pod(namespace: &str, name: &str, address: &str) -> (Key, Workload) {
    let workload = Workload {
        name: Some(name.into()),
        namespace: Some(namespace.into()),
        addresses: vec![address.parse().unwrap()],
        owns_addresses: true,
        ..Workload::default()
    };
    (Key::of(namespace, name), workload)
}

fn labelled(name: &str, address: &str, labels: &[(&str, &str)]) -> (Key, Workload) {
    let (key, pod) = pod("bookinfo", name, address);
    (key, Workload { labels: Arc::new(labels.iter().copied().collect()), ..pod })
}

fn workloads(all: Vec<(Key, Workload)>) -> Workloads {
    let mut workloads = Workloads::default();
    for (key, workload) in all {
        workloads.insert(key, workload).unwrap();
    }
    workloads
}

fn naming(params: &serde_json::Value) -> Naming {
    let mut reader = Params::new(params);
    let naming = Naming::parse(&mut reader);
    reader.finish(naming).unwrap()
}

/// What is derived of textual inputs, as text.
fn derive(naming: &Naming, workloads: &Workloads, inputs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let inputs = inputs.iter().map(|&(name, text)| (name.into(), Value::from(text))).collect();
    let outputs = naming.derive(&inputs, workloads).outputs;
    outputs.into_iter().map(|(name, value)| (name, value.to_string())).collect()
}

fn name_at(workloads: &Workloads, address: &str) -> Option<String> {
    match workloads.find(&Hint::Address(address.parse().unwrap())) {
        Lookup::Found(found) => found.name.as_deref().map(str::to_owned),
        Lookup::Unknown => None,
        Lookup::Ambiguous => Some("several".to_owned()),
    }
}

#[test]
fn an_identity_may_be_written_in_several_ways() {
    for (identity, namespace, name) in [
        ("kubernetes://reviews-1.bookinfo", "bookinfo", "reviews-1"),
        ("reviews-1.bookinfo", "bookinfo", "reviews-1"),
        ("bookinfo/reviews-1", "bookinfo", "reviews-1"),
        ("kubernetes://bookinfo/reviews.v1", "bookinfo", "reviews.v1"),
        ("kubernetes://reviews.v1.bookinfo", "bookinfo", "reviews.v1"),
    ] {
        assert_eq!(Key::parse(identity), Key::of(namespace, name), "{identity}");
    }
    assert_eq!(Key::parse("machine-7"), Key::parse("kubernetes://machine-7"));
    assert_ne!(Key::parse(".bookinfo"), Key::of("bookinfo", ""));
}

#[test]
fn an_address_that_several_claim_names_none() {
    let mut all = workloads(vec![pod("a", "old", "10.0.0.1"), pod("a", "other", "10.0.0.2")]);
    assert_eq!(name_at(&all, "10.0.0.1").as_deref(), Some("old"));
    assert_eq!(name_at(&all, "::ffff:10.0.0.1").as_deref(), Some("old"));
    let (new, workload) = pod("a", "new", "10.0.0.1");
    all.insert(new, workload).unwrap();
    assert_eq!(name_at(&all, "10.0.0.1").as_deref(), Some("several"));
    all.remove(&Key::of("a", "old"));
    assert_eq!(name_at(&all, "10.0.0.1").as_deref(), Some("new"));
    all.remove(&Key::of("a", "new"));
    assert_eq!(name_at(&all, "10.0.0.1"), None);
    assert_eq!(all.len(), 1);
}

#[test]
fn a_workload_that_moves_leaves_its_address() {
    let mut all = workloads(vec![pod("a", "moving", "10.0.0.1")]);
    let (key, moved) = pod("a", "moving", "10.0.0.2");
    all.insert(key, moved).unwrap();
    assert_eq!(name_at(&all, "10.0.0.1"), None);
    assert_eq!(name_at(&all, "10.0.0.2").as_deref(), Some("moving"));
}

#[test]
fn an_address_of_the_host_names_no_workload() {
    let (key, on_host) = pod("a", "on-host", "10.0.0.1");
    let all = workloads(vec![(key, Workload { owns_addresses: false, ..on_host })]);
    assert_eq!(name_at(&all, "10.0.0.1"), None);
}

#[test]
fn every_side_is_told_of() {
    let all = workloads(vec![labelled("reviews-1", "10.0.0.1", &[("app", "reviews"), ("version", "v1")])]);
    let naming = naming(&json!({}));
    for side in ["source", "target", "destination", "origin"] {
        let found = derive(&naming, &all, &[(&format!("{side}UID"), "kubernetes://reviews-1.bookinfo")]);
        let expected = [
            ("Labels", "{app: reviews, version: v1}"),
            ("Namespace", "bookinfo"),
            ("PodIP", "10.0.0.1"),
            ("PodIp", "10.0.0.1"),
            ("PodName", "reviews-1"),
            ("Service", "reviews.bookinfo.svc.cluster.local"),
        ];
        let found: Vec<_> =
            found.iter().map(|(name, value)| (name.strip_prefix(side).unwrap(), value.as_str())).collect();
        assert_eq!(found.iter().map(|(name, _)| *name).collect::<Vec<_>>(), expected.map(|(name, _)| name));
        for ((name, found), (_, expected)) in found.into_iter().zip(expected) {
            if name != "Labels" {
                assert_eq!(found, expected, "{side}{name}");
            }
        }
    }
}

#[test]
fn outputs_are_of_the_declared_types() {
    let (key, full) = labelled("reviews-1", "10.0.0.1", &[("app", "reviews")]);
    let host_address = Some("192.0.2.1".parse().unwrap());
    let full = Workload { host_address, service_account: Some("bookinfo".into()), ..full };
    let naming = naming(&json!({}));
    let inputs = ["sourceUID", "targetUID", "originUID", "destinationUID"];
    let inputs = inputs.map(|name| (name.into(), Value::from("reviews-1.bookinfo"))).into();
    let found = naming.derive(&inputs, &workloads(vec![(key, full)])).outputs;
    let declared = naming.outputs();
    assert_eq!(found.keys().collect::<Vec<_>>(), declared.keys().collect::<Vec<_>>());
    for (name, value) in found {
        assert_eq!(value.kind(), declared[&name].carrier(), "{name}");
    }
}

#[test]
fn an_identity_goes_before_an_address() {
    let all = workloads(vec![pod("a", "one", "10.0.0.1"), pod("a", "two", "10.0.0.2")]);
    let naming = naming(&json!({}));
    for (inputs, name) in [
        (&[("sourceUID", "one.a"), ("sourceIP", "10.0.0.2")][..], Some("one")),
        (&[("sourceUID", "gone.a"), ("sourceIP", "10.0.0.2")], None),
        (&[("sourceUID", ""), ("sourceIP", "10.0.0.2")], Some("two")),
        (&[("sourceIP", "10.0.0.2")], Some("two")),
        (&[("sourceIP", "0.0.0.0")], None),
        (&[("sourceIP", "somewhere")], None),
        (&[], None),
    ] {
        let found = derive(&naming, &all, inputs);
        assert_eq!(found.get("sourcePodName").map(String::as_str), name, "{inputs:?}");
    }
    let bytes = Value::from_ip("10.0.0.2".parse().unwrap());
    let found = naming.derive(&[("sourceIP".into(), bytes)].into(), &all);
    assert_eq!(found.outputs["sourcePodName"], Value::from("two"));
}

#[test]
fn a_service_is_named_by_a_label() {
    let all = workloads(vec![
        labelled("a", "10.0.0.1", &[("app", "reviews"), ("istio", "mixer")]),
        labelled("b", "10.0.0.2", &[("istio", "mixer")]),
        labelled("c", "10.0.0.3", &[("tier", "web")]),
        labelled("d", "10.0.0.4", &[("app", "10.0.0.4")]),
    ]);
    let usual = naming(&json!({}));
    let other = naming(&json!({ "podLabelForService": "tier", "cluster_domain_name": "svc.example.org" }));
    for (naming, pod, service) in [
        (&usual, "a", Some("reviews.bookinfo.svc.cluster.local")),
        (&usual, "b", Some("mixer.bookinfo.svc.cluster.local")),
        (&usual, "c", None),
        (&usual, "d", None),
        (&other, "c", Some("web.bookinfo.svc.example.org")),
    ] {
        let found = derive(naming, &all, &[("sourceUID", &format!("{pod}.bookinfo"))]);
        assert_eq!(found.get("sourceService").map(String::as_str), service, "{pod}");
    }
}

#[test]
fn the_targets_service_may_be_given() {
    let all = workloads(vec![labelled("reviews-1", "10.0.0.1", &[("app", "reviews")])]);
    let naming = naming(&json!({}));
    for (given, service) in [
        ("ratings:9080", "ratings.default.svc.cluster.local"),
        ("", "reviews.bookinfo.svc.cluster.local"),
        ("10.0.0.1:9080", "reviews.bookinfo.svc.cluster.local"),
    ] {
        let inputs = [("targetUID", "reviews-1.bookinfo"), ("targetService", given)];
        assert_eq!(derive(&naming, &all, &inputs)["targetService"], service, "{given}");
    }
}

#[test]
fn who_comes_through_the_ingress_is_not_looked_up_unless_wanted() {
    let (_, ingress) = labelled("ingress-1", "10.0.0.1", &[("istio", "ingress")]);
    let ingress = Workload { namespace: Some("istio-system".into()), ..ingress };
    let all = workloads(vec![
        (Key::of("istio-system", "ingress-1"), ingress),
        labelled("reviews-1", "10.0.0.2", &[("app", "reviews")]),
    ]);
    let behind = [("destinationIP", "10.0.0.1"), ("sourceIP", "10.0.0.2")];
    let found = derive(&naming(&json!({})), &all, &behind);
    assert_eq!(found["destinationService"], "ingress.istio-system.svc.cluster.local");
    assert!(!found.contains_key("sourcePodName"));
    let wanted = naming(&json!({ "lookup_ingress_source_and_origin_values": true }));
    assert_eq!(derive(&wanted, &all, &behind)["sourcePodName"], "reviews-1");
}

#[test]
fn what_inputs_and_outputs_are_called_can_be_chosen() {
    let all = workloads(vec![pod("a", "one", "10.0.0.1")]);
    let naming = naming(&json!({
        "source_uid_input_name": "caller",
        "sourcePrefix": "caller_",
        "pod_name_value_name": "name",
        "podIpAddressValueName": "address",
    }));
    let found = derive(&naming, &all, &[("caller", "one.a"), ("sourceUID", "nobody.a")]);
    assert_eq!(found["caller_name"], "one");
    assert_eq!(found["caller_address"], "10.0.0.1");
    assert_eq!(naming.outputs().get("targetname"), Some(&attributes::ValueType::String));
}

#[test]
fn what_is_not_known_holds_for_a_moment_only() {
    let telemetry = Telemetry::new();
    let ttl = Duration::from_secs(30);
    let validity = |found, unknown, ambiguous| {
        let outcome = Outcome { outputs: BTreeMap::new(), found, unknown, ambiguous };
        answer(outcome, ttl, "pods", &telemetry).validity
    };
    let moment = limits::UNKNOWN_WORKLOAD_TTL;
    assert_eq!(validity(0, 0, 0), Validity::Revision);
    assert_eq!(validity(2, 0, 0), Validity::For { ttl, uses: None });
    assert_eq!(validity(1, 1, 0), Validity::For { ttl: moment, uses: None });
    assert_eq!(validity(1, 0, 1), Validity::For { ttl: moment, uses: None });
    let mut page = String::new();
    telemetry.write(None, &mut page);
    assert!(page.contains("mixer_workload_lookups_total{handler=\"pods\",result=\"found\"} 4"), "{page}");
}
