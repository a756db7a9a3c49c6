//! Check: message → bag → L2 → decision → quotas → reply.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use attributes::wire::Expander;
use checkcache::shared::Hit;
use checkcache::wire::{encode_precondition, encode_quota};
use checkcache::{Code, Revision, Validity, Verdict};
use prost::Message as _;
use proto::v1::check_response::PreconditionResult;
use proto::v1::{CheckRequest, CheckResponse};
use tonic::Status;

use super::{MixerService, Reply, demand, quota, status};
use crate::l2::Answer;
use crate::runtime::{Active, Allocation};
use crate::telemetry::CheckResult;

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
        let mut message = attributes.unwrap_or_default();
        let words = std::mem::take(&mut message.words);
        let expander = Expander::new(&self.words.dictionary, global_word_count, words);
        let bag = expander.bag(message).map_err(|error| status::invalid_attributes(&error))?;
        let active = self.runtime.active().map_err(|error| status::unconfigured(&error))?;
        let revision = active.snapshot.revision();
        if !is_enough(&active, demand_revision) {
            return Ok(self.ask_for_more(&active).into());
        }

        let bag = Arc::new(bag);
        let answer = self.l2.answer(&active, Arc::clone(&bag), &self.telemetry).await;
        let verdict = answer.verdict();
        self.telemetry.check(result(verdict, answer.is_failure()), answer.cache_use(), begin.elapsed());
        // Nothing is taken for what does not go ahead.
        let allocations = if verdict.status.is_ok() {
            let asked = quota::asked(quotas, &deduplication_id);
            quota::allocate(&active, &bag, asked, &self.telemetry).await
        } else {
            Vec::new()
        };
        let encode = |Allocation { grant, counted }: &Allocation| {
            encode_quota(grant, counted, &self.words.dictionary, global_word_count, accepts_trace)
        };
        let is_kept = accepts_trace && global_word_count == self.words.count() && self.is_written(&answer);
        let message = CheckResponse {
            precondition: (!is_kept).then(|| self.precondition(&answer, global_word_count, accepts_trace)),
            quotas: allocations.iter().map(|(name, allocation)| (name.clone(), encode(allocation))).collect(),
            revision: if accepts_trace { revision.0 } else { 0 },
            hash_seed: if accepts_trace { self.hash_seed.to_vec() } else { Vec::new() },
            demand: None,
            global_word_count: if accepts_trace { self.words.count() } else { 0 },
            dictionary_digest: if accepts_trace { self.words.digest() } else { 0 },
        };
        Ok(match answer {
            Answer::Found(hit) if is_kept => Reply::found(message, hit),
            Answer::Found(_) | Answer::Decided { .. } => message.into(),
        })
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

    /// Whether what is said about a verdict, to whoever has all words and takes traces, is kept beside it.
    fn is_written(&self, answer: &Answer) -> bool {
        let Answer::Found(hit) = answer else { return false };
        let write = |hit: &Hit| {
            let dictionary = &self.words.dictionary;
            // For how long the verdict may be used is added to it each time.
            let (verdict, lasting) = (hit.verdict(), Validity::Revision);
            encode_precondition(verdict, lasting, &hit.trace(), dictionary, self.words.count(), true)
                .encode_to_vec()
        };
        self.l2.written(hit, write).is_some()
    }

    fn precondition(&self, answer: &Answer, word_count: u32, accepts_trace: bool) -> PreconditionResult {
        let (verdict, validity, trace) = (answer.verdict(), answer.validity(), answer.trace());
        encode_precondition(verdict, validity, &trace, &self.words.dictionary, word_count, accepts_trace)
    }
}

/// Whether a request has all that can be looked at under a configuration: the client sent everything, or what is read
/// under a revision that reads no less.
fn is_enough(active: &Active, demand_revision: u64) -> bool {
    demand_revision == 0 || active.covers_check(Revision(demand_revision))
}

fn result(verdict: &Verdict, is_failure: bool) -> CheckResult {
    match verdict.status.code {
        Code::Ok => CheckResult::Ok,
        _ if is_failure => CheckResult::Error,
        _ => CheckResult::Denied,
    }
}
