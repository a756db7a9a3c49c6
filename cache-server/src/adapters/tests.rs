//! Tests of what the adapters' parameters may be, and of the list that the server has.

use policy::AspectKind;
use serde_json::{Value, json};

use super::*;

fn problems(adapter: &str, params: &Value) -> Vec<policy::ParamProblem> {
    let adapter = ALL.iter().find(|known| known.info.name == adapter).unwrap();
    (adapter.info.validate)(params).err().unwrap_or_default()
}

/// Checks which parameters are objected to.
fn check(adapter: &str, params: &Value, paths: &[&str]) {
    let found = problems(adapter, params);
    let found: Vec<_> = found.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(found, paths, "{adapter} {params}");
}

#[test]
fn parameters_are_read_strictly() {
    for adapter in ALL {
        check(adapter.info.name, &json!({}), &[]);
        check(adapter.info.name, &Value::Null, &[]);
        check(adapter.info.name, &json!({ "nonsense": 1 }), &["nonsense"]);
        check(adapter.info.name, &json!([]), &[""]);
    }
    check("denyChecker", &json!({ "error": { "code": 7, "message": "no" } }), &[]);
    check("denyChecker", &json!({ "error": { "code": "PERMISSION_DENIED" }, "valid_duration": "5s" }), &[]);
    check("denyChecker", &json!({ "error": { "code": 0 } }), &["error.code"]);
    check("denyChecker", &json!({ "error": { "code": 99, "why": 1 } }), &["error.code", "error.why"]);
    check("denyChecker", &json!({ "error": 7 }), &["error"]);
    check("denyChecker", &json!({ "validDuration": "soon" }), &["validDuration"]);
    check(
        "denyChecker",
        &json!({ "validDuration": "-1s", "validUseCount": -1 }),
        &["validDuration", "validUseCount"],
    );
    check("stdioLogger", &json!({ "logStream": "STDOUT" }), &[]);
    check("stdioLogger", &json!({ "log_stream": 1 }), &[]);
    check("stdioLogger", &json!({ "logStream": "FILE" }), &["logStream"]);
    check("stdioLogger", &json!({ "format": "TEXT" }), &[]);
    check("stdioLogger", &json!({ "omit_empty_fields": true }), &[]);
    check("stdioLogger", &json!({ "format": "TEXT", "omitEmptyFields": true }), &["omitEmptyFields"]);
}

#[test]
fn parameters_of_lists() {
    check("genericListChecker", &json!({ "list_entries": ["a", 1, true] }), &[]);
    check("genericListChecker", &json!({ "listEntries": ["a", []] }), &["listEntries[1]"]);
    check("genericListChecker", &json!({ "listEntries": "a" }), &["listEntries"]);
    check("genericListChecker", &json!({ "listEntries": [], "entries": [] }), &["listEntries"]);
    check("ipListChecker", &json!({ "entries": ["10.0.0.0/8", "::1", "2001:db8::/32"] }), &[]);
    check(
        "ipListChecker",
        &json!({ "entries": ["10.0.0.0/8", "10.0.0.0/33", "x"] }),
        &["entries[1]", "entries[2]"],
    );
    check("ipListChecker", &json!({ "file": "lists/a.txt", "refreshInterval": "5s", "ttl": "1m" }), &[]);
    check("ipListChecker", &json!({ "file": "/etc/passwd" }), &["file"]);
    check("ipListChecker", &json!({ "file": "../a.txt" }), &["file"]);
    check("ipListChecker", &json!({ "refreshInterval": "500ms" }), &["refreshInterval"]);
    check("ipListChecker", &json!({ "refreshInterval": "10s", "ttl": "5s" }), &["ttl"]);
    check("ipListChecker", &json!({ "publisherUrl": "https://mylistserver:912" }), &[]);
    check("ipListChecker", &json!({ "providerUrl": "mylistserver" }), &["providerUrl"]);
    check("listChecker", &json!({ "entryType": "REGEX", "overrides": ["a+"], "blacklist": true }), &[]);
}

