//! Whole trees: revisions, and the instances that a request makes.

use std::collections::BTreeMap;

use attributes::{Bag, StringMap, Timestamp, Value, ValueType};
use checkcache::{Recorder, Revision};

use crate::fixture::{ADAPTERS, DESCRIPTORS, adapters, files, load_rules};
use crate::{
    AspectError, AttributesParams, Binding, Instance, Layout, LogPayload, LogSeverity, Options, Phase,
    QuotaInstance, QuotaLimit, Snapshot, SourceFile, load,
};

const RULES: &str = "//- scopes/global/subjects/global/rules.yml\nrules: [{aspects: [{kind: denials}]}]\n";

fn revision_of(files: &[SourceFile], options: &Options) -> Revision {
    load(files, &adapters(), options).snapshot.expect("there are no errors").revision()
}

#[test]
fn revisions_tell_contents_apart_and_nothing_else() {
    let text = format!("{DESCRIPTORS}{ADAPTERS}{RULES}");
    let original = files(&text);
    let options = Options::default();
    let revision = revision_of(&original, &options);

    let mut same = files(&text.replace('\n', "\r\n"));
    for file in &mut same {
        file.path = file.path.replace(".yml", ".yaml");
    }
    same.reverse();
    same.push(SourceFile { path: "README.md".to_owned(), text: "notes".to_owned() });
    assert_eq!(revision_of(&same, &options), revision);

    let changed = files(&text.replace("denials", "lists"));
    assert_ne!(revision_of(&changed, &options), revision);
    let moved = files(&text.replace("subjects/global", "subjects/a.svc.cluster.local"));
    assert_ne!(revision_of(&moved, &options), revision);
    let elsewhere = Options { identity_attribute: "destination.service".to_owned(), ..options };
    assert_ne!(revision_of(&original, &elsewhere), revision);
}

#[test]
fn keys_of_a_store_are_as_good_as_files() {
    let original = files(&format!("{DESCRIPTORS}{ADAPTERS}{RULES}"));
    let key = |file: &SourceFile| format!("/{}", file.path.trim_end_matches(".yml"));
    let keys: Vec<_> = original.iter().map(|file| SourceFile { path: key(file), ..file.clone() }).collect();
    assert_eq!(revision_of(&keys, &Options::default()), revision_of(&original, &Options::default()));
}

/// Two files as the first Mixers took them, from the sections of three.
fn pair(texts: [&[&str]; 2]) -> [SourceFile; 2] {
    let text = |parts: &[&str]| {
        let lines = parts.iter().flat_map(|part| part.split_inclusive('\n'));
        lines.filter(|line| !line.starts_with("//-")).collect::<String>()
    };
    [("global.yml", 0), ("service.yml", 1)]
        .map(|(path, part)| SourceFile { path: path.to_owned(), text: text(texts[part]) })
}

#[test]
fn two_files_are_a_configuration() {
    let options = Options { layout: Layout::Pair, ..Options::default() };
    for texts in [
        [&[DESCRIPTORS, ADAPTERS][..], &[RULES][..]],
        // One file that is both.
        [&[DESCRIPTORS, ADAPTERS, RULES], &[DESCRIPTORS, ADAPTERS, RULES]],
    ] {
        let loaded = load(&pair(texts), &adapters(), &options);
        let others = loaded.diagnostics.iter().filter(|found| !found.message.starts_with("no aspect uses"));
        assert_eq!(others.count(), 0, "{:?}", loaded.diagnostics);
        let snapshot = loaded.snapshot.unwrap();
        assert!(!snapshot.handlers().is_empty() && !snapshot.manifest().is_empty());
        assert_eq!(snapshot.aspects(Phase::Check).len(), 1);
    }
}

