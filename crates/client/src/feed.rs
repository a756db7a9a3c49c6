//! The feed: a stream on which the server says what changed, and when to try it again.

use std::time::Duration;

use checkcache::{Code, Revision, Tick};
use prost::Message as _;
use proto::feed::{Update, WatchRequest};

use crate::demand::{Demand, Demanded};
use crate::retry::Retry;
use crate::{Client, Counter, Effect, GrpcFailure, Now, limits, wire};

/// For how long answers may contradict the stream before it is taken for dead.
const CONTRADICTION_MAX: Duration = Duration::from_secs(2);

/// The state of the stream.
#[derive(Debug)]
pub(crate) struct Feed {
    enabled: bool,
    stage: Stage,
    /// Since when answers have named another revision than the stream.
    contradicted: Option<Tick>,
    retry: Retry,
    /// When a doubted stream is opened anew, since its first word is what is in force: seldom, if that is contradicted too.
    doubts: Retry,
    /// Which server spoke last, by its seed, and how often it had dropped its caches.
    last: Option<(Vec<u8>, u64)>,
}

/// How far the stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Closed,
    /// It is open, and nothing was said on it.
    Silent,
    /// What was said on it is in force.
    Spoken,
    /// Answers have contradicted it for so long that another is to be opened in its place.
    Doubted,
}

/// What an update asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drops {
    /// Nothing was dropped since the last update.
    Unchanged,
    /// Verdicts may have been dropped that the client still has.
    Changed,
    /// There was no update before.
    Unknown,
}

impl Feed {
    pub(crate) fn new(enabled: bool) -> Self {
        Self {
            enabled,
            stage: Stage::Closed,
            contradicted: None,
            retry: Retry::new(),
            doubts: Retry::new(),
            last: None,
        }
    }

    /// Whether the revision of an answer is to be believed rather than the stream's. It is if the stream has not
    /// said anything, or nothing for so long that it must be dead though nobody noticed; else the answer comes from a
    /// server that is behind, or a little ahead of the stream.
    pub(crate) fn yields_to_answer(&mut self, agrees: bool, now: Tick) -> bool {
        if self.stage != Stage::Spoken || agrees {
            self.contradicted = None;
            return self.stage != Stage::Spoken;
        }
        let since = *self.contradicted.get_or_insert(now);
        if now.since(since) >= CONTRADICTION_MAX {
            self.stage = Stage::Doubted;
            self.doubts.failed(Code::Unavailable, now);
        }
        self.stage != Stage::Spoken
    }

    /// An answer names the revision that is in force.
    pub(crate) fn agrees(&mut self) {
        if self.stage == Stage::Spoken {
            self.doubts.succeeded();
        }
    }

    /// The request with which to open the stream, if it is time to.
    pub(crate) fn open(&mut self, word_count: u32, now: Tick) -> Option<Vec<u8>> {
        let is_due = match self.stage {
            Stage::Closed => self.retry.is_due(now),
            Stage::Doubted => self.doubts.is_due(now),
            Stage::Silent | Stage::Spoken => false,
        };
        if !self.enabled || !is_due {
            return None;
        }
        self.stage = Stage::Silent;
        Some(WatchRequest { global_word_count: word_count }.encode_to_vec())
    }

    /// Takes note of an update. A server that was not heard of before may have dropped anything in the meantime.
    pub(crate) fn heard(&mut self, update: &Update) -> Drops {
        self.retry.succeeded();
        self.stage = Stage::Spoken;
        self.contradicted = None;
        let now = (update.hash_seed.clone(), update.drops);
        match self.last.replace(now.clone()) {
            Some(before) if before == now => Drops::Unchanged,
            Some(_) => Drops::Changed,
            None => Drops::Unknown,
        }
    }

    /// The stream has ended, or could not be opened.
    pub(crate) fn closed(&mut self, failure: &GrpcFailure, now: Tick) {
        self.stage = Stage::Closed;
        self.retry.failed(failure.code, now);
    }
}

impl Client {
    /// Opens the stream if it is not open and it is time to.
    pub(crate) fn watch(&mut self, now: Now) -> Option<Effect> {
        let is_doubted = self.feed.stage == Stage::Doubted;
        let message = self.feed.open(self.config.dictionary.len() as u32, now.tick)?;
        if is_doubted {
            // The one before is given up, of which nobody says that it has ended.
            self.counters.count(Counter::FeedLosses);
        }
        self.counters.count(Counter::FeedOpens);
        Some(Effect::Watch { message })
    }

    /// The server has something to say.
    pub fn on_feed_message(&mut self, message: &[u8], now: Now) -> Vec<Effect> {
        let update = match Update::decode(message) {
            Ok(update) if message.len() <= limits::ANSWER_BYTES => update,
            Ok(_) | Err(_) => return self.on_feed_unreadable(now),
        };
        self.counters.count(Counter::FeedUpdates);
        let drops = self.feed.heard(&update);
        let Update {
            revision,
            drops: drop_count,
            check,
            report,
            hash_seed,
            global_word_count,
            dictionary_digest,
        } = update;
        self.learn_words((global_word_count, dictionary_digest));
        let seed = wire::hash_seed(&hash_seed);
        // Nothing was stored yet, or it came from this very server, which never dropped anything.
        let is_untouched = drop_count == 0 && (self.server.is_none() || self.server == seed);
        self.seed(seed);
        let revision = Revision(revision);
        if revision != self.revision {
            self.adopt(revision);
        }
        match drops {
            Drops::Unchanged => {}
            Drops::Unknown if is_untouched => {}
            // What was stored before the first word may have been dropped before it.
            Drops::Unknown => {
                self.cache.clear();
                self.quotas.forget();
            }
            Drops::Changed => {
                self.counters.count(Counter::CacheDrops);
                self.cache.clear();
                self.quotas.forget();
            }
        }
        self.demanded =
            Some(Demanded { revision, check: check.map(Demand::from), report: report.map(Demand::from) });
        Vec::new()
    }

    /// The server has said something that cannot be had or read. What changed is not known, so nothing that is remembered
    /// can be trusted.
    pub fn on_feed_unreadable(&mut self, now: Now) -> Vec<Effect> {
        self.cache.clear();
        self.quotas.forget();
        self.demanded = None;
        let warning = "an update of the policy cannot be read; all verdicts were dropped".to_owned();
        self.warn(warning, now).into_iter().collect()
    }

    /// The stream has ended, or could not be opened. What it said last stays true until an answer says otherwise;
    /// verdicts live no longer than their time.
    pub fn on_feed_closed(&mut self, failure: &GrpcFailure, now: Now) -> Vec<Effect> {
        self.counters.count(Counter::FeedLosses);
        self.feed.closed(failure, now.tick);
        let warning = format!("the feed of policy changes has ended: {}", failure.message);
        self.warn(warning, now).into_iter().collect()
    }
}
