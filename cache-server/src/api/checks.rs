//! The service `mixer.checks.v1.Checks`: checks of many requests on one stream.
//!
//! Each question is a check like any other, with its place under the same bounds; only the call around it is missing.
//! What the cache answers is answered at once; what has to wait becomes a task of its own, so that it holds up no other,
//! and goes on whether or not the client reads.
//!
//! Invariant: every question that was read is answered before the stream ends, unless the client is gone; and as long as
//! one is at work, something is said.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, Shared};
use futures::stream::poll_fn;
use futures::{FutureExt as _, Stream, StreamExt as _};
use prost::Message as _;
use prost::encoding::{self, WireType, encode_key, encode_varint};
use proto::checks::{Answer, Question};
use proto::v1::CheckRequest;
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
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

/// What goes out on a stream.
type Item = Result<Answered, Status>;

/// A stream at work.
struct Line {
    service: Arc<MixerService>,
    questions: Streaming<Question>,
    /// As many places as there may be questions: one is taken before a question is read, and its answer goes there.
    answers: mpsc::Sender<Item>,
    /// Questions that wait for something.
    waiting: JoinSet<()>,
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
            let mut grpc = Grpc::new(AnswerCodec).max_decoding_message_size(limits::QUESTION_BYTES);
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
    type ResponseStream = Pin<Box<dyn Stream<Item = Item> + Send>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Question>>) -> Self::Future {
        let Self(ChecksGrpc { service, draining }) = self;
        let (answers, mut said) = mpsc::channel(limits::STREAM_QUESTIONS);
        let line = Line {
            service: Arc::clone(service),
            questions: request.into_inner(),
            answers,
            waiting: JoinSet::new(),
        };
        tokio::spawn(line.run(draining.clone()));
        let said: Self::ResponseStream = Box::pin(poll_fn(move |cx| said.poll_recv(cx)));
        async move { Ok(Response::new(said)) }.boxed()
    }
}

// === impl Line ===

impl Line {
    async fn run(mut self, mut draining: impl Future<Output = ()> + Unpin) {
        self.speak();
        let mut beat = interval(limits::STREAM_BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let answers = self.answers.clone();
        let mut is_reading = true;
        let mut failure = None;
        while is_reading || !self.waiting.is_empty() {
            tokio::select! {
                // Nobody is there any more; what waits is given up with this.
                () = answers.closed() => return,
                () = &mut draining, if is_reading => is_reading = false,
                _ = self.waiting.join_next(), if !self.waiting.is_empty() => {}
                _ = beat.tick(), if !self.waiting.is_empty() => self.speak(),
                next = next(&answers, &mut self.questions), if is_reading => match next {
                    Some((place, Ok(question))) => self.take(question, place),
                    // What would come after what cannot be read cannot either.
                    Some((_, Err(status))) => (is_reading, failure) = (false, Some(status)),
                    None => is_reading = false,
                },
            }
        }
        if let Some(status) = failure {
            // An error means that nobody is there any more.
            let _ = answers.send(Err(status)).await;
        }
    }

    /// Says that the server is there, unless there is something to read anyhow.
    fn speak(&self) {
        let _ = self.answers.try_send(Ok(Answered { id: 0, answer: Ok(Reply::empty()) }));
    }

    fn take(&mut self, Question { id, request, timeout_ms }: Question, place: OwnedPermit<Item>) {
        let service = Arc::clone(&self.service);
        let answer = async move {
            match CheckRequest::decode(request) {
                Ok(request) => service.reply(request).await.map(Response::into_inner),
                Err(error) => Err(Status::invalid_argument(format!("the request cannot be read: {error}"))),
            }
        };
        let mut answer = answer.boxed();
        match (&mut answer).now_or_never() {
            Some(answer) => drop(place.send(Ok(Answered { id, answer }))),
            None => drop(self.waiting.spawn(async move {
                let answer = match timeout_ms {
                    0 => answer.await,
                    _ => timeout(Duration::from_millis(timeout_ms.into()), answer)
                        .await
                        .unwrap_or_else(|_| Err(Status::deadline_exceeded("nobody waits any more"))),
                };
                place.send(Ok(Answered { id, answer }));
            })),
        }
    }
}

/// The next question, once there is a place for its answer; `None` at the end.
async fn next(
    answers: &mpsc::Sender<Item>,
    questions: &mut Streaming<Question>,
) -> Option<(OwnedPermit<Item>, Result<Question, Status>)> {
    let place = answers.clone().reserve_owned().await.ok()?;
    Some((place, questions.next().await?))
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