#[test]
fn parameters_of_quotas() {
    let algorithms =
        ["ROLLING_WINDOW", "FIXED_WINDOW", "TOKEN_BUCKET", "rolling-window", "fixed-window", "token-bucket"];
    for adapter in ["memQuota", "redisQuota"] {
        for algorithm in algorithms {
            check(adapter, &json!({ "rateLimitAlgorithm": algorithm }), &[]);
        }
        check(adapter, &json!({ "rate_limit_algorithm": 1, "min_deduplication_duration": "1ms" }), &[]);
        check(adapter, &json!({ "rateLimitAlgorithm": "leaky" }), &["rateLimitAlgorithm"]);
        check(adapter, &json!({ "minDeduplicationDuration": "0s" }), &["minDeduplicationDuration"]);
        check(adapter, &json!({ "minDeduplicationDuration": "-1ns" }), &["minDeduplicationDuration"]);
    }
}

#[test]
fn parameters_of_redis() {
    let addresses =
        ["localhost:6379", "[::1]:6379", "redis://r", "redis://u:p@r:1/3", "redis+unix:///run/redis.sock"];
    for address in addresses {
        check("redisQuota", &json!({ "redis_server_url": address, "socketType": "tcp" }), &[]);
    }
    check("redisQuota", &json!({ "redisServerUrl": "/run/redis.sock", "socketType": "unix" }), &[]);
    for address in ["", "r", "r:0", "r:port", "http://r", "redis://", "rediss://r"] {
        check("redisQuota", &json!({ "redisServerUrl": address }), &["redisServerUrl"]);
    }
    let secret = problems("redisQuota", &json!({ "redisServerUrl": "redis://:hush@r:99999" }));
    assert!(secret.len() == 1 && !secret[0].message.contains("hush"), "{secret:?}");
    check("redisQuota", &json!({ "redisServerUrl": "redis://r", "socketType": "unix" }), &["redisServerUrl"]);
    check("redisQuota", &json!({ "socketType": "udp", "connectionPoolSize": 0 }), &["socketType"]);
    check("redisQuota", &json!({ "connectionPoolSize": -1 }), &["connectionPoolSize"]);
    check("redisQuota", &json!({ "connectionPoolSize": 100_000 }), &["connectionPoolSize"]);
    check("redisQuota", &json!({ "deadline": "0s" }), &["deadline"]);
    check("redisQuota", &json!({ "deadline": "1s" }), &["deadline"]);
    for fine in ["closed", "open", "CLOSED", "OPEN"] {
        check("redisQuota", &json!({ "whenUnavailable": fine }), &[]);
    }
    check("redisQuota", &json!({ "whenUnavailable": "local", "localShare": 1 }), &[]);
    check("redisQuota", &json!({ "whenUnavailable": "LOCAL", "localAmount": 0 }), &[]);
    check("redisQuota", &json!({ "whenUnavailable": "local" }), &["whenUnavailable"]);
    check("redisQuota", &json!({ "whenUnavailable": "local", "localShare": 0 }), &["localShare"]);
    check("redisQuota", &json!({ "whenUnavailable": "local", "localShare": 1.5 }), &["localShare"]);
    check("redisQuota", &json!({ "whenUnavailable": "local", "localAmount": 0.5 }), &["localAmount"]);
    let both = json!({ "whenUnavailable": "local", "localAmount": 1, "localShare": 0.5 });
    check("redisQuota", &both, &["localAmount"]);
    check("redisQuota", &json!({ "localShare": 0.5 }), &["localShare"]);
    check("redisQuota", &json!({ "whenUnavailable": "open", "localAmount": 1 }), &["localAmount"]);
}

