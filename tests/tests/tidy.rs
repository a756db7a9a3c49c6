//! The rules of the tree, held by looking at it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::{Bootstrap, paths};

/// The rank of each package; a dependency goes to a lower rank. Packages without an entry fail the test: a new one
/// finds its place here first.
const RANKS: [(&str, u32); 14] = [
    ("proto", 0),
    ("attributes", 1),
    ("checkcache", 2),
    ("quota", 2),
    ("expr", 3),
    ("client", 3),
    ("policy", 4),
    ("filter", 5),
    ("cache-server", 5),
    ("tests", 6),
    ("xtask", 6),
    ("pieces", 5),
    ("bench", 7),
    ("measured-filters", 0),
];

/// Packages that are built for the filter or the browser: no I/O, no clock, no gRPC.
const PURE: [&str; 7] = ["proto", "attributes", "checkcache", "expr", "policy", "client", "quota"];

/// What none of them may depend on.
const IMPURE: [&str; 8] = ["tokio", "tonic", "hyper", "axum", "reqwest", "mio", "proxy-wasm", "rustix"];

#[test]
fn dependencies_go_downward() -> Result<()> {
    let ranks = BTreeMap::from(RANKS);
    for package in packages()? {
        let name = package["name"].as_str().context("a package without a name")?;
        let rank = *ranks.get(name).with_context(|| format!("`{name}` has no rank"))?;
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            let is_ours = dependency["path"].is_string();
            if let Some(lower) = ranks.get(to).filter(|_| is_ours) {
                ensure!(*lower < rank, "`{name}` (rank {rank}) must not depend on `{to}` (rank {lower})");
            }
            let is_plain = dependency["kind"].is_null() && dependency["optional"] == false;
            let is_impure = PURE.contains(&name) && IMPURE.contains(&to) && is_plain;
            ensure!(!is_impure, "`{name}` is pure and must not depend on `{to}`");
        }
    }
    Ok(())
}

#[test]
fn every_file_says_what_it_is() -> Result<()> {
    let mut silent = Vec::new();
    for file in files("rs")? {
        let is_generated = file.components().any(|part| part.as_os_str() == "generated");
        let text = std::fs::read_to_string(paths::root().join(&file))?;
        if !is_generated && !text.starts_with("//!") {
            silent.push(file);
        }
    }
    ensure!(silent.is_empty(), "files that do not begin with `//!`: {silent:?}");
    Ok(())
}

#[test]
fn no_test_file_is_forgotten() -> Result<()> {
    let folder = paths::root().join("tests/tests");
    let main = std::fs::read_to_string(folder.join("main.rs"))?;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let is_listed = main.lines().any(|line| line == format!("mod {name};"));
        ensure!(name == "main" || is_listed, "tests/tests/{name}.rs is not a module of main.rs");
    }
    Ok(())
}

#[test]
fn the_papers_are_there() {
    let needed = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "LICENSE",
        "docker-compose.yml",
        ".ci/run",
        "config/dictionary.txt",
    ];
    let missing: Vec<_> = needed.into_iter().filter(|file| !paths::root().join(file).exists()).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}

#[test]
fn every_bootstrap_loads_and_is_known() -> Result<()> {
    for entry in std::fs::read_dir(paths::root().join("envoy"))? {
        let path = entry?.path();
        // Bootstraps end in .yaml; beside them lies what else the stack mounts.
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let bootstrap = Bootstrap::load(name)?;
        ensure!(
            bootstrap.plugin()["mixer"]["cluster"] == "mixer",
            "{name}: the filter does not ask cluster `mixer`"
        );
        let text = std::fs::read_to_string(&path)?;
        ensure!(text.starts_with('#'), "{name}: a bootstrap begins by saying what it is for");
    }
    Ok(())
}

#[test]
fn every_configuration_file_is_yaml_and_is_explained() -> Result<()> {
    let trees = files("yml")?.into_iter().chain(files("yaml")?).filter(|file| file.starts_with("config"));
    for file in trees {
        let text = std::fs::read_to_string(paths::root().join(&file))?;
        let parsed: Result<Value, _> = serde_saphyr::from_str(&text);
        parsed.with_context(|| format!("{} is not YAML", file.display()))?;
        ensure!(
            text.starts_with('#'),
            "{}: a file of configuration begins with what it is for",
            file.display()
        );
    }
    Ok(())
}

#[test]
fn both_trees_speak_the_same_vocabulary() -> Result<()> {
    let manifests = |tree: &str| -> Result<Value> {
        let text = std::fs::read_to_string(paths::config(tree).join("scopes/global/descriptors.yml"))?;
        Ok(serde_saphyr::from_str::<Value>(&text)?["manifests"].take())
    };
    assert_eq!(manifests("demo")?, manifests("default")?);
    Ok(())
}

#[test]
fn links_between_papers_lead_somewhere() -> Result<()> {
    let mut broken = Vec::new();
    for file in files("md")? {
        let text = std::fs::read_to_string(paths::root().join(&file))?;
        let folder = paths::root().join(file.parent().unwrap_or(Path::new("")));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let is_local = !target.is_empty() && !target.contains("://");
            if is_local && !folder.join(target).exists() {
                broken.push(format!("{}: {link}", file.display()));
            }
        }
    }
    ensure!(broken.is_empty(), "{broken:?}");
    Ok(())
}

#[test]
fn the_tests_that_hold_what_others_got_wrong_exist() -> Result<()> {
    let mut sources = String::new();
    for file in files("rs")? {
        sources.push_str(&std::fs::read_to_string(paths::root().join(file))?);
    }
    let page = std::fs::read_to_string(paths::root().join("docs/caching.md"))?;
    let quoted = page.split('`').skip(1).step_by(2);
    let names: Vec<_> = quoted
        .filter(|name| {
            name.matches('_').count() > 2 && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
        })
        .collect();
    ensure!(names.len() > 20, "the page names {} tests", names.len());
    let missing: Vec<_> = names.iter().filter(|name| !sources.contains(&format!("fn {name}"))).collect();
    ensure!(missing.is_empty(), "docs/caching.md names tests that are not there: {missing:?}");
    Ok(())
}

#[test]
fn the_dictionary_has_no_word_twice() -> Result<()> {
    let words = tests::decode::dictionary()?;
    let mut sorted = words.clone();
    sorted.sort_unstable();
    sorted.dedup();
    ensure!(sorted.len() == words.len(), "the dictionary has {} words twice", words.len() - sorted.len());
    Ok(())
}

/// The packages of the workspace, as Cargo sees them.
fn packages() -> Result<Vec<Value>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(paths::root())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    metadata["packages"].as_array().cloned().context("no packages")
}

/// All files of the repository with this ending, below folders that hold sources.
fn files(ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![paths::root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            if entry.file_type()?.is_dir() {
                let is_source = name != "target" && !name.to_string_lossy().starts_with('.');
                folders.extend(is_source.then_some(path));
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(path.strip_prefix(paths::root()).map(Path::to_owned)?);
            }
        }
    }
    Ok(found)
}
