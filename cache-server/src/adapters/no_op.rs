//! `no-op`: serves every kind of aspect and does nothing.
//!
//! It keeps a place in a configuration: refusals refuse, lists are empty, quotas grant nothing, nothing is derived, and
//! what is told goes nowhere. Its answers never change, so they hold as long as the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use attributes::Value;
use checkcache::{Code, Status, Validity};
use policy::{AdapterInfo, AspectKind, HandlerConfig, LogEntry, MetricSamples, ParamProblem};

use super::params::Params;
use super::{
    Answer, Derived, Grant, Handler, HandlerError, InvalidHandler, Membership, QuotaRequest, Surroundings,
};

pub(super) const INFO: AdapterInfo = AdapterInfo {
    name: "no-op",
    kinds: &AspectKind::ALL,
    description: "does nothing: refuses, finds nothing, grants nothing, tells nobody",
    validate,
    outputs: policy::no_outputs,
};

struct NoOp;

fn validate(params: &serde_json::Value) -> Result<(), Vec<ParamProblem>> {
    Params::new(params).finish(())
}

pub(super) fn build(config: &HandlerConfig, _: &Surroundings) -> Result<Arc<dyn Handler>, InvalidHandler> {
    super::parsed(config, validate(&config.params))?;
    Ok(Arc::new(NoOp))
}

#[async_trait]
impl Handler for NoOp {
    async fn deny(&self) -> Result<Answer, HandlerError> {
        let status = Status::new(Code::FailedPrecondition, "");
        Ok(Answer { status, directive: None, validity: Validity::Revision })
    }

    async fn contains(&self, _: &Value) -> Result<Membership, HandlerError> {
        Ok(Membership { found: false, validity: Validity::Revision })
    }

    async fn allocate(&self, _: QuotaRequest) -> Result<Grant, HandlerError> {
        Ok(Grant { amount: 0, valid_for: std::time::Duration::ZERO })
    }

    async fn derive(&self, _: &BTreeMap<Arc<str>, Value>) -> Result<Derived, HandlerError> {
        Ok(Derived { outputs: BTreeMap::new(), validity: Validity::Revision })
    }

    async fn log(&self, _: Vec<LogEntry>) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn measure(&self, _: Vec<MetricSamples>) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use policy::{QuotaInstance, QuotaLimit};
    use serde_json::json;

    use super::*;
    use crate::adapters;
    use crate::adapters::fixture::{block, surroundings};

    #[tokio::test]
    async fn every_kind_is_served_and_nothing_done() {
        let handler = adapters::build(&block("no-op", json!({})), &surroundings()).unwrap();
        assert_eq!(handler.deny().await.unwrap().status.code, Code::FailedPrecondition);
        assert!(!handler.contains(&Value::from("x")).await.unwrap().found);
        let limit = QuotaLimit { max_amount: 10, window: None };
        let quota = QuotaInstance { name: "q".into(), labels: Vec::new(), limit };
        let request = QuotaRequest { quota, amount: 5, best_effort: true, deduplication_id: None };
        assert_eq!(handler.allocate(request).await.unwrap().amount, 0);
        assert_eq!(handler.derive(&BTreeMap::new()).await.unwrap().outputs, BTreeMap::new());
        assert_eq!(handler.log(Vec::new()).await, Ok(()));
        assert_eq!(handler.measure(Vec::new()).await, Ok(()));
    }
}
