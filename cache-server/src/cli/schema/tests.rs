//! Tests of the schemas: what loads fits them, and what they can tell is wrong they refuse.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::*;
use crate::adapters;

fn parse(yaml: &str) -> Json {
    serde_saphyr::from_str(yaml).unwrap()
}

fn problems(document: Document, yaml: &Json) -> Vec<String> {
    let schema = document.schema();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    validator.iter_errors(yaml).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn document_of(path: &Path) -> Document {
    match path.file_stem().and_then(|stem| stem.to_str()).unwrap() {
        "adapters" => Document::Adapters,
        "descriptors" => Document::Descriptors,
        _ => Document::Rules,
    }
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, files);
        } else if is_configuration(&path) {
            files.push(path);
        }
    }
}

/// Expectations of a configuration lie beside it.
fn is_configuration(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_yaml = [".yml", ".yaml"].iter().any(|suffix| name.ends_with(suffix));
    is_yaml && !policy::is_suite(name)
}

#[test]
fn the_schemas_are_schemas() {
    for document in Document::value_variants() {
        jsonschema::draft202012::meta::validate(&document.schema()).unwrap();
    }
}

#[test]
fn what_is_shipped_and_what_the_original_shipped_fits() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let vectors = std::env::var_os("MIXER_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"), PathBuf::from);
    let mut files = Vec::new();
    files_below(&config, &mut files);
    assert!(files.len() >= 6, "{files:?}");
    if vectors.is_dir() {
        files_below(&vectors.join("configs"), &mut files);
    } else {
        eprintln!("skipped: no vectors for configurations (set MIXER_VECTORS to their folder)");
    }
    for file in files {
        let mut yaml = parse(&std::fs::read_to_string(&file).unwrap());
        // Blocks of adapters that this server does not have are refused, as they are by validation.
        if let Some(blocks) = yaml.get_mut("adapters").and_then(Json::as_array_mut) {
            let names: Vec<_> = adapters::infos().iter().map(|info| info.name).collect();
            blocks.retain(|block| names.iter().any(|name| block["impl"] == *name));
        }
        let problems = problems(document_of(&file), &yaml);
        assert!(problems.is_empty(), "{}: {problems:#?}", file.display());
    }
}

#[test]
fn both_spellings_and_numbers_for_words_fit() {
    for (document, yaml) in [
        (
            Document::Descriptors,
            "metrics: [{ name: m, kind: 2, value: INT64, displayName: M, labels: { a: 1 } }]",
        ),
        (
            Document::Descriptors,
            "manifests: [{ attributes: [{ name: a, valueType: STRING }, { name: b, value_type: 2 }] }]",
        ),
        (
            Document::Rules,
            "rules: [{ selector: true, aspects: [{ kind: lists, params: { checkExpression: a } }] }]",
        ),
        (Document::Rules, "rules: [{ aspects: [{ kind: lists, validDuration: 1m30s, params: }] }]"),
        (
            Document::Rules,
            "rules: [{ requestHeaderOperations: [{ name: x-a, operation: APPEND, values: [a] }] }]",
        ),
        (Document::Rules, "{ subject: x, revision: 1, rules: }"),
    ] {
        assert_eq!(problems(document, &parse(yaml)), Vec::<String>::new(), "{yaml}");
    }
}

/// Each of these is refused by validation too.
#[test]
fn what_a_schema_can_tell_is_refused() {
    use Document::{Adapters, Descriptors, Rules};
    for (document, yaml) in [
        (Adapters, "adapters: [{ name: a, impl: denyCheker }]"),
        (Adapters, "adapters: [{ name: a }]"),
        (Adapters, "adapters: [{ name: a, impl: denyChecker, error: {} }]"),
        (Adapters, "adapters: { name: a }"),
        (Adapters, "adaptors: []"),
        (Descriptors, "metrics: [{ name: m, kind: COUNTR, value: INT64 }]"),
        (Descriptors, "metrics: [{ name: m, kind: COUNTER }]"),
        (Descriptors, "metrics: [{ kind: COUNTER, value: INT64 }]"),
        (Descriptors, "metrics: [{ name: m, kind: COUNTER, value: INT64, labels: { a: 99 } }]"),
        (Descriptors, "metrics: [{ name: m, kind: DISTRIBUTION, value: INT64, buckets: { linear: {} } }]"),
        (Descriptors, "logs: [{ name: l, payload_format: XML, log_template: x }]"),
        (Descriptors, "logs: [{ name: l, payload_format: TEXT }]"),
        (Descriptors, "manifests: [{ attributes: { a: { value_type: NUMBER } } }]"),
        (Descriptors, "manifests: [{ attributes: { a: { type: STRING } } }]"),
        (Rules, "rules: [{ aspects: [{ kind: list }] }]"),
        (Rules, "rules: [{ aspects: [{ adapter: a }] }]"),
        (Rules, "rules: [{ kind: lists }]"),
        (Rules, "rules: [{ rules: [{ selektor: x }] }]"),
        (Rules, "rules: [{ aspects: [{ kind: lists, checkExpression: a }] }]"),
        (Rules, "rules: [{ aspects: [{ kind: lists, params: { blacklist: \"yes\" } }] }]"),
        (
            Rules,
            "rules: [{ aspects: [{ kind: lists, params: { check_expression: a, checkExpression: a } }] }]",
        ),
        (Rules, "rules: [{ aspects: [{ kind: denials, params: { x: 1 } }] }]"),
        (Rules, "rules: [{ requestHeaderOperations: [{ name: x-a, operation: ADD, values: [a] }] }]"),
        (Rules, "rules: [{ aspects: [{ kind: denials, validDuration: 5 }] }]"),
        (Rules, "rules: [{ aspects: [{ kind: metrics, params: { metrics: [{ value: 1 }] } }] }]"),
    ] {
        assert!(!problems(document, &parse(yaml)).is_empty(), "fits: {yaml}");
        let file = match document {
            Adapters => "scopes/global/adapters.yml",
            Descriptors => "scopes/global/descriptors.yml",
            Rules => "scopes/global/subjects/global/rules.yml",
        };
        let files = [policy::SourceFile { path: file.to_owned(), text: yaml.to_owned() }];
        let loaded = policy::load(&files, &adapters::infos(), &policy::Options::default());
        assert!(loaded.snapshot.is_none(), "loads: {yaml}");
    }
}