#[test]
fn what_is_wrong_with_two_files_is_found_where_it_stands() {
    let options = Options { layout: Layout::Pair, ..Options::default() };
    let both = pair([&[DESCRIPTORS, "adaptors: []\n"], &["rules: [{aspects: [{kind: list}]}]\nx: 1\n"]]);
    let loaded = load(&both, &adapters(), &options);
    let found: Vec<_> =
        loaded.diagnostics.iter().map(|found| (found.file.as_str(), found.message.as_str())).collect();
    assert!(loaded.snapshot.is_none());
    assert!(found.iter().any(|(file, text)| *file == "global.yml" && text.contains("adaptors")), "{found:?}");
    assert!(found.iter().any(|(file, text)| *file == "service.yml" && text.contains("`list`")), "{found:?}");
    assert!(found.iter().any(|(file, text)| *file == "service.yml" && text.contains("`x`")), "{found:?}");
    let one = load(&both[..1], &adapters(), &options);
    assert!(one.snapshot.is_none());
}

fn instances(rules: &str, bag: &Bag, phase: Phase) -> Vec<Result<Instance, AspectError>> {
    let loaded = load_rules(rules);
    let snapshot = loaded.snapshot.as_ref().unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let mut recorder = Recorder::new(bag);
    let plan = match phase {
        Phase::Preprocess => snapshot.resolve_preprocess(&mut recorder),
        Phase::Check => snapshot.resolve_check(&mut recorder),
        Phase::Report => snapshot.resolve_report(&mut recorder),
        Phase::Quota => panic!("quotas are resolved by name"),
    };
    let now = Timestamp { seconds: 60, nanos: 0 };
    plan.aspects.iter().map(|aspect| aspect.evaluate(&mut recorder, now)).collect()
}

#[test]
fn list_entries() {
    let rules = "rules: [{aspects: [{kind: lists, params: {check_expression: source.user}}]}]";
    let bag: Bag = [("source.user", "me")].into_iter().collect();
    assert_eq!(instances(rules, &bag, Phase::Check), [Ok(Instance::ListEntry("me".into()))]);
    let missing = instances(rules, &Bag::new(), Phase::Check);
    assert!(matches!(missing.as_slice(), [Err(AspectError::Evaluate { .. })]), "{missing:?}");
}

const LOG: &str = r"
rules:
  - aspects:
      - kind: access-logs
        params:
          logName: mine
          log:
            descriptorName: access
            templateExpressions: { method: request.method, path: request.path, when: request.time }
            labels: { method: request.method }
";

#[test]
fn access_logs_tell_what_they_can() {
    let bag: Bag = [("request.path", "/")].into_iter().collect();
    let found = instances(LOG, &bag, Phase::Report);
    let [Ok(Instance::Logs(logs))] = found.as_slice() else { panic!("{found:?}") };
    let [entry] = logs.entries.as_slice() else { panic!("{logs:?}") };
    assert_eq!(&*entry.log_name, "mine");
    assert_eq!(entry.labels, []);
    assert_eq!(entry.payload, LogPayload::Text("- / <no value>".to_owned()));
}

#[test]
fn a_time_called_timestamp_is_never_missing() {
    let text = format!("{DESCRIPTORS}{ADAPTERS}//- scopes/global/subjects/global/rules.yml\n{LOG}")
        .replace("when", "timestamp")
        .replace("labels: { method: STRING }\n", "labels: { method: STRING, timestamp: TIMESTAMP }\n")
        .replace(
            "labels: { method: request.method }",
            "labels: { method: request.method, timestamp: request.time }",
        );
    let loaded = load(&files(&text), &adapters(), &Options::default());
    let snapshot = loaded.snapshot.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let bag = Bag::new();
    let mut recorder = Recorder::untraced(&bag);
    let plan = snapshot.resolve_report(&mut recorder);
    let now = Timestamp { seconds: 60, nanos: 0 };
    let entry = plan.aspects.iter().map(|aspect| aspect.evaluate(&mut recorder, now)).next();
    let Some(Ok(Instance::Logs(logs))) = entry else { panic!("{entry:?}") };
    let [entry] = logs.entries.as_slice() else { panic!("{logs:?}") };
    assert_eq!(entry.labels, [("timestamp".into(), Value::Timestamp(now))]);
    assert_eq!(entry.payload, LogPayload::Text("- <no value> 00:01".to_owned()));
}

