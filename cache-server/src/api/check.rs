//! Check: message → L2 → bag → decision → quotas → reply. What L2 answers needs no bag, unless quotas are asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use attributes::wire::CompressedBag;
use checkcache::shared::{Hit, SharedCache};
use checkcache::wire::{encode_precondition, encode_quota};
use checkcache::{Code, Revision, Trace, Validity, Verdict};
use prost::Message as _;
use proto::v1::check_response::PreconditionResult;
use proto::v1::{CheckRequest, CheckResponse};
use tonic::Status;

use super::reply::Precondition;
use super::status::KnownWords;
use super::{MixerService, Reply, demand, quota, status};
use crate::l2::{Answer, Decided};
use crate::runtime::{Active, Allocation};
use crate::telemetry::CheckResult;

/// Who is to read what is said about a verdict.
struct Reader<'s> {
    words: &'s KnownWords,
    /// How many of the words they have.
    word_count: u32,
    accepts_trace: bool,
}

/// What is taken from the cache.
struct Found {
    code: Code,
    precondition: Precondition,
}

// === impl MixerService ===

impl MixerService {
    pub(super) async fn answer_check(&self, request: CheckRequest) -> Result<Reply, Status> {
        let begin = Instant::now();
        let CheckRequest {
            attributes,
            global_word_count,
            deduplication_id,
            quotas,
            accepts_trace,
            demand_revision,
            dictionary_digest,
        } = request;
        self.words.check(global_word_count, dictionary_digest)?;
        quota::bounded(quotas.len())?;
        let attributes =
            CompressedBag::new(attributes.unwrap_or_default(), &self.words.dictionary, global_word_count)
                .map_err(|error| status::invalid_attributes(&error))?;
        // What the cache answers needs no bag.
        let expanded =
            || attributes.to_bag().map(Arc::new).map_err(|error| status::invalid_attributes(&error));
        let active = self.runtime.active().map_err(|error| status::unconfigured(&error))?;
        let revision = active.snapshot.revision();
        if !is_enough(&active, demand_revision) {
            return Ok(self.ask_for_more(&active).into());
        }

        let reader = Reader { words: &self.words, word_count: global_word_count, accepts_trace };
        let take = |cache: &SharedCache, hit: &Hit<'_>| Found {
            code: hit.verdict().status.code,
            precondition: reader.found(cache, hit),
        };
        let (answer, bag) = match self.l2.look(&active, &attributes, take).into_answer() {
            Ok(answer) => (answer, None),
            Err(looked) => {
                let bag = expanded()?;
                let answer = self.l2.answer(looked, &active, Arc::clone(&bag), &self.telemetry).await;
                (answer, Some(bag))
            }
        };
        let (code, is_failure) = match &answer {
            Answer::Found(found) => (found.code, false),
            Answer::Decided { decided, .. } => (decided.verdict().status.code, decided.is_failure()),
        };
        self.telemetry.check(result(code, is_failure), answer.cache_use(), begin.elapsed());
        // Nothing is taken for what does not go ahead.
        let allocations = if code == Code::Ok && !quotas.is_empty() {
            let bag = bag.map_or_else(expanded, Ok)?;
            let asked = quota::asked(quotas, &deduplication_id);
            quota::allocate(&active, &bag, asked, &self.telemetry).await
        } else {
            Vec::new()
        };
        let encode = |Allocation { grant, counted }: &Allocation| {
            encode_quota(grant, counted, &self.words.dictionary, global_word_count, accepts_trace)
        };
        let message = CheckResponse {
            precondition: None,
            quotas: allocations.iter().map(|(name, allocation)| (name.clone(), encode(allocation))).collect(),
            revision: if accepts_trace { revision.0 } else { 0 },
            hash_seed: if accepts_trace { self.hash_seed.to_vec() } else { Vec::new() },
            demand: None,
            global_word_count: if accepts_trace { self.words.count() } else { 0 },
            dictionary_digest: if accepts_trace { self.words.digest() } else { 0 },
        };
        Ok(Reply::new(
            message,
            match answer {
                Answer::Found(found) => found.precondition,
                Answer::Decided { decided, .. } => Precondition::Message(Box::new(reader.decided(&decided))),
            },
        ))
    }

    /// The answer to a request that left out what may count. Nothing was decided, here or from the cache: what is not
    /// there would have passed for absent. Sent to whoever names a demand, since only we do.
    fn ask_for_more(&self, active: &Active) -> CheckResponse {
        self.telemetry.check_stale_demands.increment();
        CheckResponse {
            precondition: None,
            quotas: BTreeMap::new(),
            revision: active.snapshot.revision().0,
            hash_seed: self.hash_seed.to_vec(),
            demand: Some(demand::encode(&active.snapshot.demand().check_call())),
            global_word_count: self.words.count(),
            dictionary_digest: self.words.digest(),
        }
    }
}

// === impl Reader ===

impl Reader<'_> {
    /// What is said about a verdict that was found.
    fn found(&self, cache: &SharedCache, hit: &Hit<'_>) -> Precondition {
        match self.written(cache, hit) {
            Some(text) => Precondition::Written { text: text.to_vec(), validity: hit.validity() },
            None => {
                let said = self.precondition(hit.verdict(), hit.validity(), &hit.trace());
                Precondition::Message(Box::new(said))
            }
        }
    }

    /// What is said to whoever has all words and takes traces is kept beside the verdict.
    fn written<'h>(&self, cache: &SharedCache, hit: &'h Hit<'_>) -> Option<&'h [u8]> {
        if !self.accepts_trace || self.word_count != self.words.count() {
            return None;
        }
        // For how long the verdict may be used is added to it each time.
        let lasting = Validity::Revision;
        cache.written(hit, |hit| self.precondition(hit.verdict(), lasting, &hit.trace()).encode_to_vec())
    }

    fn decided(&self, decided: &Decided) -> PreconditionResult {
        self.precondition(decided.verdict(), decided.verdict().validity, decided.trace())
    }

    fn precondition(&self, verdict: &Verdict, validity: Validity, trace: &Trace) -> PreconditionResult {
        let Self { words, word_count, accepts_trace } = *self;
        encode_precondition(verdict, validity, trace, &words.dictionary, word_count, accepts_trace)
    }
}

/// Whether a request has all that can be looked at under a configuration: the client sent everything, or what is read
/// under a revision that reads no less.
fn is_enough(active: &Active, demand_revision: u64) -> bool {
    demand_revision == 0 || active.covers_check(Revision(demand_revision))
}

fn result(code: Code, is_failure: bool) -> CheckResult {
    match code {
        Code::Ok => CheckResult::Ok,
        _ if is_failure => CheckResult::Error,
        _ => CheckResult::Denied,
    }
}
