//! Lists against the outcomes of the adapter that came before, where its vectors are at hand.
//!
//! What differs on purpose differs by a rule, and the rules are in [`Decision`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use attributes::Bag;
use checkcache::Code;
use serde_json::Value as Json;

use super::*;
use crate::adapters;
use crate::runtime::{self, fixture};

/// Why a case's outcome is not ours to the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Decision {
    /// One bad entry made the whole list a failure; it is passed over, counted and told instead.
    BadEntriesArePassedOver,
    /// Verdicts held for 300 s and 10 000 uses; no default of this server holds longer than 60 s, and none counts uses,
    /// since verdicts that do cannot be shared.
    Validity,
    /// Messages named the handler; here the verdict names the aspect, beside the message.
    MessageWithoutHandler,
}

type Decided = BTreeMap<Decision, usize>;

fn vectors() -> Option<Json> {
    let folder = std::env::var_os("MIXER_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join("lists.json")) else {
        eprintln!("skipped: no vectors for lists (set MIXER_VECTORS to their folder)");
        return None;
    };
    Some(serde_json::from_str(&text).expect("the vectors are JSON"))
}

fn items<'j>(json: &'j Json, name: &str) -> &'j [Json] {
    json[name].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn every_set_of_parameters_has_its_outcome() {
    let Some(vectors) = vectors() else { return };
    let cases = items(&vectors, "validate");
    for case in cases {
        let params = case["params"].as_object().unwrap().iter().map(|(name, value)| {
            match name.strip_suffix("_ns") {
                // Durations were written in nanoseconds, which is not how configuration writes them.
                Some(name) => (name.to_owned(), json!(format!("{value}ns"))),
                None => (name.clone(), value.clone()),
            }
        });
        let parsed = ListParams::parse(&LIST, &Json::Object(params.collect()));
        let fields: Vec<_> = parsed.err().into_iter().flatten().map(|problem| problem.path).collect();
        let fields: Vec<_> = fields.iter().map(|path| path.split('[').next().unwrap()).collect();
        assert_eq!(fields, case["error_field"].as_str().into_iter().collect::<Vec<_>>(), "{case}");
    }
    eprintln!("{} of {} sets of parameters to the letter", cases.len(), cases.len());
}

/// What a provider served in a case.
fn body(case: &Json, text: &str, document: &str) -> Option<String> {
    case[text].as_str().map(str::to_owned).or_else(|| case.get(document).map(Json::to_string))
}

#[tokio::test(start_paused = true)]
async fn every_list_has_its_contents() {
    let Some(vectors) = vectors() else { return };
    let (mut passed, mut decided) = (0, Decided::new());
    for scenario in items(&vectors, "lists") {
        let bodies = items(scenario, "then_bad_bodies").iter().map(|then| body(then, "body", "body_yaml"));
        let first = body(scenario, "provider_body", "provider_body_yaml");
        let script = Script::default();
        for body in first.clone().into_iter().chain(bodies.flatten()) {
            script.0.lock().unwrap().outcomes.push_back(Ok(Fetched::Text(body)));
        }
        let params = json!({ "entryType": scenario["entry_type"], "overrides": scenario["overrides"] });
        let params = ListParams::parse(&LIST, &params).unwrap();
        let origin = first.is_some().then(|| Box::new(script.clone()) as Box<dyn Origin>);
        let checker = match origin {
            Some(_) => ListChecker(Source::of("list", params, origin, &surroundings())),
            None => ListChecker(Source::new("list", params, &surroundings()).unwrap()),
        };
        checker.in_force();
        for case in items(scenario, "cases") {
            let code = match is_found(&checker, case["value"].as_str().unwrap()).await {
                Ok(found) if found == (scenario["blacklist"] == true) => "PERMISSION_DENIED",
                Ok(_) => "OK",
                Err(HandlerError::InvalidArgument(_)) => "INVALID_ARGUMENT",
                Err(other) => panic!("{case}: {other}"),
            };
            assert_eq!(code, case["code"], "{} {case}", scenario["name"]);
            passed += 1;
        }
        let count = async || checker.0.list().await.unwrap().0.len();
        if let Some(expected) = scenario["num_entries"].as_u64() {
            assert_eq!(count().await as u64, expected, "{}", scenario["name"]);
            passed += 1;
        }
        for index in 0..items(scenario, "then_bad_bodies").len() {
            let (kept, taken_up) = (count().await, script.0.lock().unwrap().taken_up);
            while script.asked().len() < index + 2 {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            if script.0.lock().unwrap().taken_up == taken_up {
                passed += 1;
                assert_eq!(count().await, kept, "{}", scenario["name"]);
            } else {
                *decided.entry(Decision::BadEntriesArePassedOver).or_default() += 1;
            }
        }
    }
    eprintln!("{passed} outcomes of lists to the letter, by decision otherwise: {decided:?}");
    assert_eq!(decided.into_iter().collect::<Vec<_>>(), [(Decision::BadEntriesArePassedOver, 2)]);
}

#[tokio::test]
async fn every_request_has_its_verdict() {
    let Some(vectors) = vectors() else { return };
    let (mut cases, mut decided) = (0, Decided::new());
    for scenario in items(&vectors, "server_scenarios") {
        let config = &scenario["config"];
        let is_ip = config["entryType"] == "IP_ADDRESSES";
        let value = if is_ip { "source.ip" } else { config["value"].as_str().unwrap() };
        let mut params = config.clone();
        params.as_object_mut().unwrap().remove("value");
        let documents = [
            (
                "scopes/global/descriptors.yml",
                "manifests: [{ name: m, attributes: { source.name: { valueType: STRING }, source.ip: { valueType: IP_ADDRESS } } }]".to_owned(),
            ),
            (
                "scopes/global/adapters.yml",
                json!({ "adapters": [{ "name": "list", "impl": "listChecker", "params": params }] }).to_string(),
            ),
            (
                "scopes/global/subjects/global/rules.yml",
                json!({ "rules": [{ "aspects": [
                    { "kind": "lists", "adapter": "list", "params": { "checkExpression": value } },
                ] }] })
                .to_string(),
            ),
        ];
        // What the block says of `blacklist` holds for the aspect, which says nothing.
        let active = fixture::active(&documents, |config| adapters::build(config, &surroundings()).unwrap());
        for case in items(scenario, "cases") {
            let mut bag = Bag::new();
            for (name, value) in case["attrs"].as_object().into_iter().flatten() {
                bag.insert(name.as_str(), value.as_str().unwrap());
            }
            if let Some(ip) = case["ip"].as_str() {
                bag.insert("source.ip", Value::from_ip(ip.parse().unwrap()));
            }
            let verdict = runtime::check(&active, &bag, &Telemetry::new()).await.verdict;
            assert_eq!(
                verdict.status.code,
                Code::from_number(case["code"].as_i64().unwrap() as i32),
                "{case}"
            );
            if let Some(message) = case["message"].as_str() {
                let (_, own) = message.split_once(':').unwrap();
                assert_eq!(verdict.status.message, own, "{case}");
                *decided.entry(Decision::MessageWithoutHandler).or_default() += 1;
            }
            let validity = checkcache::Validity::For { ttl: crate::limits::VERDICT_TTL, uses: None };
            assert_eq!(verdict.validity, validity, "{case}");
            *decided.entry(Decision::Validity).or_default() += 1;
            cases += 1;
        }
    }
    eprintln!("{cases} verdicts with their codes, by decision otherwise: {decided:?}");
}
