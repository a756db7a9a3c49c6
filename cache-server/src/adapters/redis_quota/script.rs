//! A quota request as one atomic step in Redis.
//!
//! The script is the same for each way of counting but for the middle part. All numbers in it are whole and less than
//! 2^53, so that Lua's doubles hold them exactly: times in microseconds do, amounts are held to it here, and the parts
//! of a token that a bucket counts in are made as fine as fits.
//!
//! A request has one or two keys. They begin with the same `{hash tag}`, so that a cluster keeps them in one place. Every
//! key expires by itself, but for the counts of what is in use until it is given back: those go when nothing is.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quota::{Algorithm, Key};
use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, RedisResult, Script};
use sha2::{Digest as _, Sha256};

use super::super::{Grant, QuotaRequest};
use crate::limits;

/// The largest number that Lua counts to: 2^53 - 1.
const EXACT: u64 = (1 << 53) - 1;

/// The longest window in microseconds, 142 years: a point in time so much from now is still exact.
const WINDOW_MAX: u64 = 1 << 52;

/// What makes keys of ours ours.
const PREFIX: &str = "mixer:quota";

macro_rules! script {
    ($count:literal) => {
        concat!(include_str!("begin.lua"), include_str!($count), include_str!("end.lua"))
    };
}

/// Settles requests in Redis.
pub(super) struct QuotaScript {
    block: String,
    rate: Script,
    rate_tag: char,
    allocation: Script,
    deduplication_ms: u64,
    /// Microseconds since 1970 in place of Redis' clock, for tests that let time pass at will.
    pub(super) pinned: Option<Arc<AtomicU64>>,
}

/// The numbers of a rate limit, such that no product of them is inexact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    max: u64,
    /// Microseconds, rounded up.
    window: u64,
    /// Microseconds of the unit of time that a bucket fills up in.
    unit: u64,
}

impl QuotaScript {
    pub(super) fn new(block: &str, algorithm: Algorithm, deduplication: Duration) -> Self {
        let (rate, rate_tag) = match algorithm {
            Algorithm::RollingWindow => (script!("rolling.lua"), 'r'),
            Algorithm::FixedWindow => (script!("fixed.lua"), 'f'),
            Algorithm::TokenBucket => (script!("bucket.lua"), 't'),
        };
        let deduplication_ms = u64::try_from(deduplication.as_nanos().div_ceil(1_000_000));
        Self {
            block: block.to_owned(),
            rate: Script::new(rate),
            rate_tag,
            allocation: Script::new(script!("allocation.lua")),
            deduplication_ms: deduplication_ms.unwrap_or(u64::MAX).min(WINDOW_MAX / 1000),
            pinned: None,
        }
    }

    /// Grants what is asked for, or takes back what is given back.
    pub(super) async fn settle(
        &self,
        request: &QuotaRequest,
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<Grant> {
        let limit = &request.quota.limit;
        let numbers = Numbers::new(limit.max_amount, limit.window.unwrap_or_default());
        let (script, tag) = match limit.window {
            Some(_) => (&self.rate, self.rate_tag),
            None => (&self.allocation, 'a'),
        };
        let stem = self.stem(request, tag);
        let mut invocation = script.key(format!("{stem}:count"));
        if let Some(id) = request.deduplication_id.as_deref().filter(|id| !id.is_empty()) {
            let what = if request.amount < 0 { "release" } else { "take" };
            invocation.key(format!("{stem}:{what}:{}", digest(&[id.as_bytes()])));
        }
        let pinned = self.pinned.as_ref().map(|now| now.load(Ordering::SeqCst).to_string());
        invocation
            .arg(amount(request.amount))
            .arg(u8::from(request.best_effort))
            .arg(numbers.max)
            .arg(numbers.window)
            .arg(numbers.unit)
            .arg(self.deduplication_ms)
            .arg(pinned.unwrap_or_default());
        grant(&invocation.invoke_async::<Vec<i64>>(connection).await?)
    }

    /// What the keys of a counter begin with. The quota's name is there for people, the digest says which counter.
    fn stem(&self, request: &QuotaRequest, tag: char) -> String {
        let key = Key::new(&request.quota.name, &request.quota.labels);
        let shown: String = request.quota.name.chars().take(limits::REDIS_KEY_NAME).map(plain).collect();
        let counter = digest(&[self.block.as_bytes(), key.as_bytes()]);
        format!("{PREFIX}:{shown}:{{{tag}{counter}}}")
    }
}

impl Numbers {
    fn new(max: i64, window: Duration) -> Self {
        let max = u64::try_from(max).unwrap_or(0).min(EXACT);
        let window = u64::try_from(window.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX).clamp(1, WINDOW_MAX);
        // So many units may a window have: what is missing from an empty bucket is their product with `max`.
        let units = EXACT / max.max(1);
        Self { max, window, unit: window.div_ceil(units) }
    }
}

/// An amount that Lua can count. One that is larger than any limit stays so.
fn amount(asked: i64) -> i64 {
    asked.clamp(-(EXACT as i64), EXACT as i64 + 1)
}

fn grant(reply: &[i64]) -> RedisResult<Grant> {
    match *reply {
        [amount, valid_us] if amount >= 0 => {
            let valid_for = Duration::from_micros(u64::try_from(valid_us).unwrap_or(0));
            Ok(Grant { amount, valid_for })
        }
        _ => Err(RedisError::from((ErrorKind::UnexpectedReturnType, "expected an amount and a validity"))),
    }
}

/// Characters of a name that mean nothing else in a key, least of all the braces of a hash tag.
fn plain(character: char) -> char {
    if character.is_ascii_alphanumeric() || "._-".contains(character) { character } else { '_' }
}

/// A digest of parts of which none runs into the next, in hexadecimal.
fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_stay_exact_and_windows_are_not_shortened() {
        let second = Duration::from_secs(1);
        for max in [0, 1, 7, 1000, 1_000_000_007, i64::from(u32::MAX), 1 << 52, i64::MAX] {
            for window in
                [Duration::from_nanos(1), second, second * 3601, second * 86400 * 365, Duration::MAX]
            {
                let Numbers { max, window: us, unit } = Numbers::new(max, window);
                let units = us.div_ceil(unit);
                assert!(max.checked_mul(units).is_some_and(|product| product <= EXACT), "{max} {window:?}");
                assert!(units * unit >= us, "{max} {window:?}");
                assert!(max > 1_000_000 || us > 1 << 32 || unit == 1, "{max} {window:?}: as fine as fits");
            }
        }
    }

    #[test]
    fn amounts_beyond_counting_stay_beyond() {
        assert!(amount(i64::MAX) as u64 > Numbers::new(i64::MAX, Duration::ZERO).max);
        assert_eq!(amount(5), 5);
        assert_eq!(amount(i64::MIN), -(EXACT as i64));
    }
}
