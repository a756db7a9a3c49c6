//! Tests of the configuration: what is refused, and how it is said.

use crate::Config;

fn refused(json: &str) -> String {
    Config::parse(json.as_bytes()).expect_err("refused").to_string()
}

#[test]
fn a_wrong_configuration_is_refused_with_what_where_and_what_was_expected() {
    let cases = [
        ("", "configuration is missing: give at least {\"mixer\": {\"cluster\": \"…\"}}"),
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("{}", "`.`: missing field `mixer`"),
        (r#"{"mixer": {}}"#, "`mixer`: missing field `cluster`"),
        (r#"{"mixer": {"cluster": ""}}"#, "`mixer.cluster`: is empty, expected the name of a cluster"),
        (
            r#"{"mixer": {"cluster": "m", "timeout": "5"}}"#,
            "`mixer.timeout`: `5` is not a duration such as 250ms or 1m30s",
        ),
        (
            r#"{"mixer": {"cluster": "m", "timeout": "1h"}}"#,
            "`mixer.timeout`: is 3600s, expected from 10ms to 60s",
        ),
        (r#"{"mixer": {"cluster": "m"}, "chek": {}}"#, "`chek`: unknown field `chek`, expected one of"),
        (
            r#"{"mixer": {"cluster": "m"}, "check": {"failure": {"policy": "maybe"}}}"#,
            "unknown variant `maybe`, expected `open` or `closed`",
        ),
        (
            r#"{"mixer": {"cluster": "m"}, "check": {"cache": {"max_entries": 2000000}}}"#,
            "`check.cache.max_entries`: is 2000000, expected at most 1000000",
        ),
        (r#"{"mixer": {"cluster": "m"}, "attributes": {"a": 1}}"#, "expected text, or a type with a value"),
        (
            r#"{"mixer": {"cluster": "m"}, "attributes": {"a": {"ip": "x"}}}"#,
            "`attributes.a`: `x` is not an IP address",
        ),
        (r#"{"mixer": {"cluster": "m"}, "attributes": {"a": "1", "a": "2"}}"#, "attribute `a` occurs twice"),
        (
            r#"{"mixer": {"cluster": "m"}, "report": {"batch_max": 0}}"#,
            "`report.batch_max`: is 0, expected at least 1",
        ),
        (r#"{"mixer": {"cluster": "m"}} {}"#, "trailing characters at line 1 column 29"),
        (r#"{"mixer": {"cluster": "m"}, "dictionary": ["a", "a"]}"#, "`dictionary`: line 2: word `a`"),
    ];
    for (json, expected) in cases {
        let message = refused(json);
        assert!(message.starts_with("mixer filter configuration"), "{message}");
        assert!(message.contains(expected), "{json}\n  said: {message}\n  expected: {expected}");
    }
    let message = Config::parse(b"{\"a\": \"\xff\"}").expect_err("refused").to_string();
    assert_eq!(message, "mixer filter configuration, byte 7: not UTF-8");
}

#[test]
fn everything_can_be_configured() {
    let json = r#"{
        "mixer": {"cluster": "mixer", "timeout": "250ms"},
        "attributes": {
            "target.service": "reviews", "a": {"int64": 1}, "b": {"bool": true}, "c": {"ip": "::1"}, "d": {"double": 0.5},
            "e": {"duration": "1s"}, "f": {"string_map": {"k": "v"}}, "g": {"timestamp": "2017-04-29T02:11:54Z"}
        },
        "dictionary": ["source.ip", "x"],
        "check": {
            "enabled": true, "cache": {"enabled": false, "max_entries": 5},
            "failure": {"policy": "open", "timeout": "closed", "unreachable": "open", "server_error": "closed",
                        "overloaded": "open", "bad_response": "closed", "no_config": "closed"}
        },
        "report": {"enabled": false, "batch_max": 10, "batch_interval": "100ms"}
    }"#;
    let config = Config::parse(json.as_bytes()).expect("accepted");
    assert_eq!(config.cluster(), "mixer");
    assert_eq!((config.cache_entries, config.dictionary.len(), config.batch_max), (0, 2, 10));
    assert_eq!(config.attributes.len(), 8 + 2, "target.service has two newer names");
}