/// Limits stand in aspects and not in these parameters, and validation connects to nothing: what was said about
/// either is not said here. The rest is.
#[test]
fn parameters_of_quotas_are_objected_to_as_before() {
    let Some(vectors) = quota_suite::vectors() else { return };
    let (mut ran, mut decided) = (0, 0);
    for case in vectors["memquota_bad_config"].as_array().unwrap() {
        let Some(nanos) = case["min_dedup_duration_ns"].as_i64() else {
            decided += 1;
            continue;
        };
        ran += 1;
        let found = problems("memQuota", &json!({ "minDeduplicationDuration": format!("{nanos}ns") }));
        assert_eq!(found.is_empty(), case["valid"].as_bool().unwrap(), "{case}: {found:?}");
    }
    for case in vectors["redisquota_validate"].as_array().unwrap() {
        let url = case["redis_server_url"].as_str().unwrap().replace("<reachable>", "localhost:6379");
        let params = json!({ "redis_server_url": url, "connection_pool_size": case["connection_pool_size"] });
        let found = problems("redisQuota", &params);
        let ours = |name: &str| match name {
            "redis_server_url" => Some("redisServerUrl"),
            "connection_pool_size" => Some("connectionPoolSize"),
            _ => None,
        };
        let errors = case["errors"].as_array().unwrap().iter();
        let names = errors.map(|error| error.as_str().unwrap().split(':').next().unwrap());
        let (expected, other): (Vec<_>, Vec<_>) = names.map(ours).partition(Option::is_some);
        let mut expected: Vec<_> = expected.into_iter().flatten().collect();
        let mut found: Vec<_> = found.iter().map(|problem| problem.path.as_str()).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "{case}");
        if other.is_empty() { ran += 1 } else { decided += 1 }
    }
    println!(
        "{ran} cases to the letter; of {decided} more, what is said about limits and connections is not said here"
    );
}

#[test]
fn unknown_parameters_are_told_what_there_is() {
    let told = |adapter: &str, params: &Value| -> Vec<String> {
        let shown = |p: policy::ParamProblem| {
            format!("{} ({:?}): {}; {}", p.path, p.part, p.message, p.help.unwrap_or_default())
        };
        problems(adapter, params).into_iter().map(shown).collect()
    };
    for (adapter, params, expected) in [
        (
            "stdioLogger",
            json!({ "logstream": "STDOUT" }),
            "logstream (Name): there is no such parameter; did you mean `logStream`?",
        ),
        (
            "ipListChecker",
            json!({ "caching_intervall": "5s" }),
            "caching_intervall (Name): there is no such parameter; did you mean `caching_interval`?",
        ),
        (
            "denyChecker",
            json!({ "error": { "colour": 1 } }),
            "error.colour (Name): there is no such parameter; the parameters are `code` and `message`",
        ),
        (
            "no-op",
            json!({ "port": 1 }),
            "port (Name): there is no such parameter; this adapter takes no parameters",
        ),
        (
            "denyChecker",
            json!({ "validDuration": 5 }),
            "validDuration (Value): expected a duration, found `5`; give a unit, such as `5s`",
        ),
        (
            "denyChecker",
            json!({ "validDuration": "soon" }),
            "validDuration (Value): expected a duration, found `soon`; durations look like `250ms`, `30s` or `1m30s`",
        ),
        (
            "denyChecker",
            json!({ "error": { "message": 5 } }),
            "error.message (Value): expected text, found a number; write `\"5\"`, in quotes",
        ),
        (
            "stdioLogger",
            json!({ "logStream": "STDOT" }),
            "logStream (Value): there is no value `STDOT`; did you mean `STDOUT`?",
        ),
    ] {
        assert_eq!(told(adapter, &params), [expected]);
    }
}

#[test]
fn every_kind_that_is_served_has_an_adapter() {
    for kind in [
        AspectKind::AccessLogs,
        AspectKind::ApplicationLogs,
        AspectKind::Denials,
        AspectKind::Lists,
        AspectKind::Metrics,
    ] {
        assert!(ALL.iter().any(|adapter| adapter.info.kinds.contains(&kind)), "{kind}");
    }
}

#[test]
fn addresses_of_backends() {
    for adapter in ["fluentd", "statsd"] {
        for address in ["backend:1", "10.0.0.1:8125", "[::1]:8125"] {
            check(adapter, &json!({ "address": address }), &[]);
        }
        for address in ["http://backend:1", "backend", ":1", "backend:0", "::1:8125", "[backend]:1", "a/b:1"]
        {
            check(adapter, &json!({ "address": address }), &["address"]);
        }
    }
}
