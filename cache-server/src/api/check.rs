//! Check: message → bag → L2 → decision → reply.

use std::collections::BTreeMap;
use std::time::Instant;

use attributes::wire::Expander;
use checkcache::wire::encode_precondition;
use checkcache::{Code, Trace, Verdict};
use proto::v1::{CheckRequest, CheckResponse};
use tonic::Status;

use super::{MixerService, quota, status};
use crate::l2::L2Lookup;
use crate::runtime;
use crate::telemetry::{CacheUse, CheckResult};

impl MixerService {
    pub(super) async fn answer_check(&self, request: CheckRequest) -> Result<CheckResponse, Status> {
        let begin = Instant::now();
        let CheckRequest {
            attributes,
            global_word_count,
            deduplication_id: _,
            quotas,
            accepts_trace,
            demand_revision: _,
        } = request;
        status::known_words(&self.dictionary, global_word_count)?;
        quota::bounded(quotas.len())?;
        let mut message = attributes.unwrap_or_default();
        let words = std::mem::take(&mut message.words);
        let expander = Expander::new(&self.dictionary, global_word_count, words);
        let bag = expander.bag(message).map_err(|error| status::invalid_attributes(&error))?;
        let active = self.runtime.active().map_err(|error| status::unconfigured(&error))?;
        let revision = active.snapshot.revision();

        let (verdict, trace, result, cache) = match self.l2.lookup(revision, &bag) {
            L2Lookup::Hit(verdict, trace) => {
                let result = result(&verdict, false);
                (verdict, trace, result, CacheUse::Hit)
            }
            L2Lookup::Miss(vacancy) => {
                let decision = runtime::check(&active, &bag, &self.telemetry).await;
                self.l2.insert(vacancy, revision, &decision.trace, &decision.verdict);
                let result = result(&decision.verdict, decision.is_failure);
                (decision.verdict, decision.trace, result, CacheUse::Miss)
            }
            L2Lookup::Off => {
                let decision = runtime::check(&active, &bag, &self.telemetry).await;
                let result = result(&decision.verdict, decision.is_failure);
                (decision.verdict, decision.trace, result, CacheUse::Off)
            }
        };
        self.telemetry.check(result, cache, begin.elapsed());
        let granted = if verdict.status.is_ok() { quota::grant(quotas) } else { BTreeMap::new() };
        Ok(CheckResponse {
            precondition: Some(self.precondition(&verdict, &trace, global_word_count, accepts_trace)),
            quotas: granted,
            revision: if accepts_trace { revision.0 } else { 0 },
            hash_seed: if accepts_trace { self.hash_seed.to_vec() } else { Vec::new() },
            demand: None,
        })
    }

    fn precondition(
        &self,
        verdict: &Verdict,
        trace: &Trace,
        word_count: u32,
        accepts_trace: bool,
    ) -> proto::v1::check_response::PreconditionResult {
        encode_precondition(verdict, verdict.validity, trace, &self.dictionary, word_count, accepts_trace)
    }
}

fn result(verdict: &Verdict, is_failure: bool) -> CheckResult {
    match verdict.status.code {
        Code::Ok => CheckResult::Ok,
        _ if is_failure => CheckResult::Error,
        _ => CheckResult::Denied,
    }
}
