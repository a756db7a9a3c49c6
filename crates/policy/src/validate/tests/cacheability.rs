//! Warnings of checks that no cached verdict can answer.

use expect_test::expect;

use super::check_rules;

#[test]
fn what_is_unique_and_read_by_value() {
    check_rules(
        r#"rules:
  - selector: (request.headers["x-request-id"] | "") == request.id
    aspects:
      - kind: lists
        params: { check_expression: request.id + source.user }
      - kind: denials
        selector: source.port + 1 == 5
"#,
        &expect![[r#"
            warning: this selector reads `request.headers["x-request-id"]` by value: every request will be a cache miss
             --> scopes/global/subjects/global/rules.yml:2:16
              |
            2 |   - selector: (request.headers["x-request-id"] | "") == request.id
              |                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: no two of them have the same value; of a comparison with a constant only the outcome counts

            warning: this selector reads `request.id` by value: every request will be a cache miss
             --> scopes/global/subjects/global/rules.yml:2:57
              |
            2 |   - selector: (request.headers["x-request-id"] | "") == request.id
              |                                                         ^^^^^^^^^^
              = help: no two of them have the same value; of a comparison with a constant only the outcome counts

            warning: this aspect reads `request.id` by value: every request will be a cache miss
             --> scopes/global/subjects/global/rules.yml:5:37
              |
            5 |         params: { check_expression: request.id + source.user }
              |                                     ^^^^^^^^^^
              = help: no two of them have the same value; of a comparison with a constant only the outcome counts

            warning: this selector reads `source.port` by value: every new connection will be a cache miss
             --> scopes/global/subjects/global/rules.yml:7:19
              |
            7 |         selector: source.port + 1 == 5
              |                   ^^^^^^^^^^^
              = help: no two of them have the same value; of a comparison with a constant only the outcome counts
        "#]],
    );
}

#[test]
fn the_whole_map_and_the_name_of_a_trace() {
    check_rules(
        r#"rules:
  - rules:
      - aspects:
          - kind: lists
            params:
              check_expression: conditional(source.user == "a", request.headers, source.labels)["traceparent"] | toLower(request.headers["x-b3-traceid"])
"#,
        &expect![[r#"
            warning: this aspect reads `request.headers["traceparent"]` by value: every request will be a cache miss
             --> scopes/global/subjects/global/rules.yml:6:33
              |
            6 |               check_expression: conditional(source.user == "a", request.headers, source.labels)["traceparent"] | toLower(request.headers["x-b3-traceid"])
              |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: no two of them have the same value; of a comparison with a constant only the outcome counts

            warning: this aspect reads `request.headers["x-b3-traceid"]` by value: every request will be a cache miss
             --> scopes/global/subjects/global/rules.yml:6:122
              |
            6 |               check_expression: conditional(source.user == "a", request.headers, source.labels)["traceparent"] | toLower(request.headers["x-b3-traceid"])
              |                                                                                                                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: no two of them have the same value; of a comparison with a constant only the outcome counts
        "#]],
    );
}

#[test]
fn comparisons_with_constants_and_reports_are_not_meant() {
    check_rules(
        r#"rules:
  - selector: request.id != "" && request.headers["x-request-id"].startsWith("test-") && source.port < 1024
    aspects:
      - kind: denials
  - selector: request.time < timestamp("2030-01-01T00:00:00Z")
    aspects:
      - kind: lists
        params: { check_expression: 'request.headers["x-user"] | source.user' }
  - selector: request.id == source.user
    aspects:
      - kind: metrics
        params:
          metrics: [{ descriptor_name: request_count, value: '1', labels: { method: request.id, code: source.port } }]
"#,
        &expect![""],
    );
}

#[test]
fn what_is_not_known_before_the_request_is_over() {
    check_rules(
        r#"rules:
  - selector: response.code == 200 || response.code == 201
    aspects:
      - kind: denials
  - selector: response.code == 200
    aspects:
      - kind: metrics
        adapter: prometheus
        params: { metrics: [] }
"#,
        &expect![[r#"
            warning: this selector reads `response.code`, which is only known in reports
             --> scopes/global/subjects/global/rules.yml:2:15
              |
            2 |   - selector: response.code == 200 || response.code == 201
              |               ^^^^^^^^^^^^^
              = help: a check finds it absent, and what cannot be evaluated is refused; `|` gives a value for that

            error: no adapter block named `prometheus` serves `metrics`
             --> scopes/global/subjects/global/rules.yml:8:18
              |
            8 |         adapter: prometheus
              |                  ^^^^^^^^^^
              = help: `prometheus` is an `impl`; the block that uses it is named `default`

            warning: the aspect has no `metrics`, so it does nothing
             --> scopes/global/subjects/global/rules.yml:9:17
              |
            9 |         params: { metrics: [] }
              |                 ^
        "#]],
    );
}
