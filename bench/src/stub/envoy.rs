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

type Answering = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

/// `envoy.service.auth.v3.Authorization`: an empty answer allows.
#[derive(Clone)]
pub(super) struct Authorizer;

/// `envoy.service.ratelimit.v3.RateLimitService`.
#[derive(Clone)]
pub(super) struct RateLimiter;

/// `envoy.service.accesslog.v3.AccessLogService`: reads what comes, until nothing does.
#[derive(Clone)]
pub(super) struct LogSink;

impl NamedService for Authorizer {
    const NAME: &'static str = "envoy.service.auth.v3.Authorization";
}

impl NamedService for RateLimiter {
    const NAME: &'static str = "envoy.service.ratelimit.v3.RateLimitService";
}

impl NamedService for LogSink {
    const NAME: &'static str = "envoy.service.accesslog.v3.AccessLogService";
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

impl Service<http::Request<Body>> for Authorizer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answering {
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(Self, request).await) })
    }
}

impl Service<http::Request<Body>> for RateLimiter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answering {
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(Self, request).await) })
    }
}

impl Service<http::Request<Body>> for LogSink {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answering {
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).client_streaming(Self, request).await) })
    }
}
