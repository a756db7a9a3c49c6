//! What verdicts make the proxy do: header operations, and refusals with an answer of their own.

use attributes::Value;
use checkcache::wire::decode_precondition;
use checkcache::{HeaderOperation, Operation, RouteDirective, Verdict};

use crate::harness::{TestServer, bag, tree};

const ADAPTERS: &str = r#"
adapters:
  - name: gone
    impl: denyChecker
    params:
      error: { code: PERMISSION_DENIED, message: not any more }
      directResponse: { code: 410, body: "<h1>gone</h1>", headers: { Content-Type: text/html, x-retries: "0" } }
"#;

const RULES: &str = r#"
rules:
  - requestHeaderOperations:
      - { name: X-User, values: [source.user | "nobody"] }
      - { name: x-debug, operation: REMOVE }
    responseHeaderOperations:
      - { name: x-served-by, values: ['"mixer"', request.method], operation: APPEND }
  - selector: request.path.startsWith("/old")
    aspects: [{ kind: denials, adapter: gone }]
  - selector: request.path == "/port"
    requestHeaderOperations: [{ name: x-size, values: request.size }]
"#;

async fn verdict(server: &TestServer, bag: &attributes::Bag) -> Verdict {
    let precondition = server.precondition(bag).await;
    let words = server.dictionary.len().try_into().unwrap();
    let decoded = decode_precondition(precondition, &server.dictionary, words, bag);
    decoded.trace.expect("the verdict may be stored");
    decoded.verdict
}

fn operation(name: &str, operation: Operation) -> HeaderOperation {
    HeaderOperation { name: name.to_owned(), operation }
}

#[tokio::test]
async fn headers_are_changed_when_a_request_is_allowed() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 100).await;
    for _ in 0..2 {
        // Decided the first time, from the cache the second.
        for user in ["ann", "bob"] {
            let request = bag([("request.path", "/"), ("request.method", "GET"), ("source.user", user)]);
            let verdict = verdict(&server, &request).await;
            assert!(verdict.status.is_ok());
            let expected = RouteDirective {
                request_headers: vec![
                    operation("x-user", Operation::Replace(user.to_owned())),
                    operation("x-debug", Operation::Remove),
                ],
                response_headers: vec![
                    operation("x-served-by", Operation::Append("mixer".to_owned())),
                    operation("x-served-by", Operation::Append("GET".to_owned())),
                ],
                ..RouteDirective::default()
            };
            assert_eq!(verdict.directive, Some(expected));
        }
    }
    assert_eq!(server.metric("mixer_l2_hits_total").await, "2");
}

#[tokio::test]
async fn a_refusal_has_the_answer_of_its_block() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 100).await;
    let verdict = verdict(&server, &bag([("request.path", "/old/page"), ("request.method", "GET")])).await;
    assert_eq!(verdict.status.to_string(), "PERMISSION_DENIED:not any more");
    let expected = RouteDirective {
        direct_response_code: Some(410),
        direct_response_body: "<h1>gone</h1>".to_owned(),
        response_headers: vec![
            operation("content-type", Operation::Replace("text/html".to_owned())),
            operation("x-retries", Operation::Replace("0".to_owned())),
        ],
        request_headers: Vec::new(),
    };
    assert_eq!(verdict.directive, Some(expected));
}

#[tokio::test]
async fn a_header_that_cannot_be_computed_refuses() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 100).await;
    let mut request = bag([("request.path", "/port"), ("request.method", "GET")]);
    let (code, message) = server.verdict(&request).await;
    assert_eq!(code, 13);
    assert!(message.contains("rules[2]: cannot evaluate a value of header `x-size`"), "{message}");
    request.insert("request.size", Value::Int64(7));
    assert_eq!(server.verdict(&request).await.0, 0);

    // What would begin another header is not handed on.
    request.insert("source.user", Value::from("a\r\nx-admin: yes"));
    let (code, message) = server.verdict(&request).await;
    assert_eq!(code, 13);
    assert!(message.contains("the value of header `x-user` has control characters"), "{message}");
}
