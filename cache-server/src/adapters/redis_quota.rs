//! `redisQuota`: quotas counted in Redis, by all servers together.
//!
//! One script makes each request one atomic step in Redis, on Redis' own clock: look up the id, see what is left, take or
//! give back, remember the answer. Blocks of one name share what they count, whatever server they are on.
//!
//! No request waits for a Redis that is away longer than `deadline`, and after a few that did none waits at all; then
//! `whenUnavailable` says what they are answered. A block comes alive whether Redis is there or not.
//!
//! | parameter | default | |
//! |---|---|---|
//! | `redisServerUrl` | `localhost:6379` | or `redis://[user[:password]@]host[:port][/database]`; the path of a socket with `socketType: unix` |
//! | `socketType` | `tcp` | or `unix` |
//! | `connectionPoolSize` | 10 | connections that are kept; each serves many requests at a time |
//! | `minDeduplicationDuration` | 1s | how long the answer to a request with an id is remembered |
//! | `rateLimitAlgorithm` | `fixed-window` | or `rolling-window`, `token-bucket` |
//! | `deadline` | 100ms | how long Redis may take to answer, at most 500ms |
//! | `whenUnavailable` | `closed` | an error; or `open`: granted uncounted; or `local`: counted by this server alone |
//! | `localShare` | | with `local`: the part of each limit that this server grants by itself |
//! | `localAmount` | | or the amount of each limit that it does, at most the limit |

mod connection;
mod params;
mod script;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use policy::{AdapterInfo, AspectKind, HandlerConfig, ParamProblem};
use quota::Algorithm;
use quota::Limit;

use self::connection::{Redis, Unavailable};
use self::params::{RedisParams, WhenUnavailable};
use self::script::QuotaScript;
use super::shared_ledger::SharedLedger;
use super::{Grant, Handler, HandlerError, InvalidHandler, QuotaRequest, Surroundings};
use crate::telemetry::Telemetry;

pub(super) const INFO: AdapterInfo = AdapterInfo {
    name: "redisQuota",
    kinds: &[AspectKind::Quotas],
    description: "counts quotas in Redis, for all servers together",
    validate,
    outputs: policy::no_outputs,
};

struct RedisQuota {
    handler: String,
    redis: Redis,
    script: QuotaScript,
    fallback: Fallback,
    telemetry: Arc<Telemetry>,
}

/// What requests are answered that Redis does not answer.
enum Fallback {
    Closed,
    Open,
    Local { share: params::Share, ledger: Box<SharedLedger> },
}

fn validate(params: &serde_json::Value) -> Result<(), Vec<ParamProblem>> {
    RedisParams::parse(params).map(drop)
}

/// How a block with these parameters counts rates.
pub(super) fn algorithm(params: &serde_json::Value) -> Option<Algorithm> {
    RedisParams::parse(params).ok().map(|params| params.algorithm)
}

pub(super) fn build(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    let params = super::parsed(config, RedisParams::parse(&config.params))?;
    let quota = RedisQuota::new(&config.name, params, Arc::clone(&surroundings.telemetry));
    Ok(Arc::new(quota.map_err(|reason| super::invalid(config, reason))?))
}

// === impl RedisQuota ===

impl RedisQuota {
    fn new(name: &str, params: RedisParams, telemetry: Arc<Telemetry>) -> Result<Self, redis::RedisError> {
        let fallback = match params.when_unavailable {
            WhenUnavailable::Closed => Fallback::Closed,
            WhenUnavailable::Open => Fallback::Open,
            WhenUnavailable::Local(share) => {
                let telemetry = Arc::clone(&telemetry);
                let ledger = SharedLedger::new(name, params.algorithm, params.deduplication, telemetry);
                Fallback::Local { share, ledger: Box::new(ledger) }
            }
        };
        Ok(Self {
            handler: name.to_owned(),
            redis: Redis::new(name, params.address, params.connections, params.deadline)?,
            script: QuotaScript::new(name, params.algorithm, params.deduplication),
            fallback,
            telemetry,
        })
    }

    fn without_redis(&self, request: &QuotaRequest, reason: &Unavailable) -> Result<Grant, HandlerError> {
        let (grant, what) = match &self.fallback {
            Fallback::Closed => {
                (Err(HandlerError::Unavailable(reason.to_string())), "redis unavailable, failed")
            }
            Fallback::Open => {
                let amount = request.amount.saturating_abs();
                let valid_for = request.quota.limit.window.unwrap_or(Duration::ZERO);
                (Ok(Grant { amount, valid_for }), "redis unavailable, not counted")
            }
            Fallback::Local { share, ledger } => {
                let limit = Limit::new(request.quota.limit.max_amount, request.quota.limit.window);
                let limit = limit.with_max(share.of(limit.max()));
                (Ok(ledger.settle(request, limit)), "redis unavailable, counted here")
            }
        };
        self.telemetry.quota_exception(&self.handler, what);
        grant
    }
}

#[async_trait]
impl Handler for RedisQuota {
    async fn allocate(&self, request: QuotaRequest) -> Result<Grant, HandlerError> {
        if request.amount == 0 {
            return Ok(Grant { amount: 0, valid_for: Duration::ZERO });
        }
        let settled =
            self.redis.call(async |connection| self.script.settle(&request, connection).await).await;
        settled.or_else(|unavailable| self.without_redis(&request, &unavailable))
    }
}

#[cfg(test)]
mod tests;
