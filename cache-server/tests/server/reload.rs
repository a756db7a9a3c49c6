//! Changes to the tree, in every way in which one is written, noticed without being told.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::harness::{DESCRIPTORS, RULES, TestServer, Updates, bag, tree, write};

const ADAPTERS: &str = r"
adapters:
  - { name: closed, kind: denials, impl: denyChecker, params: { error: { code: 7 } } }
";

const DENY_ALL: &str = "rules: [{ aspects: [{ kind: denials, adapter: closed }] }]";
const ALLOW_ALL: &str = "rules: []";

fn write_tree(root: &Path, rules: &str) {
    write(root, "scopes/global/descriptors.yml", DESCRIPTORS);
    write(root, "scopes/global/adapters.yml", ADAPTERS);
    write(root, RULES, rules);
}

/// Waits for the next configuration and gives the code of the verdict under it.
async fn next(server: &TestServer, updates: &mut Updates, revision: &mut u64) -> i32 {
    let before = *revision;
    *revision = updates.until(|update| update.revision != before).await.revision;
    server.verdict(&bag([])).await.0
}

#[tokio::test]
async fn a_file_that_is_written_over() {
    let server = TestServer::start(tree(ADAPTERS, DENY_ALL), 100).await;
    let mut updates = server.watch().await;
    let mut revision = updates.next().await.unwrap().revision;
    assert_eq!(server.verdict(&bag([])).await.0, 7);
    write(server.folder.path(), RULES, ALLOW_ALL);
    assert_eq!(next(&server, &mut updates, &mut revision).await, 0);
}

#[tokio::test]
async fn a_file_that_another_is_renamed_to() {
    let server = TestServer::start(tree(ADAPTERS, DENY_ALL), 100).await;
    let mut updates = server.watch().await;
    let mut revision = updates.next().await.unwrap().revision;
    let root = server.folder.path();
    for (rules, code) in [(ALLOW_ALL, 0), (DENY_ALL, 7)] {
        write(root, "new", rules);
        fs::rename(root.join("new"), root.join(RULES)).unwrap();
        assert_eq!(next(&server, &mut updates, &mut revision).await, code);
    }
}

#[tokio::test]
async fn a_new_folder_and_one_that_goes() {
    let server = TestServer::start(tree(ADAPTERS, ALLOW_ALL), 100).await;
    let mut updates = server.watch().await;
    let mut revision = updates.next().await.unwrap().revision;
    let root = server.folder.path();
    let folder = "scopes/global/subjects/svc.cluster.local";
    write(root, &format!("{folder}/rules.yml"), DENY_ALL);
    assert_eq!(next(&server, &mut updates, &mut revision).await, 0);
    let service = bag([("target.service", "a.ns.svc.cluster.local")]);
    assert_eq!(server.verdict(&service).await.0, 7);
    // The new folder is watched like the others.
    write(root, &format!("{folder}/rules.yml"), ALLOW_ALL);
    next(&server, &mut updates, &mut revision).await;
    assert_eq!(server.verdict(&service).await.0, 0);
    fs::remove_dir_all(root.join(folder)).unwrap();
    next(&server, &mut updates, &mut revision).await;
}

/// As Kubernetes updates a mounted `ConfigMap`: every version in a folder of its own, a hidden link to it that is
/// replaced in one step, and links through that.
#[tokio::test]
async fn a_hidden_link_that_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let publish = |version: &str, rules: &str| {
        write_tree(&root.join(version), rules);
        symlink(version, root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    };
    publish("..v1", DENY_ALL);
    symlink("..data/scopes", root.join("scopes")).unwrap();
    let server = TestServer::start(folder, 100).await;
    let mut updates = server.watch().await;
    let mut revision = updates.next().await.unwrap().revision;
    assert_eq!(server.verdict(&bag([])).await.0, 7);
    for (old, new, rules, code) in [("..v1", "..v2", ALLOW_ALL, 0), ("..v2", "..v3", DENY_ALL, 7)] {
        publish(new, rules);
        fs::remove_dir_all(root.join(old)).unwrap();
        assert_eq!(next(&server, &mut updates, &mut revision).await, code);
    }
}

/// As releases are switched: the root itself is a link.
#[tokio::test]
async fn a_root_that_is_a_link_that_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let publish = |version: &str, rules: &str| {
        write_tree(&root.join(version), rules);
        symlink(version, root.join("next")).unwrap();
        fs::rename(root.join("next"), root.join("current")).unwrap();
    };
    publish("v1", DENY_ALL);
    let server = TestServer::start_at(&root.join("current"), folder, 100).await;
    let mut updates = server.watch().await;
    let mut revision = updates.next().await.unwrap().revision;
    for (version, rules, code) in [("v2", ALLOW_ALL, 0), ("v3", DENY_ALL, 7)] {
        publish(version, rules);
        assert_eq!(next(&server, &mut updates, &mut revision).await, code);
    }
}

/// Where there is nothing to watch yet, the tree is looked at.
#[tokio::test]
async fn a_root_that_comes_late() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("later");
    let server = TestServer::start_at(&root, folder, 100).await;
    let mut updates = server.watch().await;
    let mut revision = updates.next().await.unwrap().revision;
    assert_eq!(revision, 0);
    write_tree(&root, DENY_ALL);
    assert_eq!(next(&server, &mut updates, &mut revision).await, 7);
}

/// The test's thread is the server's too, so that all of it is written before the server can look.
#[tokio::test(flavor = "current_thread")]
async fn many_files_at_once_are_one_change() {
    let server = TestServer::start(tree(ADAPTERS, DENY_ALL), 100).await;
    let mut updates = server.watch().await;
    let mut revision = updates.next().await.unwrap().revision;
    for number in 0..50 {
        // Each refers to a block that comes last.
        let rules = format!("rules: [{{ aspects: [{{ kind: denials, adapter: late{number} }}] }}]");
        write(
            server.folder.path(),
            &format!("scopes/global/subjects/s{number}.svc.cluster.local/rules.yml"),
            &rules,
        );
    }
    let late = |number| format!("  - {{ name: late{number}, kind: denials, impl: denyChecker }}\n");
    let late = (0..50).map(late).collect::<Vec<_>>().concat();
    write(server.folder.path(), "scopes/global/adapters.yml", &format!("{ADAPTERS}{late}"));
    next(&server, &mut updates, &mut revision).await;
    assert_eq!(server.metric("mixer_config_loads_total").await, "2");
    assert_eq!(server.metric("mixer_config_load_errors_total").await, "0");
    assert_eq!(server.metric("mixer_feed_updates_total").await, "2");
}
