//! Findings as an operator reads them, and whole trees.

#![allow(clippy::needless_raw_string_hashes, reason = "the tool that updates expectations writes them")]

mod aspects;
mod cacheability;
mod declared;
mod descriptors;
mod mutated;
mod published;
mod reach;
mod rules;
mod spelling;
mod unused;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};

use crate::fixture::{adapters, load_rules, load_text, rendered, rendered_rules};
use crate::{Options, Phase, SourceFile, load};

/// The files below a folder; none if there is no such folder.
fn tree(root: &Path) -> Vec<SourceFile> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let below = path.strip_prefix(root).unwrap_or(&path);
                files.push(SourceFile { path: below.to_string_lossy().into_owned(), text });
            }
        }
    }
    files
}

/// Loads rules for `global` and compares the findings about them with what is expected. What they leave unused of the
/// shared descriptors and adapters is not their concern.
fn check_rules(rules: &str, expected: &Expect) {
    expected.assert_eq(&rendered_rules(&load_rules(rules)));
}

/// Loads a tree and compares all findings with what is expected.
fn check_tree(text: &str, expected: &Expect) {
    expected.assert_eq(&rendered(&load_text(text)));
}

#[test]
fn a_folder_that_is_not_the_right_one() {
    check_tree(
        r#"//- demo/scopes/global/adapters.yml
adapters: []
//- notes/todo.txt
nothing
"#,
        &expect![[r#"
            warning: the file is passed over: its path has no meaning
             --> demo/scopes/global/adapters.yml
              = help: did you mean `scopes/global/adapters.yml`?

            error: there is no configuration here: no file of the folder has a place in one
             --> demo/scopes/global/adapters.yml
              = help: is it the folder that holds `scopes/`? files are read from `scopes/global/descriptors.yml`, `scopes/global/adapters.yml` and `scopes/<scope>/subjects/<subject>/rules.yml` below the folder
        "#]],
    );
}

#[test]
fn places_of_files() {
    check_tree(
        r#"//- README.md
# not looked at
//- scopes/global/adapter.yml
adapters: []
//- scopes/global/adapters.yml
//- scopes/global/adapters.yaml
adapters: []
//- scopes/ns.svc.cluster.local/descriptors.yml
metrics: []
//- scopes/global/subjects/rules.yml
rules: []
//- scopes/global/subjects/ns.svc.cluster.local/rules.yml
rules: []
//- scopes/ns.svc.cluster.local/subjects/ns.svc.cluster.local/rules.yml
rules: []
//- scopes/ns.svc.cluster.local/subjects/global/rules.yml
rules: []
//- scopes/ns.svc.cluster.local/subjects/other.svc.cluster.local/rules.yml
rules: []
//- scopes/global/subjects/myservice.ns.svc/rules.yml
rules: []
"#,
        &expect![[r#"
            warning: the file is passed over: its path has no meaning
             --> scopes/global/adapter.yml
              = help: did you mean `scopes/global/adapters.yml`?

            error: `scopes/global/adapters.yaml` has the same place in the configuration
             --> scopes/global/adapters.yml
              = help: `.yml` and `.yaml` are the same: put both files' contents into one

            warning: the rules never apply: subject `myservice.ns.svc` is not in `svc.cluster.local`
             --> scopes/global/subjects/myservice.ns.svc/rules.yml
              = help: the values of `target.service` end in `.svc.cluster.local`, and so must subjects

            warning: the file is passed over: its path has no meaning
             --> scopes/global/subjects/rules.yml
              = help: rules belong at `scopes/<scope>/subjects/<subject>/rules.yml`

            warning: the file is passed over: adapters and descriptors are those of scope `global`
             --> scopes/ns.svc.cluster.local/descriptors.yml
              = help: move its contents to `scopes/global/`

            warning: the rules never apply: subject `global` is not at or below scope `ns.svc.cluster.local`
             --> scopes/ns.svc.cluster.local/subjects/global/rules.yml
              = help: move the file to `scopes/global/subjects/global/`, or to a scope above the subject

            warning: the rules never apply: `scopes/global/subjects/ns.svc.cluster.local/rules.yml` is for the same subject `ns.svc.cluster.local`, with the higher scope `global`
             --> scopes/ns.svc.cluster.local/subjects/ns.svc.cluster.local/rules.yml
              = help: of the blocks for one subject only the one with the highest scope is used

            warning: the rules never apply: subject `other.svc.cluster.local` is not at or below scope `ns.svc.cluster.local`
             --> scopes/ns.svc.cluster.local/subjects/other.svc.cluster.local/rules.yml
              = help: move the file to `scopes/global/subjects/other.svc.cluster.local/`, or to a scope above the subject
        "#]],
    );
}

#[test]
fn what_needs_no_finding() {
    let loaded = load_rules(
        r#"
rules:
  - selector:
    aspects:
  - selector: true
    aspects:
      - { kind: denials, adapter: }
      - { kind: denials, params: }
      - kind: lists
        params: { blacklist: true, checkExpression: source.ip }
    rules:
      - selector: ""
        rules: []
"#,
    );
    assert_eq!(rendered_rules(&loaded), "");
    let snapshot = loaded.snapshot.expect("there are no errors");
    let locations: Vec<_> =
        snapshot.aspects(Phase::Check).iter().map(|aspect| aspect.location.as_str()).collect();
    assert_eq!(
        locations,
        [
            "global/global rules[1].aspects[0]",
            "global/global rules[1].aspects[1]",
            "global/global rules[1].aspects[2]"
        ]
    );
}

#[test]
fn nothing_is_a_configuration() {
    for text in
        ["", "//- scopes/global/adapters.yml\n# nothing\n", "//- scopes/global/descriptors.yml\n---\n"]
    {
        let loaded = load_text(text);
        assert_eq!(loaded.diagnostics, [], "{text}");
        assert!(loaded.snapshot.is_some(), "{text}");
    }
}

#[test]
fn hostile_yaml_is_refused_and_no_more() {
    let deep = format!("rules: {}{}", "[".repeat(5_000), "]".repeat(5_000));
    // Each line has nine times as many nodes as the one before.
    let line =
        |pair: &[&str]| format!("{1}: &{1} [{0}]\n", vec![format!("*{}", pair[0]); 9].join(", "), pair[1]);
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let bomb: Vec<_> = names.windows(2).map(line).collect();
    let bomb = format!("a: &a [x, x]\n{}", bomb.concat());
    let nested = (0..20).rev().fold("aspects: []".to_owned(), |inner, _| format!("rules: [{{{inner}}}]"));
    for text in [deep, bomb, nested, "\u{0}".to_owned(), "rules: [\"\\x\"".to_owned()] {
        let loaded = load_rules(&text);
        assert!(loaded.snapshot.is_none());
        assert!(loaded.errors().count() > 0);
    }
}

/// The configuration that the project ships.
#[test]
fn shipped_configuration_has_no_findings() {
    for name in ["default", "demo"] {
        let files = tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(name));
        let loaded = load(&files, &adapters(), &Options::default());
        assert_eq!(rendered(&loaded), "", "{name}");
    }
}

fn vectors() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folder = std::env::var_os("MIXER_VECTORS").map_or(beside, PathBuf::from).join("configs");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: there is no {}", folder.display());
    None
}

/// The configuration that Mixer 0.1.6 came with.
#[test]
fn configuration_of_the_original_loads_with_warnings() {
    let Some(folder) = vectors() else { return };
    let loaded = load(&tree(&folder.join("mixer-0.1.6")), &adapters(), &Options::default());
    expect![[r#"
        warning: `subject` is ignored: scope and subject are those of the file's path
         --> scopes/global/adapters.yml:1:1
          |
        1 | subject: global
          | ^^^^^^^

        warning: `subject` is ignored: scope and subject are those of the file's path
         --> scopes/global/descriptors.yml:1:1
          |
        1 | subject: namespace:ns
          | ^^^^^^^

        warning: `revision` is ignored: the revision is computed from the contents
         --> scopes/global/descriptors.yml:2:1
          |
        2 | revision: "2022"
          | ^^^^^^^^

        warning: no aspect uses the metric `request_size`
           --> scopes/global/descriptors.yml:118:11
            |
        118 |   - name: request_size
            |           ^^^^^^^^^^^^

        warning: no aspect uses the metric `response_size`
           --> scopes/global/descriptors.yml:141:11
            |
        141 |   - name: response_size
            |           ^^^^^^^^^^^^^

        warning: no aspect uses the log `accesslog.combined`
           --> scopes/global/descriptors.yml:181:11
            |
        181 |   - name: accesslog.combined
            |           ^^^^^^^^^^^^^^^^^^

        warning: `subject` is ignored: scope and subject are those of the file's path
         --> scopes/global/subjects/global/rules.yml:1:1
          |
        1 | subject: namespace:ns
          | ^^^^^^^

        warning: `revision` is ignored: the revision is computed from the contents
         --> scopes/global/subjects/global/rules.yml:2:1
          |
        2 | revision: "2022"
          | ^^^^^^^^

        warning: `kubernetes` has no output `sourcePodIp`, so `source.ip` is never derived
          --> scopes/global/subjects/global/rules.yml:17:20
           |
        17 |         source.ip: sourcePodIp
           |                    ^^^^^^^^^^^
          = help: there is `sourcePodIP`, but it is STRING, and `source.ip` is IP_ADDRESS

        warning: `kubernetes` has no output `targetPodIp`, so `target.ip` is never derived
          --> scopes/global/subjects/global/rules.yml:23:20
           |
        23 |         target.ip: targetPodIp
           |                    ^^^^^^^^^^^
          = help: there is `targetPodIP`, but it is STRING, and `target.ip` is IP_ADDRESS

        warning: the rules never apply: subject `myservice.ns.svc` is not in `svc.cluster.local`
         --> scopes/global/subjects/myservice.ns.svc/rules.yml
          = help: the values of `target.service` end in `.svc.cluster.local`, and so must subjects

        warning: `subject` is ignored: scope and subject are those of the file's path
         --> scopes/global/subjects/myservice.ns.svc/rules.yml:1:1
          |
        1 | subject: namespace:ns
          | ^^^^^^^

        warning: `revision` is ignored: the revision is computed from the contents
         --> scopes/global/subjects/myservice.ns.svc/rules.yml:2:1
          |
        2 | revision: "2022"
          | ^^^^^^^^
    "#]]
    .assert_eq(&rendered(&loaded));
    assert!(loaded.snapshot.is_some());
}

/// The rules of its sample application, each on top of that.
#[test]
fn rules_of_the_sample_application_load() {
    let Some(folder) = vectors() else { return };
    let mut texts = String::new();
    let mut samples = tree(&folder.join("bookinfo-0.1.6"));
    samples.sort_by(|a, b| a.path.cmp(&b.path));
    for SourceFile { path: sample, text } in samples {
        let mut files = tree(&folder.join("mixer-0.1.6"));
        let path = "scopes/global/subjects/ratings.default.svc.cluster.local/rules.yml".to_owned();
        files.push(SourceFile { path: path.clone(), text });
        let loaded = load(&files, &adapters(), &Options::default());
        assert!(loaded.snapshot.is_some(), "{sample}: {}", rendered(&loaded));
        let of_sample = loaded.diagnostics.iter().filter(|found| found.file == path);
        let found: Vec<_> = of_sample.map(|found| format!("{found}\n")).collect();
        let _ = writeln!(texts, "== {sample}\n{}", found.join("\n"));
    }
    expect![[r#"
        == mixer-rule-additional-telemetry.yaml
        warning: `revision` is ignored: the revision is computed from the contents
         --> scopes/global/subjects/ratings.default.svc.cluster.local/rules.yml:1:1
          |
        1 | revision: "1"
          | ^^^^^^^^

        == mixer-rule-empty-rule.yaml
        warning: `revision` is ignored: the revision is computed from the contents
         --> scopes/global/subjects/ratings.default.svc.cluster.local/rules.yml:1:1
          |
        1 | revision: "2"
          | ^^^^^^^^

        == mixer-rule-ratings-denial.yaml

        == mixer-rule-ratings-ratelimit.yaml

    "#]]
    .assert_eq(&texts);
}
