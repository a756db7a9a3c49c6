//! From a report to the backend of an adapter, through the whole server.

use attributes::{Bag, Value};
use proto::v1::report_request::RepeatedAttributesSemantics::IndependentEncoding;
use tokio::net::UdpSocket;

use crate::harness::{PATIENCE, TestServer, bag, compress, tree};

const RULES: &str = r#"
rules:
  - aspects:
      - kind: metrics
        adapter: stats
        params:
          metrics:
            - { descriptorName: request_count, value: "1", labels: { path: request.path, code: response.code } }
"#;

#[tokio::test]
async fn a_server_that_ends_sends_what_waits() {
    let backend = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = backend.local_addr().unwrap();
    let adapters = format!(
        "
adapters:
  - name: stats
    kind: metrics
    impl: statsd
    params:
      address: '{address}'
      flushDuration: 1h
      metricNameTemplateStrings: {{ request_count: 'requests.{{{{.code}}}}' }}
"
    );
    let server = TestServer::start(tree(&adapters, RULES), 0).await;
    let mut ended: Bag = bag([("request.path", "/a")]);
    ended.insert("response.code", Value::Int64(200));
    let message = compress(&server.dictionary, &ended);
    server.report(IndependentEncoding, vec![message.clone(), message]).await.unwrap();
    let TestServer { server, client, folder: _folder, .. } = server;
    drop(client);
    server.stop().await;
    let mut buffer = vec![0; 512];
    let size = tokio::time::timeout(PATIENCE, backend.recv(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(str::from_utf8(&buffer[..size]), Ok("requests.200:2|c"));
}
