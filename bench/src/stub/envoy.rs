//! Envoy's own services, as cheap as tonic can serve them: requests are read and not looked into, and every answer is
//! yes. No real authoriser, limiter or sink does with less.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use prost::Message;
use tonic::body::Body;
use tonic::codegen::{Service, tokio_stream::StreamExt as _};
use tonic::server::{ClientStreamingService, Grpc, NamedService, UnaryService};
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

/// Any message, of which nothing is kept.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Ignored {}

/// `envoy.service.ratelimit.v3.RateLimitResponse`, as far as it says yes.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Limit {
    #[prost(int32, tag = "1")]
    overall_code: i32,
}

/// `RateLimitResponse.Code.OK`.
const LIMIT_OK: i32 = 1;

/// A method that is the only one of its service.
pub(super) trait Method: Copy + Send + Sync + 'static {
    /// The service's full name.
    const SERVICE: &'static str;

    /// Serves a call.
    fn answer(
        self,
        request: http::Request<Body>,
    ) -> impl Future<Output = http::Response<Body>> + Send + 'static;
}

/// The service of such a method.
#[derive(Clone, Copy)]
struct Alone<M>(M);

/// `envoy.service.auth.v3.Authorization`: an empty answer allows.
#[derive(Clone, Copy)]
pub(super) struct Authorizer;

/// `envoy.service.ratelimit.v3.RateLimitService`.
#[derive(Clone, Copy)]
pub(super) struct RateLimiter;

/// `envoy.service.accesslog.v3.AccessLogService`: reads what comes, until nothing does.
#[derive(Clone, Copy)]
pub(super) struct LogSink;

/// What a server with such a service routes.
pub(super) fn routes(method: impl Method) -> Routes {
    Routes::new(Alone(method))
}

impl UnaryService<Ignored> for Authorizer {
    type Response = Ignored;
    type Future = Ready<Result<Response<Ignored>, Status>>;

    fn call(&mut self, _: Request<Ignored>) -> Self::Future {
        ready(Ok(Response::new(Ignored {})))
    }
}

impl UnaryService<Ignored> for RateLimiter {
    type Response = Limit;
    type Future = Ready<Result<Response<Limit>, Status>>;

    fn call(&mut self, _: Request<Ignored>) -> Self::Future {
        ready(Ok(Response::new(Limit { overall_code: LIMIT_OK })))
    }
}

impl ClientStreamingService<Ignored> for LogSink {
    type Response = Ignored;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Ignored>, Status>> + Send>>;

    fn call(&mut self, request: Request<Streaming<Ignored>>) -> Self::Future {
        Box::pin(async move {
            let mut messages = request.into_inner();
            while messages.next().await.transpose()?.is_some() {}
            Ok(Response::new(Ignored {}))
        })
    }
}

impl Method for Authorizer {
    const SERVICE: &'static str = "envoy.service.auth.v3.Authorization";

    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        Grpc::new(ProstCodec::default()).unary(self, request).await
    }
}

impl Method for RateLimiter {
    const SERVICE: &'static str = "envoy.service.ratelimit.v3.RateLimitService";

    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        Grpc::new(ProstCodec::default()).unary(self, request).await
    }
}

impl Method for LogSink {
    const SERVICE: &'static str = "envoy.service.accesslog.v3.AccessLogService";

    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        Grpc::new(ProstCodec::default()).client_streaming(self, request).await
    }
}

impl<M: Method> NamedService for Alone<M> {
    const NAME: &'static str = M::SERVICE;
}

impl<M: Method> Service<http::Request<Body>> for Alone<M> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = self.0.answer(request);
        Box::pin(async move { Ok(answer.await) })
    }
}
