//! Feed: what proxies hear of without asking – the configuration in force, what it reads, and that caches are to be
//! dropped.
//!
//! Every client has one stream and one place for news in it: a client that reads slowly gets the latest, never a
//! backlog. A client that is gone is noticed by the connection's keepalive, which ends its stream.

use std::pin::Pin;
use std::sync::Arc;

use attributes::Dictionary;
use futures::Stream;
use futures::stream::unfold;
use proto::feed::feed_server::Feed;
use proto::feed::{Update, WatchRequest};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::demand;
use crate::runtime::{News, Runtime};
use crate::telemetry::Telemetry;

/// The service.
pub struct FeedService {
    runtime: Arc<Runtime>,
    telemetry: Arc<Telemetry>,
    /// How many words the dictionary has, and their digest.
    words: (usize, u64),
    hash_seed: [u8; 16],
}

/// What a stream of updates is made of.
struct Watch {
    news: watch::Receiver<News>,
    telemetry: Arc<Telemetry>,
    /// How many words the dictionary has, and their digest.
    words: (usize, u64),
    hash_seed: [u8; 16],
}

impl FeedService {
    /// The service on top of a runtime; the seed is for the clients' hash tables.
    pub fn new(
        runtime: Arc<Runtime>,
        dictionary: &Dictionary,
        telemetry: Arc<Telemetry>,
        hash_seed: [u8; 16],
    ) -> Self {
        let words = (dictionary.len(), dictionary.digest(dictionary.len()).unwrap_or_default());
        Self { runtime, telemetry, words, hash_seed }
    }
}

#[tonic::async_trait]
impl Feed for FeedService {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Update, Status>> + Send>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        // Updates have their words in full, so how many numbers the client knows makes no difference.
        let WatchRequest { global_word_count: _ } = request.into_inner();
        let Some(news) = self.runtime.listen() else {
            let status = Status::resource_exhausted("too many listen already, please try again later");
            self.telemetry.refused(proto::path::WATCH, &status);
            return Err(status);
        };
        let Self { runtime: _, telemetry, words, hash_seed } = self;
        let watch = Watch { news, telemetry: Arc::clone(telemetry), words: *words, hash_seed: *hash_seed };
        Ok(Response::new(Box::pin(unfold(watch, Watch::next))))
    }
}

impl Watch {
    /// The next update with what comes after it.
    async fn next(mut self) -> Option<(Result<Update, Status>, Self)> {
        // An error means that the runtime is gone.
        self.news.changed().await.ok()?;
        let news = self.news.borrow_and_update().clone();
        if news.is_over {
            return None;
        }
        self.telemetry.feed_updates.increment();
        Some((Ok(self.update(&news)), self))
    }

    fn update(&self, news: &News) -> Update {
        let demand = news.active.as_deref().map(|active| active.snapshot.demand());
        Update {
            revision: news.active.as_deref().map_or(0, |active| active.snapshot.revision().0),
            drops: news.drops,
            check: demand.map(|demand| demand::encode(&demand.check_call())),
            report: demand.map(|demand| demand::encode(&demand.report)),
            hash_seed: self.hash_seed.to_vec(),
            global_word_count: u32::try_from(self.words.0).unwrap_or(u32::MAX),
            dictionary_digest: self.words.1,
        }
    }
}