#[test]
fn one_metric_that_fails_leaves_the_others() {
    let rules = r#"
rules:
  - aspects:
      - kind: metrics
        params:
          metrics:
            - { descriptor_name: request_count, value: "1", labels: { method: request.method, code: response.code } }
            - { descriptor_name: request_count, value: "1", labels: { method: '"-"', code: response.code | 0 } }
"#;
    let bag: Bag = [("source.labels", Value::from(StringMap::default()))].into_iter().collect();
    let found = instances(rules, &bag, Phase::Report);
    let [Ok(Instance::Metrics(metrics))] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(metrics.errors.len(), 1);
    assert_eq!(metrics.errors[0].to_string(), "cannot evaluate label `code` of metric `request_count`");
    let [value] = metrics.values.as_slice() else { panic!("{metrics:?}") };
    assert_eq!(value.value, 1.into());
    assert_eq!(value.labels, [("code".into(), 0.into()), ("method".into(), "-".into())]);
}

#[test]
fn application_logs_are_strict() {
    let rules = r#"
rules:
  - aspects:
      - kind: application-logs
        params:
          logs:
            - descriptorName: access
              severity: source.user | "info"
              timestamp: request.time
              timeFormat: "15:04:05"
              templateExpressions: { method: request.method, path: request.path, when: request.time }
              labels: { method: request.method }
            - descriptorName: access
              severity: '"emergency"'
              timestamp: request.time
              templateExpressions: { method: '"-"', path: '"-"', when: request.time }
              labels: { method: '"-"' }
"#;
    // Each has something that it cannot give.
    let bag: Bag = [("request.path", "/")].into_iter().collect();
    let found = instances(rules, &bag, Phase::Report);
    let [Ok(Instance::Logs(logs))] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(logs.entries, []);
    let reasons: Vec<_> = logs.errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        reasons,
        ["cannot evaluate label `method` of log `access`", "cannot evaluate variable `when` of log `access`"]
    );

    let bag: Bag = [
        ("request.path", Value::from("/")),
        ("request.method", "GET".into()),
        ("source.user", "Warning".into()),
        ("request.time", Value::Timestamp(Timestamp { seconds: 3661, nanos: 0 })),
    ]
    .into_iter()
    .collect();
    let found = instances(rules, &bag, Phase::Report);
    let [Ok(Instance::Logs(logs))] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(logs.errors, []);
    let told: Vec<_> = logs
        .entries
        .iter()
        .map(|entry| (&*entry.log_name, entry.severity, entry.timestamp.as_deref(), entry.payload.clone()))
        .collect();
    assert_eq!(
        told,
        [
            ("istio_log", LogSeverity::Warning, Some("01:01:01"), LogPayload::Text("GET / 01:01".to_owned())),
            ("istio_log", LogSeverity::Emergency, None, LogPayload::Text("- - 01:01".to_owned())),
        ]
    );
}

#[test]
fn inputs_that_are_absent_are_left_out() {
    let rules = "
rules:
  - aspects:
      - kind: attributes
        adapter: kubernetes
        params:
          inputExpressions: { uid: source.user, id: request.id, path: request.path }
          attributeBindings: { source.user: name }
";
    let bag: Bag = [("request.id", "1"), ("request.path", "/")].into_iter().collect();
    let found = instances(rules, &bag, Phase::Preprocess);
    let [Ok(Instance::Inputs(inputs))] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(*inputs, BTreeMap::from([("id".into(), "1".into()), ("path".into(), "/".into())]));
}

#[test]
fn derived_values_are_of_their_attributes_types() {
    let params = AttributesParams {
        inputs: Vec::new(),
        bindings: vec![Binding {
            attribute: "source.port".into(),
            value_type: ValueType::Int64,
            output: "port".into(),
        }],
    };
    let bind = |value: Value| params.bind(&BTreeMap::from([("port".to_owned(), value)]));
    assert_eq!(bind(80.into()), Ok(vec![("source.port".into(), 80.into())]));
    assert_eq!(
        bind("80".into()).unwrap_err().to_string(),
        "output `port` is string, but attribute `source.port` is INT64"
    );
    assert_eq!(params.bind(&BTreeMap::new()), Ok(Vec::new()));
}

