//! Messages that nobody means well: they get an answer, and nobody else notices.

use std::sync::Arc;

use proptest::prelude::*;
use proto::v1::{CheckRequest, CheckResponse, CompressedAttributes, CompressedValue};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};

use crate::harness::{TestServer, bag, tree};

const ADAPTERS: &str = "adapters: [{ name: list, kind: lists, impl: genericListChecker }]";
const RULES: &str = r#"
rules:
  - aspects:
      - { kind: lists, adapter: list, params: { blacklist: true, checkExpression: 'request.headers["a"] | request.path | "none"' } }
"#;

fn attributes() -> impl Strategy<Value = CompressedAttributes> {
    let index = || prop_oneof![-4..400i32, any::<i32>()];
    let map =
        prop::collection::vec((index(), index()), 0..4).prop_map(|entries| entries.into_iter().collect());
    let value = prop_oneof![
        index().prop_map(CompressedValue::String),
        any::<i64>().prop_map(CompressedValue::Int64),
        any::<f64>().prop_map(CompressedValue::Double),
        any::<(i64, i32)>()
            .prop_map(|(seconds, nanos)| CompressedValue::Timestamp(proto::Timestamp { seconds, nanos })),
        map.prop_map(CompressedValue::StringMap),
    ];
    let words = prop::collection::vec(any::<String>().prop_map(Arc::from), 0..4);
    let removed = prop::collection::vec(index(), 0..2);
    (words, prop::collection::vec((index(), value), 0..12), removed)
        .prop_map(|(words, values, removed)| CompressedAttributes { words, values, removed })
}

/// Sends bytes as they are.
#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, bytes: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::bytes::BufMut::put_slice(into, &bytes);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; prost::bytes::Buf::remaining(from)];
        prost::bytes::Buf::copy_to_slice(from, &mut bytes);
        Ok(Some(bytes))
    }
}

async fn send_raw(server: &TestServer, method: &'static str, bytes: Vec<u8>) -> Result<Vec<u8>, Status> {
    let mut client = tonic::client::Grpc::new(server.connect().await);
    client.ready().await.unwrap();
    let path = tonic::codegen::http::uri::PathAndQuery::from_static(method);
    client.unary(Request::new(bytes), path, Raw).await.map(tonic::Response::into_inner)
}

async fn still_answers(server: &TestServer) {
    assert_eq!(server.verdict(&bag([("request.path", "/")])).await.0, 0);
    assert_eq!(server.metric("mixer_panics_total").await, "0");
}

#[test]
fn messages_with_any_indices_are_answered() {
    let threads = tokio::runtime::Runtime::new().unwrap();
    let server = threads.block_on(TestServer::start(tree(ADAPTERS, RULES), 100));
    proptest!(ProptestConfig::with_cases(256), |(attributes in attributes(), global_word_count in 0..300u32)| {
        let request = CheckRequest {
            attributes: Some(attributes),
            global_word_count,
            accepts_trace: true,
            ..CheckRequest::default()
        };
        let answered: Result<CheckResponse, Status> = threads.block_on(server.send(request));
        if let Err(status) = answered {
            let code = status.code();
            prop_assert!(matches!(code, tonic::Code::InvalidArgument | tonic::Code::FailedPrecondition), "{status}");
        }
    });
    threads.block_on(still_answers(&server));
}

#[test]
fn any_bytes_are_answered() {
    let threads = tokio::runtime::Runtime::new().unwrap();
    let server = threads.block_on(TestServer::start(tree(ADAPTERS, RULES), 100));
    let methods = prop::sample::select(vec!["/istio.mixer.v1.Mixer/Check", "/istio.mixer.v1.Mixer/Report"]);
    proptest!(ProptestConfig::with_cases(64), |(bytes in prop::collection::vec(any::<u8>(), 0..200), method in methods)| {
        let _any_answer = threads.block_on(send_raw(&server, method, bytes));
    });
    threads.block_on(still_answers(&server));
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 100).await;
    let large = vec![0; cache_server::limits::MESSAGE_BYTES + 1];
    let status = send_raw(&server, "/istio.mixer.v1.Mixer/Check", large).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::OutOfRange, "{status}");
    still_answers(&server).await;
}
