//! What every adapter of quotas does, whichever way it counts and wherever.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use attributes::{StringMap, Timestamp, Value};
use policy::{QuotaInstance, QuotaLimit};
use quota::Algorithm;
use serde_json::Value as Json;

use super::{Grant, Handler, QuotaRequest};

pub(super) const ALGORITHMS: [Algorithm; 3] =
    [Algorithm::RollingWindow, Algorithm::FixedWindow, Algorithm::TokenBucket];

/// For how long the subjects remember answers.
pub(super) const DEDUPLICATION: Duration = Duration::from_secs(300);

/// Long enough that a slow machine is not late for it.
const WINDOW: Duration = Duration::from_secs(600);

/// A handler that counts quotas, and its time.
pub(super) trait Subject {
    /// The handler, whose counters nobody else uses.
    fn handler(&self) -> &dyn Handler;

    /// Lets time pass.
    async fn pass(&self, time: Duration);
}

pub(super) fn quota(name: &str, max_amount: i64, window: Option<Duration>) -> QuotaInstance {
    QuotaInstance {
        name: name.into(),
        labels: vec![("source".into(), Value::from("reviews")), ("weight".into(), Value::Int64(1))],
        limit: QuotaLimit { max_amount, window },
    }
}

pub(super) fn request(quota: &QuotaInstance, amount: i64) -> QuotaRequest {
    QuotaRequest { quota: quota.clone(), amount, best_effort: false, deduplication_id: None }
}

async fn ask(subject: &impl Subject, request: QuotaRequest) -> Grant {
    subject.handler().allocate(request).await.unwrap()
}

async fn amount(subject: &impl Subject, quota: &QuotaInstance, amount: i64) -> i64 {
    ask(subject, request(quota, amount)).await.amount
}

async fn best(subject: &impl Subject, quota: &QuotaInstance, amount: i64) -> i64 {
    ask(subject, QuotaRequest { best_effort: true, ..request(quota, amount) }).await.amount
}

async fn with_id(subject: &impl Subject, quota: &QuotaInstance, amount: i64, id: &str) -> Grant {
    ask(subject, QuotaRequest { deduplication_id: Some(id.into()), ..request(quota, amount) }).await
}

/// All of it.
pub(super) async fn holds_for(subject: &impl Subject, algorithm: Algorithm) {
    it_grants_all_or_nothing_or_what_there_is(subject).await;
    each_set_of_labels_counts_by_itself(subject).await;
    what_is_allocated_stays_until_it_is_given_back(subject).await;
    what_is_granted_comes_back_in_time(subject, algorithm).await;
    a_release_frees_what_is_used(subject).await;
    an_id_is_counted_once(subject).await;
    what_is_returned_comes_back_once(subject).await;
    a_changed_limit_holds_at_once(subject, algorithm).await;
    odd_amounts_do_no_harm(subject).await;
}

async fn it_grants_all_or_nothing_or_what_there_is(subject: &impl Subject) {
    let quota = quota("plain", 10, Some(WINDOW));
    let grant = ask(subject, request(&quota, 4)).await;
    assert_eq!(grant, Grant { amount: 4, valid_for: WINDOW });
    // What is refused is not counted.
    for _ in 0..3 {
        assert_eq!(ask(subject, request(&quota, 7)).await, Grant { amount: 0, valid_for: Duration::ZERO });
    }
    assert_eq!(best(subject, &quota, 5).await, 5);
    assert_eq!(best(subject, &quota, 5).await, 1);
    assert_eq!(best(subject, &quota, 5).await, 0);
    assert_eq!(amount(subject, &quota, 1).await, 0);
}

async fn each_set_of_labels_counts_by_itself(subject: &impl Subject) {
    let of = |weight: Value| QuotaInstance {
        labels: vec![("source".into(), Value::from("}{reviews")), ("weight".into(), weight)],
        ..quota("labelled}{", 1, Some(WINDOW))
    };
    let map = |pair: (&'static str, &'static str)| Value::from([pair].into_iter().collect::<StringMap>());
    let weights = [Value::Int64(1), Value::from("1"), Value::Double(1.0), map(("a", "bc")), map(("ab", "c"))];
    for weight in weights {
        assert_eq!(amount(subject, &of(weight.clone()), 1).await, 1, "{weight:?}");
        assert_eq!(amount(subject, &of(weight.clone()), 1).await, 0, "{weight:?}");
    }
}

