//! The service `mixer.checks.v1.Checks`: checks of many requests on one stream.
//!
//! Each question is a check like any other, with its place under the same bounds; only the call around it is missing.
//! Answers go out as they come, whatever the order, so that one that waits for an adapter holds up no other.
//!
//! Invariant: every question that was read is answered before the stream ends, unless the client is gone.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Shared};
use futures::stream::iter;
use futures::{FutureExt as _, Stream, StreamExt as _};
use prost::Message as _;
use prost::encoding::{self, WireType, encode_key, encode_varint};
use proto::checks::{Answer, Question};
use proto::v1::CheckRequest;
use tonic::body::Body;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::{ProstCodec, ProstDecoder};

use super::MixerService;
use super::reply::Reply;
use crate::limits;

/// The path that streams are opened at.
const ASK: &str = "/mixer.checks.v1.Checks/Ask";

/// The service. A clone is another handle on the same.
#[derive(Clone)]
pub struct ChecksGrpc {
    service: Arc<MixerService>,
    /// Comes when no more questions are to be read.
    draining: Shared<BoxFuture<'static, ()>>,
}

/// One stream of them.
struct Ask(ChecksGrpc);

/// An answer to the question of this number.
struct Answered {
    id: u64,
    answer: Result<Reply, Status>,
}

/// How questions are read and answers written.
#[derive(Debug, Default)]
struct AnswerCodec;

/// Writes answers.
#[derive(Debug)]
struct AnswerEncoder;

impl ChecksGrpc {
    /// Takes what is asked to a service, until `draining` comes.
    pub fn new(service: MixerService, draining: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { service: Arc::new(service), draining: draining.boxed().shared() }
    }
}

impl Service<http::Request<Body>> for ChecksGrpc {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let ask = Ask(self.clone());
        async move {
            if request.uri().path() != ASK {
                return Ok(Status::unimplemented("the service has no such method").into_http());
            }
            let mut grpc = Grpc::new(AnswerCodec).max_decoding_message_size(limits::MESSAGE_BYTES);
            Ok(grpc.streaming(ask, request).await)
        }
        .boxed()
    }
}

impl NamedService for ChecksGrpc {
    const NAME: &'static str = proto::path::CHECKS_SERVICE;
}

impl StreamingService<Question> for Ask {
    type Response = Answered;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Answered, Status>> + Send>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Question>>) -> Self::Future {
        let Self(ChecksGrpc { service, draining }) = self;
        let (service, draining) = (Arc::clone(service), draining.clone());
        let questions = request.into_inner().take_until(draining);
        let answers = questions.map(move |question| {
            let service = Arc::clone(&service);
            async move {
                // What cannot be read ends the stream: what would come after it cannot either.
                let Question { id, request } = question?;
                let answer = match CheckRequest::decode(request) {
                    Ok(request) => service.reply(request).await.map(Response::into_inner),
                    Err(error) => {
                        Err(Status::invalid_argument(format!("the request cannot be read: {error}")))
                    }
                };
                Ok(Answered { id, answer })
            }
        });
        let answers = answers.buffer_unordered(limits::STREAM_QUESTIONS);
        let greeting = Answered { id: 0, answer: Ok(Reply::empty()) };
        let all: Self::ResponseStream = Box::pin(iter([Ok(greeting)]).chain(answers));
        async move { Ok(Response::new(all)) }.boxed()
    }
}

// === impl AnswerCodec ===

impl Codec for AnswerCodec {
    type Encode = Answered;
    type Decode = Question;
    type Encoder = AnswerEncoder;
    type Decoder = ProstDecoder<Question>;

    fn encoder(&mut self) -> Self::Encoder {
        AnswerEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<Answer, Question>::raw_decoder(BufferSettings::default())
    }
}

impl Encoder for AnswerEncoder {
    type Item = Answered;
    type Error = Status;

    /// Writes a `mixer.checks.v1.Answer`.
    fn encode(&mut self, Answered { id, answer }: Answered, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        encoding::fixed64::encode(1, &id, to);
        match answer {
            Ok(reply) => {
                encode_key(2, WireType::LengthDelimited, to);
                encode_varint(reply.encoded_len() as u64, to);
                reply.write(to)
            }
            Err(status) => {
                encoding::int32::encode(3, &status.code().into(), to);
                encoding::string::encode(4, &status.message().to_owned(), to);
                Ok(())
            }
        }
    }
}
