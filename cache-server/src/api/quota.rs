//! Quotas in a check.
//!
//! No aspect limits a quota yet, so every quota is one that is not configured: it is granted in full, as later Mixers
//! did, and soon asked for again, so that a limit that comes to be configured is noticed.

use std::collections::BTreeMap;

use attributes::Duration;
use checkcache::Code;
use proto::google::rpc;
use proto::v1::check_request::QuotaParams;
use proto::v1::check_response::QuotaResult;
use tonic::Status;

use crate::limits;

/// Refuses more quotas than a check may have.
pub(super) fn bounded(count: usize) -> Result<(), Status> {
    if count <= limits::CHECK_QUOTAS {
        return Ok(());
    }
    Err(Status::invalid_argument(format!("{count} quotas, at most {} are allowed", limits::CHECK_QUOTAS)))
}

/// Grants what is asked for.
pub(super) fn grant(
    quotas: impl IntoIterator<Item = (String, QuotaParams)>,
) -> BTreeMap<String, QuotaResult> {
    quotas.into_iter().map(|(name, params)| (name, grant_one(params.amount))).collect()
}

fn grant_one(amount: i64) -> QuotaResult {
    if amount < 0 {
        let message = "a quota's amount must not be negative".to_owned();
        let status = rpc::Status { code: Code::InvalidArgument.number(), message, details: Vec::new() };
        return QuotaResult { status: Some(status), ..QuotaResult::default() };
    }
    QuotaResult {
        valid_duration: Some(Duration::from(limits::UNCONFIGURED_QUOTA_TTL).into()),
        granted_amount: amount,
        referenced_attributes: None,
        status: Some(rpc::Status::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_limited_is_granted() {
        let asked = [("a", 5), ("b", 0), ("c", -1)]
            .map(|(name, amount)| (name.to_owned(), QuotaParams { amount, best_effort: false }));
        let granted = grant(asked);
        assert_eq!(granted["a"].granted_amount, 5);
        assert_eq!(granted["a"].status, Some(rpc::Status::default()));
        assert_eq!(granted["a"].valid_duration.unwrap().seconds, 10);
        assert_eq!(granted["b"].granted_amount, 0);
        assert_eq!(granted["c"].granted_amount, 0);
        assert_eq!(granted["c"].status.as_ref().unwrap().code, Code::InvalidArgument.number());
        assert!(bounded(limits::CHECK_QUOTAS).is_ok());
        assert!(bounded(limits::CHECK_QUOTAS + 1).is_err());
    }
}
