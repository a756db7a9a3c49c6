//! `mixer test`: the demo's suite passes, and a policy that changed is noticed.

use std::path::Path;

use tokio::process::Command;

use crate::harness::{tree, write};

const ADAPTERS: &str = "adapters:
  - { name: closed, kind: denials, impl: denyChecker, params: { error: { code: 7 } } }
";

const RULES: &str = r#"
rules:
  - selector: request.path.startsWith("/admin")
    aspects: [{ kind: denials, adapter: closed }]
"#;

const SUITE: &str = "scopes/global/subjects/global/admin.test.yml";

pub(crate) async fn test(config: &Path, more: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mixer"))
        .arg("test")
        .arg(config)
        .args(more)
        .output()
        .await
        .expect("the binary was built for this test");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test]
async fn the_demo_does_what_it_says() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/demo");
    let (code, page) = test(&demo, &[]).await;
    assert_eq!((code, page.as_str()), (Some(0), "6 passed, 0 failed\n"));
    let (code, page) = test(&demo, &["--filter", "approval"]).await;
    assert_eq!((code, page.as_str()), (Some(0), "2 passed, 0 failed\n"));
}

#[tokio::test]
async fn a_case_that_fails_is_told_where_it_stands() {
    let folder = tree(ADAPTERS, RULES);
    let suite = "tests:
  - name: admins only
    attributes: { request.path: /admin }
    expect: { check: OK }
  - name: others too
    attributes: { request.path: / }
    expect: { check: OK }
";
    write(folder.path(), SUITE, suite);
    let (code, page) = test(folder.path(), &[]).await;
    assert_eq!(code, Some(1), "{page}");
    let expected = "error: admins only: expected OK, found PERMISSION_DENIED
 --> scopes/global/subjects/global/admin.test.yml:4:22
  |
4 |     expect: { check: OK }
  |                      ^^
  = help: global/global rules[0].aspects[0] refused: PERMISSION_DENIED

1 passed, 1 failed\n";
    assert_eq!(page, expected);
}

#[tokio::test]
async fn nothing_to_test_is_no_success() {
    let folder = tree(ADAPTERS, RULES);
    let (code, page) = test(folder.path(), &[]).await;
    assert_eq!(code, Some(1), "{page}");
    assert!(page.contains("there is no `*.test.yml` file"), "{page}");

    write(
        folder.path(),
        SUITE,
        "tests: [{ name: a, attributes: { request.pth: / }, expect: { check: OK } }]",
    );
    let (code, page) = test(folder.path(), &[]).await;
    assert_eq!(code, Some(1), "{page}");
    assert!(page.contains("did you mean `request.path`?"), "{page}");
    assert!(page.ends_with("0 passed, 0 failed, 1 mistake in the test files themselves\n"), "{page}");

    write(folder.path(), "scopes/global/subjects/global/rules.yml", "rules: 1");
    let (code, page) = test(folder.path(), &[]).await;
    assert_eq!(code, Some(1), "{page}");
    assert!(page.contains("nothing was tested"), "{page}");
}