async fn what_is_allocated_stays_until_it_is_given_back(subject: &impl Subject) {
    let quota = quota("allocated", 10, None);
    let all = ask(subject, request(&quota, 10)).await;
    assert_eq!(all, Grant { amount: 10, valid_for: Duration::ZERO });
    subject.pass(WINDOW * 10).await;
    assert_eq!(amount(subject, &quota, 1).await, 0);
    assert_eq!(amount(subject, &quota, -3).await, 3);
    assert_eq!(best(subject, &quota, 7).await, 3);
    assert_eq!(amount(subject, &quota, -100).await, 10);
    assert_eq!(amount(subject, &quota, -1).await, 0);
    assert_eq!(amount(subject, &quota, 10).await, 10);
}

async fn what_is_granted_comes_back_in_time(subject: &impl Subject, algorithm: Algorithm) {
    let quota = quota("in time", 10, Some(WINDOW));
    let almost = Duration::from_micros(299_999_999);
    assert_eq!(amount(subject, &quota, 6).await, 6);
    subject.pass(almost).await;
    let grant = ask(subject, QuotaRequest { best_effort: true, ..request(&quota, 20) }).await;
    let expected = match algorithm {
        Algorithm::RollingWindow => Grant { amount: 4, valid_for: WINDOW },
        Algorithm::FixedWindow => Grant { amount: 4, valid_for: WINDOW.saturating_sub(almost) },
        Algorithm::TokenBucket => Grant { amount: 8, valid_for: WINDOW },
    };
    assert_eq!(grant, expected, "not quite half a window later");
    subject.pass(almost).await;
    let expected = if algorithm == Algorithm::TokenBucket { 5 } else { 0 };
    assert_eq!(best(subject, &quota, 20).await, expected, "not quite a window later");
    subject.pass(Duration::from_micros(2)).await;
    let expected = match algorithm {
        Algorithm::RollingWindow => 6,
        Algorithm::FixedWindow => 10,
        Algorithm::TokenBucket => 1,
    };
    assert_eq!(best(subject, &quota, 20).await, expected, "a window later");
    subject.pass(WINDOW * 2).await;
    assert_eq!(best(subject, &quota, 20).await, 10, "long after");
}

async fn a_release_frees_what_is_used(subject: &impl Subject) {
    let quota = quota("released", 10, Some(WINDOW));
    assert_eq!(amount(subject, &quota, -5).await, 0);
    assert_eq!(amount(subject, &quota, 8).await, 8);
    assert_eq!(amount(subject, &quota, -3).await, 3);
    assert_eq!(best(subject, &quota, 20).await, 5);
    assert_eq!(amount(subject, &quota, -20).await, 10);
    assert_eq!(best(subject, &quota, 20).await, 10);
}

async fn an_id_is_counted_once(subject: &impl Subject) {
    let (quota, other) = (quota("once", 10, Some(WINDOW)), quota("other", 10, Some(WINDOW)));
    for _ in 0..3 {
        assert_eq!(with_id(subject, &quota, 6, "a").await, Grant { amount: 6, valid_for: WINDOW });
        assert_eq!(with_id(subject, &quota, 6, "b").await.amount, 0, "a refusal is an answer too");
    }
    assert_eq!(with_id(subject, &other, 6, "a").await.amount, 6, "another quota, another request");
    assert_eq!(with_id(subject, &quota, -6, "a").await.amount, 6, "a release is another request");
    assert_eq!(with_id(subject, &quota, -6, "a").await.amount, 6);
    assert_eq!(with_id(subject, &quota, 6, "b").await.amount, 0);
    for _ in 0..2 {
        assert_eq!(with_id(subject, &quota, 5, "").await.amount, 5, "no id is none");
    }
    subject.pass(Duration::from_secs(1)).await;
    let later = with_id(subject, &quota, 6, "a").await;
    assert_eq!(later, Grant { amount: 6, valid_for: WINDOW.saturating_sub(Duration::from_secs(1)) });
    // In memory an answer lives for up to twice as long as it must.
    subject.pass(DEDUPLICATION * 2).await;
    assert_eq!(with_id(subject, &other, 10, "a").await.amount, 10, "forgotten");
}

async fn what_is_returned_comes_back_once(subject: &impl Subject) {
    let quota = quota("returned", 10, Some(WINDOW));
    assert_eq!(best(subject, &quota, 10).await, 10);
    for _ in 0..3 {
        assert_eq!(with_id(subject, &quota, -4, "lease").await.amount, 4, "the same call, made again");
    }
    assert_eq!(best(subject, &quota, 10).await, 4, "and no more than that");
    assert_eq!(best(subject, &quota, 10).await, 0);
}

