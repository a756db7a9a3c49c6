//! Loading configuration that was damaged: it says what is wrong, where there is something, and never panics.

use std::path::Path;

use attributes::Bag;
use checkcache::Recorder;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::{tree, vectors};
use crate::diagnostic::Findings;
use crate::document::Node;
use crate::fixture::{ADAPTERS, DESCRIPTORS, adapters, files};
use crate::{Loaded, Options, Severity, SourceFile, load};

/// Rules that use what the shipped configuration does not.
const RULES: &str = r#"//- scopes/global/subjects/global/rules.yml
rules:
  - selector: source.user == "guest"
    aspects:
      - kind: attributes
        adapter: kubernetes
        params:
          inputExpressions: { sourceUID: source.user }
          attributeBindings: { source.labels: sourceLabels }
      - kind: application-logs
        params:
          logs:
            - descriptorName: access
              severity: '"info"'
              timestamp: request.time
              timeFormat: "15:04"
              templateExpressions: { method: request.method, path: request.path, when: request.time }
              labels: { method: request.method }
    rules:
      - aspects:
          - { kind: denials, validDuration: 5s, valid_use_count: 3 }
"#;

/// The configurations that are damaged.
fn originals() -> Vec<Vec<SourceFile>> {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let mut all = vec![
        tree(&config.join("default")),
        tree(&config.join("demo")),
        files(&format!("{DESCRIPTORS}{ADAPTERS}{RULES}")),
    ];
    all.extend(vectors().map(|folder| tree(&folder.join("mixer-0.1.6"))));
    all
}

/// What is done to a node of a document.
#[derive(Debug, Clone)]
enum Damage {
    Delete,
    Replace(Value),
    /// With another node of the document.
    ReplaceBy(Index),
    /// What it is a list of, or the value of a key, a second time under the key's other notation.
    Double,
    Rename(String),
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        select(vec![0, 1, -1, 11, 12, i64::MAX]).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(vec![
            "",
            "x",
            "default",
            "true",
            "1s",
            "-1s",
            "STRING",
            "DISTRIBUTION",
            "metrics",
            "quotas",
            "request_count",
            "source.ip",
            "target.service",
            "source.user == \"a\" && source.user == \"b\"",
            "{{.x}}",
            "{{if}}",
            "]",
            "é\u{85}",
        ])
        .prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[], {}])),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::Delete),
        scalar().prop_map(Damage::Replace),
        any::<Index>().prop_map(Damage::ReplaceBy),
        Just(Damage::Double),
        select(vec![
            "name",
            "kind",
            "impl",
            "params",
            "rules",
            "aspects",
            "selector",
            "labels",
            "max_amount",
            "",
            "é"
        ])
        .prop_map(|name| Damage::Rename(name.to_owned())),
    ]
}

