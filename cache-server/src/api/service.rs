//! The service `istio.mixer.v1.Mixer` as the transport takes it.
//!
//! It is the generated one, but for checks: their replies are written by a codec of our own.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use proto::v1::CheckRequest;
use proto::v1::mixer_server::MixerServer;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};

use super::MixerService;
use super::reply::{CheckCodec, Reply};
use crate::limits;

/// The path that checks are posted to.
const CHECK: &str = "/istio.mixer.v1.Mixer/Check";

/// The service.
#[derive(Clone)]
pub struct MixerGrpc {
    service: Arc<MixerService>,
    generated: MixerServer<MixerService>,
}

/// One check.
struct Check(Arc<MixerService>);

impl MixerGrpc {
    /// Takes what comes in to a service.
    pub fn new(service: MixerService) -> Self {
        let service = Arc::new(service);
        let generated = MixerServer::from_arc(Arc::clone(&service));
        Self { service, generated: generated.max_decoding_message_size(limits::MESSAGE_BYTES) }
    }
}

impl Service<http::Request<Body>> for MixerGrpc {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path() != CHECK {
            return self.generated.call(request);
        }
        let check = Check(Arc::clone(&self.service));
        let answer = async move {
            let mut grpc = Grpc::new(CheckCodec).max_decoding_message_size(limits::MESSAGE_BYTES);
            Ok(grpc.unary(check, request).await)
        };
        answer.boxed()
    }
}

impl NamedService for MixerGrpc {
    const NAME: &'static str = proto::path::SERVICE;
}

impl UnaryService<CheckRequest> for Check {
    type Response = Reply;
    type Future = BoxFuture<'static, Result<Response<Reply>, Status>>;

    fn call(&mut self, request: Request<CheckRequest>) -> Self::Future {
        let service = Arc::clone(&self.0);
        async move { service.reply(request.into_inner()).await }.boxed()
    }
}
