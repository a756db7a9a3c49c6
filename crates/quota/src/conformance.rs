//! The counting against the outcomes of the system that came before, where its vectors are at hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use attributes::{StringMap, Timestamp, Value};
use serde_json::Value as Json;

use crate::cell::Cell;
use crate::{Algorithm, Key, Ledger, Limit, Request, Settings, Tick};

const SECOND: u64 = 1_000_000_000;

/// The vectors: where the environment says, else beside the checkout.
fn vectors() -> Option<Json> {
    let folder = std::env::var_os("MIXER_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join("quotas.json")) else {
        eprintln!("skipped: no vectors for quotas (set MIXER_VECTORS to their folder)");
        return None;
    };
    Some(serde_json::from_str(&text).expect("the vectors are JSON"))
}

fn list(value: &Json) -> &[Json] {
    value.as_array().expect("a list")
}

fn ledger() -> Ledger {
    Ledger::new(Settings {
        algorithm: Algorithm::RollingWindow,
        deduplication: Duration::from_secs(3600),
        cells: 100,
        answers: 100,
    })
}

/// Quotas by name. Spans are written in whole seconds, and none means that nothing expires.
fn limits(quotas: &Json) -> BTreeMap<&str, Limit> {
    let limit = |quota: &Json| {
        let seconds = quota["valid_duration"].as_str().unwrap().trim_end_matches('s').parse().unwrap();
        let window = (seconds > 0).then(|| Duration::from_secs(seconds));
        Limit::new(quota["max_amount"].as_i64().unwrap(), window)
    };
    list(quotas).iter().map(|quota| (quota["name"].as_str().unwrap(), limit(quota))).collect()
}

#[test]
fn allocations_and_releases_have_their_outcome() {
    let Some(vectors) = vectors() else { return };
    let case = &vectors["memquota_alloc_release"];
    let (limits, mut ledger) = (limits(&case["quotas"]), ledger());
    let labels: Vec<(Arc<str>, Value)> = case["dimensions"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, v)| (Arc::from(&**name), value(v)))
        .collect();
    let steps = list(&case["steps"]);
    for step in steps {
        let (quota, id) = (step["quota"].as_str().unwrap(), step["dedup"].as_str().unwrap());
        let now = Tick(step["at_seconds"].as_u64().unwrap() * SECOND);
        let key = Key::new(quota, &labels);
        let mut ask = |amount: i64, id: String| {
            let request = Request {
                key: &key,
                limit: limits[quota],
                amount,
                best_effort: step["best_effort"].as_bool().unwrap(),
                deduplication_id: &id,
            };
            ledger.settle(&request, now)
        };
        let granted = ask(step["alloc_amount"].as_i64().unwrap(), format!("A{id}"));
        assert_eq!(granted.amount, step["alloc_result"].as_u64().unwrap(), "{step}");
        assert_eq!(
            granted.valid_for.as_nanos() as u64,
            step["valid_duration_ns"].as_u64().unwrap(),
            "{step}"
        );
        let released = ask(-step["release_amount"].as_i64().unwrap(), format!("R{id}"));
        assert_eq!(released.amount, step["release_result"].as_u64().unwrap(), "{step}");
    }
    eprintln!("{} steps of allocation and release to the letter", steps.len());
}

fn value(value: &Json) -> Value {
    let raw = &value["v"];
    match value["t"].as_str().unwrap() {
        "string" => Value::from(raw.as_str().unwrap()),
        "int64" => Value::from(raw.as_i64().unwrap()),
        "double" => Value::Double(raw.as_f64().unwrap()),
        "bool" => Value::from(raw.as_bool().unwrap()),
        "timestamp" => Value::Timestamp(Timestamp::from_unix_nanos(0)),
        "bytes" => Value::Bytes([0, 1].as_slice().into()),
        "stringmap" => {
            let entries = raw.as_object().unwrap().iter();
            Value::from(entries.map(|(k, v)| (k.as_str(), v.as_str().unwrap())).collect::<StringMap>())
        }
        other => panic!("no such type: {other}"),
    }
}

#[test]
fn answers_are_remembered_and_forgotten_as_before() {
    let Some(vectors) = vectors() else { return };
    let case = &vectors["memquota_reaper"];
    let (limits, mut ledger) = (limits(&case["quotas"]), ledger());
    let (key, mut now) = (Key::new("Q1", &[]), 0);
    let steps = list(&case["steps"]);
    for step in steps {
        if step.get("reap").is_some() {
            now += 3600 * SECOND;
            continue;
        }
        let request = Request {
            key: &key,
            limit: limits["Q1"],
            amount: step["alloc"].as_i64().unwrap(),
            best_effort: false,
            deduplication_id: step["dedup"].as_str().unwrap(),
        };
        let settled = ledger.settle(&request, Tick(now));
        assert_eq!(settled.amount, step["result"].as_u64().unwrap(), "{step}");
    }
    eprintln!("{} steps of deduplication to the letter", steps.len());
}

#[test]
fn rolling_windows_have_their_outcome() {
    let Some(vectors) = vectors() else { return };
    let alloc = &vectors["rolling_window_alloc"];
    let (limit, mut cell) = rolling(alloc);
    for step in list(&alloc["steps"]) {
        let (count, now) = (cell.count(), Tick(step["tick"].as_u64().unwrap() * SECOND));
        let amount = step["amount"].as_u64().unwrap();
        let is_granted = amount <= count.available(limit, now);
        if is_granted {
            count.take(limit, now, amount);
        }
        assert_eq!(is_granted, step["ok"].as_bool().unwrap(), "{step}");
        assert_eq!(count.available(limit, now), step["available_after"].as_u64().unwrap(), "{step}");
    }

    let release = &vectors["rolling_window_release"];
    let (limit, mut cell) = rolling(release);
    let mut now = Tick::default();
    for step in list(&release["steps"]) {
        let count = cell.count();
        // One of the steps goes back in time; the ledger does not let cells see that.
        now = now.max(Tick(step["alloc_tick"].as_u64().unwrap() * SECOND));
        count.available(limit, now);
        match step["alloc"].as_u64().unwrap() {
            0 => {}
            amount => drop(count.take(limit, now, amount)),
        }
        now = now.max(Tick(step["release_tick"].as_u64().unwrap() * SECOND));
        let released = count.release(limit, now, step["release"].as_u64().unwrap());
        assert_eq!(released, step["released"].as_u64().unwrap(), "{step}");
        assert_eq!(count.available(limit, now), step["available_after"].as_u64().unwrap(), "{step}");
    }
    let steps = list(&alloc["steps"]).len() + list(&release["steps"]).len();
    eprintln!("{steps} steps of rolling windows to the letter");
}

fn rolling(case: &Json) -> (Limit, Cell) {
    let window = Duration::from_secs(case["ticks"].as_u64().unwrap());
    let limit = Limit::new(case["limit"].as_i64().unwrap(), Some(window));
    (limit, Cell::new(Algorithm::RollingWindow, limit))
}
