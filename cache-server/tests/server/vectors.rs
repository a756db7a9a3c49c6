//! What came before, where its vectors are at hand: its own configurations come alive here, and no vector is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use attributes::{Bag, Value};
use cache_server::runtime::{self, Runtime, read_tree};
use cache_server::telemetry::Telemetry;
use policy::{Options, SourceFile};
use serde_json::{Value as Json, json};

fn vectors() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let folder = std::env::var_os("MIXER_VECTORS").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: there is no {}", folder.display());
    None
}

fn json(folder: &Path, name: &str) -> Json {
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

// === Configurations ===

/// What is warned of when files are loaded and their blocks come alive, each as its place and its message. Nothing is in
/// force after that, so nothing looks for a cluster.
fn warnings(files: &[SourceFile]) -> BTreeSet<String> {
    let runtime = Runtime::new(PathBuf::new(), Options::default(), Arc::new(Telemetry::new()));
    let warnings =
        runtime.examine(files).unwrap_or_else(|error| panic!("{error}: {:#?}", error.diagnostics()));
    let brief = |warning: &policy::Diagnostic| {
        let text = warning.to_string();
        let mut lines = text.lines();
        let message = lines.next().unwrap().trim_start_matches("warning: ").to_owned();
        format!("{}: {message}", lines.next().unwrap().trim_start().trim_start_matches("--> scopes/global/"))
    };
    warnings.iter().map(brief).collect()
}

fn original(folder: &Path) -> Vec<SourceFile> {
    read_tree(&folder.join("configs/mixer-0.1.6")).unwrap()
}

const SUBJECT: &str = "`subject` is ignored: scope and subject are those of the file's path";
const REVISION: &str = "`revision` is ignored: the revision is computed from the contents";

#[tokio::test]
async fn the_configuration_of_the_original_comes_alive() {
    let Some(folder) = vectors() else { return };
    let expected = [
        format!("adapters.yml:1:1: {SUBJECT}"),
        format!("descriptors.yml:1:1: {SUBJECT}"),
        format!("descriptors.yml:2:1: {REVISION}"),
        "descriptors.yml:118:11: no aspect uses the metric `request_size`".to_owned(),
        "descriptors.yml:141:11: no aspect uses the metric `response_size`".to_owned(),
        "descriptors.yml:181:11: no aspect uses the log `accesslog.combined`".to_owned(),
        format!("subjects/global/rules.yml:1:1: {SUBJECT}"),
        format!("subjects/global/rules.yml:2:1: {REVISION}"),
        format!("subjects/myservice.ns.svc/rules.yml:1:1: {SUBJECT}"),
        format!("subjects/myservice.ns.svc/rules.yml:2:1: {REVISION}"),
        "subjects/myservice.ns.svc/rules.yml: the rules never apply: subject `myservice.ns.svc` is not in \
         `svc.cluster.local`"
            .to_owned(),
        "descriptors.yml:118:11: no aspect uses the metric `request_size`".to_owned(),
        "descriptors.yml:141:11: no aspect uses the metric `response_size`".to_owned(),
        "descriptors.yml:181:11: no aspect uses the log `accesslog.combined`".to_owned(),
    ];
    assert_eq!(warnings(&original(&folder)), expected.into());
}

/// The rules that came with its example application, one after the other, on top of that.
#[tokio::test]
async fn the_rules_of_its_example_come_alive() {
    let Some(folder) = vectors() else { return };
    let original = original(&folder);
    let before = warnings(&original);
    let mut told = BTreeMap::new();
    for rules in std::fs::read_dir(folder.join("configs/bookinfo-0.1.6")).unwrap() {
        let rules = rules.unwrap();
        let mut files = original.clone();
        let path = "scopes/global/subjects/ratings.default.svc.cluster.local/rules.yml".to_owned();
        files.push(SourceFile { path, text: std::fs::read_to_string(rules.path()).unwrap() });
        let more: Vec<_> = warnings(&files).difference(&before).cloned().collect();
        told.insert(rules.file_name().into_string().unwrap(), more);
    }
    let place = "subjects/ratings.default.svc.cluster.local/rules.yml";
    let expected = [
        ("mixer-rule-additional-telemetry.yaml", vec![format!("{place}:1:1: {REVISION}")]),
        ("mixer-rule-empty-rule.yaml", vec![format!("{place}:1:1: {REVISION}")]),
        ("mixer-rule-ratings-denial.yaml", Vec::new()),
        ("mixer-rule-ratings-ratelimit.yaml", Vec::new()),
    ];
    assert_eq!(told, expected.into_iter().map(|(name, told)| (name.to_owned(), told)).collect());
}

// === Overrides of quotas ===

/// A value of a dimension, its type, and its text in configuration.
fn dimension(value: &Json) -> (Value, &'static str, &str) {
    match value["v"].as_str() {
        Some(address) => (Value::from_ip(address.parse().unwrap()), "IP_ADDRESS", address),
        None => (Value::from(value.as_str().unwrap()), "STRING", value.as_str().unwrap()),
    }
}

/// The configuration of a case: a label for each dimension, and for each an attribute.
fn quota_files(case: &Json) -> Vec<SourceFile> {
    let dimensions = case["dimensions"].as_object().unwrap();
    let types = |field: &str| -> Json {
        let each =
            dimensions.iter().map(|(name, value)| (name.clone(), json!({ field: dimension(value).1 })));
        Json::Object(each.collect())
    };
    let labels: Json =
        dimensions.iter().map(|(name, value)| (name.clone(), json!(dimension(value).1))).collect();
    let expressions: Json = dimensions.keys().map(|name| (name.clone(), json!(name))).collect();
    let other = |other: &Json| json!({ "labels": other["dimensions"], "maxAmount": other["max"] });
    let overrides: Vec<_> = case["overrides"].as_array().unwrap().iter().map(other).collect();
    let quota = json!({
        "descriptorName": "q", "maxAmount": case["max"], "expiration": "1s", "labels": expressions,
        "overrides": overrides,
    });
    let documents = [
        (
            "adapters.yml",
            json!({ "adapters": [{ "name": "default", "kind": "quotas", "impl": "memQuota" }] }),
        ),
        (
            "descriptors.yml",
            json!({
                "manifests": [{ "name": "m", "attributes": types("valueType") }],
                "quotas": [{ "name": "q", "rateLimit": true, "labels": labels }],
            }),
        ),
        (
            "subjects/global/rules.yml",
            json!({ "rules": [{ "aspects": [{ "kind": "quotas", "params": { "quotas": [quota] } }] }] }),
        ),
    ];
    let file = |(path, document): (&str, Json)| SourceFile {
        path: format!("scopes/global/{path}"),
        text: document.to_string(),
    };
    documents.map(file).into()
}

/// The first override whose dimensions the request has says how much there is. One without dimensions, which would
/// stand in the place of the limit for everybody, is refused here.
#[tokio::test]
async fn overrides_of_quotas_are_found_as_before() {
    let Some(folder) = vectors() else { return };
    let (mut ran, mut decided) = (0, 0);
    for case in json(&folder, "quotas.json")["memquota_override_match"].as_array().unwrap() {
        let telemetry = Arc::new(Telemetry::new());
        let runtime = Runtime::new(PathBuf::new(), Options::default(), Arc::clone(&telemetry));
        let applies_always = |other: &Json| other["dimensions"].as_object().unwrap().is_empty();
        let loaded = runtime.load(Ok(quota_files(case)));
        if case["overrides"].as_array().unwrap().iter().any(applies_always) {
            let refusal = loaded.unwrap_err().to_string();
            assert!(refusal.contains("the override has no `labels`"), "{case}: {refusal}");
            decided += 1;
            continue;
        }
        loaded.unwrap_or_else(|error| panic!("{case}: {error}"));
        let mut bag = Bag::new();
        for (name, value) in case["dimensions"].as_object().unwrap() {
            bag.insert(name.as_str(), dimension(value).0);
        }
        let active = runtime.active().unwrap();
        let preprocessed = runtime::preprocess(&active, &bag, true, &telemetry).await;
        let quota = runtime::limit(&active, &bag, &preprocessed, "q", &telemetry).unwrap().unwrap();
        assert_eq!(quota.limit.max_amount, case["limit"].as_i64().unwrap(), "{case}");
        ran += 1;
    }
    println!("{ran} overrides to the letter; {decided} that would apply always are refused");
}

// === All of them ===

/// A part of the vectors, and the test that runs it, or why none does.
type Part = (&'static str, Result<&'static str, &'static str>);

const LISTS: [Part; 5] = [
    ("source", Err("says where the vectors are from")),
    ("note", Err("says how they are read")),
    ("lists", Ok("cache-server, list::tests::vectors::every_list_has_its_contents")),
    ("server_scenarios", Ok("cache-server, list::tests::vectors::every_request_has_its_verdict")),
    ("validate", Ok("cache-server, list::tests::vectors::every_set_of_parameters_has_its_outcome")),
];

const QUOTAS: [Part; 11] = [
    ("source", Err("says where the vectors are from")),
    ("units", Err("says how they are read")),
    ("memquota_alloc_release", Ok("quota and cache-server, for `memQuota` and for `redisQuota`")),
    ("memquota_reaper", Ok("quota, conformance")),
    ("memquota_bad_config", Ok("cache-server, parameters_of_quotas_are_objected_to_as_before")),
    ("memquota_override_match", Ok("overrides_of_quotas_are_found_as_before")),
    ("rolling_window_alloc", Ok("quota, conformance")),
    ("rolling_window_release", Ok("quota, conformance")),
    ("redisquota_sequences", Err("has a note and no sequence")),
    ("redisquota_validate", Ok("cache-server, parameters_of_quotas_are_objected_to_as_before")),
    ("redisquota_check_scenarios", Ok("cache-server, redis_quota::tests::checks_have_their_outcome")),
];

/// A part that is added to the vectors has to be run, or it has to be said here why it is not.
#[test]
fn no_part_of_the_vectors_is_forgotten() {
    let Some(folder) = vectors() else { return };
    for (name, parts) in [("lists.json", LISTS.as_slice()), ("quotas.json", &QUOTAS)] {
        let found = json(&folder, name);
        let found: BTreeSet<_> = found.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(found, parts.iter().map(|(part, _)| *part).collect(), "{name}");
        for (part, run) in parts {
            match run {
                Ok(by) => println!("{name}, {part}: {by}"),
                Err(why) => println!("{name}, {part}: skipped, it {why}"),
            }
        }
    }
    let sequences = &json(&folder, "quotas.json")["redisquota_sequences"];
    assert_eq!(sequences.as_object().unwrap().keys().collect::<Vec<_>>(), ["note"]);
}
