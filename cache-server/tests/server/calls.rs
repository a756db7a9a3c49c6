//! `mixer check` and `mixer report` against a running server.

use tokio::process::Command;

use crate::harness::{TestServer, tree};

const ADAPTERS: &str = "adapters: [{ name: closed, kind: denials, impl: denyChecker, params: { error: { code: 7, message: closed } } }]";

const RULES: &str = r#"
rules:
  - selector: request.path.startsWith("/admin") && (request.headers["x-a"] | "") == "y"
    aspects: [{ kind: denials, adapter: closed }]
"#;

async fn mixer(server: &TestServer, command: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let address = server.server.listen().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_mixer"))
        .args([command, "-m", &address])
        .args(arguments)
        .output()
        .await
        .unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[tokio::test]
async fn check_says_what_the_server_says() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 100).await;
    let (code, page) = mixer(&server, "check", &["-a", "request.path=/a,request.method=GET"]).await;
    assert_eq!(code, Some(0), "{page}");
    assert!(page.starts_with("status    OK\n"), "{page}");
    assert!(page.contains("\ndepends on:\n  request.path starts with \"/admin\"? no\n"), "{page}");
    assert!(page.contains("\nrevision  "), "{page}");

    let denied = ["-s", "request.path=/admin", "--stringmap", "request.headers=x-a:y"];
    let (code, page) = mixer(&server, "check", &denied).await;
    assert_eq!(code, Some(3), "{page}");
    assert!(
        page.starts_with("status    PERMISSION_DENIED: closed\nrefused   by global/global rules[0]"),
        "{page}"
    );

    let (code, page) = mixer(&server, "check", &[&denied[..], &["--plain"]].concat()).await;
    assert_eq!(code, Some(3), "{page}");
    assert!(!page.contains("revision") && !page.contains("refused"), "{page}");
    assert!(page.contains("  request.path is \"/admin\"\n"), "{page}");
}

#[tokio::test]
async fn check_asks_for_quotas_and_repeats() {
    let server = TestServer::start(tree("adapters: []", "rules: []"), 100).await;
    let arguments = ["-q", "requests=5,other=1", "-r", "2", "-v", "-a", "source.ip=10.0.0.1"];
    let (code, page) = mixer(&server, "check", &arguments).await;
    assert_eq!(code, Some(0), "{page}");
    assert_eq!(page.matches("status    OK\n").count(), 2, "{page}");
    assert!(page.contains("\nquota     asked for  granted  valid  why\n"), "{page}");
    assert!(page.contains("\nrequests  5          5        10s\n"), "{page}");
    assert!(page.starts_with("sent:\nsource.ip  bytes  10.0.0.1\n"), "{page}");
    // Nothing limits the quota, so there is nothing to give back.
    let (code, page) = mixer(&server, "check", &["-q", "requests=-1"]).await;
    assert_eq!(code, Some(0), "{page}");
    assert!(page.contains("\nrequests  -1         0        10s\n"), "{page}");
}

#[tokio::test]
async fn report_is_taken() {
    let server = TestServer::start(tree("adapters: []", "rules: []"), 1).await;
    let (code, page) =
        mixer(&server, "report", &["-a", "response.code=200", "--batch", "3", "-r", "2"]).await;
    assert_eq!(code, Some(0), "{page}");
    assert_eq!(page, "status    OK\nstatus    OK\n");
    assert_eq!(server.metric("mixer_report_messages_total").await, "6");
}

#[tokio::test]
async fn what_is_no_call_is_said() {
    let server = TestServer::start(tree("adapters: []", "rules: []"), 1).await;
    let address = server.server.listen().to_string();
    let (code, page) = mixer(&server, "check", &["-i", "request.size=x"]).await;
    assert_eq!(code, Some(1), "{page}");
    assert_eq!(page, "mixer: `request.size`: `x` is not a 64-bit integer\n");
    assert_eq!(mixer(&server, "check", &["-q", "requests"]).await.0, Some(2));
    let many = (0..100).map(|n| format!("q{n}=1")).collect::<Vec<_>>().join(",");
    let (code, page) = mixer(&server, "check", &["-q", &many]).await;
    assert_eq!(code, Some(1), "{page}");
    assert!(page.starts_with("mixer: Check failed with INVALID_ARGUMENT: 100 quotas"), "{page}");

    server.server.stop().await;
    let output =
        Command::new(env!("CARGO_BIN_EXE_mixer")).args(["check", "-m", &address]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let page = String::from_utf8(output.stderr).unwrap();
    assert!(page.starts_with(&format!("mixer: {address}: ")), "{page}");
}
