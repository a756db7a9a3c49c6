//! Configurations that are wrong, that come late and that change.

use proto::v1::{CheckRequest, ReportRequest};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::harness::{RULES, TestServer, bag, sample, tree, write};

const ADAPTERS: &str = "
adapters:
  - { name: closed, kind: denials, impl: denyChecker, params: { error: { code: 7 } } }
  - { name: prom, kind: metrics, impl: prometheus }
";

const DENY_ALL: &str = "rules: [{ aspects: [{ kind: denials, adapter: closed }] }]";
const ALLOW_ALL: &str = "rules: []";
const BROKEN: &str = "rules: [{ aspects: [{ kind: denials, adapter: nobody }] }]";

async fn health(server: &TestServer, service: &str) -> ServingStatus {
    let mut client = HealthClient::new(server.connect().await);
    client.check(HealthCheckRequest { service: service.to_owned() }).await.unwrap().into_inner().status()
}

#[tokio::test]
async fn without_a_configuration_nothing_is_allowed() {
    let server = TestServer::start(tree(ADAPTERS, BROKEN), 100).await;
    assert_eq!(server.get("/healthz").await.0, 200);
    let (status, page) = server.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(page.contains("not yet available") && page.contains("nobody"), "{page}");
    assert_eq!(health(&server, "istio.mixer.v1.Mixer").await, ServingStatus::NotServing);
    let refused = server.send(CheckRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    assert!(refused.message().contains("configuration is not yet available"), "{refused}");
    let refused = server.client.clone().report(ReportRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    assert_ne!(server.metric("mixer_config_load_errors_total").await, "0");

    write(server.folder.path(), RULES, DENY_ALL);
    server.reload_until("/readyz", |status, _| status == 200).await;
    assert_eq!(server.verdict(&bag([])).await.0, 7);
    assert_eq!(health(&server, "").await, ServingStatus::Serving);
    assert_eq!(health(&server, "istio.mixer.v1.Mixer").await, ServingStatus::Serving);
    assert_eq!(health(&server, "mixer.feed.v1.Feed").await, ServingStatus::Serving);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_no_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder, 100).await;
    let (status, page) = server.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(page.contains("there is no .yml or .yaml file"), "{page}");
    assert_eq!(server.send(CheckRequest::default()).await.unwrap_err().code(), tonic::Code::Unavailable);
}

#[tokio::test]
async fn a_change_is_honoured_and_forgets_old_verdicts() {
    let server = TestServer::start(tree(ADAPTERS, DENY_ALL), 100).await;
    let before = server.check(&bag([])).await;
    assert_eq!(server.metric("mixer_l2_entries").await, "1");
    server.load_rules(ALLOW_ALL).await;
    server.reload_until("/metrics", |_, page| sample(page, "mixer_l2_entries") == 0.0).await;
    let after = server.check(&bag([])).await;
    assert_ne!(before.revision, after.revision);
    assert_eq!(after.precondition.unwrap().status.unwrap().code, 0);
    let info = format!("mixer_config_revision_info{{revision=\"{:016x}\"}}", after.revision);
    assert_eq!(server.metric(&info).await, "1");
}

#[tokio::test]
async fn a_bad_change_leaves_the_old_one_in_force() {
    let server = TestServer::start(tree(ADAPTERS, DENY_ALL), 100).await;
    let before = server.check(&bag([])).await;
    write(server.folder.path(), RULES, BROKEN);
    server.reload_until("/metrics", |_, page| sample(page, "mixer_config_load_errors_total") > 0.0).await;
    assert_eq!(server.get("/readyz").await.0, 200);
    let after = server.check(&bag([])).await;
    assert_eq!(before.revision, after.revision);
    assert_eq!(after.precondition.unwrap().status.unwrap().code, 7);
}

#[tokio::test]
async fn what_became_of_a_change_is_told() {
    let config = async |server: &TestServer| -> serde_json::Value {
        serde_json::from_str(&server.get("/config").await.1).unwrap()
    };
    let server = TestServer::start(tree(ADAPTERS, DENY_ALL), 100).await;
    let before = config(&server).await;
    assert_eq!(before["store"], server.folder.path().to_str().unwrap());
    assert_eq!((&before["loaded"]["files"], &before["refused"]), (&3.into(), &serde_json::Value::Null));
    write(server.folder.path(), RULES, BROKEN);
    server.reload_until("/config", |_, page| page.contains("\"stands\":true")).await;
    let refused = config(&server).await;
    assert_eq!(refused["revision"], before["revision"]);
    let found = &refused["refused"]["diagnostics"][0];
    assert_eq!((&found["severity"], &found["file"]), (&"error".into(), &RULES.into()));
    assert!(found["message"].as_str().is_some_and(|message| !message.is_empty()), "{refused}");
    write(server.folder.path(), RULES, ALLOW_ALL);
    server.reload_until("/config", |_, page| page.contains("\"stands\":false")).await;
    let after = config(&server).await;
    assert_ne!(after["revision"], before["revision"]);
    assert_eq!(after["refused"]["at"], refused["refused"]["at"]);
}

#[tokio::test]
async fn a_server_that_stops_finishes_and_lets_go_of_its_ports() {
    let server = TestServer::start(tree(ADAPTERS, DENY_ALL), 0).await;
    let (listen, admin) = (server.server.listen(), server.server.admin());
    assert_eq!(server.verdict(&bag([])).await.0, 7);
    tokio::time::timeout(crate::harness::PATIENCE, server.server.stop()).await.expect("it stops");
    for address in [listen, admin] {
        assert!(tokio::net::TcpStream::connect(address).await.is_err(), "{address}");
    }
}

#[tokio::test]
async fn the_demo_and_the_default_configuration_load() {
    for name in ["demo", "default"] {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(name);
        let files = cache_server::runtime::read_tree(&root).unwrap();
        let loaded = policy::load(&files, &cache_server::adapters::infos(), &policy::Options::default());
        let findings: Vec<_> = loaded.diagnostics.iter().map(ToString::to_string).collect();
        assert!(loaded.snapshot.is_some(), "{name}:\n{}", findings.join("\n"));
    }
}

#[tokio::test]
async fn reflection_names_the_services() {
    let server = TestServer::start(tree(ADAPTERS, DENY_ALL), 0).await;
    let mut client = ServerReflectionClient::new(server.connect().await);
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client.server_reflection_info(tokio_stream::once(question)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(services)) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = services.service.iter().map(|service| service.name.as_str()).collect();
    for name in ["istio.mixer.v1.Mixer", "mixer.feed.v1.Feed", "grpc.health.v1.Health"] {
        assert!(names.contains(&name), "{names:?}");
    }
}
