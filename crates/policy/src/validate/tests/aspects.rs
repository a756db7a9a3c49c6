//! Findings about aspects, and about what rules do to headers.

use expect_test::expect;

use super::{check_rules, check_tree};

#[test]
fn an_adapter_called_by_its_impl() {
    check_rules(
        r#"rules:
  - aspects:
      - kind: access-logs
        adapter: stdioLogger
        params:
          log: { descriptor_name: access, template_expressions: { method: request.method, path: request.path, when: request.time }, labels: { method: request.method } }
"#,
        &expect![[r#"
            error: no adapter block named `stdioLogger` serves `access-logs`
             --> scopes/global/subjects/global/rules.yml:4:18
              |
            4 |         adapter: stdioLogger
              |                  ^^^^^^^^^^^
              = help: `stdioLogger` is an `impl`; the block that uses it is named `default`
        "#]],
    );
}

#[test]
fn adapters_that_are_not_there() {
    check_rules(
        r#"rules:
  - aspects:
      - { kind: denials, adapter: defualt }
      - { kind: denials, adapter: somethingElse }
"#,
        &expect![[r#"
            error: no adapter block named `defualt` serves `denials`
             --> scopes/global/subjects/global/rules.yml:3:35
              |
            3 |       - { kind: denials, adapter: defualt }
              |                                   ^^^^^^^
              = help: did you mean `default`?

            error: no adapter block named `somethingElse` serves `denials`
             --> scopes/global/subjects/global/rules.yml:4:35
              |
            4 |       - { kind: denials, adapter: somethingElse }
              |                                   ^^^^^^^^^^^^^
              = help: the blocks that serve `denials` are `default`
        "#]],
    );
}

#[test]
fn params_without_their_level() {
    check_rules(
        r#"rules:
  - aspects:
      - kind: lists
        blacklist: true
        check_expression: source.ip
"#,
        &expect![[r#"
            error: unknown field `blacklist` in an aspect
             --> scopes/global/subjects/global/rules.yml:4:9
              |
            4 |         blacklist: true
              |         ^^^^^^^^^
              = help: `blacklist` belongs under `params:`, one level deeper

            error: unknown field `check_expression` in an aspect
             --> scopes/global/subjects/global/rules.yml:5:9
              |
            5 |         check_expression: source.ip
              |         ^^^^^^^^^^^^^^^^
              = help: `check_expression` belongs under `params:`, one level deeper
        "#]],
    );
}

#[test]
fn kinds_that_are_not() {
    check_rules(
        r#"rules:
  - aspects:
      - kind: denails
      - adapter: default
"#,
        &expect![[r#"
            error: unknown aspect kind `denails`
             --> scopes/global/subjects/global/rules.yml:3:15
              |
            3 |       - kind: denails
              |               ^^^^^^^
              = help: did you mean `denials`?

            error: the aspect has no `kind`
             --> scopes/global/subjects/global/rules.yml:4:9
              |
            4 |       - adapter: default
              |         ^
              = help: the kinds are `access-logs`, `application-logs`, `attributes`, `denials`, `lists`, `metrics` and `quotas`
        "#]],
    );
}

#[test]
fn list_expressions() {
    check_rules(
        r#"rules:
  - aspects:
      - kind: lists
      - kind: lists
        params: { check_expression: source.user }
      - kind: lists
        params: { check_expression: request.size }
      - kind: lists
        params: { check_expression: "" }
      - kind: lists
        params: { check_expression: 5 }
"#,
        &expect![[r#"
            error: `check_expression` has to be STRING or IP_ADDRESS, but the expression is INT64
             --> scopes/global/subjects/global/rules.yml:7:37
              |
            7 |         params: { check_expression: request.size }
              |                                     ^^^^^^^^^^^^

            error: no expression for `check_expression`
             --> scopes/global/subjects/global/rules.yml:9:37
              |
            9 |         params: { check_expression: "" }
              |                                     ^^

            error: expected text for `check_expression`, found a number
              --> scopes/global/subjects/global/rules.yml:11:37
               |
            11 |         params: { check_expression: 5 }
               |                                     ^
              = help: write `"5"`, in quotes
        "#]],
    );
}

#[test]
fn metrics_match_their_descriptors() {
    check_rules(
        r#"rules:
  - aspects:
      - kind: metrics
        params:
          metrics:
            - descriptor_name: request_count
              value: 1
              labels: { method: request.method, code: response.code }
            - descriptorName: request_count
              value: request.path
              labels: { methd: request.method, code: request.path }
            - descriptor_name: request_coun
              value: "1"
            - value: "1"
            - descriptor_name: request_count
              labels: { method: request.method, code: response.code }
"#,
        &expect![[r#"
            error: expected text for `value`, found a number
             --> scopes/global/subjects/global/rules.yml:7:22
              |
            7 |               value: 1
              |                      ^
              = help: write `"1"`, in quotes

            warning: metric `request_count` is given twice; first at scopes/global/subjects/global/rules.yml:6
             --> scopes/global/subjects/global/rules.yml:9:31
              |
            9 |             - descriptorName: request_count
              |                               ^^^^^^^^^^^^^
              = help: each request is measured twice; give one of them another descriptor

            error: `value` has to be INT64, but the expression is STRING
              --> scopes/global/subjects/global/rules.yml:10:22
               |
            10 |               value: request.path
               |                      ^^^^^^^^^^^^

            error: no expressions for labels `method` of `request_count`
              --> scopes/global/subjects/global/rules.yml:11:23
               |
            11 |               labels: { methd: request.method, code: request.path }
               |                       ^
              = help: an aspect gives every label that the descriptor declares

            error: `request_count` declares no label `methd`
              --> scopes/global/subjects/global/rules.yml:11:25
               |
            11 |               labels: { methd: request.method, code: request.path }
               |                         ^^^^^
              = help: did you mean `method`?

            error: label `code` has to be INT64, but the expression is STRING
              --> scopes/global/subjects/global/rules.yml:11:54
               |
            11 |               labels: { methd: request.method, code: request.path }
               |                                                      ^^^^^^^^^^^^

            error: there is no metric descriptor `request_coun`
              --> scopes/global/subjects/global/rules.yml:12:32
               |
            12 |             - descriptor_name: request_coun
               |                                ^^^^^^^^^^^^
              = help: did you mean `request_count`?

            error: the metric has no `descriptorName`
              --> scopes/global/subjects/global/rules.yml:14:15
               |
            14 |             - value: "1"
               |               ^

            error: the metric has no `value`
              --> scopes/global/subjects/global/rules.yml:15:15
               |
            15 |             - descriptor_name: request_count
               |               ^
              = help: to count requests, write `value: "1"`

            warning: metric `request_count` is given twice; first at scopes/global/subjects/global/rules.yml:6
              --> scopes/global/subjects/global/rules.yml:15:32
               |
            15 |             - descriptor_name: request_count
               |                                ^^^^^^^^^^^^^
              = help: each request is measured twice; give one of them another descriptor
        "#]],
    );
}

#[test]
fn log_variables() {
    check_rules(
        r#"rules:
  - aspects:
      - kind: access-logs
        params:
          log:
            descriptor_name: access
            template_expressions:
              path: request.path
              when: request.path
            labels: { method: request.method }
      - kind: access-logs
        params: { log: { labels: { } } }
"#,
        &expect![[r#"
            warning: the template of log `access` uses `method`, which `template_expressions` does not give
             --> scopes/global/subjects/global/rules.yml:8:15
              |
            8 |               path: request.path
              |               ^
              = help: such a variable prints `<no value>`, or what `or` has in its place

            error: the template of log `access` formats `when` as a time, but the expression is STRING
             --> scopes/global/subjects/global/rules.yml:9:21
              |
            9 |               when: request.path
              |                     ^^^^^^^^^^^^

            error: there is no log descriptor `common`
              --> scopes/global/subjects/global/rules.yml:12:24
               |
            12 |         params: { log: { labels: { } } }
               |                        ^
              = help: the declared logs are `access`
        "#]],
    );
}

#[test]
fn validity_of_aspects() {
    check_rules(
        r#"rules:
  - aspects:
      - { kind: denials, validDuration: 5s, valid_use_count: 3 }
      - { kind: denials, validDuration: 0s }
      - { kind: denials, validDuration: soon }
      - { kind: denials, validUseCount: -1 }
      - { kind: access-logs, validDuration: 5s }
"#,
        &expect![[r#"
            error: expected a duration above 0 for `validDuration`, found `0s`
             --> scopes/global/subjects/global/rules.yml:4:41
              |
            4 |       - { kind: denials, validDuration: 0s }
              |                                         ^^
              = help: durations look like `250ms`, `30s` or `1m30s`

            error: expected a duration above 0 for `validDuration`, found `soon`
             --> scopes/global/subjects/global/rules.yml:5:41
              |
            5 |       - { kind: denials, validDuration: soon }
              |                                         ^^^^
              = help: durations look like `250ms`, `30s` or `1m30s`

            error: expected a count of uses from 0, found -1
             --> scopes/global/subjects/global/rules.yml:6:41
              |
            6 |       - { kind: denials, validUseCount: -1 }
              |                                         ^^

            error: there is no log descriptor `common`
             --> scopes/global/subjects/global/rules.yml:7:9
              |
            7 |       - { kind: access-logs, validDuration: 5s }
              |         ^
              = help: the declared logs are `access`

            error: `access-logs` aspects have no part in a verdict
             --> scopes/global/subjects/global/rules.yml:7:45
              |
            7 |       - { kind: access-logs, validDuration: 5s }
              |                                             ^^
              = help: `validDuration` and `validUseCount` are for aspects that decide, or that derive attributes
        "#]],
    );
}

#[test]
fn header_operations() {
    check_rules(
        r#"rules:
  - requestHeaderOperations:
      - { name: "x y", values: [source.user] }
      - { name: Host, values: [source.user] }
      - { name: x-a }
      - { name: x-b, operation: REMOVE, values: [source.user] }
      - { name: x-c, operation: ADD }
      - { name: x-d, values: [source.labels] }
      - { values: [source.user] }
      - { name: x-e, value: source.user }
"#,
        &expect![[r#"
            error: `x y` is no name of a header
             --> scopes/global/subjects/global/rules.yml:3:17
              |
            3 |       - { name: "x y", values: [source.user] }
              |                 ^^^^^

            error: the header `host` is the proxy's own business
             --> scopes/global/subjects/global/rules.yml:4:17
              |
            4 |       - { name: Host, values: [source.user] }
              |                 ^^^^

            error: no `values` for the header `x-a`
             --> scopes/global/subjects/global/rules.yml:5:9
              |
            5 |       - { name: x-a }
              |         ^
              = help: give a list of expressions, such as `values: [source.user]`; texts stand in quotes of their own

            error: a header that is removed has no values
             --> scopes/global/subjects/global/rules.yml:6:49
              |
            6 |       - { name: x-b, operation: REMOVE, values: [source.user] }
              |                                                 ^

            error: unknown value `ADD` for `operation`
             --> scopes/global/subjects/global/rules.yml:7:33
              |
            7 |       - { name: x-c, operation: ADD }
              |                                 ^^^
              = help: the values are `REPLACE`, `REMOVE` and `APPEND`

            error: a map cannot be the value of a header
             --> scopes/global/subjects/global/rules.yml:8:31
              |
            8 |       - { name: x-d, values: [source.labels] }
              |                               ^^^^^^^^^^^^^

            error: the header operation has no `name`
             --> scopes/global/subjects/global/rules.yml:9:9
              |
            9 |       - { values: [source.user] }
              |         ^

            error: no `values` for the header `x-e`
              --> scopes/global/subjects/global/rules.yml:10:9
               |
            10 |       - { name: x-e, value: source.user }
               |         ^
              = help: give a list of expressions, such as `values: [source.user]`; texts stand in quotes of their own

            error: unknown field `value` in a header operation
              --> scopes/global/subjects/global/rules.yml:10:22
               |
            10 |       - { name: x-e, value: source.user }
               |                      ^^^^^
              = help: did you mean `values`?
        "#]],
    );
}

#[test]
fn a_block_and_its_aspect_agree_on_what_its_list_means() {
    let tree = |said: &str| {
        format!(
            r#"//- scopes/global/descriptors.yml
manifests: [{{ name: m, attributes: {{ source.user: {{ value_type: STRING }} }} }}]
//- scopes/global/adapters.yml
adapters:
  - {{ name: default, impl: genericListChecker, params: {{ blacklist: true }} }}
//- scopes/global/subjects/global/rules.yml
rules:
  - aspects:
      - kind: lists
        params: {{ checkExpression: source.user{said} }}
"#
        )
    };
    check_tree(&tree(""), &expect![""]);
    check_tree(&tree(", blacklist: true"), &expect![""]);
    check_tree(
        &tree(", blacklist: false"),
        &expect![[r#"
        error: the aspect says `blacklist: false`, its adapter block `default` says true
         --> scopes/global/subjects/global/rules.yml:4:60
          |
        4 |         params: { checkExpression: source.user, blacklist: false }
          |                                                            ^^^^^
          = help: say it in one of the two places
    "#]],
    );
}