/// The pointers of all nodes but the root.
fn pointers(value: &Value, prefix: &str, found: &mut Vec<String>) {
    let mut add = |key: &str, child: &Value| {
        let pointer = format!("{prefix}/{}", key.replace('~', "~0").replace('/', "~1"));
        found.push(pointer.clone());
        pointers(child, &pointer, found);
    };
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| add(&index.to_string(), item));
        }
        Value::Object(fields) => fields.iter().for_each(|(key, child)| add(key, child)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn inflict(root: &mut Value, place: Index, damage: Damage) {
    let mut all = Vec::new();
    pointers(root, "", &mut all);
    if all.is_empty() {
        return;
    }
    let pointer = place.get(&all);
    let (parent, last) = pointer.rsplit_once('/').unwrap_or_default();
    let key = last.replace("~1", "/").replace("~0", "~");
    let other = match &damage {
        Damage::ReplaceBy(other) => root.pointer(other.get::<String>(&all)).cloned(),
        Damage::Delete | Damage::Replace(_) | Damage::Double | Damage::Rename(_) => None,
    };
    let Some(parent) = root.pointer_mut(parent) else { return };
    match (parent, damage) {
        (Value::Array(items), damage) => {
            let Some(index) = key.parse().ok().filter(|index: &usize| *index < items.len()) else { return };
            match damage {
                Damage::Delete => drop(items.remove(index)),
                Damage::Double => items.push(items[index].clone()),
                Damage::Replace(value) => items[index] = value,
                Damage::ReplaceBy(_) | Damage::Rename(_) => items[index] = other.unwrap_or_default(),
            }
        }
        (Value::Object(fields), damage) => {
            let value = fields.get(&key).cloned().unwrap_or_default();
            match damage {
                Damage::Delete => drop(fields.remove(&key)),
                Damage::Double => drop(fields.insert(key.replace('_', ""), value)),
                Damage::Replace(value) => drop(fields.insert(key, value)),
                Damage::ReplaceBy(_) => drop(fields.insert(key, other.unwrap_or_default())),
                Damage::Rename(name) => {
                    fields.remove(&key);
                    fields.insert(name, value);
                }
            }
        }
        _ => {}
    }
}

/// The file as JSON, which is YAML, after the damage; each entry on a line of its own.
fn damaged(file: &SourceFile, damages: &[(Index, Damage)]) -> SourceFile {
    let one = std::slice::from_ref(file);
    let root = Node::parse(0, &file.text, &mut Findings::new(one)).expect("it is YAML before the damage");
    let mut root = root.to_json();
    for (place, damage) in damages {
        inflict(&mut root, *place, damage.clone());
    }
    SourceFile { path: file.path.clone(), text: serde_json::to_string_pretty(&root).unwrap_or_default() }
}

/// What holds of every outcome.
fn check(files: &[SourceFile], loaded: &Loaded) -> Result<(), TestCaseError> {
    for found in &loaded.diagnostics {
        let file = files.iter().find(|file| file.path == found.file);
        let Some(file) = file else { return Err(TestCaseError::fail(format!("no file of {found:?}"))) };
        prop_assert!(!found.message.is_empty() && found.width >= 1);
        if found.line == 0 {
            prop_assert_eq!(found.column, 0, "{:?}", found);
            continue;
        }
        // A file that ends in a newline has an empty line behind it.
        let line = file.text.lines().nth(found.line - 1).unwrap_or_default();
        prop_assert_eq!(line, &found.source_line, "{:?}", found);
        prop_assert!((1..=found.source_line.chars().count() + 1).contains(&found.column), "{:?}", found);
    }
    let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
    prop_assert_eq!(loaded.snapshot.is_some(), errors == 0);
    if let Some(snapshot) = &loaded.snapshot {
        let bag: Bag =
            [("target.service", "a.svc.cluster.local"), ("source.user", "a")].into_iter().collect();
        let mut recorder = Recorder::new(&bag);
        snapshot.resolve_preprocess(&mut recorder);
        snapshot.resolve_check(&mut recorder);
        snapshot.resolve_report(&mut recorder);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn damaged_documents_are_told(
        original in any::<Index>(),
        file in any::<Index>(),
        damages in prop::collection::vec((any::<Index>(), damage()), 1..6),
    ) {
        let originals = originals();
        let mut files = original.get(&originals).clone();
        let index = file.index(files.len());
        files[index] = damaged(&files[index], &damages);
        let loaded = load(&files, &adapters(), &Options::default());
        check(&files, &loaded)?;
    }

    #[test]
    fn damaged_texts_are_told(
        original in any::<Index>(),
        file in any::<Index>(),
        cuts in prop::collection::vec((any::<Index>(), 0..40_usize, "[ \n\t:\\-#\"'{}\\[\\]&*!|>%@é\u{85}\r]{0,3}"), 1..4),
    ) {
        let originals = originals();
        let mut files = original.get(&originals).clone();
        let index = file.index(files.len());
        for (start, length, inserted) in cuts {
            let text: Vec<char> = files[index].text.chars().collect();
            let start = start.index(text.len() + 1);
            let end = (start + length).min(text.len());
            files[index].text =
                text[..start].iter().copied().chain(inserted.chars()).chain(text[end..].iter().copied()).collect();
        }
        let loaded = load(&files, &adapters(), &Options::default());
        check(&files, &loaded)?;
    }
}
