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
        if name == "README.md" {
            // About all of them.
            continue;
        }
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

#[test]
fn every_adapter_has_a_page_of_its_own() {
    let index = page("adapters/README.md");
    for info in cache_server::adapters::infos() {
        assert!(index.contains(&format!("| [`{0}`]({0}.md) |", info.name)), "{}", info.name);
        assert!(page(&format!("adapters/{}.md", info.name)).starts_with(&format!("# `{}`\n", info.name)));
    }
}

/// The example of the page for authors is the file that the suite runs, and each test of the suite is on the page.
#[test]
fn the_page_for_authors_is_what_the_suite_holds() {
    let page = page("adapters/README.md");
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/adapters/conformance");
    let example = std::fs::read_to_string(suite.join("example.rs")).unwrap();
    assert!(page.contains(&format!("```rust\n{example}```\n")), "the example is not the file");
    for file in ["calls.rs", "ends.rs", "parameters.rs", "reload.rs"] {
        let text = std::fs::read_to_string(suite.join(file)).unwrap();
        let names: Vec<_> =
            text.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split_once('(')).collect();
        assert!(!names.is_empty(), "{file}");
        for (name, _) in names {
            assert!(page.contains(&format!("| `{name}` |")), "{name}");
        }
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
