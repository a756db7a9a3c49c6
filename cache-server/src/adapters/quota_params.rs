//! The parameters that the adapters of quotas have in common.

use std::time::Duration;

use quota::Algorithm;

use super::params::Params;
use crate::limits;

/// The names of the algorithms: those of Mixer 0.1, those of Mixer 1.x with their numbers, and ours.
const ALGORITHMS: [(&str, i64); 6] = [
    ("FIXED_WINDOW", 0),
    ("ROLLING_WINDOW", 1),
    ("TOKEN_BUCKET", 2),
    ("fixed-window", 0),
    ("rolling-window", 1),
    ("token-bucket", 2),
];

/// `rateLimitAlgorithm`.
pub(super) fn algorithm(params: &mut Params<'_>, default: Algorithm) -> Algorithm {
    match params.choice("rateLimitAlgorithm", &ALGORITHMS) {
        Some(0) => Algorithm::FixedWindow,
        Some(1) => Algorithm::RollingWindow,
        Some(_) => Algorithm::TokenBucket,
        None => default,
    }
}

/// `minDeduplicationDuration`.
pub(super) fn deduplication(params: &mut Params<'_>) -> Duration {
    const FIELD: &str = "minDeduplicationDuration";
    let duration = params.duration(FIELD).unwrap_or(limits::QUOTA_DEDUPLICATION);
    if duration.is_zero() {
        params.problem(FIELD, "must be more than 0");
    }
    duration
}