async fn a_changed_limit_holds_at_once(subject: &impl Subject, algorithm: Algorithm) {
    let of = |max, seconds| quota("changed", max, Some(Duration::from_secs(seconds)));
    assert_eq!(amount(subject, &of(10, 600), 6).await, 6);
    assert_eq!(amount(subject, &of(7, 600), 2).await, 0);
    assert_eq!(best(subject, &of(7, 600), 2).await, 1);
    assert_eq!(best(subject, &of(3, 600), 2).await, 0);
    assert_eq!(best(subject, &of(0, 600), 2).await, 0);
    subject.pass(Duration::from_secs(200)).await;
    let granted = best(subject, &of(7, 100), 20).await;
    assert!(
        granted == 7 || (algorithm == Algorithm::TokenBucket && granted < 7),
        "a shorter window: {granted}"
    );
    subject.pass(Duration::from_secs(100)).await;
    assert_eq!(best(subject, &of(7, 100), 20).await, 7);
}

async fn odd_amounts_do_no_harm(subject: &impl Subject) {
    let quota = quota("odd", 10, Some(WINDOW));
    assert_eq!(ask(subject, request(&quota, 0)).await, Grant { amount: 0, valid_for: Duration::ZERO });
    assert_eq!(amount(subject, &quota, i64::MAX).await, 0);
    assert_eq!(amount(subject, &quota, i64::MIN).await, 0);
    assert_eq!(best(subject, &quota, i64::MAX).await, 10);
    assert_eq!(amount(subject, &quota, i64::MIN).await, 10);
    assert_eq!(amount(subject, &self::quota("none", 0, Some(WINDOW)), 1).await, 0);
    let huge = self::quota("huge", i64::MAX, Some(Duration::MAX));
    assert_eq!(amount(subject, &huge, 1 << 52).await, 1 << 52);
}

// === The outcomes of the system that came before ===

/// The vectors: where the environment says, else beside the checkout.
pub(super) fn vectors() -> Option<Json> {
    let folder = std::env::var_os("MIXER_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join("quotas.json")) else {
        println!("skipped: no vectors for quotas (set MIXER_VECTORS to their folder)");
        return None;
    };
    Some(serde_json::from_str(&text).expect("the vectors are JSON"))
}

/// The steps of allocations and releases, of a subject with rolling windows that is at the beginning of its time.
pub(super) async fn allocations_and_releases_have_their_outcome(subject: &impl Subject) {
    let Some(vectors) = vectors() else { return };
    let case = &vectors["memquota_alloc_release"];
    let limit = |name: &str| {
        let quotas = case["quotas"].as_array().unwrap();
        let quota = quotas.iter().find(|quota| quota["name"] == name).unwrap();
        let seconds = quota["valid_duration"].as_str().unwrap().trim_end_matches('s').parse().unwrap();
        let window = (seconds > 0).then(|| Duration::from_secs(seconds));
        QuotaLimit { max_amount: quota["max_amount"].as_i64().unwrap(), window }
    };
    let labels: Vec<(Arc<str>, Value)> = vec![
        ("L1".into(), Value::from("string")),
        ("L5".into(), Value::Timestamp(Timestamp::from_unix_nanos(1))),
        ("L6".into(), Value::Bytes([0, 1].as_slice().into())),
    ];
    let (steps, mut at) = (case["steps"].as_array().unwrap(), 0);
    for step in steps {
        let seconds = step["at_seconds"].as_u64().unwrap();
        subject.pass(Duration::from_secs(seconds - at)).await;
        at = seconds;
        let name = step["quota"].as_str().unwrap();
        let quota = QuotaInstance { name: name.into(), labels: labels.clone(), limit: limit(name) };
        let of = |amount: i64, prefix: &str| QuotaRequest {
            amount,
            best_effort: step["best_effort"].as_bool().unwrap(),
            deduplication_id: Some(format!("{prefix}{}", step["dedup"].as_str().unwrap()).into()),
            quota: quota.clone(),
        };
        let grant = ask(subject, of(step["alloc_amount"].as_i64().unwrap(), "A")).await;
        assert_eq!(grant.amount, step["alloc_result"].as_i64().unwrap(), "{step}");
        assert_eq!(
            u128::from(step["valid_duration_ns"].as_u64().unwrap()),
            grant.valid_for.as_nanos(),
            "{step}"
        );
        let released = ask(subject, of(-step["release_amount"].as_i64().unwrap(), "R")).await;
        assert_eq!(released.amount, step["release_result"].as_i64().unwrap(), "{step}");
    }
    println!("{} steps of allocation and release to the letter", steps.len());
}
