//! Suites that are met, that are not, and that are none.

#![allow(clippy::needless_raw_string_hashes, reason = "they are written by `expect-test`")]

use expect_test::{Expect, expect};

use super::*;
use crate::fixture::{ADAPTERS, DESCRIPTORS, adapters, files};
use crate::{Options, load};

const RULES: &str = "//- scopes/global/subjects/global/rules.yml
rules: []
";

fn suite(text: &str) -> Suite {
    let files = files(&format!("{DESCRIPTORS}{ADAPTERS}{RULES}//- scopes/global/a.test.yml\n{text}"));
    let loaded = load(&files, &adapters(), &Options::default());
    let of_suite = loaded.diagnostics.iter().filter(|found| is_suite(&found.file));
    assert_eq!(of_suite.count(), 0, "a suite is no part of the configuration");
    Suite::read(&files, &loaded.snapshot.expect("there are no errors"))
}

fn rendered(diagnostics: &[Diagnostic]) -> String {
    let texts: Vec<_> = diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n\n")).collect();
    texts.concat()
}

fn check(text: &str, outcome: &Outcome, expected: &Expect) {
    let suite = suite(text);
    assert_eq!(rendered(&suite.diagnostics), "");
    let failures: Vec<_> = suite.cases.iter().flat_map(|case| suite.judge(case, outcome)).collect();
    expected.assert_eq(rendered(&failures).trim_end());
}

