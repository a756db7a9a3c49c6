//! Positions of nodes, and the notations of fields.

use super::fields::camel;
use super::layout::{Misplaced, Place};
use super::{Content, Node};
use crate::SourceFile;
use crate::diagnostic::{At, Findings};

/// Every scalar with the text that it stands on.
fn scalars(text: &str) -> Vec<(String, String)> {
    fn collect(node: &Node, text: &str, all: &mut Vec<(String, String)>) {
        match &node.content {
            Content::List(items) => items.iter().for_each(|item| collect(item, text, all)),
            Content::Map(entries) => {
                for entry in entries {
                    let key = text.get(entry.key_at.start..entry.key_at.end).unwrap_or("?");
                    all.push((format!("key {}", entry.key), key.to_owned()));
                    collect(&entry.value, text, all);
                }
            }
            Content::Null => {}
            scalar => {
                let written = text.get(node.at.start..node.at.end).unwrap_or("?");
                all.push((format!("{scalar:?}"), written.to_owned()));
            }
        }
    }
    let files = [SourceFile { path: "x.yml".to_owned(), text: text.to_owned() }];
    let root = Node::parse(0, text, &mut Findings::new(&files)).expect("well-formed YAML");
    let mut all = Vec::new();
    collect(&root, text, &mut all);
    all
}

#[test]
fn scalars_stand_on_their_text() {
    let found = scalars("é: [yes, 0x10, 1.50, \"ü\", plain text ] # end\nb:\n  'c d': null\n");
    let expected = [
        ("key é", "é"),
        ("Bool(true)", "yes"),
        ("Int(16)", "0x10"),
        ("Float(1.5)", "1.50"),
        ("Text(\"ü\")", "\"ü\""),
        ("Text(\"plain text\")", "plain text"),
        ("key b", "b"),
        ("key c d", "'c d'"),
    ];
    assert_eq!(found.iter().map(|(a, b)| (a.as_str(), b.trim_end())).collect::<Vec<_>>(), expected);
}

#[test]
fn a_byte_order_mark_moves_nothing() {
    let found = scalars("\u{feff}a: b\n");
    assert_eq!(found, [("key a".to_owned(), "a".to_owned()), ("Text(\"b\")".to_owned(), "b".to_owned())]);
}

#[test]
fn paths_find_their_nodes() {
    let text = "error: { code: 7 }\nentries: [a, b]\nrefresh_interval: 5s\n";
    let files = [SourceFile { path: "x.yml".to_owned(), text: text.to_owned() }];
    let root = Node::parse(0, text, &mut Findings::new(&files)).expect("well-formed YAML");
    let found = |path: &str| {
        let At { start, end, .. } = root.find(path).value_at();
        text.get(start..end).unwrap_or("?")
    };
    assert_eq!(found("error.code"), "7");
    assert_eq!(found("error.message"), "error");
    assert_eq!(found("entries[1]"), "b");
    assert_eq!(found("entries[7]"), "entries");
    assert_eq!(found("refreshInterval"), "5s");
}

#[test]
fn names_in_camel_case() {
    for (snake, expected) in
        [("kind", "kind"), ("log_template", "logTemplate"), ("a_b_c", "aBC"), ("_a", "a")]
    {
        assert_eq!(camel(snake), expected);
    }
}

#[test]
fn places() {
    let rules = Place::Rules { scope: "global".to_owned(), subject: "a.b".to_owned() };
    assert_eq!(Place::of("scopes/global/subjects/a.b/rules.yaml"), Ok(rules));
    assert_eq!(Place::of("/scopes/global/adapters.yml"), Ok(Place::Adapters));
    assert_eq!(Place::of("/scopes/global/adapters"), Ok(Place::Adapters));
    assert_eq!(Place::of("scopes/global/descriptors.yaml"), Ok(Place::Descriptors));
    assert_eq!(Place::of("scopes/a.b/adapters.yml"), Err(Misplaced::NotGlobal));
    for other in ["", "scopes", "notes/other.yml", "scopes/global/adapters.json", "docker-compose.yml"] {
        assert_eq!(Place::of(other), Err(Misplaced::NotConfiguration), "{other}");
    }
    for nowhere in [
        "scopes/global/rules.yml",
        "rules.yml",
        "demo/scopes/global/adapters.yml",
        "scopes/global/subjects/a/b/rules.yml",
    ] {
        assert!(matches!(Place::of(nowhere), Err(Misplaced::NoPlace { .. })), "{nowhere}");
    }
}
