//! Whole trees: revisions, and the instances that a request makes.

use attributes::{Bag, StringMap, Timestamp, Value};
use checkcache::{Recorder, Revision};

use crate::fixture::{ADAPTERS, DESCRIPTORS, adapters, files, load_rules};
use crate::{AspectError, Instance, LogPayload, Options, Phase, SourceFile, load};

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

fn instances(rules: &str, bag: &Bag, phase: Phase) -> Vec<Result<Instance, AspectError>> {
    let loaded = load_rules(rules);
    let snapshot = loaded.snapshot.as_ref().unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let mut recorder = Recorder::new(bag);
    let plan = snapshot.resolve(&mut recorder, phase);
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
    let [Ok(Instance::Log(entry))] = found.as_slice() else { panic!("{found:?}") };
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
    let plan = snapshot.resolve(&mut recorder, Phase::Report);
    let now = Timestamp { seconds: 60, nanos: 0 };
    let entry = plan.aspects.iter().map(|aspect| aspect.evaluate(&mut recorder, now)).next();
    let Some(Ok(Instance::Log(entry))) = entry else { panic!("{entry:?}") };
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
