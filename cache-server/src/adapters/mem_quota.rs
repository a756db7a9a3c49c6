//! `memQuota`: quotas counted in this server's memory.
//!
//! Nothing is shared with other servers, and nothing outlives the block: when its text changes or the server starts
//! anew, counting begins at zero. A limit is the aspect's, not the block's: one that changes holds from the next request
//! on, with what was counted before.
//!
//! | parameter | default | |
//! |---|---|---|
//! | `minDeduplicationDuration` | 1s | how long the answer to a request with an id is remembered at least |
//! | `rateLimitAlgorithm` | `ROLLING_WINDOW` | or `FIXED_WINDOW`, `TOKEN_BUCKET` |

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use policy::{AdapterInfo, AspectKind, HandlerConfig, ParamProblem};
use quota::{Algorithm, Limit};

use super::params::Params;
use super::shared_ledger::SharedLedger;
use super::{Grant, Handler, HandlerError, InvalidHandler, QuotaRequest, Surroundings, quota_params};

pub(super) const INFO: AdapterInfo = AdapterInfo {
    name: "memQuota",
    kinds: &[AspectKind::Quotas],
    description: "counts quotas in the memory of this server",
    validate,
    outputs: policy::no_outputs,
};

struct MemQuota(SharedLedger);

fn validate(params: &serde_json::Value) -> Result<(), Vec<ParamProblem>> {
    parse(params).map(drop)
}

pub(super) fn build(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    let (algorithm, deduplication) = super::parsed(config, parse(&config.params))?;
    let telemetry = Arc::clone(&surroundings.telemetry);
    Ok(Arc::new(MemQuota(SharedLedger::new(&config.name, algorithm, deduplication, telemetry))))
}

/// How a block with these parameters counts rates.
pub(super) fn algorithm(params: &serde_json::Value) -> Option<Algorithm> {
    parse(params).ok().map(|(algorithm, _)| algorithm)
}

fn parse(params: &serde_json::Value) -> Result<(Algorithm, Duration), Vec<ParamProblem>> {
    let mut params = Params::new(params);
    let deduplication = quota_params::deduplication(&mut params);
    let algorithm = quota_params::algorithm(&mut params, Algorithm::RollingWindow);
    params.finish((algorithm, deduplication))
}

#[async_trait]
impl Handler for MemQuota {
    async fn allocate(&self, request: QuotaRequest) -> Result<Grant, HandlerError> {
        let limit = request.quota.limit;
        Ok(self.0.settle(&request, Limit::new(limit.max_amount, limit.window)))
    }
}

#[cfg(test)]
mod tests;
