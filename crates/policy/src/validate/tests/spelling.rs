//! Fields are called as their author writes them, and one mistake is told once.

use expect_test::expect;

use super::{check_rules, check_tree};

#[test]
fn fields_in_either_notation() {
    check_rules(
        r#"rules:
  - aspects:
      - kind: lists
        params: { checkExpression: 5 }
      - kind: lists
        params: { check_expression: "" }
      - kind: lists
        params: { check_expression: request.headers }
      - kind: denials
        valid_duration: 5
        valid_use_count: many
      - kind: application-logs
        params:
          log_name: ""
          logs:
            - { time_format: 1, severity: '"info"' }
            - { timeFormat: 1, severity: '"info"' }
"#,
        &expect![[r#"
            error: expected text for `checkExpression`, found a number
             --> scopes/global/subjects/global/rules.yml:4:36
              |
            4 |         params: { checkExpression: 5 }
              |                                    ^
              = help: write `"5"`, in quotes

            error: no expression for `check_expression`
             --> scopes/global/subjects/global/rules.yml:6:37
              |
            6 |         params: { check_expression: "" }
              |                                     ^^

            error: `check_expression` has to be STRING or IP_ADDRESS, but the expression is STRING_MAP
             --> scopes/global/subjects/global/rules.yml:8:37
              |
            8 |         params: { check_expression: request.headers }
              |                                     ^^^^^^^^^^^^^^^

            error: expected a duration above 0 for `valid_duration`, found `5`
              --> scopes/global/subjects/global/rules.yml:10:25
               |
            10 |         valid_duration: 5
               |                         ^
              = help: give a unit, such as `5s`

            error: `log_name` is empty
              --> scopes/global/subjects/global/rules.yml:14:21
               |
            14 |           log_name: ""
               |                     ^^

            error: the log has no `descriptor_name`
              --> scopes/global/subjects/global/rules.yml:16:15
               |
            16 |             - { time_format: 1, severity: '"info"' }
               |               ^

            error: the log has no `timestamp`
              --> scopes/global/subjects/global/rules.yml:16:15
               |
            16 |             - { time_format: 1, severity: '"info"' }
               |               ^
              = help: give an expression of type TIMESTAMP

            error: expected text for `time_format`, found a number
              --> scopes/global/subjects/global/rules.yml:16:30
               |
            16 |             - { time_format: 1, severity: '"info"' }
               |                              ^
              = help: write `"1"`, in quotes

            error: the log has no `descriptorName`
              --> scopes/global/subjects/global/rules.yml:17:15
               |
            17 |             - { timeFormat: 1, severity: '"info"' }
               |               ^

            error: the log has no `timestamp`
              --> scopes/global/subjects/global/rules.yml:17:15
               |
            17 |             - { timeFormat: 1, severity: '"info"' }
               |               ^
              = help: give an expression of type TIMESTAMP

            error: expected text for `timeFormat`, found a number
              --> scopes/global/subjects/global/rules.yml:17:29
               |
            17 |             - { timeFormat: 1, severity: '"info"' }
               |                             ^
              = help: write `"1"`, in quotes
        "#]],
    );
}

#[test]
fn fields_of_descriptors_in_either_notation() {
    check_tree(
        r#"//- scopes/global/descriptors.yml
logs:
  - { name: a, payloadFormat: TXT }
  - { name: b, payload_format: TEXT }
metrics:
  - name: c
    kind: DISTRIBUTION
    value: INT64
    buckets: { linearBuckets: { numFiniteBuckets: 0, width: 1 } }
  - name: d
    kind: DISTRIBUTION
    value: INT64
    buckets: { exponential_buckets: { num_finite_buckets: 5, growth_factor: 1, scale: 1 } }
"#,
        &expect![[r#"
            error: the log has no `logTemplate`
             --> scopes/global/descriptors.yml:2:5
              |
            2 |   - { name: a, payloadFormat: TXT }
              |     ^

            error: unknown value `TXT` for `payloadFormat`
             --> scopes/global/descriptors.yml:2:31
              |
            2 |   - { name: a, payloadFormat: TXT }
              |                               ^^^
              = help: did you mean `TEXT`?

            error: the log has no `log_template`
             --> scopes/global/descriptors.yml:3:5
              |
            3 |   - { name: b, payload_format: TEXT }
              |     ^

            error: `numFiniteBuckets` has to be from 1 to 1000
             --> scopes/global/descriptors.yml:8:51
              |
            8 |     buckets: { linearBuckets: { numFiniteBuckets: 0, width: 1 } }
              |                                                   ^

            error: `growth_factor` has to be above 1
              --> scopes/global/descriptors.yml:12:77
               |
            12 |     buckets: { exponential_buckets: { num_finite_buckets: 5, growth_factor: 1, scale: 1 } }
               |                                                                             ^
        "#]],
    );
}

#[test]
fn parameters_of_adapters_in_either_notation() {
    check_tree(
        r#"//- scopes/global/adapters.yml
adapters:
  - name: a
    kind: list
    impl: ipListChecker
    params: { refresh_interval: 5, entries: ["10.0.0.1", ""] }
  - name: b
    kind: colours
    impl: ipListChecker
"#,
        &expect![[r#"
            error: unknown aspect kind `list`
             --> scopes/global/adapters.yml:3:11
              |
            3 |     kind: list
              |           ^^^^
              = help: did you mean `lists`?

            error: `ipListChecker`: `refresh_interval`: expected a duration
             --> scopes/global/adapters.yml:5:33
              |
            5 |     params: { refresh_interval: 5, entries: ["10.0.0.1", ""] }
              |                                 ^

            error: `ipListChecker`: `entries[1]`: not an address
             --> scopes/global/adapters.yml:5:58
              |
            5 |     params: { refresh_interval: 5, entries: ["10.0.0.1", ""] }
              |                                                          ^^

            error: unknown aspect kind `colours`
             --> scopes/global/adapters.yml:7:11
              |
            7 |     kind: colours
              |           ^^^^^^^
              = help: the kinds are `access-logs`, `application-logs`, `attributes`, `denials`, `lists`, `metrics` and `quotas`
        "#]],
    );
}

#[test]
fn an_attribute_that_was_refused_is_not_unknown() {
    check_tree(
        r#"//- scopes/global/descriptors.yml
manifests:
  - attributes:
      source.user: { valueType: TEXT }
      source.ip: { valueType: IP_ADDRESS }
      source.name: { type: STRING }
      source.uid: 5
  - attributes:
      source.ip: { valueType: STRING }
//- scopes/global/adapters.yml
adapters: [{ name: default, impl: denyChecker }, { name: default, impl: kubernetes }]
//- scopes/global/subjects/global/rules.yml
rules:
  - selector: source.user == "a" && source.ip == ip("10.0.0.1")
    aspects: [{ kind: denials }]
  - selector: source.ip == "10.0.0.1" || source.name == "a" || source.uid == "b"
    aspects:
      - { kind: attributes, params: { attributeBindings: { source.user: sourcePodName } } }
"#,
        &expect![[r#"
            error: unknown value `TEXT` for `valueType`
             --> scopes/global/descriptors.yml:3:33
              |
            3 |       source.user: { valueType: TEXT }
              |                                 ^^^^
              = help: the values are `STRING`, `INT64`, `DOUBLE`, `BOOL`, `TIMESTAMP`, `IP_ADDRESS`, `EMAIL_ADDRESS`, `URI`, `DNS_NAME`, `DURATION` and `STRING_MAP`

            error: unknown field `type` in an attribute's information
             --> scopes/global/descriptors.yml:5:22
              |
            5 |       source.name: { type: STRING }
              |                      ^^^^
              = help: the fields are `description` and `valueType`

            error: expected a map for an attribute's information, found a number
             --> scopes/global/descriptors.yml:6:19
              |
            6 |       source.uid: 5
              |                   ^

            error: attribute `source.ip` is STRING here and IP_ADDRESS at scopes/global/descriptors.yml:4
             --> scopes/global/descriptors.yml:8:7
              |
            8 |       source.ip: { valueType: STRING }
              |       ^^^^^^^^^
        "#]],
    );
}
