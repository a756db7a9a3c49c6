//! The documentation for operators: its examples work, and it leaves nothing out.

use std::path::{Path, PathBuf};

use policy::SourceFile;

use crate::harness::{TestServer, tree, write};

pub(crate) fn page(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The examples that begin with a comment that names their file.
pub(crate) fn examples(page: &str) -> Vec<SourceFile> {
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let file = |(block, _): (&str, &str)| {
        let path = block.lines().next()?.strip_prefix("# ")?;
        path.starts_with("scopes/").then(|| SourceFile { path: path.to_owned(), text: block.to_owned() })
    };
    blocks.filter_map(file).collect()
}

#[test]
fn the_examples_are_a_configuration_without_findings() {
    let files = examples(&page("configuration.md"));
    assert_eq!(files.len(), 6);
    let loaded = policy::load(&files, &cache_server::adapters::infos(), &policy::Options::default());
    let findings: Vec<_> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    assert!(loaded.snapshot.is_some());
}

#[tokio::test]
async fn the_examples_do_what_their_suite_says() {
    let folder = tempfile::tempdir().unwrap();
    for SourceFile { path, text } in examples(&page("configuration.md")) {
        write(folder.path(), &path, &text);
    }
    let (code, page) = crate::suite::test(folder.path(), &[]).await;
    assert_eq!((code, page.as_str()), (Some(0), "2 passed, 0 failed\n"));
}

#[test]
fn every_adapter_is_documented() {
    let page = page("configuration.md");
    for info in cache_server::adapters::infos() {
        assert!(page.contains(&format!("| `{}` |", info.name)), "{}", info.name);
        for kind in info.kinds {
            assert!(page.contains(&format!("| `{kind}` |")), "{kind}");
        }
    }
}

#[test]
fn the_examples_of_each_adapter_are_a_configuration_without_findings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/adapters");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let text = page(&format!("adapters/{name}"));
        let files = examples(&text);
        let loaded = policy::load(&files, &cache_server::adapters::infos(), &policy::Options::default());
        let findings: Vec<_> = loaded.diagnostics.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{name}: {}", findings.join("\n"));
        assert!(
            loaded.snapshot.is_some_and(|snapshot| !snapshot.handlers().is_empty()),
            "{name}: no adapter"
        );
    }
}

#[tokio::test]
async fn every_metric_is_documented() {
    let server = TestServer::start(tree("adapters: []", "rules: []"), 1).await;
    let (_, metrics) = server.get("/metrics").await;
    let page = page("server.md");
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names = types.filter_map(|line| line.split(' ').next()).filter(|name| name.starts_with("mixer_"));
    let missing: Vec<_> =
        names.filter(|name| !["`", "{"].iter().any(|end| page.contains(&format!("`{name}{end}")))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_parameter_of_lists_is_documented() {
    for name in ["listChecker", "genericListChecker", "ipListChecker"] {
        let page = page(&format!("adapters/{name}.md"));
        let info = cache_server::adapters::infos().into_iter().find(|info| info.name == name).unwrap();
        let problems = (info.validate)(&serde_json::json!({ "nonsense": 1 })).unwrap_err();
        let help = problems[0].help.as_deref().unwrap();
        // The parameters that there are, each in backticks.
        let fields: Vec<_> = help.split('`').skip(1).step_by(2).collect();
        assert!(!fields.is_empty(), "{help}");
        let missing: Vec<_> = fields.iter().filter(|field| !page.contains(&format!("`{field}`"))).collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
    }
}