const QUOTAS: &str = r#"
rules:
  - selector: source.user == "guest"
    aspects:
      - kind: quotas
        params:
          quotas: [{ descriptorName: requests, maxAmount: 1, expiration: 1s, labels: { user: source.user } }]
  - aspects:
      - kind: quotas
        params:
          quotas:
            - descriptorName: requests
              maxAmount: 10
              expiration: 1s
              labels: { user: source.user | "nobody" }
              overrides:
                - { labels: { user: ops }, maxAmount: 100 }
                - { labels: { user: batch }, maxAmount: 50, expiration: 60s }
            - { descriptorName: slots, maxAmount: 5 }
"#;

fn quotas(text: &str) -> Snapshot {
    let descriptors = "quotas:
  - { name: requests, rate_limit: true, labels: { user: STRING } }
  - { name: slots }
";
    let adapters_text = format!("{ADAPTERS}  - {{ name: default, impl: memQuota }}\n");
    let loaded = load(
        &files(&format!("{DESCRIPTORS}{descriptors}{adapters_text}{text}")),
        &adapters(),
        &Options::default(),
    );
    loaded.snapshot.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

fn limit(snapshot: &Snapshot, name: &str, bag: &Bag) -> (Option<(String, QuotaInstance)>, String) {
    let mut recorder = Recorder::new(bag);
    let aspect = snapshot.resolve_quota(name, &mut recorder).expect("selectors can be evaluated");
    let found = aspect.map(|aspect| {
        let instance = aspect.evaluate(&mut recorder, Timestamp { seconds: 0, nanos: 0 });
        let Ok(Instance::Quota(quota)) = instance else { panic!("{instance:?}") };
        (aspect.location.clone(), quota)
    });
    (found, recorder.into_trace().to_string())
}

#[test]
fn a_quota_is_limited_by_the_first_definition_that_applies() {
    let snapshot = quotas(&format!("//- scopes/global/subjects/global/rules.yml\n{QUOTAS}"));
    let of = |user: &str| {
        let bag: Bag = [("source.user", user)].into_iter().collect();
        let (found, _) = limit(&snapshot, "requests", &bag);
        let (location, quota) = found.expect("there is a limit for everyone");
        (location, quota.limit.max_amount, quota.limit.window.map(|window| window.as_secs()))
    };
    let second = "global/global rules[1].aspects[0].quotas[0]";
    assert_eq!(of("guest"), ("global/global rules[0].aspects[0].quotas[0]".to_owned(), 1, Some(1)));
    assert_eq!(of("me"), (second.to_owned(), 10, Some(1)));
    assert_eq!(of("ops"), (second.to_owned(), 100, Some(1)));
    assert_eq!(of("batch"), (second.to_owned(), 50, Some(60)));

    // What only another quota needs is not looked at.
    let (found, trace) = limit(&snapshot, "slots", &Bag::new());
    assert_eq!(found.expect("it is limited").1.limit, QuotaLimit { max_amount: 5, window: None });
    assert_eq!(trace, "");
    assert_eq!(limit(&snapshot, "unheard of", &Bag::new()), (None, String::new()));
}

#[test]
fn the_most_specific_subject_limits_a_quota() {
    let of_service =
        QUOTAS.replace("maxAmount: 10\n", "maxAmount: 20\n").replace("maxAmount: 1,", "maxAmount: 2,");
    let snapshot = quotas(&format!(
        "//- scopes/global/subjects/global/rules.yml\n{QUOTAS}
//- scopes/global/subjects/a.svc.cluster.local/rules.yml\n{of_service}"
    ));
    let of = |service: &str, user: &str| {
        let bag: Bag = [("target.service", service), ("source.user", user)].into_iter().collect();
        limit(&snapshot, "requests", &bag).0.expect("there is a limit for everyone").1.limit.max_amount
    };
    assert_eq!(of("a.svc.cluster.local", "me"), 20);
    assert_eq!(of("a.svc.cluster.local", "guest"), 2);
    assert_eq!(of("b.svc.cluster.local", "me"), 10);
    assert_eq!(of("elsewhere", "guest"), 1);
}