#[test]
fn what_is_no_suite() {
    let suite = suite(
        "tests:
  - name: no expectation
    attributes: { request.path: / }
  - name: an empty one
    expect: {}
  - attributes: {}
    expect: { check: OK }
  - name: mistakes
    attributes: { request.pth: /, request.size: much, source.labels: { a: 1 } }
    expect: { check: DENIED, metrics: [{ value: 1 }], quotas: { a: nothing }, logs: [{ text: a, json: {} }] }
",
    );
    assert!(suite.cases.is_empty());
    expect![[r#"
        error: test `no expectation` has no `expect`, so it cannot fail
         --> scopes/global/a.test.yml:2:5
          |
        2 |   - name: no expectation
          |     ^
          = help: say what should become of the request, such as `expect: { check: OK }`

        error: nothing is expected, so the test cannot fail
         --> scopes/global/a.test.yml:5:13
          |
        5 |     expect: {}
          |             ^
          = help: there are `check`, `quotas`, `derived`, `metrics` and `logs`

        error: the test has no `name`
         --> scopes/global/a.test.yml:6:5
          |
        6 |   - attributes: {}
          |     ^

        error: no manifest declares the attribute `request.pth`
         --> scopes/global/a.test.yml:9:19
          |
        9 |     attributes: { request.pth: /, request.size: much, source.labels: { a: 1 } }
          |                   ^^^^^^^^^^^
          = help: did you mean `request.path`?

        error: `request.size` is INT64: `much` is not a 64-bit integer
         --> scopes/global/a.test.yml:9:49
          |
        9 |     attributes: { request.pth: /, request.size: much, source.labels: { a: 1 } }
          |                                                 ^^^^

        error: unknown value `DENIED` for a verdict
          --> scopes/global/a.test.yml:10:22
           |
        10 |     expect: { check: DENIED, metrics: [{ value: 1 }], quotas: { a: nothing }, logs: [{ text: a, json: {} }] }
           |                      ^^^^^^
          = help: the values are `OK`, `CANCELLED`, `UNKNOWN`, `INVALID_ARGUMENT`, `DEADLINE_EXCEEDED`, `NOT_FOUND`, `ALREADY_EXISTS`, `PERMISSION_DENIED`, `RESOURCE_EXHAUSTED`, `FAILED_PRECONDITION`, `ABORTED`, `OUT_OF_RANGE`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE`, `DATA_LOSS` and `UNAUTHENTICATED`

        error: expected a map for the limit of a quota (or `unlimited`), found text
          --> scopes/global/a.test.yml:10:68
           |
        10 |     expect: { check: DENIED, metrics: [{ value: 1 }], quotas: { a: nothing }, logs: [{ text: a, json: {} }] }
           |                                                                    ^^^^^^^"#]].assert_eq(rendered(&suite.diagnostics).trim_end());
}

#[test]
fn verdicts_are_judged() {
    let text = r#"tests:
  - name: closed
    attributes: { request.path: /admin, source.labels: { app: web } }
    expect: { check: { code: PERMISSION_DENIED, message: closed, refusedBy: "rules[0]", httpStatus: 403 } }
"#;
    let refused = |message: &str, by: &str| Outcome {
        status: Status::new(Code::PermissionDenied, message),
        refused_by: Some(by.to_owned()),
        ..Outcome::default()
    };
    check(text, &refused("closed", "global/global rules[0].aspects[1]"), &expect![""]);
    check(
        text,
        &refused("open", "global/global rules[1].aspects[1]"),
        &expect![[r#"
        error: closed: expected the message to be `closed`, found `open`
         --> scopes/global/a.test.yml:4:58
          |
        4 |     expect: { check: { code: PERMISSION_DENIED, message: closed, refusedBy: "rules[0]", httpStatus: 403 } }
          |                                                          ^^^^^^

        error: closed: expected a refusal by `rules[0]`, found one by `global/global rules[1].aspects[1]`
         --> scopes/global/a.test.yml:4:77
          |
        4 |     expect: { check: { code: PERMISSION_DENIED, message: closed, refusedBy: "rules[0]", httpStatus: 403 } }
          |                                                                             ^^^^^^^^^^"#]],
    );
    check(
        text,
        &Outcome::default(),
        &expect![[r#"
        error: closed: expected PERMISSION_DENIED, found OK
         --> scopes/global/a.test.yml:4:30
          |
        4 |     expect: { check: { code: PERMISSION_DENIED, message: closed, refusedBy: "rules[0]", httpStatus: 403 } }
          |                              ^^^^^^^^^^^^^^^^^

        error: closed: expected the message to be `closed`, found ``
         --> scopes/global/a.test.yml:4:58
          |
        4 |     expect: { check: { code: PERMISSION_DENIED, message: closed, refusedBy: "rules[0]", httpStatus: 403 } }
          |                                                          ^^^^^^

        error: closed: expected a refusal by `rules[0]`, found one by `nobody`
         --> scopes/global/a.test.yml:4:77
          |
        4 |     expect: { check: { code: PERMISSION_DENIED, message: closed, refusedBy: "rules[0]", httpStatus: 403 } }
          |                                                                             ^^^^^^^^^^

        error: closed: expected the HTTP status to be `403`, found `200`
         --> scopes/global/a.test.yml:4:101
          |
        4 |     expect: { check: { code: PERMISSION_DENIED, message: closed, refusedBy: "rules[0]", httpStatus: 403 } }
          |                                                                                                     ^^^"#]],
    );
    let case = &suite(text).cases[0];
    assert_eq!(case.request.value("request.path"), Some(&"/admin".into()));
    assert_eq!(case.request.value("source.labels").map(ToString::to_string).as_deref(), Some("{app: web}"));
}

#[test]
fn what_is_told_is_judged() {
    let text = r#"tests:
  - name: told
    expect:
      metrics:
        - { name: request_count, value: 1, labels: { method: GET, code: 200 } }
      logs:
        - { logName: mine, text: "GET /", severity: INFO, labels: { user: me } }
        - { json: { user: me } }
"#;
    let metric = |method: &str| MetricValue {
        descriptor: std::sync::Arc::new(crate::MetricDescriptor {
            name: "request_count".into(),
            display_name: String::new(),
            description: String::new(),
            kind: crate::MetricKind::Counter,
            value: attributes::ValueType::Int64,
            labels: [
                ("code".into(), attributes::ValueType::Int64),
                ("method".into(), attributes::ValueType::String),
            ]
            .into(),
            buckets: None,
        }),
        value: 1.into(),
        labels: vec![("code".into(), 200.into()), ("method".into(), method.into())],
    };
    let entry = |payload| LogEntry {
        log_name: "mine".into(),
        labels: vec![("user".into(), "me".into())],
        severity: crate::LogSeverity::Info,
        timestamp: None,
        payload,
    };
    let object = serde_json::json!({ "user": "me" }).as_object().cloned().unwrap_or_default();
    let met = Outcome {
        metrics: vec![metric("GET")],
        logs: vec![
            entry(crate::LogPayload::Text("GET /".to_owned())),
            entry(crate::LogPayload::Json(object)),
        ],
        ..Outcome::default()
    };
    check(text, &met, &expect![""]);
    let unmet = Outcome {
        metrics: vec![metric("PUT")],
        logs: vec![
            entry(crate::LogPayload::Text("PUT /".to_owned())),
            entry(crate::LogPayload::Json(serde_json::Map::new())),
        ],
        ..Outcome::default()
    };
    check(
        text,
        &unmet,
        &expect![[r#"
        error: told: expected label `method` to be `GET`, found `PUT`
         --> scopes/global/a.test.yml:5:62
          |
        5 |         - { name: request_count, value: 1, labels: { method: GET, code: 200 } }
          |                                                              ^^^

        error: told: expected the entry to be `GET /`, found `PUT /`
         --> scopes/global/a.test.yml:7:34
          |
        7 |         - { logName: mine, text: "GET /", severity: INFO, labels: { user: me } }
          |                                  ^^^^^^^

        error: told: expected the entry to be `{"user":"me"}`, found `{}`
         --> scopes/global/a.test.yml:8:19
          |
        8 |         - { json: { user: me } }
          |                   ^"#]],
    );
    let silent = Outcome { errors: vec!["rules[0]: no value".to_owned()], ..Outcome::default() };
    check(
        text,
        &silent,
        &expect![[r#"
            error: told: metrics: expected 1, found 0: none
             --> scopes/global/a.test.yml:4:7
              |
            4 |       metrics:
              |       ^^^^^^^
              = help: not evaluated: rules[0]: no value

            error: told: log entries: expected 2, found 0: none
             --> scopes/global/a.test.yml:6:7
              |
            6 |       logs:
              |       ^^^^
              = help: not evaluated: rules[0]: no value"#]],
    );
}

#[test]
fn limits_are_judged() {
    let text = "tests:
  - name: limited
    expect:
      quotas:
        requests: { maxAmount: 5, expiration: 1s, labels: { user: me } }
        other: unlimited
";
    let quota = |max_amount| QuotaInstance {
        name: "requests".into(),
        labels: vec![("user".into(), "me".into())],
        limit: crate::QuotaLimit { max_amount, window: Some(std::time::Duration::from_secs(1)) },
    };
    let outcome = |quotas| Outcome { quotas, ..Outcome::default() };
    check(text, &outcome(vec![Ok(Some(quota(5))), Ok(None)]), &expect![""]);
    check(
        text,
        &outcome(vec![Ok(Some(quota(6))), Ok(Some(quota(1)))]),
        &expect![[r#"
        error: limited: expected `maxAmount` to be `5`, found `6`
         --> scopes/global/a.test.yml:5:32
          |
        5 |         requests: { maxAmount: 5, expiration: 1s, labels: { user: me } }
          |                                ^

        error: limited: something limits quota `other`
         --> scopes/global/a.test.yml:6:9
          |
        6 |         other: unlimited
          |         ^^^^^"#]],
    );
    check(
        text,
        &outcome(vec![Ok(None), Err("no label".to_owned())]),
        &expect![[r#"
        error: limited: nothing limits quota `requests`
         --> scopes/global/a.test.yml:5:9
          |
        5 |         requests: { maxAmount: 5, expiration: 1s, labels: { user: me } }
          |         ^^^^^^^^

        error: limited: quota `other`: no label
         --> scopes/global/a.test.yml:6:9
          |
        6 |         other: unlimited
          |         ^^^^^"#]],
    );
}
