//! Quotas in a check: what is asked for ⇄ what is allocated.

use std::collections::BTreeMap;
use std::sync::Arc;

use attributes::Bag;
use futures::future::join_all;
use proto::v1::check_request::QuotaParams;
use tonic::Status;

use crate::limits;
use crate::runtime::{self, Active, Allocation, Asked};
use crate::telemetry::Telemetry;

/// Refuses more quotas than a check may have.
pub(super) fn bounded(count: usize) -> Result<(), Status> {
    if count <= limits::CHECK_QUOTAS {
        return Ok(());
    }
    Err(Status::invalid_argument(format!("{count} quotas, at most {} are allowed", limits::CHECK_QUOTAS)))
}

/// What a message asks for. An empty id is no id: who does not tell calls apart does not mean that all are the same.
pub(super) fn asked(quotas: BTreeMap<String, QuotaParams>, deduplication_id: &str) -> Vec<Asked> {
    let deduplication_id = (!deduplication_id.is_empty()).then(|| Arc::<str>::from(deduplication_id));
    quotas
        .into_iter()
        .map(|(name, QuotaParams { amount, best_effort, counter })| Asked {
            name,
            amount,
            best_effort,
            counter,
            deduplication_id: deduplication_id.clone(),
        })
        .collect()
}

/// Allocates what is asked for, all at once.
pub(super) async fn allocate(
    active: &Active,
    bag: &Bag,
    asked: Vec<Asked>,
    telemetry: &Telemetry,
) -> Vec<(String, Allocation)> {
    if asked.is_empty() {
        return Vec::new();
    }
    let preprocessed = runtime::preprocess(active, bag, true, telemetry).await;
    let allocate = async |asked: Asked| {
        let name = asked.name.clone();
        (name, runtime::allocate(active, bag, &preprocessed, asked, telemetry).await)
    };
    join_all(asked.into_iter().map(allocate)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_id_is_none() {
        let params = || QuotaParams { amount: 5, best_effort: true, ..QuotaParams::default() };
        let quotas = || BTreeMap::from([("a".to_owned(), params())]);
        assert_eq!(asked(quotas(), "")[0].deduplication_id, None);
        assert_eq!(asked(quotas(), "x")[0].deduplication_id.as_deref(), Some("x"));
    }

    #[test]
    fn too_many_are_refused() {
        assert!(bounded(limits::CHECK_QUOTAS).is_ok());
        assert!(bounded(limits::CHECK_QUOTAS + 1).is_err());
    }
}
