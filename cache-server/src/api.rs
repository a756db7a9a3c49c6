//! api: the gRPC services `istio.mixer.v1.Mixer`, `mixer.checks.v1.Checks` and `mixer.feed.v1.Feed`.
//!
//! Where requests come in: what crosses the wire becomes a bag of attributes here and the verdict becomes a reply.
//! Everything between is elsewhere. Every check and report passes one guard: a bounded number is at work at a
//! time, and one that panics answers INTERNAL and takes nothing else with it.

mod check;
mod checks;
mod demand;
mod feed;
mod quota;
mod reply;
mod report;
mod service;
mod status;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use attributes::Dictionary;
use futures::FutureExt as _;
use proto::v1::mixer_server::Mixer;
use proto::v1::{CheckRequest, CheckResponse, ReportRequest, ReportResponse};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

pub use self::checks::ChecksGrpc;
pub use self::feed::FeedService;
use self::reply::Reply;
pub use self::service::MixerGrpc;
use self::status::KnownWords;
use crate::l2::L2;
use crate::limits;
use crate::runtime::Runtime;
use crate::telemetry::{self, Telemetry};

/// The service. A clone is another handle on the same.
#[derive(Clone)]
pub struct MixerService {
    runtime: Arc<Runtime>,
    l2: Arc<L2>,
    words: KnownWords,
    telemetry: Arc<Telemetry>,
    /// What clients seed their hash tables with. Not what this server's own tables are seeded with.
    hash_seed: [u8; 16],
    permits: Arc<Semaphore>,
}

impl MixerService {
    /// The service on top of a runtime and a cache. `is_dictionary_given` says that the operator chose the dictionary,
    /// so that clients that do not name theirs are known to have the same.
    pub fn new(
        runtime: Arc<Runtime>,
        l2: Arc<L2>,
        dictionary: Arc<Dictionary>,
        is_dictionary_given: bool,
        telemetry: Arc<Telemetry>,
        hash_seed: [u8; 16],
    ) -> Self {
        let permits = Arc::new(Semaphore::new(limits::REQUESTS_IN_FLIGHT));
        let words = KnownWords { dictionary, is_given: is_dictionary_given };
        Self { runtime, l2, words, telemetry, hash_seed, permits }
    }

    async fn reply(&self, request: CheckRequest) -> Result<Response<Reply>, Status> {
        self.guarded(proto::path::CHECK, self.answer_check(request)).await
    }

    async fn guarded<T>(
        &self,
        method: &str,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<Response<T>, Status> {
        let answered = match self.permits.try_acquire() {
            Err(_) => Err(Status::resource_exhausted("the server is overloaded, please try again")),
            Ok(_permit) => AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|panic| {
                self.telemetry.panics.increment();
                telemetry::panicked(method, crate::runtime::panic_message(&*panic));
                Err(Status::internal("the request failed"))
            }),
        };
        match answered {
            Ok(reply) => Ok(Response::new(reply)),
            Err(status) => {
                self.telemetry.refused(method, &status);
                Err(status)
            }
        }
    }
}

#[tonic::async_trait]
impl Mixer for MixerService {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let reply = self.reply(request.into_inner()).await?.into_inner();
        reply.into_message().map(Response::new)
    }

    async fn report(&self, request: Request<ReportRequest>) -> Result<Response<ReportResponse>, Status> {
        // A proxy that ends sends what it still has and is gone. What has come is worked through all the same.
        let service = self.clone();
        let answer = async move {
            let answer = service.answer_report(request.into_inner());
            service.guarded(proto::path::REPORT, answer).await
        };
        tokio::spawn(answer).await.unwrap_or_else(|_| Err(Status::unavailable("the server is ending")))
    }
}

#[cfg(test)]
mod tests;
